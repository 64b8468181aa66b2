"""Form: any bytes are a message or a WireError, and nothing is coerced."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialects.actp.messages_made import (
    AT_MS,
    BUYER,
    CHAIN,
    CHAINS,
    TX,
    accept,
    counter,
    quote,
)
from treaty.dialects.actp.builders import build_read, build_request
from treaty.dialects.actp.codec import (
    decode,
    decode_envelope,
    decode_message,
    decode_read,
    decode_request,
    document_of,
    encode,
    encode_read,
    encode_request,
)
from treaty.dialects.actp.rules import verify
from treaty.errors import Refused, SignatureError, WireError
from treaty.wire.encoding import b64url_encode

REQUEST = build_request(
    CHAINS, BUYER, tx_id=TX, chain_id=CHAIN, service="translate", amount=500_000,
    max_price=2_000_000, deadline=1_700_086_400, at_ms=AT_MS,
)  # fmt: skip
READ = build_read(CHAINS, BUYER, tx_id=TX, chain_id=CHAIN, at_ms=AT_MS)


def wire(message: Any) -> dict[str, Any]:
    return {"type": message.type, "message": document_of(message)}


def raw(envelope: Any) -> bytes:
    return json.dumps(envelope).encode()


def refused(body: bytes) -> str:
    with pytest.raises(WireError) as refusal:
        decode(body)
    return refusal.value.code


@pytest.mark.parametrize("message", [quote(), counter(), accept(), counter(justification={})])
def test_a_message_is_read_back_as_it_was_written(message: Any) -> None:
    assert decode(encode(message)) == message
    assert decode_message(document_of(message)) == message
    assert decode_envelope(wire(message)) == message


def test_the_wire_is_the_peers_camel_case() -> None:
    """1.3: member names and their order, but for the signature at the end."""
    assert list(document_of(quote(justification={"a": 1}))) == [
        "type", "version", "txId", "provider", "consumer", "quotedAmount", "originalAmount",
        "maxPrice", "currency", "decimals", "quotedAt", "expiresAt", "chainId", "nonce",
        "justification", "signature",
    ]  # fmt: skip
    assert list(document_of(counter())) == [
        "type", "version", "txId", "consumer", "provider", "quoteAmount", "counterAmount",
        "maxPrice", "currency", "decimals", "inReplyTo", "counteredAt", "expiresAt", "chainId",
        "nonce", "signature",
    ]  # fmt: skip
    assert list(document_of(accept())) == [
        "type", "version", "txId", "provider", "consumer", "acceptedAmount", "inReplyTo",
        "acceptedAt", "chainId", "nonce", "signature",
    ]  # fmt: skip


def test_a_justification_is_kept_as_received() -> None:
    """1.4: unknown keys, empty objects and nulls survive; the peer's daemon loses them."""
    said = {"reason": None, "breakdown": {}, "größe": [1, {"x": None}], "marketRate": 1e-7}
    envelope = wire(counter())
    envelope["message"]["justification"] = said

    message = decode(raw(envelope))

    assert message.justification == said
    assert decode(encode(message)).justification == said


def test_an_empty_justification_is_not_an_absent_one() -> None:
    assert "justification" in document_of(counter(justification={}))
    assert "justification" not in document_of(counter())


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"1", b"\xff", b"\xef\xbb\xbf{}", b'{"a":1}{}', b"{}",
     b'{"type":1}', b'{"type":null}', b'{"type":["agirails.quote.v1"]}', b"[" * 60_000],
)  # fmt: skip
def test_what_is_no_envelope_is_malformed(body: bytes) -> None:
    assert refused(body) == "malformed"


def test_a_body_has_at_most_64_kib() -> None:
    envelope = wire(counter())
    envelope["message"]["justification"] = {"reason": "x" * 65_536}

    assert refused(raw(envelope)) == "too_large"
    assert refused(b" " * 65_537) == "too_large"


@pytest.mark.parametrize("type_", ["agirails.quote.v2", "", "quote", "agirails.counteroffer.v1 "])
def test_an_unknown_type_is_told_so(type_: str) -> None:
    assert refused(raw(wire(counter()) | {"type": type_})) == "message_type_unsupported"


def test_envelope_and_message_name_one_type() -> None:
    assert refused(raw(wire(counter()) | {"type": "agirails.quote.v1"})) == "schema_invalid"


@pytest.mark.parametrize("message", [None, [], "x", 1, True])
def test_the_message_is_an_object(message: Any) -> None:
    assert refused(raw(wire(counter()) | {"message": message})) == "malformed"


def test_an_envelope_has_two_members() -> None:
    """Attack 9: extra fields are refused, so nothing unsigned is stored."""
    assert refused(raw(wire(counter()) | {"memo": "x"})) == "malformed"
    assert refused(raw({"type": counter().type})) == "malformed"


@pytest.mark.parametrize("message", [quote(), counter(), accept()], ids=["quote", "counter", "ok"])
def test_w14_no_member_is_coerced_missing_or_unknown(message: Any) -> None:
    """Every member in turn: of each other type, gone, and one too many."""
    for name, value in wire(message)["message"].items():
        others: list[Any] = [None, True, 1001.9, [], {}, -1, 2**53]
        others.append(str(value) if isinstance(value, int) else 84532)
        for other in others:
            changed = wire(message)
            changed["message"][name] = other
            assert refused(raw(changed)) in {"malformed", "message_type_unsupported"}, (name, other)
        gone = wire(message)
        del gone["message"][name]
        assert refused(raw(gone)) == "malformed"
    extra = wire(message)
    extra["message"]["kernelAddress"] = "0x"
    assert refused(raw(extra)) == "malformed"


@pytest.mark.parametrize(
    ("member", "spelled"),
    [
        ("nonce", "-1"),
        ("nonce", str(2**256)),
        ("expiresAt", str(2**300)),
        ("counteredAt", "-5"),
        ("expiresAt", "Infinity"),
        ("nonce", "1e999"),
        ("nonce", "1.0"),
        ("nonce", "NaN"),
    ],
)
def test_w12_what_kills_the_peers_handler_is_malformed(member: str, spelled: str) -> None:
    body = json.dumps(wire(counter()) | {}).replace(
        f'"{member}": {wire(counter())["message"][member]}', f'"{member}": {spelled}'
    )

    assert spelled in body
    assert refused(body.encode()) == "malformed"


def test_a_name_given_twice_is_malformed() -> None:
    body = raw(wire(counter())).replace(b'"nonce": 1', b'"nonce": 2, "nonce": 1')

    assert refused(body) == "malformed"


def test_snake_case_is_not_our_wire() -> None:
    """W1: the Python peer's relay posts such quotes; nothing is dropped in silence here."""
    changed = wire(quote())
    changed["message"]["tx_id"] = changed["message"].pop("txId")

    assert refused(raw(changed)) == "malformed"


def test_requests_and_reads_are_read_back() -> None:
    assert decode_request(encode_request(REQUEST)) == REQUEST
    assert decode_read(encode_read(READ)) == READ
    assert encode_read(READ).startswith("QuoteRead ")
    assert decode_read("quoteread" + encode_read(READ)[9:]) == READ


@pytest.mark.parametrize(
    "header",
    ["", "QuoteRead", "QuoteRead ", "Bearer e30", "QuoteRead e30=", "QuoteRead W10",
     "QuoteRead " + "A" * 1_025, "QuoteRead \u00e9", "QuoteRead  e30"],
)  # fmt: skip
def test_another_header_is_no_read(header: str) -> None:
    with pytest.raises(WireError) as refusal:
        decode_read(header)

    assert refusal.value.code == "malformed"


def test_a_request_has_its_members_and_no_other() -> None:
    for name in document_of(REQUEST):
        document = document_of(REQUEST)
        del document[name]
        with pytest.raises(WireError):
            decode_request(raw(document))
    with pytest.raises(WireError):
        decode_request(raw(document_of(REQUEST) | {"nonce": 1}))


def test_what_has_no_canonical_form_is_not_written() -> None:
    with pytest.raises(WireError):
        encode(replace(counter(), justification={"rate": float("nan")}))


WORDS = st.text(max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
TEXTS = st.sampled_from(["0800000", "800000\n", "\u0661", "did:ethr:", "0x", "0X" + "A" * 64, "-1"])


def _judged(body: bytes) -> None:
    """What the endpoint does with a body: nothing but our own errors may come out."""
    said = None
    try:
        verify(decode(body), CHAINS, at_ms=AT_MS)
    except (WireError, Refused, SignatureError) as refusal:
        said = refusal
    if said is not None:
        assert 400 <= said.reason.status < 500
        assert len(str(said)) < 400


@given(st.binary(max_size=200))
@settings(max_examples=150)
def test_any_bytes_end_in_our_errors(body: bytes) -> None:
    _judged(body)


@given(st.sampled_from([quote(), counter(), accept()]), st.data())
@settings(max_examples=200)
def test_any_change_of_a_message_ends_in_our_errors(message: Any, data: st.DataObject) -> None:
    envelope = wire(message)
    place = data.draw(st.sampled_from([envelope, envelope["message"]]))
    name = data.draw(st.sampled_from([*place, "justification"]))
    place[name] = data.draw(JSON | TEXTS)
    _judged(json.dumps(envelope).encode("utf-8", "surrogatepass"))


@given(st.text(max_size=120))
@settings(max_examples=100)
def test_any_header_ends_in_our_errors(header: str) -> None:
    for one in (header, f"QuoteRead {header}", f"QuoteRead {b64url_encode(header.encode())}"):
        with pytest.raises(WireError):
            decode_read(one)
