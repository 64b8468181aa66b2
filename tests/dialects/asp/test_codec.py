"""Bytes to envelopes and back: each member of the envelope, hostile bytes, unknown members."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.dialects.asp.samples import BODIES, TAG, sample
from tests.dialects.asp.stage import (
    NO_PROOF,
    NO_SIGNATURE,
    SESSION,
    SIGNERS,
    START_MS,
    URIS,
    Stage,
    check_refused,
)
from treaty.dialects.asp.choices import BODY_BYTES_MAX
from treaty.dialects.asp.codec import compose, decode, decode_pre_session, seal
from treaty.dialects.asp.messages import Performative
from treaty.errors import MisuseError, Refused, WireError
from treaty.wire.canonical import canonical
from treaty.wire.digest import ZERO_TAG

MALFORMED = "malformed"
NOT_TEXT: list[Any] = [5, True, [], {}]

# Path -> (wrong values, reason).
WRONG: dict[str, tuple[list[Any], str]] = {
    "version": (
        ["asp/1.0", "asp/0", "asp/0.", "asp/0.01", "ASP/0.1", "asp/0.1 ", "asp/0.12345", "", "1",
         "asp/0.\u0661", "asp/00.1"],
        "version_unsupported",
    ),
    "content.mimeType": (
        ["text/plain", "application/msgpack", "application/asp+json; charset=utf-8", "",
         "Application/ASP+JSON"],
        "version_unsupported",
    ),
    "messageId": ([*NOT_TEXT, "", "x", SESSION[:-1], SESSION + "0", "{" + SESSION + "}",
                   SESSION.replace("-", ""), "019526a1-8e1a-7000-8000-session00001"], MALFORMED),
    "sessionId": ([*NOT_TEXT, "", "ase_abc123", "019526a1-8e1a-7000-8000-session00001"],
                  MALFORMED),
    "sequenceNumber": ([True, False, -1, 1.5, 1.0, "0", [], {}], MALFORMED),
    "timestamp": ([*NOT_TEXT, "", "2026-03-07T14:01:00", "2026-03-07T15:01:00+01:00",
                   "2026-13-07T14:01:00Z", 1_772_892_060_000], MALFORMED),
    "sender": ([5, "a", [], None], MALFORMED),
    "sender.agentId": ([*NOT_TEXT, "", "alpha", "agent://ACME.com", "agent://a/b c"], MALFORMED),
    "sender.orgId": (NOT_TEXT, MALFORMED),
    "sender.dpopProof": ([*NOT_TEXT, "x" * 4097], MALFORMED),
    "recipient": ([*NOT_TEXT, "", {"agentId": URIS["beta"]}, "beta"], MALFORMED),
    "performative": ([*NOT_TEXT, "", "FULFILL", "propose", "PROPOSE ", "__class__"], MALFORMED),
    "content": ([5, "a", [], None], MALFORMED),
    "content.body": ([5, "a", [], None], MALFORMED),
    "constraints": ([5, "a", []], MALFORMED),
    "constraints.maxResponseTimeMs": ([True, "30000", -1, 0, 4_999, 5000.5, [], {}], MALFORMED),
    "constraints.requiredTrustScore": ([True, "50", [], {}], MALFORMED),
    "integrity": ([5, "a", [], None], MALFORMED),
    "integrity.hash": ([*NOT_TEXT, "", "sha256:" + "0" * 63, "sha256:" + "A" * 64,
                        "sha512:" + "0" * 64, TAG + "\n"], MALFORMED),
    "integrity.previousHash": ([*NOT_TEXT, "", "0" * 64, "sha256:a1b2c3d4..."], MALFORMED),
    "integrity.signature": ([*NOT_TEXT, "", "ed25519:" + "0" * 127, "ed25519:" + "F" * 128,
                             "ed25519:x1y2z3...", NO_SIGNATURE + "\n", "0" * 128], MALFORMED),
}  # fmt: skip

NEEDED = {
    "version", "messageId", "sessionId", "sequenceNumber", "timestamp", "sender",
    "sender.agentId", "sender.dpopProof", "performative", "content", "content.mimeType",
    "content.body", "integrity", "integrity.hash", "integrity.previousHash",
    "integrity.signature",
}  # fmt: skip
FREE = {"sender.trustScore"}


def with_member(path: str, *value: Any) -> dict[str, Any]:
    """The sample envelope with one member replaced, or left out when no value is given."""
    document = sample()
    place: Any = document
    *parents, name = path.split(".")
    for parent in parents:
        place = place[parent]
    place.pop(name)
    if value:
        place[name] = value[0]
    return document


def raw(document: Any) -> bytes:
    return json.dumps(document).encode()


def test_every_member_of_the_envelope_has_its_wrong_values() -> None:
    paths = set(sample())
    for outer in ("sender", "content", "constraints", "integrity"):
        paths |= {f"{outer}.{name}" for name in sample()[outer]}

    assert paths == set(WRONG) | FREE
    assert set(WRONG) >= NEEDED


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_value_is_refused_with_its_reason(path: str) -> None:
    values, reason = WRONG[path]
    for value in values:
        with pytest.raises(WireError) as caught:
            decode(raw(with_member(path, value)))
        assert caught.value.code == reason, value


@pytest.mark.parametrize("path", sorted(set(WRONG) | FREE))
def test_only_what_must_be_there_is_missed(path: str) -> None:
    if path not in NEEDED:
        assert decode(raw(with_member(path))).message_id
        return
    with pytest.raises(WireError) as caught:
        decode(raw(with_member(path)))
    assert caught.value.code == "malformed"


def test_every_member_becomes_a_typed_field() -> None:
    envelope = decode(raw(sample()))

    assert envelope.message_id == "019526a1-8e1a-7000-8000-000000000003"
    assert envelope.session_id == SESSION
    assert envelope.sequence == 3
    assert envelope.timestamp_ms == START_MS
    assert envelope.sender == URIS["alpha"]
    assert envelope.org_id == "org_acme"
    assert envelope.claimed_trust == 49
    assert envelope.proof == NO_PROOF
    assert envelope.recipient == URIS["beta"]
    assert envelope.performative is Performative.PROPOSE
    assert envelope.max_response_ms == 30_000
    assert envelope.required_trust == Decimal("50.5")
    assert (envelope.hash, envelope.previous_hash) == (TAG, TAG)
    assert envelope.signature == NO_SIGNATURE
    assert envelope.content == BODIES["PROPOSE"]


@pytest.mark.parametrize("version", ["asp/0.0", "asp/0.1", "asp/0.2", "asp/0.9999"])
def test_every_zero_version_is_read(version: str) -> None:
    assert decode(raw(with_member("version", version))).document["version"] == version


@pytest.mark.parametrize("mime", ["application/asp+json", "application/json"])
def test_both_media_types_are_read(mime: str) -> None:
    assert decode(raw(with_member("content.mimeType", mime))).sequence == 3


def test_a_uuid_may_be_of_any_version_and_case() -> None:
    document = with_member("messageId", "D9428888-122B-11E1-B85C-61CD3CBB3210")

    assert decode(raw(document)).message_id == "d9428888-122b-11e1-b85c-61cd3cbb3210"


def test_the_received_bytes_and_unknown_members_are_kept() -> None:
    document = sample() | {"note": {"deep": [1, 2]}}
    document["content"]["body"]["mood"] = "good"
    received = json.dumps(document, indent=2).encode()
    envelope = decode(received)

    assert envelope.raw == received
    assert envelope.document["note"] == {"deep": [1, 2]}
    assert envelope.content["mood"] == "good"


@pytest.mark.parametrize(
    "place", [(), ("sender",), ("content",), ("content", "body"), ("integrity",)]
)
def test_unknown_members_are_hashed_wherever_they_stand(place: tuple[str, ...]) -> None:
    stage = Stage()
    stage.alpha.invite()
    draft = stage.beta.draft("ACCEPT", {"referenceId": "inv"})
    inner: Any = draft
    for name in place:
        inner = inner[name]
    inner["note"] = "kept"
    sealed = seal(draft, SIGNERS["beta"])
    inner = sealed
    for name in place:
        inner = inner[name]
    inner["note"] = "changed"
    with check_refused(stage, "hash_mismatch"):
        stage.deliver(canonical(sealed))
    inner["note"] = "kept"

    assert stage.deliver(canonical(sealed)) == "ACCEPT/invitation"


def test_a_message_is_an_object() -> None:
    for text in (b"[]", b"5", b'"asp/0.1"', b"null", b"true", b"", b"{", b"{}"):
        with pytest.raises(WireError):
            decode(text)


def test_a_name_given_twice_is_refused() -> None:
    doubled = raw(sample()).replace(
        b'"sequenceNumber": 3', b'"sequenceNumber": 3, "\\u0073equenceNumber": 4'
    )

    with pytest.raises(WireError, match="twice"):
        decode(doubled)


def test_256_kib_are_read_and_no_byte_more() -> None:
    document = raw(sample() | {"pad": ""})
    fitting = raw(sample() | {"pad": "x" * (BODY_BYTES_MAX - len(document))})

    assert len(fitting) == BODY_BYTES_MAX == 256 * 1024
    assert decode(fitting).sequence == 3
    with pytest.raises(WireError) as caught:
        decode(fitting + b" ")
    assert caught.value.code == "too_large"


def test_32_levels_are_read_and_no_level_more() -> None:
    def nested(levels: int) -> bytes:
        return raw(sample() | {"deep": json.loads("[" * levels + "]" * levels)})

    assert decode(nested(31)).sequence == 3
    with pytest.raises(WireError, match="deeper"):
        decode(nested(32))


@pytest.mark.parametrize("missing", [("sessionId",), ("sequenceNumber",), ("sender", "dpopProof")])
def test_a_session_message_names_session_place_and_proof(missing: tuple[str, ...]) -> None:
    with pytest.raises(WireError, match="carries sessionId, sequenceNumber and dpopProof"):
        decode(raw(with_member(".".join(missing))))


def test_a_message_before_a_session_names_neither() -> None:
    document = sample("QUERY")
    del document["sessionId"], document["sequenceNumber"], document["sender"]["dpopProof"]

    assert decode_pre_session(raw(document)).session_id is None
    for name, value in (("sessionId", SESSION), ("sequenceNumber", 0)):
        with pytest.raises(WireError, match="before a session"):
            decode_pre_session(raw(document | {name: value}))


def test_compose_lays_out_what_decode_reads_back() -> None:
    document = compose(
        message_id="019526a1-8e1a-7000-8000-000000000003",
        at_ms=START_MS,
        sender={"agentId": URIS["alpha"], "orgId": "o", "trustScore": 1, "dpopProof": NO_PROOF},
        performative=Performative.WITHDRAW,
        body=BODIES["WITHDRAW"],
        previous_hash=ZERO_TAG,
        salt=b"\x01" * 16,
        session_id=SESSION,
        sequence=7,
        recipient=URIS["beta"],
        constraints={"maxResponseTimeMs": 5_000},
    )
    envelope = decode(canonical(seal(document, SIGNERS["alpha"])))

    assert envelope.sequence == 7
    assert envelope.timestamp_ms == START_MS
    assert envelope.max_response_ms == 5_000
    assert envelope.previous_hash == ZERO_TAG
    assert envelope.content == BODIES["WITHDRAW"]
    assert document["version"] == "asp/0.1"
    assert document["content"]["mimeType"] == "application/asp+json"
    assert document["content"]["salt"] == "AQEBAQEBAQEBAQEBAQEBAQ"
    assert list(document) == [
        "version", "messageId", "sessionId", "sequenceNumber", "timestamp", "sender",
        "recipient", "performative", "content", "constraints", "integrity",
    ]  # fmt: skip


def test_a_message_before_a_session_is_composed_without_its_place() -> None:
    document = compose(
        message_id="019526a1-8e1a-7000-8000-000000000003",
        at_ms=START_MS,
        sender={"agentId": URIS["alpha"]},
        performative=Performative.QUERY,
        body=BODIES["QUERY"],
        previous_hash=ZERO_TAG,
        salt=b"\x01" * 16,
    )

    assert decode_pre_session(canonical(seal(document, SIGNERS["alpha"]))).sequence is None
    assert "constraints" not in document


@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_a_salt_is_sixteen_bytes(size: int) -> None:
    with pytest.raises(MisuseError):
        compose(
            message_id=SESSION,
            at_ms=START_MS,
            sender={},
            performative=Performative.QUERY,
            body={},
            previous_hash=ZERO_TAG,
            salt=bytes(size),
        )


def check_survival(text: bytes) -> None:
    """Whatever comes is read, or refused as not ours, or for its currency; nothing else."""
    for reader in (decode, decode_pre_session):
        code = "read"
        try:
            assert reader(text).raw == text
        except WireError:
            code = "not ours"
        except Refused as error:
            code = error.code
        assert code in ("read", "not ours", "currency_unsupported")


@given(st.binary(max_size=400))
@example(b"\xef\xbb\xbf{}")
@example(b'{"version":"\\ud800"}')
@example(b"[" * 100_000)
@example(b'{"a":' * 5_000)
@example(b"9" * 5_000)
def test_random_bytes_are_survived(text: bytes) -> None:
    check_survival(text)


SAMPLES = [raw(sample(name)) for name in BODIES]


@given(
    st.sampled_from(SAMPLES),
    st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 4), st.binary(max_size=4)),
        min_size=1,
        max_size=4,
    ),
)
def test_mangled_messages_are_survived(
    text: bytes, changes: list[tuple[float, int, bytes]]
) -> None:
    for where, cut, put in changes:
        place = int(where * len(text))
        text = text[:place] + put + text[place + cut :]
    check_survival(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=20)
    | st.sampled_from(["", TAG, "USD", URIS["alpha"], SESSION, "2026-03-07T14:01:00Z"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner,
                                                                max_size=4),
    max_leaves=8,
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        found += [one for name, member in value.items() for one in places(member, (*path, name))]
    if isinstance(value, list):
        found += [one for n, member in enumerate(value) for one in places(member, (*path, n))]
    return found


@given(st.sampled_from(sorted(BODIES)), st.data())
def test_any_member_may_be_anything(performative: str, data: st.DataObject) -> None:
    document = sample(performative)
    for path in data.draw(
        st.lists(st.sampled_from(places(document)), min_size=1, max_size=3, unique=True)
    ):
        place: Any = document
        for name in path[:-1]:
            place = place[name] if _has(place, name) else None
        if _has(place, path[-1]):
            place[path[-1]] = data.draw(JSON)
    text = json.dumps(document, ensure_ascii=data.draw(st.booleans()))
    check_survival(text.encode("utf-8", "surrogatepass"))


def _has(place: Any, name: Any) -> bool:
    if isinstance(place, list):
        return isinstance(name, int) and name < len(place)
    return isinstance(place, dict) and name in place
