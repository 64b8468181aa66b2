"""Any bytes end in a tree that knows its lines, or in PolicyError; nothing is expanded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.dialects.actp.policy import PolicyError
from treaty.dialects.actp.policy_tree import Items, Scalar, Table, read_tree
from treaty.errors import WireError

BOMB = b"""a: &a [x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]
"""


def refused(raw):
    with pytest.raises(PolicyError) as error:
        read_tree(raw)
    return error.value


def test_a_tree_knows_the_line_of_every_name():
    root, is_json = read_tree(b"a: 1\n\nb:\n  c: 'x'  # why\n  d: [y, z]\n")

    assert not is_json
    assert root.entries["a"] == Scalar("1", is_plain=True, line=1)
    inner = root.entries["b"]
    assert isinstance(inner, Table)
    assert inner.lines == {"c": 4, "d": 5}
    assert inner.entries["c"] == Scalar("x", is_plain=False, line=4)
    assert inner.entries["d"] == Items([Scalar("y", True, 5), Scalar("z", True, 5)], 5)


def test_json_is_read_too_with_its_lines_tabs_and_escapes():
    raw = '\ufeff{\n\t"a": "\\ud83d\\ude00",\n\t"b":[1,null]}'.encode()
    root, is_json = read_tree(raw)

    assert is_json
    assert root.entries["a"] == Scalar("\U0001f600", is_plain=False, line=2)
    assert root.lines["b"] == 3


@pytest.mark.parametrize(
    ("raw", "line", "text"),
    [
        (BOMB, 1, "anchors"),
        (b"a: 1\nb: &x 2\n", 2, "anchors"),
        (b"a: 1\nb: *x\n", 2, "anchors"),
        (b"a: 1\n<<: *x\n", 2, "anchors"),
        (b"a: !!python/object/apply:os.system ['id']\n", 1, "tags"),
        (b"a: 1\nb: !!int '2'\n", 2, "tags"),
        (b"a: 1\nb: 2\na: 3\n", 3, "given twice"),
        (b'{"a": 1,\n "a": 2}', 2, "given twice"),
        (b"? [a]\n: 1\n", 1, "plain text"),
        (b"a: 1\n---\nb: 2\n", 3, "one document"),
        (b"", 1, "one document"),
        (b"# nothing\n", 1, "one document"),
        (b"- a\n", 1, "mapping"),
        (b"just text\n", 1, "mapping"),
        (b"a: 1\nb: [1, 2\n", 3, "not YAML"),
        (b"a: 1\n\tb: 2\n", 2, "not YAML"),
        (b"a: 1\nb: \x07\n", 2, "forbids"),
        (b"a: 1\nb: \xff\n", 2, "UTF-8"),
        (b'a: "\\UFFFFFFFF"\n', 1, "too large"),
        (b"%YAML " + b"9" * 5_000 + b".1\n---\na: 1\n", 1, ""),
        (b"a: " + b"[" * 9 + b"]" * 9, 1, "deeper"),
        (b"a: " + b"[" * 100_000, 1, "deeper"),
        (b"a:\n" + b"- x\n" * 1_001, 999, "more than 1000 values"),
    ],
)
def test_what_is_not_one_plain_bounded_document_is_refused_with_its_line(raw, line, text):
    error = refused(raw)

    assert (error.line, error.code) == (line, "malformed")
    assert text in error.text
    assert str(error).startswith(f"line {line}: ")


def test_256_kib_are_read_and_not_a_byte_more():
    whole = b"a: 1\n#" + b"x" * (262_144 - 6)

    assert read_tree(whole)[0].entries["a"] == Scalar("1", True, 1)
    assert refused(whole + b"x").code == "too_large"


def test_a_refusal_is_a_wire_error_and_tells_its_line():
    error = refused(b"- a\n")

    assert isinstance(error, WireError)
    assert error.data == {"line": 1}


@given(st.binary(max_size=200) | st.text("ab:-[]{}&*!|>'\"%#?,\n \t\\xU0123~<", max_size=80))
def test_any_bytes_end_in_a_tree_or_a_policy_error(raw):
    root, line = None, 0
    try:
        root, _ = read_tree(raw if isinstance(raw, bytes) else raw.encode())
    except PolicyError as error:
        line = error.line
    assert line >= 1 if root is None else root.entries.keys() == root.lines.keys()
