"""YAML 1.2 as plain values with the line of every key.

Only true and false are truth values; times and dates are text.
"""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bridge.model.errors import CatalogError, Problem

KeyPath = tuple[str | int, ...]


class Tree:
    """A file's content and where each part of it stands.

    Parameters
    ----------
    value : object
        Mappings, lists, text, numbers, true, false and None.
    lines : mapping of key path to int
        Line of each key or item, from 1.
    file : str
        Name of the file, for messages.
    """

    def __init__(self, value: Any, lines: dict[KeyPath, int], file: str) -> None:  # noqa: ANN401
        self.value = value
        self.lines = lines
        self.file = file

    def where(self, path: KeyPath) -> str:
        """Return ``file:line`` of a key, or of the nearest key around it."""
        for end in range(len(path), -1, -1):
            line = self.lines.get(path[:end])
            if line is not None:
                return f"{self.file}:{line}"
        return self.file


def parse(text: str, file: str) -> Tree:
    """Parse one document.

    Raises
    ------
    CatalogError
        Where it is no YAML, has a key twice or an anchor's merge, with the line.
    """
    try:
        node = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{file}:{mark.line + 1}" if mark else file
        raise CatalogError(
            [Problem(where, "-", error.problem or "no YAML", "YAML 1.2")]
        ) from error
    except YAMLError as error:
        raise CatalogError([Problem(file, "-", str(error), "YAML 1.2")]) from error
    lines: dict[KeyPath, int] = {}
    value = _value(node, (), lines, file) if node is not None else None
    return Tree(value, lines, file)


def render(value: Any) -> str:  # noqa: ANN401 - any plain tree
    """Return a plain tree as YAML, keys in their order, short leaves on one line."""
    from io import StringIO  # noqa: PLC0415 - only exports need it

    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 140
    out = StringIO()
    yaml.dump(value, out)
    return out.getvalue()


def read(path: Path) -> Tree:
    """Read one file.

    Raises
    ------
    CatalogError
        Where it cannot be read or parsed.
    """
    try:
        return parse(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError([Problem(str(path), "-", str(error), "a UTF-8 file")]) from error


def _value(node: Node, path: KeyPath, lines: dict[KeyPath, int], file: str) -> Any:  # noqa: ANN401
    lines[path] = node.start_mark.line + 1
    if isinstance(node, MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            if key in found or key == "<<":
                where = f"{file}:{key_node.start_mark.line + 1}"
                raise CatalogError(
                    [Problem(where, key, "the key twice, or a merge", "each key once")]
                )
            found[key] = _value(value_node, (*path, key), lines, file)
            lines[*path, key] = key_node.start_mark.line + 1
        return found
    if isinstance(node, SequenceNode):
        return [
            _value(item, (*path, index), lines, file) for index, item in enumerate(node.value)
        ]
    assert isinstance(node, ScalarNode)
    return _scalar(node)


def _scalar(node: ScalarNode) -> str | int | float | bool | None:
    text = str(node.value)
    match str(node.tag).rpartition(":")[2]:
        case "int":
            return int(text) if text.lstrip("+-").isdigit() else int(text, 0)
        case "float":
            return float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
        case "bool":
            return text.lower() == "true"
        case "null":
            return None
        case _:
            return text
