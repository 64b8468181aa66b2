"""The two hashes: over canonical JSON, as received."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialects.actp.messages_made import BUYER, accept, counter, quote, signed
from treaty.dialects.actp.codec import decode, encode
from treaty.dialects.actp.hashes import canonical_justification, justification_hash, message_hash
from treaty.errors import WireError
from treaty.wire.canonical import read_json
from treaty.wire.digest import keccak256


def test_the_message_hash_is_over_sorted_members_without_the_signature() -> None:
    """1.5, written out by hand."""
    message = accept()
    text = (
        f'{{"acceptedAmount":"800000","acceptedAt":1700000000,"chainId":84532,'
        f'"consumer":"{message.consumer}","inReplyTo":"{message.in_reply_to}","nonce":1,'
        f'"provider":"{message.provider}","txId":"{message.tx_id}",'
        f'"type":"agirails.counteraccept.v1","version":"1.0.0"}}'
    )

    assert message_hash(message) == "0x" + keccak256(text.encode()).hex()


def test_the_signature_alone_does_not_change_the_hash() -> None:
    message = counter()

    assert message_hash(replace(message, signature="0x")) == message_hash(message)
    assert message_hash(replace(message, version="1.0.1")) != message_hash(message)
    assert message_hash(replace(message, nonce=2)) != message_hash(message)


def test_an_empty_justification_is_hashed_as_zero_but_stands_in_the_message() -> None:
    absent, empty = counter(), counter(justification={})

    assert justification_hash(None) == justification_hash({}) == bytes(32)
    assert absent.signature == empty.signature
    assert message_hash(absent) != message_hash(empty)


def test_every_key_of_a_justification_counts() -> None:
    """1.4: the peer drops what it does not know, so it accepts additions and refuses originals."""
    said = {"reason": "x", "marketRate": 1, "breakdown": {}}
    variants = [
        said, {**said, "extra": 1}, {**said, "reason": None},
        {"reason": "x", "marketRate": 1}, {"reason": "x", "breakdown": {}},
    ]  # fmt: skip

    assert len({justification_hash(one) for one in variants}) == len(variants)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e-7, "1e-7"), (1e-6, "0.000001"), (-0.0, "0"), (1.0, "1"), (1e21, "1e+21"),
        (2**53 - 1, "9007199254740991"), (1.5e-8, "1.5e-8"), (180.0, "180"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_ecmascript_does(value: float, text: str) -> None:
    """1.5, attack 37."""
    assert canonical_justification({"a": value}) == f'{{"a":{text}}}'.encode()


def test_names_sort_by_utf_16_units() -> None:
    """1.5: code points would put U+FB01 first, as the peer's Python side does."""
    written = canonical_justification({"\ufb01": 2, "\U0001f600": 1})

    assert written == '{"\U0001f600":1,"\ufb01":2}'.encode()


@pytest.mark.parametrize("value", [2**53, -(2**53), float("nan"), float("inf"), "\ud800"])
def test_what_the_peers_disagree_about_has_no_hash(value: object) -> None:
    with pytest.raises(WireError):
        justification_hash({"a": value})


@given(st.dictionaries(st.text(max_size=4), st.integers(-9, 9) | st.text(max_size=4), max_size=4))
@settings(max_examples=60)
def test_a_hash_survives_the_wire(justification: dict[str, int | str]) -> None:
    message = signed(replace(counter(), justification=justification), BUYER)
    again = decode(encode(message))

    assert message_hash(again) == message_hash(message)
    assert justification_hash(again.justification) == justification_hash(justification)


def test_spelling_of_numbers_does_not_count() -> None:
    long = read_json(b'{"a":[1.0,-0,1e-7,0.10,100e-2]}')
    short = read_json(b'{"a":[1,0,0.0000001,0.1,1]}')

    assert justification_hash(long) == justification_hash(short)


def test_quotes_and_counters_have_hashes_of_their_own() -> None:
    assert len({message_hash(one) for one in (quote(), counter(), accept())}) == 3
