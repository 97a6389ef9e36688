"""Inform: the customer has been told, in these words.

The alignment gate: before the customer hears anything the engineer has confirmed the finding
and the account manager the message. Under advice to stop the engineer's confirmation is enough,
and the record says so. Once a retraction is due, telling the customer is the retraction.
"""

from uuid import UUID

from bridge.cases.acts.confirm_message import gate_without_sales
from bridge.cases.acts.signature import Act, Asked, missing
from bridge.cases.draft import Draft


def _incomplete(asked: Asked) -> str | None:
    return missing(asked, told="what the customer was told")


def _gate(asked: Asked) -> str | None:
    case = asked.case
    waived = gate_without_sales(asked)
    if waived or case.side_state == "retraction-due":
        return waived
    if not case.finding_confirmed:
        return "the engineer has not confirmed the finding yet"
    if not case.message_confirmed and case.facts.advice != "stop":
        return "the account manager has not confirmed the message yet"
    return None


def _retracted(draft: Draft, case: UUID, asked: Asked) -> None:
    if asked.case.side_state == "retraction-due":
        draft.close(case, "retracted")


ACT = Act(sides=("sales",), incomplete=_incomplete, gate=_gate, effect=_retracted)
