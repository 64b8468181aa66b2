"""A host that judges in others' names is found: by the participant's copy, and by ``verify``.

One row a lie. The host signs it into its log and goes on as it pleases; the last columns say what
``verify`` names, claim by claim. Honest stories verify.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.asp.deal_stage import ALPHA, BETA, NODE, OPERATOR, SESSION, DealStage
from tests.dialects.asp.deal_zoo import failed
from tests.dialects.asp.judged import (
    DISPUTE,
    JUDGES,
    VOTES,
    Bend,
    Data,
    copy_of,
    judged,
    ruled,
    vote_of,
)
from treaty.core.deal import Roots, Verdict
from treaty.dialects.asp.audit import verify
from treaty.dialects.asp.deal import withhold
from treaty.errors import SignatureError, TreatyError
from treaty.identity.cards import make_card
from treaty.identity.disputes import make_finding
from treaty.wire.money import Money

ELSEWHERE = "019526a1-8e1a-7000-8000-00000000dead"


def drawn(stage: DealStage) -> tuple[str, ...]:
    return stage.conversation.disputes[DISPUTE].arbiters


def anchor(stage: DealStage, uri: str, key_of: str = "") -> dict[str, Any]:
    key = stage.signers[key_of or uri].key
    return {"uri": uri, "keyId": key.key_id, "publicKey": key.text}


# Honest stories.


@pytest.mark.parametrize("story", [judged, ruled, lambda: ruled(names=False)])
def test_an_honest_ruling_verifies_in_the_copy_and_in_the_file(story: Any) -> None:
    stage = story()
    copy = copy_of(stage, operator=stage.signers[OPERATOR].key)
    assert copy.conversation == stage.conversation
    report = verify(stage.export(), stage.roots())

    assert report.ok, [one for one in report.claims if one.verdict is Verdict.FAILED]
    expected = {"signatures", "states", "keys", "released", "trust"}
    assert expected <= set(report.of(Verdict.VERIFIED))
    assert verify(stage.export()).ok


def test_the_ruling_of_peers_is_the_median_of_what_they_signed() -> None:
    found = copy_of(judged()).conversation.disputes[DISPUTE].ruling

    assert found is not None
    assert (found.by, found.to_payee, found.severity) == ("peers", sorted(VOTES)[1], 2)


# Lies about votes.


def replaced(**changes: Any) -> Bend:
    return lambda _stage, data: {**data, **changes}


def self_made(stage: DealStage, data: Data) -> Data:
    """A vote nobody cast: the host's own key, on a card of its own making, which it lists."""
    by = data["record"]["by"]
    card = make_card(
        stage.signers[NODE], uri=by, name="desk", organization="Org", org_id="org",
        capabilities=(), endpoints={},
    )  # fmt: skip
    listed = {**card, "listing": stage.listing(card)}
    return {"record": vote_of(stage, by, 18_000, signer=NODE)["record"], "card": listed}


def signed_by_the_host(stage: DealStage, data: Data) -> Data:
    return {**data, "record": vote_of(stage, data["record"]["by"], 18_000, signer=NODE)["record"]}


def another_share(_stage: DealStage, data: Data) -> Data:
    share = {"amount": "180.00", "currency": "USD"}
    return {**data, "record": {**data["record"], "toPayee": share}}


def another_severity(_stage: DealStage, data: Data) -> Data:
    return {**data, "record": {**data["record"], "severity": 5}}


def not_drawn(stage: DealStage, _data: Data) -> Data:
    return vote_of(stage, next(uri for uri in JUDGES if uri not in drawn(stage)), 18_000)


def of_elsewhere(stage: DealStage, data: Data) -> Data:
    return vote_of(stage, data["record"]["by"], 18_000, session=ELSEWHERE)


def twice(stage: DealStage, _data: Data) -> Data:
    return vote_of(stage, drawn(stage)[0], VOTES[0])


def card_of_another(stage: DealStage, data: Data) -> Data:
    other = vote_of(stage, drawn(stage)[0], VOTES[0])
    return {**data, "card": other["card"]}


def without(name: str) -> Bend:
    return lambda _stage, data: {key: one for key, one in data.items() if key != name}


VOTE_LIES: dict[str, tuple[Bend, set[str]]] = {
    "a vote nobody cast": (self_made, {"signatures", "states"}),
    "a vote that the host signed": (signed_by_the_host, {"signatures", "states"}),
    "another share": (another_share, {"bytes", "signatures", "states"}),
    "another severity": (another_severity, {"bytes", "signatures", "states"}),
    "somebody who was not drawn": (not_drawn, {"states"}),
    "a vote in another session": (of_elsewhere, {"states"}),
    "the same arbiter again": (twice, {"states"}),
    "another's card": (card_of_another, {"signatures", "states"}),
    "no card": (without("card"), {"states"}),
}


@pytest.mark.parametrize("name", VOTE_LIES)
def test_a_lie_about_a_vote_is_found(name: str) -> None:
    bend, claims = VOTE_LIES[name]
    stage = judged(vote_2=bend)

    with pytest.raises(TreatyError):
        copy_of(stage)
    found = failed(stage.export(), stage.roots())
    assert claims <= found
    # What was paid by the vote that does not count was not due.
    assert "released" in found
    assert failed(stage.export()) >= claims


def unlisted(_stage: DealStage, data: Data) -> Data:
    return {**data, "card": {**data["card"], "listing": None}}


def listed_by_nobody(stage: DealStage, data: Data) -> Data:
    listing = stage.listing(data["card"])
    return {**data, "card": {**data["card"], "listing": {**listing, "registry": OPERATOR}}}


@pytest.mark.parametrize("bend", [unlisted, listed_by_nobody])
def test_an_arbiter_that_no_registry_lists_has_no_key(bend: Bend) -> None:
    stage = judged(vote_3=bend)

    with pytest.raises(TreatyError):
        copy_of(stage)
    verdict = verify(stage.export(), stage.roots()).claim("keys")
    assert verdict is not None
    assert verdict.verdict is not Verdict.VERIFIED


def test_an_arbiter_of_whom_the_trust_log_knows_another_key_is_named() -> None:
    stage = judged()
    deal = stage.export()
    judge = drawn(stage)[0]
    for one in deal["outcomes"]:
        if one["kind"] == "identity" and one["record"]["agent"] == judge:
            one["record"]["key"] = stage.signers[ALPHA].key.text

    assert "keys" in failed(deal, stage.roots())


# Lies about who may be drawn, and about what was ruled.


def own_people(stage: DealStage, data: Data) -> Data:
    own = {"uri": "agent://cloudprime.io/judge", "organisation": "cloudprime.io", "keyId": "k"}
    return {**data, "candidates": [*data["candidates"], own]}


def two_of_one(_stage: DealStage, data: Data) -> Data:
    one = data["candidates"][0]
    return {**data, "candidates": [*data["candidates"], {**one, "uri": f"{one['uri']}/second"}]}


def of_no_organisation(_stage: DealStage, data: Data) -> Data:
    one = {"uri": "agent://puppet.example/desk", "organisation": "other.example", "keyId": "k"}
    return {**data, "candidates": [*data["candidates"], one]}


@pytest.mark.parametrize(
    "bend", [own_people, two_of_one, of_no_organisation, without("candidates")]
)
def test_candidates_who_may_not_be_drawn_are_found(bend: Bend) -> None:
    stage = judged(dispute=bend)

    with pytest.raises(TreatyError):
        copy_of(stage)
    assert "states" in failed(stage.export(), stage.roots())


def test_candidates_other_than_those_who_voted_draw_others() -> None:
    honest = drawn(judged())

    def fewer(_stage: DealStage, data: Data) -> Data:
        kept = [one for one in data["candidates"] if one["uri"] != honest[0]]
        return {**data, "candidates": kept}

    stage = judged(dispute=fewer)
    with pytest.raises(TreatyError):
        copy_of(stage)
    assert {"states", "released"} <= failed(stage.export(), stage.roots())


def test_an_arbiter_below_seventy_is_named() -> None:
    stage = judged(
        # By the records before anybody was vouched for.
        dispute=lambda _stage, data: {**data, "standing": {**data["standing"], "size": 2}}
    )

    assert failed(stage.export(), stage.roots()) == {"trust"}


@pytest.mark.parametrize(
    "standing", [None, {"size": 3}, {"size": 23, "at": "2026-03-07T15:00:00.000Z"}]
)
def test_a_standing_that_cannot_have_been_is_named(standing: Any) -> None:
    stage = judged(dispute=replaced(standing=standing))

    assert "trust" in failed(stage.export(), stage.roots())


EARLY = "2026-03-07T13:50:00.000Z"


@pytest.mark.parametrize(
    "standing",
    [
        pytest.param({"size": 999, "at": "2026-03-07T14:14:00.000Z"}, id="records are missing"),
        pytest.param({"size": 23, "at": EARLY}, id="a clock that was set back, or an old time"),
    ],
)
def test_where_it_cannot_be_told_nobody_is_accused(standing: Any) -> None:
    stage = judged(dispute=replaced(standing=standing))
    report = verify(stage.export(), stage.roots())

    assert "trust" in report.of(Verdict.NOT_CHECKABLE)
    assert report.ok


def test_another_split_than_the_median_is_found() -> None:
    usd = {"amount": "120.00", "currency": "USD"}

    def more(_stage: DealStage, data: Data) -> Data:
        return {**data, "posted": usd} if data.get("movement") == "settle" else data

    stage = judged(escrow=more)
    with pytest.raises(TreatyError):
        copy_of(stage)
    assert "released" in failed(stage.export(), stage.roots())


# Lies about the operator's ruling.


def by_the_host(stage: DealStage, data: Data) -> Data:
    record = make_finding(
        "ruling", stage.signers[NODE], dispute=DISPUTE, session=SESSION, by=OPERATOR,
        to_payee=Money(18_000, "USD"), at_ms=stage.now_ms,
    )  # fmt: skip
    return {"record": record, "publicKey": stage.signers[NODE].key.text}


def under_the_operators_key(stage: DealStage, data: Data) -> Data:
    return {**by_the_host(stage, data), "publicKey": data["publicKey"]}


@pytest.mark.parametrize("bend", [by_the_host, under_the_operators_key, another_share])
def test_a_ruling_that_the_named_operator_did_not_sign_is_found(bend: Bend) -> None:
    stage = ruled(ruling=bend)

    with pytest.raises(SignatureError):
        copy_of(stage)
    for roots in (None, stage.roots()):
        assert failed(stage.export(), roots) >= {"signatures", "states"}


def test_where_the_invitation_names_no_operator_the_known_one_rules() -> None:
    stage = ruled(names=False, ruling=by_the_host)

    with pytest.raises(SignatureError):
        copy_of(stage, operator=stage.signers[OPERATOR].key)
    assert "keys" in failed(stage.export(), stage.roots())
    # Nobody has told who the operator is: then nobody can say.
    nobody: Roots = stage.roots(attester=[])
    assert "keys" in verify(stage.export(), nobody).of(Verdict.NOT_CHECKABLE)


def test_an_operator_the_parties_agreed_on_must_not_be_another_in_the_roots() -> None:
    stage = ruled()
    other = anchor(stage, OPERATOR, key_of=BETA)

    assert "keys" in failed(stage.export(), stage.roots(attester=[other]))
    assert "keys" in verify(stage.export(), stage.roots(attester=[])).of(Verdict.VERIFIED)


@pytest.mark.parametrize("number", [1, 4, 9, 10, 11])
def test_a_withheld_message_accuses_nobody(number: int) -> None:
    stage = judged()

    assert not failed(withhold(stage.export(), number), stage.roots())
