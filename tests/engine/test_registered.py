"""Who may change what a registry knows of an agent: keys, domains, revocations (B5)."""

from __future__ import annotations

from typing import Any

import pytest

from treaty.core.trust import Proof
from treaty.engine.ports import Entry
from treaty.engine.registered import (
    CONTENDER_MS,
    FORMER_MAX,
    NOTICE_MS,
    REVOKED_MAX,
    Registered,
    fold_registered,
    judge_card,
    judge_revocation,
    notice_of,
)
from treaty.errors import TreatyError
from treaty.identity.cards import key_hash, make_card, make_rotation, open_card
from treaty.identity.keys import Ed25519Signer
from treaty.identity.revocations import make_revocation, open_revocation
from treaty.wire.canonical import canonical
from treaty.wire.digest import sha256
from treaty.wire.instants import format_instant

URI = "agent://acme.com/alpha"
AT = 1_772_892_000_000
FIRST, NEXT, OTHER = (Ed25519Signer(sha256(name)) for name in (b"first", b"next", b"other"))


def card(signer: Ed25519Signer, version: int = 1, **changes: Any) -> Any:
    made = make_card(
        signer, uri=URI, name="a", organization="o", org_id="o", capabilities=(), endpoints={},
        version=version, **changes,
    )  # fmt: skip
    return open_card(made)


def after(state: Registered, kind: str, body: Any) -> Registered:
    """The state behind one more entry, read back from its bytes."""
    return fold_registered(state, Entry("card/x", 1, kind, canonical(body)), None)


def with_card(state: Registered, view: Any) -> Registered:
    return after(state, "card", view.card)


def proven(state: Registered, signer: Ed25519Signer, at_ms: int = AT) -> Registered:
    body = {"publicKey": signer.key.text, "keyId": signer.key.key_id, "at": format_instant(at_ms)}
    return after(state, "proof", body)


def revoked(state: Registered, by: Ed25519Signer, of: Ed25519Signer) -> Registered:
    return after(
        state, "revocation", make_revocation(by, uri=URI, key_id=of.key.key_id, since_ms=AT)
    )


def code_of(call: Any, *args: Any) -> str:
    with pytest.raises(TreatyError) as caught:
        call(*args)
    return caught.value.code


HELD = with_card(Registered(), card(FIRST, next_key_hash=key_hash(NEXT.key)))


def test_a_new_name_is_given_to_its_first_key() -> None:
    assert judge_card(Registered(), card(FIRST), AT) == (Proof.KEY,)


def test_a_new_name_whose_domain_the_key_has_proven_is_proven_at_once() -> None:
    state = proven(Registered(), FIRST)
    assert judge_card(state, card(FIRST), AT) == (Proof.KEY, Proof.DOMAIN)
    assert with_card(state, card(FIRST)).proven


def test_the_same_card_changes_nothing_and_the_next_version_proves_nothing_new() -> None:
    view = card(FIRST, next_key_hash=key_hash(NEXT.key))
    assert judge_card(HELD, view, AT) is None
    assert judge_card(HELD, card(FIRST, 2), AT) == ()


def test_a_rotation_is_a_proof_and_a_stranger_a_conflict() -> None:
    assert HELD.view is not None
    rotation = make_rotation(FIRST, current=HELD.view, next_key=NEXT.key)
    assert judge_card(HELD, card(NEXT, 2, extra={"rotation": rotation}), AT) == (Proof.ROTATION,)
    assert code_of(judge_card, HELD, card(NEXT, 2), AT) == "card_conflict"
    assert code_of(judge_card, HELD, card(OTHER, 2), AT) == "card_conflict"


def test_an_unproven_name_gives_way_at_once_to_whoever_proves_its_domain() -> None:
    state = proven(HELD, OTHER)
    assert judge_card(state, card(OTHER), AT) == (Proof.DISPLACEMENT,)
    # Not for ever, and for nobody else.
    assert code_of(judge_card, state, card(OTHER), AT + CONTENDER_MS + 1) == "card_conflict"
    assert code_of(judge_card, state, card(NEXT, 2), AT) == "card_conflict"
    taken = with_card(state, card(OTHER))
    assert taken.proven
    assert taken.contender is None


@pytest.mark.parametrize(
    ("again_ms", "lawful"),
    [(None, False), (NOTICE_MS - 1, False), (NOTICE_MS, True), (NOTICE_MS + 1, True)],
)
def test_a_proven_name_gives_way_after_three_days_of_notice_and_a_second_proof(
    again_ms: int | None, lawful: bool
) -> None:
    state = proven(proven(HELD, FIRST), OTHER)
    assert state.proven
    if again_ms is not None:
        state = proven(state, OTHER, AT + again_ms)
    now = AT + (again_ms or NOTICE_MS)
    if lawful:
        assert judge_card(state, card(OTHER, 2), now) == (Proof.ROTATION,)
        assert code_of(judge_card, state, card(OTHER, 3), now) == "card_conflict"
    else:
        assert code_of(judge_card, state, card(OTHER, 2), now) == "card_conflict"


def test_the_owner_ends_a_contest_by_proving_its_domain_and_the_notice_begins_anew() -> None:
    state = proven(proven(HELD, FIRST), OTHER)
    state = proven(state, FIRST, AT + NOTICE_MS - 1)
    assert state.contender is None
    state = proven(state, OTHER, AT + NOTICE_MS)
    assert code_of(judge_card, state, card(OTHER, 2), AT + NOTICE_MS) == "card_conflict"


def test_a_contest_that_was_let_lie_begins_anew() -> None:
    late = AT + CONTENDER_MS + 1
    state = proven(proven(proven(HELD, FIRST), OTHER), OTHER, late)
    assert state.contender is not None
    assert state.contender.since_ms == late


def test_a_revoked_key_never_comes_back_and_its_successor_needs_no_introduction() -> None:
    state = revoked(HELD, NEXT, FIRST)
    assert state.barred
    for version in (1, 2, 9):
        view = card(FIRST, version, next_key_hash=key_hash(NEXT.key))
        assert code_of(judge_card, state, view, AT) == "key_revoked"
    assert judge_card(state, card(NEXT, 2), AT) == (Proof.ROTATION,)
    state = with_card(state, card(NEXT, 2))
    assert not state.barred
    assert code_of(judge_card, state, card(FIRST, 3), AT) == "key_revoked"
    # The word that brought the successor in brings nobody else in.
    assert code_of(judge_card, state, card(OTHER, 3), AT) == "card_conflict"


@pytest.mark.parametrize(
    ("by", "of", "since_ms", "code"),
    [
        (NEXT, FIRST, 0, None),
        (NEXT, FIRST, -86_400_000, None),
        (NEXT, FIRST, 60_001, "policy_violation"),
        (OTHER, FIRST, 0, "unauthorized"),
        (NEXT, OTHER, 0, "reference_unknown"),
    ],
)
def test_a_revocation_is_the_next_keys_word_about_the_key_in_force(
    by: Ed25519Signer, of: Ed25519Signer, since_ms: int, code: str | None
) -> None:
    record = make_revocation(by, uri=URI, key_id=of.key.key_id, since_ms=AT + since_ms)
    word = open_revocation(record)
    if code is None:
        assert judge_revocation(HELD, word, AT)
        assert not judge_revocation(revoked(HELD, by, of), word, AT)
    else:
        assert code_of(judge_revocation, HELD, word, AT) == code


def test_nobody_is_revoked_who_is_not_registered() -> None:
    word = open_revocation(make_revocation(NEXT, uri=URI, key_id="k", since_ms=AT))
    assert code_of(judge_revocation, Registered(), word, AT) == "unknown_agent"


def test_revocations_of_one_agent_are_limited() -> None:
    many = {f"key{number}": AT for number in range(REVOKED_MAX)}
    state = Registered(HELD.view, revoked=many)
    record = make_revocation(NEXT, uri=URI, key_id=FIRST.key.key_id, since_ms=AT)
    assert code_of(judge_revocation, state, open_revocation(record), AT) == "policy_violation"


def test_the_notice_tells_who_holds_who_contends_and_what_is_revoked() -> None:
    state = proven(proven(HELD, FIRST), OTHER)
    told: Any = notice_of(URI, state)
    assert (told["registered"], told["proven"], told["keyId"]) == (True, True, FIRST.key.key_id)
    assert told["contender"] == {
        "keyId": OTHER.key.key_id,
        "since": format_instant(AT),
        "notBefore": format_instant(AT + NOTICE_MS),
    }
    told = notice_of(URI, revoked(HELD, NEXT, FIRST))
    assert told["revoked"] == [{"keyId": FIRST.key.key_id, "since": format_instant(AT)}]
    assert notice_of(URI, Registered())["registered"] is False


def rotated(state: Registered, *, version: int = 2) -> Registered:
    """NEXT has taken over from FIRST, and committed to OTHER."""
    return with_card(state, card(NEXT, version, next_key_hash=key_hash(OTHER.key)))


@pytest.mark.parametrize(
    ("by", "code"),
    [(NEXT, None), (OTHER, "unauthorized"), (Ed25519Signer(b"9" * 32), "unauthorized")],
)
def test_a_key_that_was_replaced_is_revoked_by_the_one_in_force(
    by: Ed25519Signer, code: str | None
) -> None:
    state = rotated(HELD)
    assert state.has_held(FIRST.key.key_id)
    assert state.has_held(NEXT.key.key_id)
    assert not state.has_held(OTHER.key.key_id)
    word = open_revocation(make_revocation(by, uri=URI, key_id=FIRST.key.key_id, since_ms=AT))
    if code is not None:
        assert code_of(judge_revocation, state, word, AT) == code
        return
    assert judge_revocation(state, word, AT)
    after_it = revoked(state, by, FIRST)
    # It bars nobody else, and brings nobody in.
    assert not after_it.barred
    assert code_of(judge_card, after_it, card(FIRST, 3), AT) == "key_revoked"
    assert code_of(judge_card, after_it, card(OTHER, 3), AT) == "card_conflict"


def test_who_takes_a_name_by_its_domain_has_not_held_the_keys_before() -> None:
    state = with_card(proven(HELD, OTHER), card(OTHER, 1))
    assert state.has_held(OTHER.key.key_id)
    assert not state.has_held(FIRST.key.key_id)
    # A proven name stays its organisation's.
    owned = with_card(proven(HELD, FIRST), card(NEXT, 2))
    assert owned.has_held(FIRST.key.key_id)


def test_the_newest_of_the_former_keys_are_remembered() -> None:
    state = HELD
    for number in range(FORMER_MAX + 1):
        state = with_card(state, card(Ed25519Signer(sha256(b"%d" % number)), number + 2))
    assert len(state.former) == FORMER_MAX
    assert not state.has_held(FIRST.key.key_id)
