"""What the session at the broker may still be subscribed to, remembered in a file.

A session outlives the settings: what a mapping no longer names would go on arriving, and MQTT
has no question for "what am I subscribed to?". So each connection notes its filters here, and
the next one unsubscribes those that are no longer wanted. A name leaves the file only with
the session it stood in: unsubscribing twice is harmless, while a name that was crossed out too
early would never be unsubscribed.
"""

import json
from pathlib import Path

import structlog

from bridge.adapters.mqtt.options import MqttOptions

_log = structlog.get_logger(__name__)


def outdated(options: MqttOptions, *, session_present: bool) -> list[str]:
    """Return what to unsubscribe, and remember what is about to be subscribed (blocks).

    Parameters
    ----------
    options : MqttOptions
        Without `subscriptions_file` nothing is remembered and nothing returned.
    session_present : bool
        Whether the broker resumed a session; a new one holds nothing of old.

    Notes
    -----
    A file that cannot be read or written is logged and passed over: the price is messages that
    nobody asked for any more, which intake refuses and counts.
    """
    path = options.subscriptions_file
    if path is None or options.session_expiry_s == 0:
        return []
    session = f"{options.client_id}@{options.host}:{options.port}"
    try:
        sessions = _read(path)
        known = sessions.get(session, []) if session_present else []
        old = [one for one in known if one not in options.subscriptions]
        sessions[session] = [*old, *options.subscriptions]
        _write(path, sessions)
    except (OSError, ValueError) as error:
        _log.warning("subscriptions not remembered", file=str(path), detail=str(error))
        return []
    if old:
        _log.info("subscriptions outdated", session=session, filters=old)
    return old


def _read(path: Path) -> dict[str, list[str]]:
    if not path.exists():
        return {}
    sessions = json.loads(path.read_text("utf-8"))
    if not isinstance(sessions, dict):
        raise ValueError("an object of sessions is allowed")  # noqa: TRY004 - the file's fault
    return {
        session: [one for one in filters if isinstance(one, str)]
        for session, filters in sessions.items()
        if isinstance(filters, list)
    }


def _write(path: Path, sessions: dict[str, list[str]]) -> None:
    # By a rename, so that a crash leaves the old file or the new one, never half of one.
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(sessions, indent=1), "utf-8")
    fresh.replace(path)
