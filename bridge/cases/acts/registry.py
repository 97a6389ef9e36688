"""Every act by its name."""

from bridge.cases.acts import (
    acknowledge,
    close,
    confirm_finding,
    confirm_message,
    execute,
    false_alarm,
    inform,
    plan,
    verify,
)
from bridge.cases.acts.signature import Act
from bridge.model.case import ActName

ACTS: dict[ActName, Act] = {
    "acknowledge": acknowledge.ACT,
    "confirm-finding": confirm_finding.ACT,
    "confirm-message": confirm_message.ACT,
    "inform": inform.ACT,
    "plan": plan.ACT,
    "execute": execute.ACT,
    "verify": verify.ACT,
    "close": close.ACT,
    "false-alarm": false_alarm.ACT,
}
