"""A deal file of a routed deal verifies, and every way to bend it is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dialects.mrp.deals import (
    DECISION_ID,
    MANIFESTS,
    SELLER,
    A,
    B,
    Exchange,
    evidence,
    lost_deal,
    seed_deal,
    seed_lines,
    seed_record,
)
from tests.dialects.mrp.mutants import VALUES, places
from treaty import app
from treaty.core.deal import Anchor, Roots, Verdict
from treaty.dialects.mrp.audit import CLAIMS, LAST, verify
from treaty.dialects.mrp.codec import decode_reply
from treaty.dialects.mrp.deal import Line, make_deal
from treaty.dialects.mrp.decision import Heard, decide, record
from treaty.dialects.mrp.evidence import EVIDENCE_CLAIMS
from treaty.dialects.mrp.reading import read_discover, read_offer
from treaty.identity.keys import Ed25519Signer
from treaty.wire.canonical import canonical

DEAL = seed_deal()
ROOTS = Roots(host=(Anchor("agent://a.example", SELLER.key.key_id, SELLER.key.text),))
UNCHECKABLE = ("sources", "account")

Deal = dict[str, Any]


def verdicts(deal: Any, roots: Roots | None = None) -> dict[str, str]:
    return {one.name: one.verdict.value for one in verify(deal, roots).claims}


def test_the_seeds_deal_verifies_claim_by_claim() -> None:
    report = verify(DEAL, ROOTS)

    about = [*CLAIMS[:LAST], *EVIDENCE_CLAIMS, *CLAIMS[LAST:]]
    assert [one.name for one in report.claims] == about
    assert report.of(Verdict.FAILED) == ()
    assert report.of(Verdict.NOT_CHECKABLE) == UNCHECKABLE
    assert report.anchored
    assert report.first_line == "verified, but not checkable: sources, account"
    assert report.claim("attestations").detail == "attestation under the provider's signature"


def test_without_roots_nobody_is_anchored() -> None:
    assert not verify(DEAL).anchored
    assert not verify(DEAL, Roots()).anchored
    assert verify(DEAL).first_line == "self-consistent, identities not anchored"


def test_the_front_door_knows_the_dialect() -> None:
    read_again = json.loads(json.dumps(DEAL))

    assert app.verify(read_again).ok
    assert not app.verify(read_again, require=["sources"]).ok


def test_a_decision_that_nobody_won_verifies_too() -> None:
    report = verify(lost_deal())

    assert report.ok, report
    assert [one.name for one in report.claims] == list(CLAIMS)
    assert report.claim("decision").detail == "nobody fits, for the reasons given"


def _reparse(deal: Deal, index: int, change: Callable[[Deal], None]) -> None:
    """Change a message and its bytes alike, as somebody who forges both."""
    message = deal["messages"][index]
    change(message)
    deal["raw"][index] = canonical(message).decode()


def _offer_of(deal: Deal, index: int) -> Deal:
    return deal["messages"][index]["payload"]["offers"][0]


def _reason_of(deal: Deal) -> Deal:
    return deal["decision"]["considered"][1]["reasons"][1]


def _told(deal: Deal) -> Deal:
    return deal["decision"]["negotiation"]


def _swap_winner(deal: Deal) -> None:
    record = deal["decision"]
    record["winner"] = {**record["winner"], "provider": B, "route_id": "route-global-cheap"}
    deal["session"]["provider"] = B


# What is bent, the claim that fails.
TAMPERED: dict[str, tuple[Callable[[Deal], Any], str]] = {
    "a member nobody knows": (lambda d: d.update(extra=1), "form"),
    "another dialect's heading": (lambda d: d.update(treaty="deal/2"), "form"),
    "a status of its own": (lambda d: d["session"].update(status="x"), "form"),
    "a column cut": (lambda d: d["at"].pop(), "form"),
    "a message that is none": (lambda d: d["raw"].__setitem__(1, "{}"), "form"),
    "parsed otherwise": (lambda d: _offer_of(d, 1).update(confidence=0.9), "bytes"),
    "a message taken out": (
        lambda d: [d[name].pop(1) for name in ("raw", "messages", "sent", "at", "manifests")],
        "order",
    ),
    "who said it turned round": (lambda d: d["sent"].__setitem__(7, True), "order"),
    "work given to the loser": (
        lambda d: d["decision"]["winner"].update(manifest_url=MANIFESTS[B]),
        "order",
    ),
    "an answer to another question": (
        lambda d: _reparse(d, 3, lambda m: m.update(in_reply_to="somebody-else")),
        "order",
    ),
    "somebody else's question": (
        lambda d: _reparse(d, 0, lambda m: m.update(sender={"id": "agent:other"})),
        "order",
    ),
    "time turned back": (lambda d: d["at"].__setitem__(7, 1), "order"),
    "an offer that nobody made": (
        lambda d: d["decision"]["considered"][1]["offer"].update(confidence=0.5),
        "offers",
    ),
    "an offer left out": (lambda d: d["decision"]["considered"].pop(), "offers"),
    "another winner": (_swap_winner, "decision"),
    "another figure of the winner": (
        lambda d: d["decision"]["winner"].update(cost=0.001),
        "decision",
    ),
    "a message to somebody else": (
        lambda d: _reparse(d, 3, lambda m: m.update(receiver={"id": "agent:other"})),
        "order",
    ),
    "a question after an offer that was not made": (
        lambda d: _reparse(d, 4, lambda m: m.update(in_reply_to="somebody-else")),
        "order",
    ),
    "other domains in the record": (
        lambda d: d["decision"].update(allowed_domains=["evil.test"]),
        "terms",
    ),
    "other inputs in the record": (lambda d: d["decision"].update(inputs=[]), "execution"),
    "another job in the record": (lambda d: d["decision"].update(job_id="x"), "execution"),
    "another agreement named": (
        lambda d: _reparse(d, 6, lambda m: m["payload"]["job"].update(agreement="x")),
        "execution",
    ),
    "a reason less": (lambda d: d["decision"]["considered"][1]["reasons"].pop(), "decision"),
    "another figure in a reason": (lambda d: _reason_of(d).update(got=1), "decision"),
    "another verdict": (
        lambda d: d["decision"]["considered"][1].update(verdict="outranked"),
        "decision",
    ),
    "other constraints in the record": (
        lambda d: d["decision"]["constraints"].update(max_cost=9),
        "decision",
    ),
    "one provider asked otherwise": (
        lambda d: _reparse(d, 2, lambda m: m["payload"]["constraints"].update(max_cost=9)),
        "decision",
    ),
    "strict where it was not": (lambda d: d["decision"].update(strict_unknown=True), "decision"),
    "a higher cap in the terms": (
        lambda d: _reparse(d, 4, lambda m: m["payload"]["constraints"].update(max_cost=1)),
        "terms",
    ),
    "a policy lost in the terms": (
        lambda d: _reparse(d, 4, lambda m: m["payload"]["constraints"].update(policy=["no_pii"])),
        "terms",
    ),
    "terms of another route": (
        lambda d: _reparse(d, 4, lambda m: m["payload"].update(route_id="r")),
        "terms",
    ),
    "terms changed behind their signature": (
        lambda d: _reparse(
            d, 5, lambda m: m["payload"]["constraints"]["agreement"].update(price=0.01)
        ),
        "terms",
    ),
    "work on another route": (
        lambda d: _reparse(d, 6, lambda m: m["payload"].update(route_id="r")),
        "execution",
    ),
    "work on other inputs": (
        lambda d: _reparse(d, 6, lambda m: m["payload"].update(inputs=[])),
        "execution",
    ),
    "work in another format": (
        lambda d: _reparse(d, 6, lambda m: m["payload"].update(output_format="json")),
        "execution",
    ),
    "work after the agreement": (
        lambda d: d["at"].__setitem__(slice(6, 8), [2_000_000_000_000] * 2),
        "execution",
    ),
    "an output added": (
        lambda d: _reparse(
            d, 7, lambda m: m["payload"]["outputs"].append({"type": "text", "value": "x"})
        ),
        "signature",
    ),
    "a citation elsewhere": (
        lambda d: _reparse(
            d, 7, lambda m: m["payload"]["provenance"].update(citations=["https://evil.test/"])
        ),
        "citations",
    ),
    "an attestation taken away": (
        lambda d: _reparse(d, 7, lambda m: m["payload"].update(attestations=[])),
        "attestations",
    ),
    "no output as asked": (
        lambda d: _reparse(d, 7, lambda m: m["payload"].update(outputs=[])),
        "format",
    ),
    "evidence that cannot be read": (
        lambda d: _reparse(d, 7, lambda m: m["payload"].update(outputs=5)),
        "format",
    ),
    "another key shown": (
        lambda d: d["decision"].update(provider_keys=[Ed25519Signer(bytes(32)).key.jwk()]),
        "signature",
    ),
    "other evidence named": (lambda d: d["decision"].update(evidence_msg_id="x"), "complete"),
    "an offer considered twice": (
        lambda d: d["decision"]["considered"].append(d["decision"]["considered"][1]),
        "offers",
    ),
    "the loser's offer told of the winner": (
        lambda d: d["decision"]["considered"][1].update(provider=A),
        "offers",
    ),
    "nothing considered": (lambda d: d["decision"].update(considered=[]), "offers"),
    "work at an address nobody offered from": (
        lambda d: d["manifests"].__setitem__(slice(4, 8), ["https://c.example/m"] * 4),
        "order",
    ),
    "another price told": (lambda d: _told(d).update(price="0.01"), "account"),
    "another agreement told": (lambda d: _told(d).update(agreement="agr-2"), "account"),
    "another end told": (lambda d: _told(d).update(expires_at=None), "account"),
    "a counter told of what was agreed": (lambda d: _told(d).update(status="countered"), "account"),
    "a refusal told with a price": (lambda d: _told(d).update(status="refused"), "account"),
    "a status nobody knows": (lambda d: _told(d).update(status="sealed"), "account"),
    "a status that is no word": (lambda d: _told(d).update(status=["accepted"]), "account"),
    "terms that are none": (lambda d: d["decision"].update(negotiation=[]), "account"),
    "a failure told of what holds": (
        lambda d: d["decision"]["claims"][-1].update(verdict="failed"),
        "account",
    ),
    "a claim twice": (
        lambda d: d["decision"]["claims"].append(d["decision"]["claims"][0]),
        "account",
    ),
    "a claim about something else": (
        lambda d: d["decision"]["claims"][0].update(name="beauty"),
        "account",
    ),
    "claims that are none": (lambda d: d["decision"].update(claims="all"), "account"),
    "a member more of what was considered": (
        lambda d: d["decision"]["considered"][1].update(mood=1),
        "decision",
    ),
    "a member more of a reason": (lambda d: _reason_of(d).update(mood=1), "decision"),
    "a member more of the winner": (lambda d: d["decision"]["winner"].update(mood=1), "decision"),
    "a time that is none": (lambda d: d["decision"].update(at="yesterday"), "account"),
    "a wait that is none": (lambda d: d["decision"].update(window_ms="long"), "account"),
}


def test_a_failure_that_was_hidden_is_found() -> None:
    deal = deepcopy(DEAL)
    _reparse(deal, 7, lambda m: m["payload"].update(attestations=[]))

    assert verdicts(deal)["attestations"] == verdicts(deal)["account"] == "failed"


def test_what_only_the_buyer_says_is_said_to_be_its_own_word() -> None:
    deal = deepcopy(DEAL)
    deal["decision"].update(window_ms=1, detail="it was fine", mood="good")

    claim = verify(deal, ROOTS).claim("account")

    assert claim.verdict is Verdict.NOT_CHECKABLE
    assert "the buyer's own word; 2 of 4 answers are signed by nobody" in claim.detail
    assert "mood" in claim.detail


def _bridge(count: int, taken: int, **more: Any) -> Deal:
    """One provider that offers ``count`` capabilities, of which its buyer considered some."""
    talk = Exchange()
    asked = talk.say("DISCOVER", {"intent": "summarize pricing", **more}, B)
    offers = [{"route_id": f"r{n}", "capability": f"c{n}"} for n in range(count)]
    talk.hear("OFFER", {"offers": offers}, B, in_reply_to=asked)
    wanted = read_discover(decode_reply(talk.lines[0].raw)[0])
    heard = [Heard(provider=B, offer=read_offer(one)) for one in offers[:taken]]
    made = record(wanted, decide(wanted, heard), decision_id=DECISION_ID, at_ms=0)
    return make_deal({**made, "status": "decided" if heard else "no_winner"}, talk.lines)


@pytest.mark.parametrize(
    ("count", "taken", "constraints", "verdict"),
    [
        # A bridge answers for all its tools at once; whoever names none of them means one.
        (3, 1, {}, "verified"),
        (3, 0, {}, "failed"),
        (3, 1, {"capability": "c0"}, "failed"),
        (100, 0, {"capability": "c0"}, "failed"),
        # More than a buyer considers of one provider spoil that provider's chance alone.
        (101, 0, {"capability": "c0"}, "not checkable"),
        (101, 0, {}, "not checkable"),
    ],
)
def test_offers_may_be_passed_over_only_for_a_reason(count, taken, constraints, verdict) -> None:
    deal = _bridge(count, taken, constraints=constraints)

    assert verdicts(deal)["offers"] == verdict


@pytest.mark.parametrize("name", TAMPERED)
def test_what_is_bent_is_found(name: str) -> None:
    change, claim = TAMPERED[name]
    deal = deepcopy(DEAL)
    change(deal)

    assert verdicts(deal)[claim] == "failed", verify(deal)


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["why_won"].pop(),
        lambda record: record["considered"][1]["reasons"][0].update(text="It was ugly"),
    ],
)
def test_other_words_for_the_same_reasons_are_not_checkable(change) -> None:
    deal = deepcopy(DEAL)
    change(deal["decision"])

    assert verdicts(deal)["decision"] == "not checkable"


def test_done_without_evidence_is_not_complete() -> None:
    lines = seed_lines()
    record = seed_record(lines)

    report = verify(make_deal(record, lines[:-1]))

    assert report.of(Verdict.FAILED) == ("complete", "account")
    assert report.claim("signature") is None


@pytest.mark.parametrize(
    ("changes", "claim"),
    [({"price": 0.03}, "terms"), ({"status": "countered"}, "terms"), ({"price": "x"}, "terms")],
)
def test_work_on_terms_that_were_not_agreed_is_found(changes: dict, claim: str) -> None:
    lines = seed_lines(negotiated=changes)

    assert verdicts(make_deal(seed_record(lines), lines))[claim] == "failed"


def test_what_nobody_signed_is_declared_and_not_checkable() -> None:
    lines = seed_lines()
    talk = Exchange()
    talk.hear("EVIDENCE", evidence("job-1"), B, in_reply_to=json.loads(lines[6].raw)["msg_id"])
    (unsigned,) = talk.lines
    late = Line(raw=unsigned.raw, is_sent=False, manifest_url=MANIFESTS[A], at_ms=lines[-1].at_ms)
    lines[-1] = late
    record = seed_record(lines)

    found = verdicts(make_deal(record, lines))

    assert found["signature"] == found["attestations"] == "not checkable"
    assert "failed" not in found.values()


def test_a_file_without_keys_cannot_show_who_signed() -> None:
    deal = seed_deal(provider_keys=[])

    assert verdicts(deal)["signature"] == "not checkable"


@pytest.mark.parametrize("deal", [None, [], {}, {"dialect": "mrp/0.1"}, {"session": 1}])
def test_what_is_no_file_has_failed_its_form(deal: Any) -> None:
    found = verdicts(deal)

    assert found.pop("form") == "failed"
    assert set(found.values()) == {"not checkable"}


PLACES = [place for place in places(DEAL) if place[0] in ("decision", "session", "messages")]
HEADS = [place for place in places(DEAL) if len(place) <= 2]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(PLACES + HEADS * 4), st.sampled_from(VALUES), st.booleans())
def test_whatever_is_in_a_file_it_is_reported(place, value, is_forged: bool) -> None:
    deal = deepcopy(DEAL)
    parent: Any = deal
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = deepcopy(value)
    if is_forged and place[0] == "messages" and len(place) > 1:
        deal["raw"][place[1]] = json.dumps(deal["messages"][place[1]])

    report = verify(deal, ROOTS)

    assert report.claims
    assert report.dialect == "mrp/0.1"
