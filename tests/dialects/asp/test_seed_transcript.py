"""The sixteen messages of the protocol's own example, from discovery to the released escrow.

Walked twice: re-made from the bare example by treaty, and as golden bytes that were made without
treaty (``conformance/vectors/asp``). Both ways every message is authenticated, judged and folded.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from treaty.core.commitment import CommitmentState, ObligationState, Order, OrderKind
from treaty.core.log import HostFact
from treaty.dialects.asp import codec, rules
from treaty.dialects.asp.conversation import Conversation
from treaty.dialects.asp.deadlines import deadlines, fold_fact
from treaty.dialects.asp.folding import both_closed, fold_message, orders
from treaty.dialects.asp.messages import Envelope
from treaty.errors import SignatureError, TreatyError
from treaty.identity.dpop import MessageBinding, message_proof
from treaty.identity.envelopes import envelope_hash, open_envelope
from treaty.identity.keys import Ed25519Signer
from treaty.wire.canonical import canonical, read_json
from treaty.wire.digest import ZERO_TAG
from treaty.wire.instants import parse_instant
from treaty.wire.money import Money, money_to_json

VECTORS = Path(__file__).resolve().parents[3] / "conformance" / "vectors" / "asp"
ALPHA = "agent://acme.com/procurement/alpha"
BETA = "agent://cloudprime.io/gpu/beta"
REGISTRY = "agent://npayload.com/registry/discovery"

# number, sender, its sequence, act, state on the wire, escrow order
WALK = [
    (3, ALPHA, 0, "PROPOSE/invitation", "INVITED", None),
    (4, BETA, 0, "ACCEPT/invitation", "INVITED", None),
    (5, ALPHA, 1, "INFORM/identity", "INVITED", None),
    (6, BETA, 1, "INFORM/identity", "INTRODUCED", None),
    (7, ALPHA, 2, "PROPOSE/proposal", "CONVERSING", None),
    (8, BETA, 2, "COUNTER/proposal", "CONVERSING", None),
    (9, ALPHA, 3, "PROPOSE/proposal", "CONVERSING", None),
    (10, BETA, 3, "ACCEPT/proposal", "CONVERSING", None),
    (11, ALPHA, 4, "COMMIT", "AGREEING", "reserve"),
    (12, BETA, 4, "ACCEPT/commitment", "EXECUTING", None),
    (13, BETA, 5, "INFORM", "EXECUTING", None),
    (14, BETA, 6, "INFORM/claim", "EXECUTING", None),
    (15, ALPHA, 5, "CLOSE", "EXECUTING", None),
    (16, BETA, 7, "CLOSE", "CLOSED", "settle"),
]


class Golden(NamedTuple):
    """The signed vector."""

    base_url: str
    signers: dict[str, Ed25519Signer]
    rows: list[dict[str, Any]]


@cache
def golden() -> Golden:
    document = json.loads((VECTORS / "signed-transcript.json").read_text(encoding="utf-8"))
    signers = {
        uri: Ed25519Signer(bytes.fromhex(key["seed"])) for uri, key in document["keys"].items()
    }
    return Golden(document["baseUrl"], signers, document["messages"])


def seed_messages() -> list[dict[str, Any]]:
    raw = (VECTORS / "seed-transcript.json").read_bytes()
    messages = read_json(raw)
    assert isinstance(messages, list)
    return messages


def remade(message: dict[str, Any], previous: str, base_url: str, signer: Ed25519Signer) -> bytes:
    """A message of the example with what the page abbreviates made anew."""
    message = {**message, "integrity": {"previousHash": previous}}
    if "sessionId" in message:
        session = message["sessionId"]
        binding = MessageBinding(
            message["messageId"],
            session,
            message["sequenceNumber"],
            previous,
            rules.messages_url(base_url, session),
        )
        at_ms = parse_instant(message["timestamp"])
        proof = message_proof(signer, binding, at_ms)
        message["sender"] = {**message["sender"], "dpopProof": proof}
    card = message["content"]["body"].get("data", {}).get("agentCard")
    if card is not None:
        card["publicKey"] = signer.key.text
    return canonical(codec.seal(message, signer))


def remade_transcript() -> list[bytes]:
    found: list[bytes] = []
    previous = ZERO_TAG
    for number, message in enumerate(seed_messages(), start=1):
        # Discovery is a chain of its own; the session begins again from zeros.
        previous = ZERO_TAG if number == 3 else previous
        signer = golden().signers[message["sender"]["agentId"]]
        found.append(remade(message, previous, golden().base_url, signer))
        sealed = json.loads(found[-1])
        previous = sealed["integrity"]["hash"]
    return found


class Walk:
    """The host's side of the session, step by step."""

    def __init__(self) -> None:
        self.conversation = Conversation()
        self.orders: list[Order] = []

    def receive(self, envelope: Envelope) -> str:
        at_ms = envelope.timestamp_ms
        key = golden().signers[envelope.sender].key
        rules.authenticate(envelope, key, received_at_ms=at_ms, base_url=golden().base_url)
        act = rules.judge(self.conversation, envelope, at_ms)
        self.conversation = fold_message(
            self.conversation,
            envelope,
            at_ms=at_ms,
            position=self.conversation.position + 1,
            entry=envelope.hash,
            public_key=key.text,
        )
        self.orders = list(orders(self.conversation))
        for order in self.orders:
            self.carry_out(order, at_ms)
        return act

    def carry_out(self, order: Order, at_ms: int) -> None:
        asset = order.escrow.money.asset
        data = {
            "movement": order.kind.value,
            "reservation": f"{self.conversation.id}/{order.commitment}",
            "commitmentId": order.commitment,
            "commitHash": self.conversation.commitments[order.commitment].hash,
            "payer": order.escrow.payer,
            "payee": order.escrow.payee,
            "amount": money_to_json(Money(order.units, asset)),
        }
        if order.kind is OrderKind.SETTLE:
            data["posted"] = money_to_json(Money(order.post_units, asset))
            data["voided"] = money_to_json(Money(order.units - order.post_units, asset))
        position = self.conversation.position + 1
        fact = HostFact("", position, at_ms, self.conversation.entry, "escrow", data, {})
        self.conversation = fold_fact(self.conversation, fact, entry=ZERO_TAG)


def walked(raws: list[bytes], last: int = 16) -> Walk:
    walk = Walk()
    for raw in raws[2:last]:
        walk.receive(codec.decode(raw))
    return walk


def test_the_example_has_sixteen_messages_and_reads_as_json() -> None:
    messages = seed_messages()

    assert len(messages) == 16
    assert [one["performative"] for one in messages] == [
        "QUERY", "INFORM", "PROPOSE", "ACCEPT", "INFORM", "INFORM", "PROPOSE", "COUNTER",
        "PROPOSE", "ACCEPT", "COMMIT", "ACCEPT", "INFORM", "INFORM", "CLOSE", "CLOSE",
    ]  # fmt: skip


def test_the_example_as_printed_is_refused_for_its_abbreviations() -> None:
    for message in seed_messages():
        with pytest.raises(TreatyError) as caught:
            codec.decode(json.dumps(message).encode())
        assert caught.value.code == "malformed"


def test_each_message_leads_to_the_state_the_protocol_names() -> None:
    walk = Walk()
    found = []
    for number, raw in enumerate(remade_transcript()[2:], start=3):
        envelope = codec.decode(raw)
        act = walk.receive(envelope)
        ordered = walk.orders[0].kind.value if walk.orders else None
        state = walk.conversation.wire_state
        found.append((number, envelope.sender, envelope.sequence, act, state, ordered))

    assert found == WALK


def test_discovery_is_a_chain_of_its_own() -> None:
    question, answer, invitation = remade_transcript()[:3]
    asked = codec.decode_pre_session(question)
    answered = codec.decode_pre_session(answer)

    assert asked.previous_hash == ZERO_TAG
    assert answered.previous_hash == asked.hash
    assert codec.decode(invitation).previous_hash == ZERO_TAG
    for message in (asked, answered):
        key = golden().signers[message.sender].key
        assert open_envelope(message.document, key, prefix="asp/0.1 ").key == key


def test_discovery_messages_are_no_session_messages_and_the_reverse() -> None:
    raws = remade_transcript()

    with pytest.raises(TreatyError, match="carries sessionId"):
        codec.decode(raws[0])
    with pytest.raises(TreatyError, match="before a session"):
        codec.decode_pre_session(raws[2])


def test_the_chain_is_one_and_the_sequences_are_two() -> None:
    envelopes = [codec.decode(raw) for raw in remade_transcript()[2:]]

    assert all(b.previous_hash == a.hash for a, b in pairwise(envelopes))
    assert [one.sequence for one in envelopes if one.sender == ALPHA] == list(range(6))
    assert [one.sequence for one in envelopes if one.sender == BETA] == list(range(8))


def test_a_counter_left_unanswered_is_declined_by_the_next_proposal() -> None:
    conversation = walked(remade_transcript(), last=10).conversation

    assert {name: one.state for name, one in conversation.proposals.items()} == {
        "prop_gpu_001": "countered",
        "prop_gpu_002": "rejected",
        "prop_gpu_003": "accepted",
    }
    assert conversation.agreed == "prop_gpu_003"


def test_180_dollars_are_reserved_by_the_commit_and_kept_by_the_reservation() -> None:
    walk = walked(remade_transcript(), last=12)
    commitment = walk.conversation.commitments["cmt_001"]
    buyer, provider = commitment.obligations

    assert commitment.escrow is not None
    assert commitment.escrow.money == Money(18_000, "USD")
    assert (commitment.escrow.payer, commitment.escrow.payee) == (ALPHA, BETA)
    assert commitment.reserved
    assert commitment.state is CommitmentState.BOUND
    assert (buyer.state, provider.state) == (ObligationState.KEPT, ObligationState.PENDING)


def test_a_metric_query_without_parameters_waits_for_the_other_party() -> None:
    provider = walked(remade_transcript(), last=12).conversation.commitments["cmt_001"]

    assert provider.obligations[1].method == "counterparty-confirm"


def test_the_first_close_leaves_the_session_executing_until_the_second() -> None:
    walk = walked(remade_transcript(), last=15)

    assert walk.conversation.state == "CLOSING"
    assert walk.conversation.wire_state == "EXECUTING"
    assert not walk.conversation.ended
    assert not both_closed(walk.conversation)


def test_both_closes_release_the_whole_escrow_to_the_provider() -> None:
    walk = walked(remade_transcript())
    commitment = walk.conversation.commitments["cmt_001"]

    assert [(one.kind, one.post_units) for one in walk.orders] == [(OrderKind.SETTLE, 18_000)]
    assert commitment.state is CommitmentState.FULFILLED
    assert commitment.posted_units == 18_000
    assert both_closed(walk.conversation)
    assert walk.conversation.closings[ALPHA].rating == 5
    assert walk.conversation.closings[BETA].rating == 4
    assert not deadlines(walk.conversation)


def test_the_golden_bytes_are_what_treaty_makes() -> None:
    assert [raw.decode() for raw in remade_transcript()] == [row["raw"] for row in golden().rows]


def test_the_golden_hashes_and_signatures_hold() -> None:
    for row in golden().rows:
        envelope = read_json(row["raw"].encode())
        assert isinstance(envelope, dict)
        sender = envelope["sender"]
        assert isinstance(sender, dict)
        key = golden().signers[str(sender["agentId"])].key

        assert envelope_hash(envelope) == row["hash"]
        assert open_envelope(envelope, key, prefix="asp/0.1 ").value["integrity"] == {
            "previousHash": envelope["integrity"]["previousHash"],
            "hash": row["hash"],
            "signature": row["signature"],
        }


def test_the_golden_session_walks_through_the_golden_states() -> None:
    walk = Walk()
    for row in golden().rows[2:]:
        walk.receive(codec.decode(row["raw"].encode()))
        assert walk.conversation.wire_state == row["stateAfter"], row["number"]


def test_the_golden_file_is_what_its_maker_makes() -> None:
    made = subprocess.run(
        [sys.executable, "make_signed_transcript.py"],
        cwd=VECTORS,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )

    assert made.stdout.decode("utf-8") == (VECTORS / "signed-transcript.json").read_text("utf-8")


@pytest.mark.parametrize("number", range(3, 17))
def test_any_changed_byte_of_a_golden_message_is_noticed(number: int) -> None:
    """Every thirteenth byte is changed in turn; what still decodes no longer authenticates."""
    raw = golden().rows[number - 1]["raw"].encode()
    for place in range(number % 13, len(raw), 13):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(TreatyError):
            _authenticate(changed)


def _authenticate(raw: bytes) -> None:
    envelope = codec.decode(raw)
    if envelope.sender not in golden().signers:
        raise SignatureError("a sender nobody knows")
    rules.authenticate(
        envelope,
        golden().signers[envelope.sender].key,
        received_at_ms=envelope.timestamp_ms,
        base_url=golden().base_url,
    )


def test_the_numbers_may_be_spelled_as_on_the_page() -> None:
    """180.00 and 180 are one number: the hash is over the canonical form (B3, B12)."""
    raw = golden().rows[10]["raw"]
    spelled = raw.replace('"amount":180,', '"amount":180.00,').replace(
        '"totalCost":180}', '"totalCost":1.8e2}'
    )
    assert spelled != raw

    walk = walked([row["raw"].encode() for row in golden().rows], last=10)
    walk.receive(codec.decode(spelled.encode()))

    assert walk.conversation.head == golden().rows[10]["hash"]
    assert walk.conversation.wire_state == "AGREEING"
