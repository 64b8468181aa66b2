"""Trust in a deal file: every score comes out of records that stand in a log with a signed head."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.dialects.asp.deal_stage import (
    ALPHA,
    BETA,
    NODE,
    OPERATOR,
    SESSION,
    DealStage,
    golden,
    play_closing,
    play_discovery,
    play_negotiation,
    play_opening,
    play_performance,
    played,
    signer,
    whole,
)
from tests.dialects.asp.deal_zoo import check_named, check_open, failed, put, reseal
from treaty.core.deal import Verdict
from treaty.core.trust import (
    COMPONENTS,
    Endorsement,
    Outcome,
    Party,
    Violation,
    standing_at_opening,
)
from treaty.dialects.asp.audit import verify
from treaty.dialects.asp.deal import standings, trust_lines

ROOTS = whole().roots()
PARTIES = (0, 1)


# The numbers.


@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("component", COMPONENTS)
def test_a_wrong_component_is_named(party: int, when: str, component: str) -> None:
    deal = golden()
    parts = deal["trust"][party][when]["components"]
    parts[component] = parts[component] + 0.0001 if parts[component] < 100 else 99.9999

    assert failed(deal, ROOTS) == {"trust"}
    check_named(deal, ROOTS, "trust", f"trust {party + 1}, {when}")
    assert component in verify(deal, ROOTS).claim("trust").detail


@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("member", "value"), [("score", 75.0), ("level", 3)])
def test_a_wrong_score_or_level_is_named(party: int, when: str, member: str, value: Any) -> None:
    deal = put(golden(), ("trust", party, when, member), value)

    assert failed(deal, ROOTS) == {"trust"}
    check_named(deal, ROOTS, "trust", f"trust {party + 1}, {when}")


def test_a_wrong_score_is_named_without_roots_too() -> None:
    assert failed(put(golden(), ("trust", 0, "after", "score"), 60.9)) == {"trust"}


def test_scores_may_be_written_as_decimal_text() -> None:
    deal = golden()
    for line in deal["trust"]:
        for when in ("before", "after"):
            line[when]["score"] = str(line[when]["score"])
            line[when]["components"] = {
                name: f"{value:.4f}" for name, value in line[when]["components"].items()
            }

    check_open(deal, ROOTS)


@pytest.mark.parametrize("value", [True, None, [], "1e2", "NaN", "sNaN", "-0", "60.8 "])
def test_what_is_no_number_is_no_score(value: Any) -> None:
    check_named(put(golden(), ("trust", 0, "after", "score"), value), ROOTS, "trust")


@pytest.mark.parametrize(
    "change",
    [
        {"provisional": True},
        {"note": 1},
        {"components": {}},
        {"components": None},
    ],
)
def test_a_standing_has_just_its_members(change: dict[str, Any]) -> None:
    deal = golden()
    deal["trust"][0]["after"].update(change)

    assert failed(deal, ROOTS) & {"form", "trust"}


@pytest.mark.parametrize(("before", "after"), [(True, True), (False, False)])
def test_provisional_is_checked_where_it_is_said(before: bool, after: bool) -> None:
    deal = golden()
    deal["trust"][0]["before"]["provisional"] = before
    deal["trust"][0]["after"]["provisional"] = after

    # Alpha was provisional until this deal.
    wrong = "after" if after else "before"
    assert failed(deal, ROOTS) == {"trust"}
    assert verify(deal, ROOTS).claim("trust").where == (f"trust 1, {wrong}",)


def test_a_line_for_a_stranger_is_no_line() -> None:
    deal = put(golden(), ("trust", 1, "uri"), NODE)

    check_named(deal, ROOTS, "form", "trust 2")


def test_scores_of_one_party_alone_leave_the_other_open() -> None:
    deal = golden()
    del deal["trust"][1]

    check_open(deal, ROOTS, "trust")


# The records.


@pytest.mark.parametrize("number", range(1, 5))
def test_a_record_that_is_not_in_the_log_is_named(number: int) -> None:
    deal = golden()
    record = deal["outcomes"][number - 1]["record"]
    kind = deal["outcomes"][number - 1]["kind"]
    by = OPERATOR if kind == "attestation" else NODE
    deal["outcomes"][number - 1]["record"] = reseal(
        record, kind, whole().signers[by], at="2026-03-07T13:50:01.000Z"
    )

    assert failed(deal, ROOTS) == {"trust"}
    check_named(deal, ROOTS, "trust", f"outcome {number}")


@pytest.mark.parametrize("number", range(1, 5))
def test_a_changed_audit_path_is_named(number: int) -> None:
    deal = golden()
    proof = deal["outcomes"][number - 1]["proof"]
    proof[0] = proof[0][:-1] + ("0" if proof[0][-1] != "0" else "1")

    assert failed(deal, ROOTS) == {"trust"}
    check_named(deal, ROOTS, "trust", f"outcome {number}")


@pytest.mark.parametrize("number", range(1, 4))
def test_records_that_changed_places_are_named(number: int) -> None:
    deal = golden()
    records = deal["outcomes"]
    records[number - 1], records[number] = records[number], records[number - 1]

    assert "trust" in failed(deal, ROOTS)


def test_a_record_twice_is_named() -> None:
    deal = golden()
    deal["outcomes"].insert(1, deal["outcomes"][1])

    assert "trust" in failed(deal, ROOTS)


def test_a_record_signed_by_somebody_else_is_named() -> None:
    deal = golden()
    record = deal["outcomes"][3]["record"]
    deal["outcomes"][3]["record"] = reseal(record, "outcome", whole().signers[ALPHA])

    check_named(deal, ROOTS, "trust", "outcome 4")


def test_an_attestation_by_a_false_operator_is_named() -> None:
    stage = DealStage(keys={OPERATOR: "mallory"})

    check_named(played(stage).export(), ROOTS, "trust", "outcome 3")


def test_a_left_out_attestation_changes_the_scores() -> None:
    deal = golden()
    del deal["outcomes"][2]

    assert "trust" in failed(deal, ROOTS)


# The outcome against the session.


def outcome_bent(**changes: Any) -> DealStage:
    """A clearing that reports Alpha's side of the outcome otherwise than it was."""

    def bend(outcome: Outcome) -> Outcome:
        one, other = outcome.parties
        party: Party = replace(one, **changes)
        return replace(outcome, parties=(party, other))

    stage = DealStage()
    stage.bend_outcome = bend
    return played(stage)


@pytest.mark.parametrize(
    "changes", [{"rating": 5}, {"rating": None}, {"v": Decimal("0.5")}, {"kept": False}]
)
def test_an_outcome_that_is_not_what_the_session_shows_is_named(changes: dict[str, Any]) -> None:
    stage = outcome_bent(**changes)

    assert failed(stage.export(), stage.roots()) == {"trust"}
    check_named(stage.export(), stage.roots(), "trust", "outcome 4")


def opened(**changes: Any) -> DealStage:
    """A clearing that stored both standings when the session opened, Alpha's perhaps otherwise."""
    stage = DealStage()

    def bend(outcome: Outcome) -> Outcome:
        one, other = (
            replace(
                party, before=standing_at_opening(stage.state, party.agent, outcome.at_ms - 900_000)
            )
            for party in outcome.parties
        )
        assert one.before is not None
        return replace(
            outcome, parties=(replace(one, before=replace(one.before, **changes)), other)
        )

    stage.bend_outcome = bend
    return played(stage)


def test_standings_from_before_the_session_are_computed_again() -> None:
    stage = opened()
    assert verify(stage.export(), stage.roots()).claim("trust").verdict is Verdict.VERIFIED


@pytest.mark.parametrize(
    "changes", [{"score": Decimal("48.9")}, {"provisional": False}, {"size": 0}, {"size": 9}]
)
def test_a_standing_from_before_the_session_that_the_log_does_not_give_is_named(
    changes: dict[str, Any],
) -> None:
    stage = opened(**changes)

    assert failed(stage.export(), stage.roots()) == {"trust"}
    check_named(stage.export(), stage.roots(), "trust", "outcome 4")
    assert "before the session" in verify(stage.export(), stage.roots()).claim("trust").detail


@pytest.mark.parametrize(
    "changes", [{"number": 7}, {"organisation": "acme.com"}, {"w": Decimal("0.5")}]
)
def test_a_stamp_that_the_log_before_does_not_bear_out_is_named(changes: dict[str, Any]) -> None:
    def bend(outcome: Outcome) -> Outcome:
        one, other = outcome.parties
        return replace(outcome, parties=(replace(one, **changes), other))

    stage = DealStage()
    stage.bend_stamped = bend
    played(stage)

    assert failed(stage.export(), stage.roots()) == {"trust"}
    check_named(stage.export(), stage.roots(), "trust", "outcome 4")


def test_an_outcome_about_another_head_is_named() -> None:
    stage = DealStage()
    stage.bend_outcome = lambda outcome: replace(outcome, head="sha256:" + "0" * 64)
    played(stage)

    check_named(stage.export(), stage.roots(), "trust", "outcome 4")


def test_the_announced_outcome_is_the_one_in_the_file() -> None:
    stage = DealStage()
    stage.bend_fact = lambda data: {**data, "index": 2} if "index" in data else data
    played(stage)

    check_named(stage.export(), stage.roots(), "trust", "outcome 3")


@pytest.mark.parametrize("index", [7, None, True, "3"])
def test_an_announced_outcome_that_is_missing_leaves_trust_open(index: Any) -> None:
    stage = DealStage()
    stage.bend_fact = lambda data: {**data, "index": index} if "index" in data else data
    played(stage)

    check_open(stage.export(), stage.roots(), "trust")


# The head of the log.


@pytest.mark.parametrize(
    ("member", "value"),
    [("size", 5), ("size", 3), ("root", "0" * 64), ("uri", ALPHA)],
)
def test_a_head_that_says_something_else_is_named(member: str, value: Any) -> None:
    deal = golden()
    deal["logHead"] = reseal(deal["logHead"], "loghead", whole().signers[NODE], **{member: value})

    report = verify(deal, ROOTS)
    assert report.claim("trust").verdict is not Verdict.VERIFIED
    assert ("trust" in report.of(Verdict.FAILED)) is (member != "uri")


def test_another_log_of_the_same_size_is_a_split_view() -> None:
    head = whole().log_head()
    other = reseal(head, "loghead", whole().signers[NODE], root="ab" * 32)

    check_named(golden(), whole().roots(logHead=other), "trust", "log head")


def test_a_later_head_in_the_roots_leaves_it_to_the_node_s_key() -> None:
    later = reseal(whole().log_head(), "loghead", whole().signers[NODE], size=9, root="ab" * 32)

    check_open(golden(), whole().roots(logHead=later))
    check_open(golden(), whole().roots(logHead=None))


def test_the_head_of_the_roots_does_not_make_its_clearing_known() -> None:
    check_open(golden(), whole().roots(clearing=[]), "reserved", "released", "trust")


@pytest.mark.parametrize("junk", [{}, {"size": 4}, {"uri": NODE, "size": -1, "root": "x"}])
def test_a_head_that_is_none_is_named(junk: dict[str, Any]) -> None:
    check_named(put(golden(), ("logHead",), junk), ROOTS, "form", "log head")


@pytest.mark.parametrize("name", ["logHead", "outcomes", "trust"])
def test_without_its_parts_trust_is_open(name: str) -> None:
    empty: Any = None if name == "logHead" else []

    check_open(put(golden(), (name,), empty), ROOTS, "trust")


def test_an_attester_whom_the_roots_do_not_name_leaves_trust_open() -> None:
    check_open(golden(), whole().roots(attester=[]), "trust")


# Extracts of a longer log.


def stranger_s_outcome(stage: DealStage, party: str, number: int | None = None) -> None:
    """A deal of somebody with a stranger, in the same log."""
    outcome = Outcome(
        session="another",
        head="sha256:" + "2" * 64,
        commitment="cmt",
        clearing=NODE,
        parties=(
            Party(party, True, Decimal(1), number=number),
            Party("agent://elsewhere.example/gamma", True, Decimal(1)),
        ),
        at_ms=stage.now_ms,
    )
    stage.log_record(outcome)


def with_stranger(party: str) -> dict[str, Any]:
    """A deal whose log also holds somebody's outcome, which the file leaves out."""
    stage = DealStage()
    stage.register()
    stranger_s_outcome(stage, party, 1 if party == ALPHA else None)
    play_discovery(stage)
    stage.register = lambda: None  # type: ignore[method-assign]
    played(stage)
    deal = stage.export()
    del deal["outcomes"][3]
    return {"deal": deal, "roots": stage.roots()}


def test_of_what_is_left_out_nobody_can_say_that_it_is_about_others() -> None:
    check_open(*with_stranger("agent://elsewhere.example/delta").values(), "trust")


@pytest.mark.parametrize("when", ["before the session", "in the session"])
def test_scores_from_which_a_violation_was_left_out_are_not_verified(when: str) -> None:
    stage = DealStage()
    stage.register()
    broken = Violation(ALPHA, "two-messages", "sha256:" + "1" * 64, stage.now_ms)
    if when == "before the session":
        stage.log_record(broken)
    play_discovery(stage)
    play_opening(stage)
    if when == "in the session":
        stage.log_record(broken)
    play_negotiation(stage)
    play_performance(stage)
    play_closing(stage)
    honest = stage.export()
    kept = [one for one in stage.records if one[2] != broken]
    found = standings([one for _, _, one in kept], SESSION, (ALPHA, BETA), stage.believed)
    deal = stage.export(trust=trust_lines(found))
    del deal["outcomes"][3]

    check_open(honest, stage.roots())
    assert (_bc(honest), _bc(deal)) == (45, 55)
    check_open(deal, stage.roots(), "trust")


def _bc(deal: dict[str, Any]) -> Any:
    return deal["trust"][0]["after"]["components"]["BC"]


def test_a_gap_in_a_party_s_running_numbers_shows() -> None:
    found = with_stranger(ALPHA)
    report = verify(found["deal"], found["roots"])

    assert report.claim("trust").verdict is not Verdict.VERIFIED


def test_an_endorsement_is_checked_with_the_endorser_s_own_key() -> None:
    stage = DealStage()
    stage.register()
    stage.log_record(Endorsement(BETA, ALPHA, stage.now_ms), by=BETA)
    stage.register = lambda: None  # type: ignore[method-assign]
    played(stage)
    check_open(stage.export(), stage.roots())

    deal = stage.export()
    record = deal["outcomes"][3]["record"]
    deal["outcomes"][3]["record"] = reseal(record, "endorsement", signer("mallory"))
    assert "trust" in failed(deal, stage.roots())


def test_a_session_without_an_outcome_has_no_scores_to_compare() -> None:
    stage = DealStage()
    stage.register()
    play_opening(stage)
    deal = stage.export(trust=golden()["trust"])

    assert verify(deal, stage.roots()).claim("trust").verdict is Verdict.NOT_CHECKABLE


# Other currencies.


def in_euros(rate: str = "1.08", **node: Any) -> DealStage:
    """The example in euros: 40 of them, by a rate its node states."""
    stage = DealStage()
    stage.rates = {"EUR": rate}
    for name, value in node.items():
        setattr(stage, name, value)
    escrow = {"amount": 40, "currency": "EUR", "releaseCondition": "obligation-met"}
    return played(stage, escrow=escrow)


def test_a_deal_in_euros_is_verified_by_the_rate_its_host_stated() -> None:
    stage = in_euros()
    report = verify(stage.export(), stage.roots())

    assert report.claim("trust").verdict is Verdict.VERIFIED, report
    assert report.claim("reserved").verdict is Verdict.VERIFIED
    values = [party["v"] for party in stage.records[-1][1]["parties"]]  # type: ignore[union-attr]
    assert values == ["0.432", "0.432"]


@pytest.mark.parametrize(
    "bend",
    [
        lambda outcome: replace(outcome, usd_rate=Decimal("1.09")),
        lambda outcome: replace(outcome, usd_rate=None, currency=None),
        lambda outcome: replace(outcome, currency="JPY"),
    ],
)
def test_an_outcome_counted_by_another_rate_is_named(bend: Any) -> None:
    stage = in_euros(bend_outcome=bend)

    assert "trust" in failed(stage.export(), stage.roots())


def test_a_value_that_does_not_follow_from_the_rate_is_named() -> None:
    def more(outcome: Outcome) -> Outcome:
        one, other = (replace(party, v=Decimal("0.433")) for party in outcome.parties)
        return replace(outcome, parties=(one, other))

    stage = in_euros(bend_outcome=more)

    assert "trust" in failed(stage.export(), stage.roots())
    assert "v is 0.433" in verify(stage.export(), stage.roots()).claim("trust").detail


def test_a_rate_that_was_not_stated_is_missed() -> None:
    def nothing(data: dict[str, Any]) -> dict[str, Any]:
        return {} if "usdRate" in data else data

    stage = in_euros(bend_fact=nothing)

    assert "reserved" in failed(stage.export(), stage.roots())


def test_a_dollar_deal_states_no_rate() -> None:
    def rated(outcome: Outcome) -> Outcome:
        return replace(outcome, currency="EUR", usd_rate=Decimal(1))

    stage = DealStage()
    stage.bend_outcome = rated
    played(stage)

    assert "trust" in failed(stage.export(), stage.roots())
