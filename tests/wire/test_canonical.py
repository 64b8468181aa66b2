"""RFC 8785 out, strict JSON in: the published vectors, then a reference reader and writer."""

from __future__ import annotations

import json
import math
import struct
import sys
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from treaty.errors import WireError
from treaty.wire.canonical import CANONICAL_DEPTH_MAX, INT_MAX, Json, canonical, read_json

VECTORS = Path(__file__).parents[2] / "conformance" / "vectors" / "jcs"
NAMES = ("arrays", "french", "structures", "unicode", "values", "weird")
NUMBERS = json.loads((VECTORS / "numbers.json").read_text("utf-8"))
MALFORMED = json.loads((VECTORS / "malformed.json").read_text("utf-8"))

EDGE_FLOATS = (
    -0.0, 180.0, 3.75, 99.95, 0.1, 1e-4, 9.999e-5, 1e-5, 1e-6, 1e-7, 5e-324, 0.30000000000000004,
    4503599627370495.5, 2.0**53 - 1, 2.0**53, 1e15, 1e16, 123456789012345680000.0, 1e20, 1e21,
    1e22, 1.7976931348623157e308,
)  # fmt: skip

integers = st.integers(-INT_MAX, INT_MAX)
floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(EDGE_FLOATS)
texts = st.text(max_size=8) | st.text('aé\x7f\u2028\ud7ff\ue000\uffff\U00010000\U0010ffff\\"\n')
atoms = st.none() | st.booleans() | integers | floats | texts
documents = st.recursive(
    atoms,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=25,
)


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels - 1):
        value = [value]
    return value


# Writing.


@pytest.mark.parametrize("name", NAMES)
def test_the_published_documents_canonicalise_byte_for_byte(name: str) -> None:
    given_bytes = (VECTORS / "input" / f"{name}.json").read_bytes()

    assert canonical(read_json(given_bytes)) == (VECTORS / "output" / f"{name}.json").read_bytes()


@pytest.mark.parametrize("row", NUMBERS, ids=[row["ieee754"] for row in NUMBERS])
def test_the_published_numbers_canonicalise_byte_for_byte(row: dict[str, Any]) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(row["ieee754"]))

    if row["rendering"] is None:
        with pytest.raises(WireError):
            canonical([number])
    else:
        assert canonical([number]) == f"[{row['rendering']}]".encode()


@pytest.mark.parametrize(
    ("number", "rendering"),
    [
        (180.0, b"180"),
        (3.50, b"3.5"),
        (-0.0, b"0"),
        (0.0, b"0"),
        (-180.0, b"-180"),
        (1e-7, b"1e-7"),
        (1e-6, b"0.000001"),
        (0.00012, b"0.00012"),
        (1e21, b"1e+21"),
        (1e20, b"100000000000000000000"),
        (2.0**53 - 1, b"9007199254740991"),
        (2.0**53, b"9007199254740992"),
        (INT_MAX, b"9007199254740991"),
        (-INT_MAX, b"-9007199254740991"),
    ],
)
def test_numbers_are_written_as_ecmascript_writes_them(number: float, rendering: bytes) -> None:
    assert canonical(number) == rendering
    assert canonical({"a": [number]}) == b'{"a":[' + rendering + b"]}"


def test_names_are_sorted_by_utf16_units() -> None:
    # U+10000 begins with the unit D800, so it comes before U+E000 although its code is higher.
    value: Json = {"\ue000": 1, "\U00010000": 2, "é": 3, "b": 4, "a": 5, "": 6, "aa": 7}

    assert canonical(value).decode() == (
        '{"":6,"a":5,"aa":7,"b":4,"é":3,"\U00010000":2,"\ue000":1}'
    )


@given(documents)
def test_it_writes_what_the_reference_implementation_writes(value: Json) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(documents)
def test_writing_leaves_the_value_as_it_was(value: Json) -> None:
    before = repr(value)

    canonical(value)

    assert repr(value) == before


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**53,
        -(2**53),
        2**64,
        10**400,
        "\ud800",
        "a\udfff",
        b"bytes",
        (1, 2),
        {1},
        UUID(int=0),
        Colour.RED,
        object(),
        1j,
    ],
    ids=lambda value: type(value).__name__ if type(value) is object else repr(value)[:40],
)
def test_what_json_does_not_have_is_refused_wherever_it_stands(value: Any) -> None:
    # Beside 1e30 or an astral name the document takes another way out; the answer is the same.
    for document in (value, [value], {"a": {"b": value}}, [1e30, value], [180.0, value]):
        with pytest.raises(WireError):
            canonical(document)


@pytest.mark.parametrize("name", [1, None, True, 1.5, b"a", ("a",), "\ud800"], ids=repr)
def test_a_name_that_is_not_a_string_is_refused(name: Any) -> None:
    for document in ({name: 1}, [1e30, {name: 1, "b": 2}], [180.0, {name: 1}]):
        with pytest.raises(WireError):
            canonical(document)


def test_nesting_is_written_to_its_limit_and_not_beyond() -> None:
    deepest = nested(CANONICAL_DEPTH_MAX)

    assert canonical(deepest) == b"[" * CANONICAL_DEPTH_MAX + b"]" * CANONICAL_DEPTH_MAX
    for beyond in ([deepest], {"a": deepest}, nested(100_000)):
        with pytest.raises(WireError, match="nested deeper"):
            canonical(beyond)


def test_a_value_that_holds_itself_is_refused() -> None:
    circle: list[Any] = []
    circle += [circle, circle]

    with pytest.raises(WireError, match="nested deeper"):
        canonical(circle)


@pytest.mark.parametrize("leaf", [1e30, 180.0])
def test_a_caller_at_the_end_of_the_stack_gets_a_wire_error(leaf: float) -> None:
    deepest: Any = leaf
    for _ in range(CANONICAL_DEPTH_MAX):
        deepest = [deepest]

    def called_from(depth: int) -> bytes:
        return called_from(depth - 1) if depth else canonical(deepest)

    frame, used = sys._getframe(), 0
    while frame is not None:
        frame, used = frame.f_back, used + 1
    with pytest.raises(WireError, match="no stack left"):
        called_from(sys.getrecursionlimit() - used - 40)


# Reading.


@pytest.mark.parametrize("row", MALFORMED, ids=[f"{row['why']}" for row in MALFORMED])
def test_malformed_documents_are_refused(row: dict[str, str]) -> None:
    raw = bytes.fromhex(row["hex"]) if "hex" in row else row["text"].encode()

    with pytest.raises(WireError) as refusal:
        read_json(raw)
    assert refusal.value.code == "malformed"


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b' \t\r\n{ "a" : [ 1 , null ] }\n', {"a": [1, None]}),
        (b'{"a":{"b":1},"b":{"a":1}}', {"a": {"b": 1}, "b": {"a": 1}}),
        (b'{"a:":"b:{","\\"":":\\\\","\\\\":"[\\":"}', {"a:": "b:{", '"': ":\\", "\\": '[":'}),
        (b'{"a":"9007199254740993"}', {"a": "9007199254740993"}),
        (b"[9007199254740991,-9007199254740991]", [INT_MAX, -INT_MAX]),
        (b"[1e21,1e30,1E-7,-0,180.00,1e15]", [1e21, 1e30, 1e-7, 0, 180.0, 1e15]),
        (b"3.75000000000000000001", 3.75),
        (b"1e-400", 0),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\ud7ff\\u0000"', "\ud7ff\0"),
        ('{"\u00e9":1,"e\u0301":2}'.encode(), {"\u00e9": 1, "e\u0301": 2}),
    ],
)
def test_well_formed_documents_are_read(raw: bytes, value: Json) -> None:
    assert read_json(raw) == value


def test_a_body_is_refused_by_size_before_it_is_looked_at() -> None:
    for raw in (b"!" * 2**20, b"[" * 2**20, b'"' + b"a" * 262_143 + b'"'):
        with pytest.raises(WireError) as refusal:
            read_json(raw)
        assert refusal.value.code == "too_large"

    assert read_json(b'"' + b"a" * 262_142 + b'"') == "a" * 262_142
    assert read_json(b"[1]", size_max=3) == [1]
    with pytest.raises(WireError):
        read_json(b"[12]", size_max=3)


@pytest.mark.parametrize(
    ("opened", "closed", "levels"),
    [(b"[", b"]", 1), (b'{"[":', b"}", 1), (b'[{"a":', b"}]", 2)],
)
def test_nesting_is_counted_in_arrays_and_objects(
    opened: bytes, closed: bytes, levels: int
) -> None:
    def raw(times: int) -> bytes:
        return opened * times + b"1" + closed * times

    read_json(raw(32 // levels))
    with pytest.raises(WireError, match="nested deeper than 32"):
        read_json(raw(32 // levels + 1))
    read_json(raw(32 // levels + 1), depth_max=32 + levels)


def test_depth_is_the_longest_chain_not_the_number_of_brackets() -> None:
    wide = b"[" + b",".join([b'{"a":[[]]}'] * 1_000) + b"]"

    assert read_json(wide, depth_max=4) == [{"a": [[]]}] * 1_000
    with pytest.raises(WireError, match="nested deeper than 3"):
        read_json(wide, depth_max=3)


def test_brackets_in_strings_are_no_nesting() -> None:
    text = '[{"' * 1_000 + "\\"

    assert read_json(json.dumps([text, {text: text}]).encode()) == [text, {text: text}]


def test_ten_thousand_levels_are_refused_before_parsing() -> None:
    with pytest.raises(WireError, match="nested deeper than 32"):
        read_json(b"[" * 10_000 + b"not json")


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("3.7500", True),
        ("180.00", True),
        ("-0", True),
        ("-0.0", True),
        ("0E5", True),
        ("0.1", True),
        ("1.80e2", True),
        ("99.95", True),
        ("1e-7", True),
        ("5e-324", True),
        ("9007199254740991.0", True),
        ("0.00000000000000000000000000000000000001", True),
        ("3.75" + "0" * 10_000, True),
        ("3.75000000000000000001", False),
        ("0.1000000000000000055511151231257827", False),
        ("0.30000000000000000001", False),
        ("4.9e-324", False),
        ("1e-400", False),
        ("1e-99999999999999999999", False),
        ("333333333.33333329", False),
        ("9007199254740990.5", False),
    ],
)
def test_exact_reading_takes_numbers_that_mean_what_they_say(text: str, exact: bool) -> None:
    for raw in (text.encode(), f'{{"a":[{text}]}}'.encode()):
        read_json(raw)
        if exact:
            read_json(raw, exact_numbers=True)
        else:
            with pytest.raises(WireError) as refusal:
                read_json(raw, exact_numbers=True)
            assert refusal.value.code == "malformed"


def test_exact_reading_looks_at_numbers_only() -> None:
    raw = b'{"3.75000000000000000001":"\\"0.1000000000000000055511151231257827"}'

    assert read_json(raw, exact_numbers=True) == read_json(raw)


@given(
    st.from_regex(
        r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,3})?", fullmatch=True
    ).filter(str.isascii)
)
@example("123456789012345")
@example("1234567890123.45")
@example("12345678901234.567")
def test_exact_reading_compares_with_the_canonical_rendering(text: str) -> None:
    number = float(text)
    written_out = "e" not in text.lower() and "." not in text
    too_large = abs(number) > INT_MAX and (abs(number) < 1e21 or written_out)
    refused = math.isinf(number) or too_large
    exact = not refused and Fraction(text) == Fraction(rfc8785.dumps(number).decode())

    for exact_numbers, readable in ((False, not refused), (True, exact)):
        if readable:
            assert read_json(text.encode(), exact_numbers=exact_numbers) == number
        else:
            with pytest.raises(WireError):
                read_json(text.encode(), exact_numbers=exact_numbers)


def written_out_beyond_limit(value: Json) -> bool:
    return any(len(digits) > 15 and int(digits) > INT_MAX for digits in whole_numbers(value))


def whole_numbers(value: Json) -> list[str]:
    if isinstance(value, list):
        return [found for item in value for found in whole_numbers(item)]
    if isinstance(value, dict):
        return whole_numbers(list(value.values()))
    text = rfc8785.dumps(value).decode().lstrip("-")
    return [text] if text.isdigit() else []


@given(documents)
def test_canonical_bytes_read_back_to_the_same_value_and_bytes(value: Json) -> None:
    written = canonical(value)

    if written_out_beyond_limit(value):
        with pytest.raises(WireError, match="beyond"):
            read_json(written)
    else:
        read = read_json(written, exact_numbers=True)
        assert read == value
        assert canonical(read) == written


# A reference reader: slow, obvious, on another parser.


def reference(raw: bytes) -> Json:
    def integer(text: str) -> int:
        if len(text) > 17 or abs(int(text)) > INT_MAX:
            raise ValueError(text)
        return int(text)

    def fraction(text: str) -> float:
        number = float(text)
        if math.isinf(number) or INT_MAX < abs(number) < 1e21:
            raise ValueError(text)
        return number

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("name twice")
        return dict(pairs)

    value = json.loads(
        raw.decode("utf-8"),
        parse_int=integer,
        parse_float=fraction,
        parse_constant=integer,
        object_pairs_hook=members,
    )
    json.dumps(value, ensure_ascii=False).encode("utf-8")  # Lone surrogates end here.
    return value


def agrees_with_reference(raw: bytes) -> None:
    try:
        expected = reference(raw)
    except ValueError:
        with pytest.raises(WireError):
            read_json(raw)
    else:
        found = read_json(raw)
        assert repr(found).replace("-0", "0") == repr(expected).replace("-0", "0")


@st.composite
def spelled(draw: st.DrawFn, text: str) -> str:
    """A JSON string with each character plain or escaped."""
    out = []
    for character in text:
        plain = json.dumps(character, ensure_ascii=False)[1:-1]
        units = character.encode("utf-16-be").hex()
        escaped = "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
        out.append(draw(st.sampled_from([plain, escaped])))
    return '"' + "".join(out) + '"'


few_texts = st.text('ab:"\\{é\U0001f600', max_size=2)
spaces = st.sampled_from(["", "", " ", "\n\t"])


@st.composite
def objects_with_few_names(draw: st.DrawFn, levels: int = 3) -> str:
    members = []
    for name in draw(st.lists(few_texts, max_size=4)):
        if levels and draw(st.booleans()):
            inner = draw(objects_with_few_names(levels - 1))
            member = draw(st.sampled_from([inner, f"[{inner},0.5]"]))
        else:
            member = draw(spelled(draw(few_texts)))
        before, after = draw(spaces), draw(spaces)
        members.append(f"{before}{draw(spelled(name))}{after}:{before}{member}{after}")
    return "{" + ",".join(members) + "}"


@given(objects_with_few_names())
def test_names_given_twice_are_found_however_they_are_spelled(text: str) -> None:
    agrees_with_reference(text.encode())


@given(documents, st.integers(0, 400), st.integers(0, 3), st.binary(max_size=3), st.booleans())
def test_damaged_documents_are_read_as_the_reference_reads_them(
    value: Json, at: int, removed: int, inserted: bytes, ascii_only: bool
) -> None:
    raw = json.dumps(value, ensure_ascii=ascii_only, indent=1).encode()
    at %= len(raw) + 1

    agrees_with_reference(raw[:at] + inserted + raw[at + removed :])


pieces = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"', b":", b",", b"a", b"\\", b"\\u0061", b'\\"', b"\\ud83d", b"0",
     b"1", b"-", b".", b"e", b" ", b"null", b"NaN", b'"a":', b'{"a":1}', b"9007199254740993",
     b"\xc3", b"\xa9"]
)  # fmt: skip


@given(st.binary(max_size=40) | st.lists(pieces, max_size=12).map(b"".join))
def test_any_bytes_are_read_as_the_reference_reads_them_or_are_a_wire_error(raw: bytes) -> None:
    agrees_with_reference(raw)
