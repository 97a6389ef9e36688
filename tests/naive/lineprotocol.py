"""A reader of InfluxDB's line protocol, one character at a time, from its documentation."""

Point = tuple[str, dict[str, str], dict[str, float], int]


def parse(body: bytes) -> list[Point]:
    """Read lines of float fields: measurement, tags, fields, time."""
    return [_line(line) for line in body.decode().split("\n") if line]


def _line(line: str) -> Point:
    parts = _split(line, " ")
    assert len(parts) == 3, line
    measurement, *tags = _split(parts[0], ",")
    fields = [_split(each, "=") for each in _split(parts[1], ",")]
    pairs = [_split(each, "=") for each in tags]
    return (
        _plain(measurement),
        {_plain(key): _plain(value) for key, value in pairs},
        {_plain(key): float(value) for key, value in fields},
        int(parts[2]),
    )


def _split(text: str, separator: str) -> list[str]:
    parts, current, at = [], "", 0
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text) and text[at + 1] in ",= ":
            current += text[at : at + 2]
            at += 2
        elif text[at] == separator:
            parts.append(current)
            current = ""
            at += 1
        else:
            current += text[at]
            at += 1
    return [*parts, current]


def _plain(text: str) -> str:
    for separator in ",= ":
        text = text.replace("\\" + separator, separator)
    return text
