"""Who speaks (B3 to B6), and whether the words are lawful here: order, room, trust (B7, B17, B18).

The content of messages is judged in ``asp_refusals.txt``; here are the questions that need a
wrong signature, a stale chain, thousands of messages or a trust level.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from tests.dialects.asp.samples import TAG
from tests.dialects.asp.scenes import scene
from tests.dialects.asp.stage import (
    BASE_URL,
    SESSION,
    SIGNERS,
    URIS,
    Stage,
    check_refused,
)
from treaty.dialects.asp import codec
from treaty.dialects.asp.rules import Context, authenticate, check_order, judge, messages_url
from treaty.errors import Refused, SignatureError
from treaty.identity.dpop import make_proof
from treaty.identity.keys import Ed25519Signer
from treaty.wire.canonical import canonical

ALPHA, BETA = SIGNERS["alpha"], SIGNERS["beta"]


def claims_of(document: dict[str, Any]) -> dict[str, Any]:
    """What the proof of a message must claim, written from B6."""
    return {
        "jti": document["messageId"],
        "iat": 1_772_892_060,
        "htm": "POST",
        "htu": f"{BASE_URL}/v1/asp/sessions/{document['sessionId']}/messages",
        "sid": document["sessionId"],
        "seq": document["sequenceNumber"],
        "nonce": document["integrity"]["previousHash"],
    }


def answer(**changes: Any) -> tuple[Stage, dict[str, Any]]:
    """Beta's unsigned ACCEPT of the invitation, and the stage that waits for it."""
    stage = scene("invited")
    return stage, stage.beta.draft("ACCEPT", {"referenceId": "inv"}, **changes)


def send(stage: Stage, document: dict[str, Any], signer: Ed25519Signer = BETA) -> str:
    return stage.deliver(canonical(codec.seal(document, signer)))


def with_claims(signer: Ed25519Signer = BETA, **changes: Any) -> tuple[Stage, dict[str, Any]]:
    """The same with a proof whose claims are changed; None leaves one out."""
    stage, document = answer()
    claims = {**claims_of(document), **changes}
    kept = {name: value for name, value in claims.items() if value is not None}
    document["sender"]["dpopProof"] = make_proof(signer, kept)
    return stage, document


def test_what_b6_asks_for_is_accepted_and_is_what_our_agents_send() -> None:
    stage, document = with_claims()

    assert document == answer()[1]
    assert send(stage, document) == "ACCEPT/invitation"


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("jti", "019526a1-8e1a-7000-8000-000000000009"),
        ("jti", None),
        ("iat", 1_772_892_060 + 61),
        ("iat", 1_772_892_060 - 61),
        ("iat", "1772892060"),
        ("iat", None),
        ("htm", "GET"),
        ("htm", None),
        ("htu", f"{BASE_URL}/v1/asp/sessions/{SESSION}"),
        ("htu", f"{BASE_URL}/v1/asp/sessions/019526a1-8e1a-7000-8000-000000000002/messages"),
        ("htu", f"http://other.example/v1/asp/sessions/{SESSION}/messages"),
        ("htu", None),
        ("sid", "019526a1-8e1a-7000-8000-000000000002"),
        ("sid", None),
        ("seq", 1),
        ("seq", "0"),
        ("seq", False),
        ("seq", None),
        ("nonce", TAG),
        ("nonce", None),
    ],
)
def test_a_proof_that_names_another_message_is_refused(member: str, value: Any) -> None:
    stage, document = with_claims(**{member: value})
    with check_refused(stage, "proof_invalid"):
        send(stage, document)


def test_a_proof_by_another_key_is_refused() -> None:
    stage, document = with_claims(ALPHA)
    with check_refused(stage, "proof_invalid"):
        send(stage, document)


@pytest.mark.parametrize("proof", ["", "x", "e30.e30.e30", "a.b.c.d", "é.e30.e30"])
def test_what_is_no_proof_at_all_is_refused(proof: str) -> None:
    stage, document = answer()
    document["sender"]["dpopProof"] = proof
    with check_refused(stage, "proof_invalid"):
        send(stage, document)


def test_a_proof_is_not_taken_from_another_message() -> None:
    stage = scene("conversing")
    first, second = (stage.alpha.draft("OBSERVE", {"subject": "s", "data": {}}) for _ in "ab")
    second["sender"]["dpopProof"] = first["sender"]["dpopProof"]
    with check_refused(stage, "proof_invalid"):
        send(stage, second, ALPHA)


@pytest.mark.parametrize("late_ms", [0, 60_000, -60_000])
def test_proof_and_timestamp_may_lie_a_minute_from_the_receipt(late_ms: int) -> None:
    stage, document = answer()
    envelope = codec.decode(canonical(codec.seal(document, BETA)))
    at_ms = stage.now_ms + late_ms
    verified = authenticate(envelope, BETA.key, received_at_ms=at_ms, base_url=BASE_URL)

    assert verified.key == BETA.key


@pytest.mark.parametrize("late_ms", [60_001, -60_001])
def test_more_than_a_minute_is_refused(late_ms: int) -> None:
    stage, document = answer()
    stage.now_ms += late_ms
    with check_refused(stage, "proof_invalid"):
        send(stage, document)


def test_a_fresh_proof_does_not_save_an_old_timestamp() -> None:
    stage, document = answer(timestamp="2026-03-07T13:59:59.999Z")
    with check_refused(stage, "proof_invalid"):
        send(stage, document)


def test_a_message_signed_by_another_key_is_refused() -> None:
    stage, document = answer()
    with check_refused(stage, "signature_invalid"):
        send(stage, document, ALPHA)


@pytest.mark.parametrize(
    "signed_text", ["{hash}", "asp/0.2 {hash}", "treaty/1 card {hash}", "asp/0.1 {hash} "]
)
def test_a_signature_over_another_text_is_refused(signed_text: str) -> None:
    stage, document = answer()
    sealed = codec.seal(document, BETA)
    integrity: Any = sealed["integrity"]
    text = signed_text.replace("{hash}", integrity["hash"])
    integrity["signature"] = "ed25519:" + BETA.sign(text.encode()).hex()
    with check_refused(stage, "signature_invalid"):
        stage.deliver(canonical(sealed))


@pytest.mark.parametrize(
    "path",
    [
        ("version",), ("messageId",), ("sequenceNumber",), ("timestamp",), ("recipient",),
        ("sender", "orgId"), ("sender", "trustScore"), ("content", "body", "referenceId"),
        ("content", "salt"), ("integrity", "previousHash"), ("integrity", "hash"),
    ],
)  # fmt: skip
def test_no_member_can_be_changed_after_the_signature(path: tuple[str, ...]) -> None:
    stage, document = answer(recipient=URIS["alpha"])
    sealed = json.loads(canonical(codec.seal(document, BETA)))
    place = sealed
    for name in path[:-1]:
        place = place[name]
    other = {
        "version": "asp/0.2",
        "messageId": "019526a1-8e1a-7000-8000-000000000009",
        "sequenceNumber": 1,
        "timestamp": "2026-03-07T14:01:01.000Z",
        "recipient": URIS["gamma"],
        "trustScore": 50,
        "previousHash": TAG,
        "hash": TAG,
    }
    place[path[-1]] = other.get(path[-1], "changed")
    with check_refused(stage, "hash_mismatch"):
        stage.deliver(canonical(sealed))


def test_a_uuid_in_capitals_is_proven_as_it_is_spelled() -> None:
    stage = scene("invited")
    document = stage.beta.draft("ACCEPT", {"referenceId": "inv"})
    document["messageId"] = document["messageId"].upper()
    document["sessionId"] = document["sessionId"].upper()
    document["sender"]["dpopProof"] = make_proof(BETA, claims_of(document))

    assert send(stage, document) == "ACCEPT/invitation"


def test_a_card_with_a_key_for_proofs_is_proven_by_that_key() -> None:
    stage, document = answer()
    other = SIGNERS["beta's next"]
    document["sender"]["dpopProof"] = make_proof(other, claims_of(document))
    envelope = codec.decode(canonical(codec.seal(document, BETA)))
    times = {"received_at_ms": stage.now_ms, "base_url": BASE_URL}

    assert authenticate(envelope, BETA.key, proof_key=other.key, **times).key == BETA.key
    with pytest.raises(SignatureError):
        authenticate(envelope, BETA.key, **times)


def test_an_identity_shows_the_key_that_signs() -> None:
    stage = scene("invited_accepted")
    with check_refused(stage, "unauthorized"):
        stage.beta.identify(key=ALPHA.key)


def test_another_inform_may_show_anybodys_card() -> None:
    stage = scene("conversing")

    assert stage.beta.inform("reference", {"agentCard": stage.alpha.card()}) == "INFORM"


def test_a_delegate_shows_the_key_that_signs_its_first_message() -> None:
    stage = scene("conversing")
    stage.alpha.delegate("d1", "gamma")
    stage.beta.accept("d1")
    with check_refused(stage, "unauthorized"):
        stage.gamma.identify(key=ALPHA.key)
    stage.gamma.identify()

    assert stage.conversation.participants[URIS["gamma"]].public_key == SIGNERS["gamma"].key.text


def test_a_key_is_pinned_at_the_first_message() -> None:
    stage = scene("invited_accepted")
    stage.key_names["beta"] = "beta's next"
    with check_refused(stage, "signature_invalid"):
        stage.beta.identify()

    assert stage.conversation.participants[URIS["beta"]].public_key == BETA.key.text


def test_after_a_revocation_the_successor_is_pinned() -> None:
    stage = scene("conversing").with_revoked("alpha")
    with check_refused(stage, "key_revoked"):
        stage.alpha.observe()
    with check_refused(stage, "unauthorized"):
        stage.alpha.identify(key=ALPHA.key)
    stage.alpha.identify()
    stage.alpha.observe()

    successor = SIGNERS["alpha's next"].key.text
    assert stage.conversation.participants[URIS["alpha"]].public_key == successor


def test_a_revoked_key_is_no_successor_of_itself() -> None:
    stage = scene("conversing").with_revoked("alpha")
    stage.key_names["alpha"] = "alpha"
    with check_refused(stage, "key_revoked"):
        stage.alpha.identify()


def test_another_keys_revocation_concerns_nobody_here() -> None:
    stage = scene("conversing")
    stage.revoke("alpha", key_name="gamma")
    stage.key_names["alpha"] = "alpha"

    assert stage.alpha.observe() == "OBSERVE"


def test_a_message_must_extend_the_head() -> None:
    stage = scene("conversing")
    with check_refused(stage, "chain_stale"):
        stage.alpha.say("OBSERVE", {"subject": "s", "data": {}}, previous_hash=TAG)


@pytest.mark.parametrize("step", [-1, 1, 2])
def test_a_message_must_carry_the_senders_next_number(step: int) -> None:
    stage = scene("conversing")
    following = stage.conversation.participants[URIS["alpha"]].next_sequence
    with check_refused(stage, "sequence_gap"):
        stage.alpha.say("OBSERVE", {"subject": "s", "data": {}}, sequence=following + step)


def test_a_first_message_carries_number_zero() -> None:
    stage = scene("invited")
    with check_refused(stage, "sequence_gap"):
        stage.beta.say("ACCEPT", {"referenceId": "inv"}, sequence=1)


def test_whoever_is_out_of_order_hears_where_the_session_stands() -> None:
    stage = scene("conversing")
    now = stage.conversation
    raw = stage.alpha.write("OBSERVE", {"subject": "s", "data": {}}, previous_hash=TAG, sequence=9)
    with pytest.raises(Refused) as caught:
        check_order(now, codec.decode(raw))

    assert caught.value.code == "chain_stale"
    assert caught.value.data == {"head": now.head, "position": now.position, "nextSequence": 3}


def test_a_message_of_another_session_is_told_nothing() -> None:
    stage = scene("conversing")
    other = "019526a1-8e1a-7000-8000-000000000002"
    document = stage.alpha.draft("OBSERVE", {"subject": "s", "data": {}}, sessionId=other)
    document["sender"]["dpopProof"] = make_proof(ALPHA, claims_of(document))
    with check_refused(stage, "unknown_session"):
        send(stage, document, ALPHA)


def test_a_stranger_hears_nothing_even_with_a_stale_chain() -> None:
    stage = scene("conversing")
    with check_refused(stage, "unknown_session"):
        stage.stranger.say("OBSERVE", {"subject": "s", "data": {}}, previous_hash=TAG)


def test_judging_changes_nothing_and_names_the_act() -> None:
    stage = scene("in_company")
    before = repr(stage.conversation)
    raw = stage.beta.write("ACCEPT", {"referenceId": "pa"})

    assert judge(stage.conversation, codec.decode(raw), stage.now_ms) == "ACCEPT/proposal"
    assert repr(stage.conversation) == before


def test_the_url_of_messages_is_the_hosts_own() -> None:
    assert messages_url("https://n.example", "S") == "https://n.example/v1/asp/sessions/S/messages"


QUOTA, KEPT = 5_000, 32

LAST_WORDS: dict[str, Callable[[Stage], str]] = {
    "INFORM result": lambda stage: stage.alpha.inform("result"),
    "INFORM error": lambda stage: stage.alpha.inform("error"),
    "REJECT": lambda stage: stage.alpha.reject("pb"),
    "WITHDRAW": lambda stage: stage.alpha.withdraw("pa"),
    "ESCALATE": lambda stage: stage.alpha.escalate(),
    "CLOSE": lambda stage: stage.alpha.close("cancelled"),
}
OTHER_WORDS: dict[str, Callable[[Stage], str]] = {
    "INFORM progress": lambda stage: stage.alpha.inform("progress"),
    "INFORM identity": lambda stage: stage.alpha.identify(),
    "PROPOSE": lambda stage: stage.alpha.propose("p9"),
    "COUNTER": lambda stage: stage.alpha.counter("pb", "p9"),
    "ACCEPT": lambda stage: stage.alpha.accept("pb"),
    "QUERY": lambda stage: stage.alpha.ask("q9"),
    "CLARIFY": lambda stage: stage.alpha.clarify("pb"),
    "COMMIT": lambda stage: stage.alpha.commit("c9"),
    "DELEGATE": lambda stage: stage.alpha.delegate("d9", "agent://x.example/9"),
    "OBSERVE": lambda stage: stage.alpha.observe(),
}


def test_every_performative_is_a_last_word_or_not() -> None:
    named = {name.split()[0] for name in (*LAST_WORDS, *OTHER_WORDS)}

    assert len(named) == 13


@pytest.mark.parametrize("name", OTHER_WORDS)
def test_the_last_positions_are_not_for_this(name: str) -> None:
    # One more message of alpha's side is gamma's.
    assert OTHER_WORDS[name](scene("in_company").with_messages("alpha", QUOTA - KEPT - 2))
    stage = scene("in_company").with_messages("alpha", QUOTA - KEPT - 1)
    with check_refused(stage, "session_full"):
        OTHER_WORDS[name](stage)


@pytest.mark.parametrize("name", LAST_WORDS)
def test_the_last_positions_are_for_ending_well(name: str) -> None:
    assert LAST_WORDS[name](scene("in_company").with_messages("alpha", QUOTA - 2))
    stage = scene("in_company").with_messages("alpha", QUOTA - 1)
    with check_refused(stage, "session_full"):
        LAST_WORDS[name](stage)


def test_a_delegate_speaks_from_its_principals_share_and_not_from_the_others() -> None:
    stage = scene("in_company").with_messages("alpha", QUOTA - KEPT)
    with check_refused(stage, "session_full"):
        stage.gamma.observe()

    assert stage.beta.observe() == "OBSERVE"
    assert stage.delta.observe() == "OBSERVE"


def test_what_a_delegate_said_still_counts_when_it_has_left() -> None:
    stage = scene("in_company").with_messages("gamma", QUOTA - KEPT)
    with check_refused(stage, "session_full"):
        stage.alpha.observe()
    stage.alpha.withdraw("del_gamma")
    with check_refused(stage, "session_full"):
        stage.alpha.observe()


@dataclass(frozen=True)
class Standing:
    """An agent's trust as the host knows it."""

    score: Decimal
    level: int


def known(**scores: tuple[str, int]) -> Context:
    standings = {URIS[name]: Standing(Decimal(score), n) for name, (score, n) in scores.items()}
    return Context(standing=standings.__getitem__)


def asking(score: float) -> Stage:
    stage = Stage()
    stage.alpha.invite(constraints={"requiredTrustScore": score})
    return stage


@pytest.mark.parametrize("answer_with", ["accept", "counter"])
def test_whoever_answers_an_invitation_has_the_score_it_asks_for(answer_with: str) -> None:
    words = ("inv",) if answer_with == "accept" else ("inv", "inv2")
    stage = asking(50.5)
    stage.context = known(beta=("50.4", 2))
    with check_refused(stage, "insufficient_trust_score"):
        getattr(stage.beta, answer_with)(*words)
    stage.context = known(beta=("50.5", 2))

    assert getattr(stage.beta, answer_with)(*words).startswith(answer_with.upper())


def test_without_a_required_score_nobody_is_too_low() -> None:
    stage = scene("invited")
    stage.context = known(beta=("0", 0))

    assert stage.beta.accept("inv") == "ACCEPT/invitation"


def test_a_participant_leaves_the_question_of_scores_to_the_host() -> None:
    assert asking(99).beta.accept("inv") == "ACCEPT/invitation"


@pytest.mark.parametrize(
    ("alpha", "beta", "amount", "fits"),
    [(1, 4, 1_000, True), (1, 4, 1_000.01, False), (4, 1, 1_000.01, False), (0, 0, 100, True),
     (0, 4, 100.01, False), (2, 2, 10_000, True), (4, 4, 1_000_000.01, False)],
)  # fmt: skip
def test_a_commitment_stays_under_the_lower_ceiling(
    alpha: int, beta: int, amount: float, fits: bool
) -> None:
    stage = scene("in_company")
    stage.context = known(alpha=("50", alpha), beta=("50", beta))
    if fits:
        assert stage.alpha.commit(amount=amount) == "COMMIT"
        return
    with check_refused(stage, "ceiling_exceeded"):
        stage.alpha.commit(amount=amount)


def test_a_commitment_without_escrow_has_no_ceiling() -> None:
    stage = scene("in_company")
    stage.context = known(alpha=("0", 0), beta=("0", 0))

    assert stage.alpha.commit(amount=None) == "COMMIT"


def test_a_currency_without_a_rate_is_refused() -> None:
    stage = scene("in_company")
    stage.context = known(alpha=("50", 4), beta=("50", 4))
    with check_refused(stage, "currency_unsupported"):
        stage.alpha.commit(escrow={"currency": "EUR"})


def test_terms_of_a_commitment_contain_the_accepted_ones() -> None:
    stage = scene("conversing")
    terms = {"gpu": "A100", "count": 2, "sla": {"uptime": 99.95}, "zones": ["a", "b"]}
    stage.alpha.propose("p1", terms=terms)
    stage.beta.accept("p1")
    for wrong in (
        {},
        {**terms, "count": 3},
        {**terms, "count": True},
        {**terms, "sla": {}},
        {**terms, "sla": {"uptime": 99.9}},
        {**terms, "sla": 99.95},
        {**terms, "zones": ["b", "a"]},
        {**terms, "zones": ["a", "b", "c"]},
        {**terms, "zones": ["a"]},
    ):
        with check_refused(stage, "commitment_invalid"):
            stage.alpha.commit(proposalId="p1", terms=wrong)
    more = {**terms, "sla": {"uptime": 99.95, "hours": 24}, "total": 180}

    assert stage.alpha.commit(proposalId="p1", terms=more) == "COMMIT"


@pytest.mark.parametrize("state", ["rejected", "withdrawn", "open"])
def test_a_commitment_names_an_accepted_proposal(state: str) -> None:
    stage = scene("conversing")
    stage.alpha.propose("p1")
    if state == "rejected":
        stage.beta.reject("p1")
    if state == "withdrawn":
        stage.alpha.withdraw("p1")
    with check_refused(stage, "commitment_invalid"):
        stage.alpha.commit(proposalId="p1")


def test_a_check_that_no_method_asks_for_is_refused() -> None:
    stage = scene("in_company")
    with check_refused(stage, "commitment_invalid"):
        stage.alpha.commit(provider={"verification": {"url": "https://m.example/"}})


def test_obligations_in_a_list_need_a_named_payer_and_payee() -> None:
    stage = scene("in_company")
    duties = list(stage.commitment()["obligations"].values())
    with check_refused(stage, "commitment_invalid"):
        stage.alpha.commit(obligations=duties)
    parties = {"payer": URIS["alpha"], "payee": URIS["beta"]}

    assert stage.alpha.commit(obligations=duties, escrow=parties) == "COMMIT"
