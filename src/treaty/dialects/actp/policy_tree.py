"""A policy file as a tree that knows its lines: bounded, without tags, anchors or aliases.

YAML and JSON are both read from PyYAML's events; JSON is YAML's flow style. No object is ever
built from a tag, an alias is refused before anything could be expanded, and nothing recurses.
What a scalar means is left to who reads the field, so YAML 1.1's surprises (``yes``, ``010``,
``1:30``) mean nothing here.

Law: any bytes end in a tree or in ``PolicyError``, after bounded work. Read next:
``policy_reading``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import yaml

from treaty.dialects.actp.choices import DECIMALS
from treaty.dialects.actp.policy import POLICY_BYTES_MAX, PolicyError
from treaty.errors import shown

DEPTH_MAX: Final = 8
NODES_MAX: Final = 1_000


_INTEGER: Final = re.compile(r"(?:0|[1-9][0-9]*(?:_[0-9]+)*)")
_DECIMAL: Final = re.compile(r"(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,6}))?")
_DIGITS_MAX: Final = 24


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as it was written; ``is_plain`` when it stood without quotes."""

    text: str
    is_plain: bool
    line: int

    @property
    def is_null(self) -> bool:
        """True where nothing was written, or null."""
        return self.is_plain and self.text in ("", "~", "null")


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: list[Node]
    line: int


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping. Its names are unique; ``lines`` says where each stands."""

    entries: dict[str, Node]
    lines: dict[str, int]
    line: int


Node: TypeAlias = "Scalar | Items | Table"


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being read, and the name that waits for its value."""

    node: Table | Items
    name: Scalar | None = None


def read_tree(raw: bytes) -> tuple[Table, bool]:
    """Read a policy's bytes: the tree, and whether it is written as JSON (it opens with ``{``).

    Raises ``PolicyError`` for more than 256 KiB, bytes that are not UTF-8, broken YAML, tags,
    anchors and aliases, names given twice, names that are no text, more than one document,
    nesting beyond 8 and more than 1,000 values.
    """
    if len(raw) > POLICY_BYTES_MAX:
        raise PolicyError(f"the file has more than {POLICY_BYTES_MAX} bytes", 1, "too_large")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise PolicyError("not UTF-8", line) from None
    is_json = text.lstrip("\ufeff \t\r\n").startswith("{")
    # JSON may be indented with tabs and YAML may not; inside a JSON string a tab is an escape.
    root = _tree(text.replace("\t", " ") if is_json else text)
    if not isinstance(root, Table):
        raise PolicyError("a policy is a mapping of names to values", root.line)
    return root, is_json


def _tree(text: str) -> Node:
    root: list[Node] = []
    stack: list[_Open] = []
    count = 0
    for event in _events(text):
        line = event.start_mark.line + 1
        _refuse_magic(event, line)
        if isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
            continue
        node = _opened(event, line)
        if node is None:
            continue
        count += 1
        if count > NODES_MAX:
            raise PolicyError(f"more than {NODES_MAX} values", line)
        _place(node, stack, root)
        if not isinstance(node, Scalar):
            stack.append(_Open(node))
            if len(stack) > DEPTH_MAX:
                raise PolicyError(f"nested deeper than {DEPTH_MAX}", line)
    if len(root) != 1:
        line = root[1].line if root else 1
        raise PolicyError("a policy file holds one document", line)
    return root[0]


def _events(text: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise PolicyError(f"not YAML: {error.problem}", mark.line + 1 if mark else 1) from None
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0)
        raise PolicyError("a character that YAML forbids", text.count("\n", 0, position) + 1) from (
            None
        )
    except (ValueError, OverflowError):
        # PyYAML passes on what int() and chr() say about a directive or an escape.
        raise PolicyError("not YAML: a number that is too large", 1) from None


def _refuse_magic(event: Any, line: int) -> None:
    if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
        raise PolicyError("anchors and aliases are not read", line)
    if getattr(event, "tag", None) is not None:
        raise PolicyError("tags are not read", line)


def _opened(event: Any, line: int) -> Node | None:
    match event:
        case yaml.ScalarEvent():
            return Scalar(_joined(event.value), event.style is None, line)
        case yaml.SequenceStartEvent():
            return Items([], line)
        case yaml.MappingStartEvent():
            return Table({}, {}, line)
        case _:
            return None


def _joined(text: str) -> str:
    """Put together the two halves that JSON writes for a character beyond U+FFFF."""
    if not any("\ud800" <= letter <= "\udfff" for letter in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _place(node: Node, stack: list[_Open], root: list[Node]) -> None:
    if not stack:
        root.append(node)
        return
    top = stack[-1]
    if isinstance(top.node, Items):
        top.node.items.append(node)
    elif top.name is None:
        top.name = _name(node, top.node)
    else:
        top.node.entries[top.name.text] = node
        top.node.lines[top.name.text] = top.name.line
        top.name = None


def _name(node: Node, table: Table) -> Scalar:
    if not isinstance(node, Scalar):
        raise PolicyError("a name is plain text", node.line)
    if node.text in table.entries:
        raise PolicyError(f"{shown(node.text)} is given twice", node.line)
    return node


def check_names(table: Table, names: frozenset[str], path: str) -> None:
    """Refuse a name that the file may not have here. Raises ``PolicyError`` with its line."""
    for name, line in table.lines.items():
        if name not in names:
            raise PolicyError(f"unknown name {shown(path + name)}", line)


def table_in(parent: Table, name: str) -> Table | None:
    """The mapping under a name, or None. Raises ``PolicyError`` for anything else there."""
    node = parent.entries.get(name)
    if node is None or isinstance(node, Table):
        return node
    raise PolicyError(f"{name} must be a mapping", parent.lines[name])


def whole_number(node: Node, path: str) -> int:
    """A whole number, underscores allowed between digits. Raises ``PolicyError``."""
    text = node.text if isinstance(node, Scalar) and node.is_plain else ""
    if len(text) > _DIGITS_MAX or not _INTEGER.fullmatch(text):
        raise PolicyError(f"{path} must be a whole number", node.line)
    return int(text)


def decimal_units(node: Node, path: str) -> int:
    """A decimal amount in base units of the currency. Raises ``PolicyError``."""
    match = _DECIMAL.fullmatch(node.text) if isinstance(node, Scalar) else None
    if match is None:
        raise PolicyError(f"{path} must be a decimal of at most {DECIMALS} places", node.line)
    return int(match[1] + (match[2] or "").ljust(DECIMALS, "0"))
