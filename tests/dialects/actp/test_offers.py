"""Posted counter-offers: any bytes end in a counter or in words the peer has too."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialects.actp.messages_made import accept, counter, quote
from treaty.dialects.actp.codec import document_of, encode
from treaty.dialects.actp.offers import PEER, read_counter
from treaty.dialects.actp.peer import peer_reason
from treaty.errors import WireError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=20,
)


def test_an_enveloped_and_a_bare_counter_are_the_same_counter() -> None:
    one = counter()

    assert read_counter(encode(one)) == one
    assert read_counter(json.dumps(document_of(one)).encode(), bare=True) == one


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"\xff", "Invalid JSON"),
        (b'{"type":1,"type":2}', "Invalid JSON"),
        (b"3", "Invalid payload shape"),
        (b'{"type":"agirails.counteroffer.v1","message":[]}', "Missing message field"),
        (b'{"type":"agirails.counteroffer.v1","message":{}}', "Malformed CounterOffer: type"),
    ],
)
def test_a_fault_has_the_peers_words(raw: bytes, words: str) -> None:
    with pytest.raises(WireError) as caught:
        read_counter(raw)

    assert peer_reason(caught.value).startswith(words)
    assert caught.value.data[PEER] == peer_reason(caught.value)


@pytest.mark.parametrize("bare", [True, False])
def test_other_messages_are_not_taken(bare: bool) -> None:
    for one in (quote(), accept()):
        raw = json.dumps(document_of(one)).encode() if bare else encode(one)
        with pytest.raises(WireError) as caught:
            read_counter(raw, bare=bare)
        assert caught.value.code == "message_type_unsupported"


def test_too_large_is_too_large_and_not_invalid() -> None:
    with pytest.raises(WireError) as caught:
        read_counter(b" " * 65_537)

    assert caught.value.code == "too_large"


@settings(max_examples=150)
@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()), st.booleans())
def test_any_bytes_end_in_a_wire_error(raw: bytes, bare: bool) -> None:
    with pytest.raises(WireError):
        read_counter(raw, bare=bare)
