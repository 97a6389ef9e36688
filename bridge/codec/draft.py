"""A first settings file and catalog from what was heard on a broker, for a person to finish."""

import json
import re
from collections.abc import Iterable, Sequence
from collections.abc import Mapping as Dict
from dataclasses import dataclass, field

import numpy as np

from bridge.codec import senml
from bridge.codec.payloads import Mapping
from bridge.codec.telemetry import TelemetryDecoder
from bridge.model.instants import NS_PER_S
from bridge.model.samples import Messages
from bridge.model.slots import SlotTable

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_STRANGE_SHOWN_MAX = 20
_YAML_WORDS = {"yes", "no", "on", "off", "true", "false", "null", "y", "n"}
_UNITS = (
    (r"(?i)_?(deg_?c|celsius|°c)$", "degC"), (r"(?i)_(c)$", "degC"), (r"(?i)_?(deg_?f)$",
    "degF"), (r"(?i)_?(pct|percent)$", "%"), (r"(?i)_?rpm$", "rpm"), (r"(?i)_hz$", "Hz"),
    (r"(?i)_bar$", "bar"), (r"(?i)_k?pa$", "kPa"), (r"(?i)_mm_?s$", "mm/s"), (r"(?i)_kw$",
    "kW"), (r"(?i)_w$", "W"), (r"(?i)_kwh$", "kWh"), (r"(?i)_(a|amp|amps)$", "A"), (r"(?i)_v$",
    "V"), (r"(?i)_(g)$", "g"), (r"(?i)_l_?min$", "l/min"), (r"(?i)_(s|sec|seconds)$", "s"),
)  # fmt: skip
# How the catalog writes what the SenML registry writes so (RFC 8428, section 12.1).
_SENML_UNITS = {"Cel": "degC", "%RH": "%", "%EL": "%", "/": ""}

Options = Dict[str, str | int | bool]
"""Options of one section of the settings."""


@dataclass(slots=True)
class SignalSeen:
    """What was seen of one signal of one asset; `every_s` is its usual step.

    `unit` is what its messages say, empty where they say nothing.
    """

    count: int = 0
    low: float = float("nan")
    high: float = float("nan")
    every_s: float = float("nan")
    unit: str = ""


@dataclass(slots=True)
class Heard:
    """What the guessed mappings make of all messages.

    Parameters
    ----------
    signals : dict
        By (tenant, asset) and signal.
    message_count, refused : int, dict
        Messages tried, and those refused by reason.
    strange : list of str
        Topics that nobody could read.
    seconds : float
        How long was listened.
    """

    mappings: list[Mapping]
    signals: dict[tuple[str, str], dict[str, SignalSeen]] = field(default_factory=dict)
    message_count: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    strange: list[str] = field(default_factory=list)
    seconds: float = 0.0


def hear(
    mappings: Sequence[Mapping], messages: Messages, strange: Iterable[str], seconds: float
) -> Heard:
    """Try the mappings on all messages and note assets, signals, ranges and rates."""
    slots = SlotTable()
    apart = set(strange)
    chosen = [index for index, topic in enumerate(messages.topics) if topic not in apart]
    readable = Messages(
        [messages.topics[index] for index in chosen],
        [messages.payloads[index] for index in chosen],
        messages.receive_ns,
    )
    decoded = TelemetryDecoder(mappings, slots).decode(readable)
    units = _units(mappings, readable)
    heard = Heard(
        list(mappings), message_count=decoded.message_count, refused=decoded.refused,
        strange=sorted(apart), seconds=seconds,
    )  # fmt: skip
    for samples in decoded.batches.values():
        for slot in np.unique(samples.signal).tolist():
            rows = samples.signal == slot
            value = samples.value[rows]
            value = value[~np.isnan(value)]
            steps = np.diff(np.unique(samples.t_ns[rows])) / NS_PER_S
            row = slots.rows[slot]
            heard.signals.setdefault((row.tenant, row.asset), {})[row.signal] = SignalSeen(
                int(rows.sum()),
                float(value.min()) if len(value) else float("nan"),
                float(value.max()) if len(value) else float("nan"),
                float(np.median(steps)) if len(steps) else float("nan"),
                units.get((row.asset, row.signal), ""),
            )
    return heard


def settings_toml(heard: Heard, broker: Options) -> str:
    """Return a bridge.toml with the broker's options as given and the guessed mappings."""
    lines = [
        "# A beginning, made from what was heard on the broker. Look at every line that has a",
        "# comment; what is not here has its default.",
        "",
        "[broker]",
        *(f"{key} = {json.dumps(value)}" for key, value in broker.items()),
    ]
    if "user" in broker:
        lines.append('# password_file = "..."   # a file that only the service may read')
    for mapping in heard.mappings:
        lines += ["", *_mapping_toml(mapping)]
    if not heard.mappings:
        lines += ["", "# Nothing was heard that could be read as measurements."]
    whole = heard.message_count - sum(heard.refused.values())
    tried = f"{heard.message_count} messages of {heard.seconds:.0f} s"
    lines += [
        "",
        f"# Tried on the {tried}: {whole} could be read fully.",
        *(
            f"# {count} were refused: {reason}"
            for reason, count in sorted(heard.refused.items())
        ),
    ]
    if heard.strange:
        lines.append("# Heard, but not understood:")
        lines += [f"#   {topic}" for topic in heard.strange[:_STRANGE_SHOWN_MAX]]
        rest = len(heard.strange) - _STRANGE_SHOWN_MAX
        lines += [f"#   and {rest} more topics"] if rest > 0 else []
    return "\n".join(lines) + "\n"


def catalog_yaml(heard: Heard, tenant: str) -> str:
    """Return a catalog with one model for each set of signals, and the assets seen."""
    models: dict[frozenset[str], list[str]] = {}
    odd = []
    for (_, asset), signals in sorted(heard.signals.items()):
        if _ID.fullmatch(asset):
            names = frozenset(name for name in signals if _ID.fullmatch(name))
            models.setdefault(names, []).append(asset)
        else:
            odd.append(asset)
    lines = [
        "# A beginning, made from what was heard on the broker. Machines that send the same",
        "# signals were taken for one model: split them where they differ.",
        f"tenant: {tenant}",
        "accounts:",
        "  # whose machines these are",
        "  - {id: account-1, name: My customer, timezone: UTC}",
        "sites:",
        "  - {id: site-1, account: account-1, name: My site, timezone: UTC}",
        "models:" if models else "models: []",
    ]
    by_asset = {asset: signals for (_, asset), signals in heard.signals.items()}
    for number, (names, assets) in enumerate(models.items(), 1):
        lines += [f"  - id: model-{number}", f"    name: Model {number}", "    signals:"]
        seen = [by_asset[asset] for asset in assets]
        lines += [_signal_yaml(name, seen) for name in sorted(names)]
        lines.append("    failure_modes: []      # how it fails and what it shows then")
    lines.append("assets:" if models else "assets: []")
    for number, assets in enumerate(models.values(), 1):
        lines += [
            f"  - {{id: {_quoted(asset)}, model: model-{number}, site: site-1}}"
            for asset in assets
        ]
    lines += [f"# An id may not look like this, so it is left out: {asset!r}" for asset in odd]
    return "\n".join(lines) + "\n"


def summary(heard: Heard) -> str:
    """Return the sentence that the command prints."""
    signals = sum(map(len, heard.signals.values()))
    tail = f"; {len(heard.strange)} topics were not understood" if heard.strange else ""
    return (
        f"Heard {heard.message_count} messages of {len(heard.signals)} assets with {signals} "
        f"signals in {heard.seconds:.0f} s; {len(heard.mappings)} mappings{tail}."
    )


def _units(
    mappings: Sequence[Mapping], messages: Messages
) -> dict[tuple[str | None, str], str]:
    """Return what SenML messages say of the units, by asset and signal."""
    found: dict[tuple[str | None, str], str] = {}
    for topic, payload in zip(messages.topics, messages.payloads, strict=True):
        for mapping in mappings:
            place = mapping.template.match(topic)
            if place is not None:
                break
        else:
            continue
        if mapping.format == "senml":
            for (asset, signal), unit in senml.units(payload, mapping).items():
                name = mapping.names.get(signal, signal)
                found[place.asset or asset, name] = _SENML_UNITS.get(unit, unit)
    return found


def _mapping_toml(mapping: Mapping) -> list[str]:
    lines = ["[[intake.mapping]]", f"topic = {json.dumps(mapping.topic, ensure_ascii=False)}"]
    if "{tenant}" not in mapping.topic and "+" in mapping.topic:
        lines[-1] += "   # + varies: write {tenant} there if it is the customer"
    lines.append(f'format = "{mapping.format}"')
    if mapping.format == "json":
        lines.append(f'shape = "{mapping.shape}"')
        if mapping.signals_key:
            lines.append(f"signals_key = {json.dumps(mapping.signals_key)}")
        if mapping.time_key is None:
            lines.append("# no time was found in the messages: the time of receipt is taken")
        else:
            lines.append(f"time_key = {json.dumps(mapping.time_key)}")
            lines.append(f'time_unit = "{mapping.time_unit}"')
    if mapping.asset_key is not None:
        lines.append(f"asset_key = {json.dumps(mapping.asset_key)}")
    if mapping.ignore:
        lines.append(f"ignore = {json.dumps(mapping.ignore)}   # no numbers")
    if mapping.names:
        pairs = [f"{json.dumps(old)} = {json.dumps(new)}" for old, new in mapping.names.items()]
        lines.append(f"names = {{ {', '.join(pairs)} }}")
    return lines


def _signal_yaml(name: str, assets: list[dict[str, SignalSeen]]) -> str:
    seen = [signals[name] for signals in assets]
    low = np.array([one.low for one in seen])
    high = np.array([one.high for one in seen])
    steps = np.array([one.every_s for one in seen])
    fields = [f"name: {_quoted(name)}"]
    told = [one.unit for one in seen if one.unit]
    guessed = (unit for pattern, unit in _UNITS if re.search(pattern, name))
    unit = told[0] if told else next(guessed, None)
    fields.append(f"unit: {_quoted(unit)}" if unit else 'unit: ""')
    if not np.isnan(steps).all():
        every_s = float(f"{np.nanmedian(steps):.3g}")
        fields += [f"every_s: {every_s:g}"] if every_s > 0 else []
    comment = "seen: nothing but gaps"
    if not np.isnan(low).all():
        comment = f"seen: {np.nanmin(low):g} to {np.nanmax(high):g}"
    return f"      - {{{', '.join(fields)}}}      # {comment}; add limits: [low, high]"


def _quoted(text: str) -> str:
    # JSON's quotes are YAML's; bare, 1e5 or no would be something else.
    bare = re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", text) and text.lower() not in _YAML_WORDS
    return text if bare else json.dumps(text, ensure_ascii=False)
