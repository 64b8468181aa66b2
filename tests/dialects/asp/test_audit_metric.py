"""Measurements and disputes in a deal file: what was signed, what was counted, what was ruled."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.asp.deal_stage import (
    ALPHA,
    BETA,
    COMMITMENT,
    NODE,
    OPERATOR,
    SESSION,
    DealStage,
    commitment,
    play_negotiation,
    play_opening,
)
from tests.dialects.asp.deal_zoo import check_named, failed, put
from treaty.core.deal import Roots, Verdict
from treaty.core.schedule import sample_ms
from treaty.dialects.asp.audit import verify
from treaty.identity.disputes import make_evidence, make_filing, make_finding
from treaty.identity.records import seal
from treaty.wire.digest import sha256_tag
from treaty.wire.instants import format_instant
from treaty.wire.money import Money

METER = "agent://meter.example/one"
SECRET = b"s" * 32
HOUR = 3_600_000


def begun(**changes: Any) -> DealStage:
    """A deal up to its bound commitment."""
    stage = DealStage(keys={METER: "meter"})
    stage.register()
    play_opening(stage)
    play_negotiation(stage)
    stage.hidden = changes.pop("hidden", {})
    stage.say("14:04:00", ALPHA, "COMMIT", commitment(**changes))
    stage.say("14:04:10", BETA, "ACCEPT", {"referenceId": COMMITMENT})
    return stage


def claim(stage: DealStage) -> None:
    data = {"commitmentId": COMMITMENT, "status": "fulfilled"}
    stage.say("14:14:00", BETA, "INFORM", {"informType": "result", "data": data})


def roots(stage: DealStage, *, meter: bool = True) -> Roots:
    key = stage.signers[METER].key
    anchor = {"uri": METER, "keyId": key.key_id, "publicKey": key.text}
    return stage.roots(metric=[anchor] if meter else [])


# A metric that somebody signed.


MEASURED = {"up": 0.95, "at": "2026-03-07T14:13:30.000Z"}
"""What the meter said half a minute before it was asked."""


def measured(bend: dict[str, Any] | None = None, said: dict[str, Any] = MEASURED) -> DealStage:
    key = DealStage(keys={METER: "meter"}).signers[METER].key.text
    check = {"url": "https://m.example", "pointer": "/up", "op": ">=", "expect": 0.9, "key": key}
    body = commitment()
    duties = body["obligations"]
    machine = {"verificationMethod": "metric-query", "verification": check}
    duties["provider"] = {**duties["provider"], **machine}
    stage = begun(obligations=duties)
    claim(stage)
    record = seal("metric", said, stage.signers[METER])
    stage.bend_fact = lambda data: {**data, **(bend or {})}
    stated = {
        "commitmentId": COMMITMENT, "obligation": "provider", "check": "claim",
        "status": 200, "value": 0.95, "record": record,
    }  # fmt: skip
    stage.state_fact("metric", stated)
    stage.bend_fact = lambda data: data
    return stage


def test_a_metric_signed_by_a_key_of_the_roots_is_verified() -> None:
    stage = measured()
    report = verify(stage.export(), roots(stage))

    assert report.ok
    assert "metric" in report.of(Verdict.VERIFIED)
    for other in (roots(stage, meter=False), None):
        assert "metric" in verify(stage.export(), other).of(Verdict.NOT_CHECKABLE)


def test_a_metric_that_says_otherwise_than_what_was_signed_is_named() -> None:
    stage = measured({"value": 0.99})

    assert failed(stage.export(), roots(stage)) == {"metric"}


def test_a_metric_signed_by_another_key_is_named() -> None:
    forged = seal("metric", MEASURED, DealStage().signers[BETA])
    stage = measured({"record": forged})

    assert "metric" in failed(stage.export(), roots(stage))


@pytest.mark.parametrize(
    "at", ["2026-03-07T13:50:00.000Z", "2025-03-07T14:13:30.000Z", "2026-03-07T14:20:00.000Z", None]
)
def test_a_value_that_was_measured_at_another_time_is_named(at: str | None) -> None:
    said = {"up": 0.95} if at is None else {"up": 0.95, "at": at}
    stage = measured(said=said)

    assert "metric" in failed(stage.export(), roots(stage))
    # As no answer it may be stated, and proves nothing.
    honest = measured({"status": None, "value": None, "failure": "metric_stale"}, said)
    assert verify(honest.export(), roots(honest)).ok
    assert "metric" in verify(honest.export(), roots(honest)).of(Verdict.NOT_CHECKABLE)


def test_without_a_key_there_is_the_hosts_word() -> None:
    body = commitment()
    check = {"url": "https://m.example"}
    duties = body["obligations"]
    machine = {"verificationMethod": "health-check-endpoint", "verification": check}
    duties["provider"] = {**duties["provider"], **machine}
    stage = begun(obligations=duties)
    claim(stage)
    stated = {"commitmentId": COMMITMENT, "obligation": "provider", "check": "claim", "status": 200}
    stage.state_fact("metric", stated)

    report = verify(stage.export(), stage.roots())
    assert report.ok
    assert "metric" in report.of(Verdict.NOT_CHECKABLE)


def test_a_metric_that_nothing_asked_for_is_named() -> None:
    stage = begun()
    stated = {"commitmentId": COMMITMENT, "obligation": "provider", "check": "claim", "status": 200}
    record = seal_fact(stage, "metric", stated)
    stage.entries.append((record, None))

    assert failed(stage.export(), stage.roots()) >= {"metric"}


def seal_fact(stage: DealStage, kind: str, data: dict[str, Any]) -> dict[str, Any]:
    """A fact that the host signs though its own fold would not take it."""
    body = {
        "type": "fact", "session": SESSION, "position": len(stage.entries) + 1, "fact": kind,
        "data": data, "at": format_instant(stage.now_ms),
        "previousEntry": stage.conversation.entry,
    }  # fmt: skip
    return seal("fact", body, stage.signers[NODE])


# Samples.


def sampled(*, failure_at: int = 0, hidden: bytes = SECRET, ok: int = 19) -> DealStage:
    metric = {"url": "https://m.example"}
    schedule = {"kind": "intervals", "parts": 1, "intervalMs": HOUR, "sla": 0.9, "metric": metric}
    escrow = {**commitment()["escrow"], "schedule": schedule}
    stage = begun(escrow=escrow, hidden={"secretHash": sha256_tag(hidden)})
    bound = stage.conversation.commitments[COMMITMENT]
    assert bound.escrow is not None
    assert bound.escrow.schedule is not None
    due = sample_ms(bound.escrow.schedule, SECRET, part="1", begin_ms=bound.bound_ms, number=7)
    stage.now_ms = bound.bound_ms + HOUR
    failure = {"sample": 7, "at": format_instant(due + failure_at), "status": 500}
    stated = {
        "commitmentId": COMMITMENT, "part": "1", "samples": 20, "taken": 20, "ok": ok,
        "failures": [failure], "secret": SECRET.hex(),
    }  # fmt: skip
    stage.state_fact("metric", stated)
    return stage


def test_samples_where_the_secret_puts_them_are_the_hosts_word_and_no_lie() -> None:
    stage = sampled(failure_at=8_000)
    report = verify(stage.export(), stage.roots())

    assert report.ok, report.first_line
    assert "metric" in report.of(Verdict.NOT_CHECKABLE)


@pytest.mark.parametrize(
    "wrong", [{"failure_at": 60_000}, {"failure_at": -1}, {"hidden": b"t" * 32}]
)
def test_samples_that_do_not_follow_from_the_secret_are_named(wrong: dict[str, Any]) -> None:
    stage = sampled(**wrong)

    assert failed(stage.export(), stage.roots()) == {"metric"}


@pytest.mark.parametrize(
    ("secret", "named"), [(SECRET, set()), (b"t" * 32, {"metric"}), (b"", {"metric"})]
)
def test_the_secret_shown_at_the_end_is_the_one_that_was_hidden(
    secret: bytes, named: set[str]
) -> None:
    stage = sampled(ok=10)
    stage.shown = {"secret": secret.hex()}
    stage.now_ms += 86_400_000
    timer = {"name": f"commitment:{COMMITMENT}", "due": format_instant(stage.now_ms)}
    stage.state_fact("timer", timer)
    stage.clear()

    assert failed(stage.export(), stage.roots()) == named


def test_a_slice_is_released_as_it_was_measured() -> None:
    stage = sampled(ok=10)
    stage.now_ms += 86_400_000
    timer = {"name": f"commitment:{COMMITMENT}", "due": format_instant(stage.now_ms)}
    stage.state_fact("timer", timer)
    stage.clear()
    deal = stage.export()

    (line,) = (one for one in deal["escrow"] if one["movement"] == "settle")
    assert (line["slice"], line["posted"]["amount"]) == ("1", "90.00")
    assert verify(deal, stage.roots()).ok
    changed = put(deal, ("escrow", len(deal["escrow"]) - 1, "posted", "amount"), "91.00")
    assert failed(changed, stage.roots()) == {"released"}


# Disputes.


def disputed(*, bend: dict[str, Any] | None = None, units: int = 6_000) -> DealStage:
    stage = begun()
    claim(stage)
    signers = stage.signers
    filed = make_filing(
        signers[ALPHA], dispute="dsp_1", session=SESSION, commitment=COMMITMENT, filer=ALPHA,
        against=BETA, reason="non-delivery", at_ms=stage.now_ms,
    )  # fmt: skip
    stage.state_fact("dispute", {"record": filed, "candidates": []})
    stage.clear()
    for uri in (ALPHA, BETA):
        shown = make_evidence(
            signers[uri], dispute="dsp_1", by=uri, statement="So it was.", at_ms=stage.now_ms,
            last=True,
        )  # fmt: skip
        stage.state_fact("evidence", {"record": shown})
    ruled = make_finding(
        "ruling", signers[OPERATOR], dispute="dsp_1", by=OPERATOR, to_payee=Money(units, "USD"),
        at_ms=stage.now_ms, severity=4,
    )  # fmt: skip
    stage.state_fact("ruling", {"record": ruled, "publicKey": signers[OPERATOR].key.text})
    stage.bend_fact = lambda data: {**data, **(bend or {})}
    stage.clear()
    stage.bend_fact = lambda data: data
    return stage


def test_a_dispute_is_part_of_the_deal_and_verifies() -> None:
    stage = disputed()
    deal = stage.export()
    report = verify(deal, stage.roots())

    assert report.ok, [one for one in report.claims if one.verdict is Verdict.FAILED]
    assert [one["kind"] for one in deal["disputes"]] == [
        "dispute", "evidence", "evidence", "ruling",
    ]  # fmt: skip
    assert {"reserved", "states", "trust"} <= set(report.of(Verdict.VERIFIED))


def test_a_split_that_was_not_ruled_is_named() -> None:
    usd = {"amount": "61.00", "currency": "USD"}
    stage = disputed(bend={"posted": usd})

    assert "released" in failed(stage.export(), stage.roots())


def test_a_record_that_its_party_did_not_sign_is_named() -> None:
    stage = begun()
    claim(stage)
    forged = make_filing(
        stage.signers[BETA], dispute="dsp_1", session=SESSION, commitment=COMMITMENT, filer=ALPHA,
        against=BETA, reason="non-delivery", at_ms=stage.now_ms,
    )  # fmt: skip
    stage.entries.append((seal_fact(stage, "dispute", {"record": forged}), None))

    assert failed(stage.export(), stage.roots()) >= {"states"}


@pytest.mark.parametrize("place", [0, 3])
def test_a_changed_line_of_a_dispute_is_named(place: int) -> None:
    stage = disputed()
    deal = put(stage.export(), ("disputes", place, "record", "reason"), "another")

    assert failed(deal, stage.roots()) == {"states"}
    check_named(deal, stage.roots(), "states", f"disputes line {place + 1}")


def test_a_missing_line_of_a_dispute_is_named() -> None:
    stage = disputed()
    deal = stage.export()
    del deal["disputes"][3]

    assert failed(deal, stage.roots()) == {"states"}


def test_an_outcome_with_another_severity_is_named() -> None:
    stage = disputed()
    deal = stage.export()
    (place,) = (n for n, one in enumerate(deal["outcomes"]) if one["kind"] == "outcome")
    assert deal["outcomes"][place]["record"]["severity"] == 4
    changed = put(deal, ("outcomes", place, "record", "severity"), 1)

    assert "trust" in failed(changed, stage.roots())
