"""Disputes at a real host: records in, facts out, money where the ruling puts it (B15)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, OPERATOR, Town, signer_of
from tests.engine.speaker import Speaker, bound, introduced, people
from tests.engine.test_follow_up import check_copy, facts, fired, funds
from tests.simulation.clock import later, now_ms, simulated
from treaty.engine import outbox
from treaty.engine.disputes import RECORD_BYTES_MAX
from treaty.errors import Refused, SignatureError, TreatyError, WireError
from treaty.identity.cards import key_hash, make_rotation, open_card
from treaty.identity.disputes import (
    arbiter_secret,
    arbiter_seed,
    make_evidence,
    make_filing,
    make_finding,
    make_reveal,
)
from treaty.identity.keys import Ed25519Signer
from treaty.identity.records import seal
from treaty.wire.canonical import Json, canonical
from treaty.wire.instants import format_instant
from treaty.wire.money import Money

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
JUDGES = [f"judge{number}" for number in range(1, 11)]


@pytest.fixture(autouse=True)
def _look_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "IDLE_MS", 60_000)


def filing(
    session: str, *, by: str = "alpha", dispute: str = "dsp_1", **more: Any
) -> dict[str, Json]:
    filer, other = (ALPHA, BETA) if by == "alpha" else (BETA, ALPHA)
    facts_of_it: dict[str, Any] = {
        "dispute": dispute,
        "session": session,
        "commitment": "cmt",
        "filer": filer,
        "against": other,
        "reason": "fulfillment-mismatch",
        "at_ms": now_ms(),
        **more,
    }
    return make_filing(signer_of(by), **facts_of_it)


async def claimed(town: Town, **changes: Any) -> tuple[Speaker, Speaker, str]:
    alpha, beta = await people(town)
    session = await bound(alpha, beta, **changes)
    await beta.fulfil(session)
    return alpha, beta, session


async def file(town: Town, record: dict[str, Json]) -> tuple[dict[str, Any], bool]:
    return await town.at_home().disputes.file(canonical(record))


async def submit(town: Town, kind: str, record: dict[str, Json]) -> dict[str, Any]:
    name = str(record["disputeId"])
    return (await town.at_home().disputes.submit(name, kind, canonical(record)))[0]


async def rest(town: Town, name: str, uri: str) -> dict[str, Any]:
    record = make_evidence(
        signer_of(name),
        dispute="dsp_1",
        by=uri,
        statement="That is all.",
        at_ms=now_ms(),
        last=True,
    )
    return await submit(town, "evidence", record)


def ruling(units: int, signer: Ed25519Signer, **more: Any) -> dict[str, Json]:
    return make_finding(
        "ruling", signer, dispute="dsp_1", by=OPERATOR, to_payee=Money(units, "USD"),
        at_ms=now_ms(), **more,
    )  # fmt: skip


@simulated
async def test_a_dispute_is_ruled_by_the_operator_and_split_to_the_cent() -> None:
    async with Town() as town:
        alpha, _, session = await claimed(town)
        view, new = await file(town, filing(session))
        assert new
        assert view["phase"] == "EVIDENCE"
        assert view["bond"] == {"amount": "9.00", "currency": "USD"}
        assert await funds(town) == (50_000, 18_900, 0)
        await rest(town, "alpha", ALPHA)
        assert (await rest(town, "beta", BETA))["phase"] == "PERSON"

        found = await submit(town, "ruling", ruling(7_001, town.operator, severity=4))

        assert found["ruling"]["toPayee"] == {"amount": "70.01", "currency": "USD"}
        assert found["ruling"]["toPayer"] == {"amount": "109.99", "currency": "USD"}
        assert [one["kind"] for one in found["records"]] == [
            "dispute",
            "evidence",
            "evidence",
            "ruling",
        ]
        assert await funds(town) == (50_000 - 7_001, 0, 7_001)
        await later(MINUTE)
        (outcome,) = await facts(town, session, "outcome")
        record = outcome["record"]
        assert (record["disputed"], record["severity"]) == (True, 4)
        assert {one["agent"]: one["result"] for one in record["parties"]} == {
            ALPHA: "kept",
            BETA: "breached",
        }
        assert (await alpha.state(session)).commitments["cmt"].state == "RESOLVED"
        await check_copy(town, session)


@simulated
async def test_the_same_filing_again_changes_nothing() -> None:
    async with Town() as town:
        _, _, session = await claimed(town)
        record = filing(session)
        await file(town, record)
        view, new = await file(town, record)

        assert not new
        assert len(view["records"]) == 1
        with pytest.raises(Refused) as caught:
            await file(town, filing(session, reason="non-delivery"))
        assert caught.value.code == "duplicate"


@simulated
async def test_a_bond_that_cannot_be_paid_refuses_the_dispute_whole() -> None:
    async with Town() as town:
        alpha, beta = await people(town, units=18_000)
        session = await bound(alpha, beta)
        await beta.fulfil(session)
        with pytest.raises(Refused) as caught:
            await file(town, filing(session))

        assert caught.value.code == "escrow_unfunded"
        assert (await alpha.state(session)).commitments["cmt"].state == "BOUND"
        assert await facts(town, session, "dispute") == []


@simulated
async def test_what_nobody_may_file_changes_nothing() -> None:
    async with Town() as town:
        _, _, session = await claimed(town)
        wrong: list[tuple[bytes, str]] = [
            (canonical({**filing(session), "reason": "another"}), "hash_mismatch"),
            (canonical(filing(session, against=ALPHA)), "policy_violation"),
            (canonical(filing("019526a1-8e1a-7000-8000-00000000dead")), "unknown_session"),
            (canonical(seal("evidence", {"a": 1}, signer_of("alpha"))), "malformed"),
            (canonical(filing(session, commitment="nothing")), "reference_unknown"),
            (canonical([]), "malformed"),
            (b"{", "malformed"),
            (b" " * (RECORD_BYTES_MAX + 1), "too_large"),
        ]
        stolen = seal("dispute", filing(session), signer_of("beta"))
        wrong.append((canonical(stolen), "signature_invalid"))
        for raw, code in wrong:
            with pytest.raises(TreatyError) as caught:
                await town.at_home().disputes.file(raw)
            assert caught.value.code == code, raw[:80]
        assert await facts(town, session, "dispute") == []


@simulated
async def test_only_the_operator_rules() -> None:
    async with Town() as town:
        _, _, session = await claimed(town)
        await file(town, filing(session))
        await rest(town, "alpha", ALPHA)
        await rest(town, "beta", BETA)
        with pytest.raises(SignatureError):
            await submit(town, "ruling", ruling(0, signer_of("alpha")))
        with pytest.raises(Refused) as caught:
            await submit(town, "ruling", {**ruling(0, town.operator), "disputeId": "dsp_2"})
        assert caught.value.code == "reference_unknown"


@simulated
async def test_a_dispute_is_read_by_whom_it_concerns() -> None:
    async with Town() as town:
        _, _, session = await claimed(town)
        await file(town, filing(session))
        disputes = town.at_home().disputes
        for reader in (signer_of("alpha"), signer_of("beta"), town.operator):
            assert (await disputes.view("dsp_1", reader.key))["sessionId"] == session
        for key, name in ((signer_of("carol").key, "dsp_1"), (signer_of("alpha").key, "dsp_2")):
            with pytest.raises(Refused) as caught:
                await disputes.view(name, key)
            assert caught.value.code == "reference_unknown"


def uri_of(judge: str) -> str:
    return f"agent://{judge}.example/desk"


async def judged(town: Town, count: int = 10) -> None:
    """So many agents with a name for judging, vouched for by the operator."""
    for judge in JUDGES[:count]:
        await Speaker(town, judge, uri_of(judge)).register(arbitrates=True)
        attestation: dict[str, Json] = {
            "agent": uri_of(judge),
            "components": dict.fromkeys(("IV", "CH", "CF", "BC", "RQ", "SP", "ER", "PE"), "90"),
            "weight": "200",
            "until": format_instant(now_ms() + 365 * DAY),
            "by": OPERATOR,
            "at": format_instant(now_ms()),
        }
        await town.at_home().trust.attest(seal("attestation", attestation, town.operator))


async def promised(town: Town) -> str:
    """A claimed commitment for which both parties have promised a secret."""
    alpha, beta = await people(town)
    session = await introduced(alpha, beta)
    await alpha.propose(session, "p1")
    seeds = {name: arbiter_seed(signer_of(name), session, "cmt") for name in ("alpha", "beta")}
    await alpha.commit(session, arbiterSeed=seeds["alpha"])
    await beta.say(session, "ACCEPT", {"referenceId": "cmt", "arbiterSeed": seeds["beta"]})
    await beta.fulfil(session)
    return session


@simulated
async def test_arbiters_are_drawn_from_what_nobody_could_foresee_and_told() -> None:
    async with Town() as town:
        await judged(town)
        session = await promised(town)
        await file(town, filing(session))
        (filed,) = await facts(town, session, "dispute")
        assert [one["organisation"] for one in filed["candidates"]] == sorted(
            f"{judge}.example" for judge in JUDGES
        )
        keys = {uri_of(judge): signer_of(judge).key.key_id for judge in JUDGES}
        assert {one["uri"]: one["keyId"] for one in filed["candidates"]} == keys
        assert filed["standing"]["size"] == len(await town.inner.read("trust/log"))
        await later(DAY + MINUTE)
        assert await fired(town, session) == ["dispute:dsp_1"]
        for name, uri in (("alpha", ALPHA), ("beta", BETA)):
            secret = arbiter_secret(signer_of(name), session, "cmt")
            record = make_reveal(
                signer_of(name), dispute="dsp_1", by=uri, secret=secret, at_ms=now_ms()
            )
            view = await submit(town, "reveal", record)
        assert view["phase"] == "VOTES"
        arbiters = view["arbiters"]
        assert len(set(arbiters)) == 3
        for number, uri in enumerate(arbiters):
            judge = uri.removeprefix("agent://").partition(".")[0]
            told = await town.inner.read(f"inbox/{uri}")
            assert [one.kind for one in told] == ["dispute"]
            # What they judge by is the session itself.
            assert await town.at_home().sessions.reader(session, signer_of(judge).key)
            vote = make_finding(
                "vote", signer_of(judge), dispute="dsp_1", by=uri,
                to_payee=Money(1_000 * number, "USD"), at_ms=now_ms(),
            )  # fmt: skip
            with pytest.raises(SignatureError):
                await submit(town, "vote", seal("vote", vote, signer_of("beta")))
            view = await submit(town, "vote", vote)

        assert view["ruling"]["by"] == "peers"
        assert await funds(town) == (50_000 - 1_000, 0, 1_000)
        await check_copy(town, session)
        votes = await facts(town, session, "vote")
        assert all("trustScore" not in one["card"] and one["card"]["listing"] for one in votes)


@simulated
async def test_an_arbiter_votes_with_the_key_it_had_at_the_filing() -> None:
    async with Town() as town:
        await judged(town)
        session = await promised(town)
        await file(town, filing(session))
        await later(DAY + MINUTE)
        for name, uri in (("alpha", ALPHA), ("beta", BETA)):
            secret = arbiter_secret(signer_of(name), session, "cmt")
            record = make_reveal(
                signer_of(name), dispute="dsp_1", by=uri, secret=secret, at_ms=now_ms()
            )
            view = await submit(town, "reveal", record)
        uri = view["arbiters"][0]
        judge = uri.removeprefix("agent://").partition(".")[0]
        await changes_key(town, judge, uri)

        for signer in (signer_of(judge), signer_of(f"{judge}'s next")):
            vote = make_finding(
                "vote", signer, dispute="dsp_1", by=uri, to_payee=Money(0, "USD"), at_ms=now_ms()
            )
            with pytest.raises(SignatureError):
                await submit(town, "vote", vote)


async def changes_key(town: Town, judge: str, uri: str) -> None:
    """An agent commits to its next key, and puts it in force."""
    after = signer_of(f"{judge}'s next")
    speaker = Speaker(town, judge, uri)
    committed = speaker.card(2, arbitrates=True, nextKeyHash=key_hash(after.key))
    await town.at_home().registry.register(canonical(committed))
    rotation = make_rotation(signer_of(judge), current=open_card(committed), next_key=after.key)
    card = Speaker(town, f"{judge}'s next", uri).card(3, arbitrates=True, rotation=rotation)
    await town.at_home().registry.register(canonical(card))


@simulated
async def test_a_record_that_names_another_session_is_not_taken() -> None:
    async with Town() as town:
        _, _, session = await claimed(town)
        await file(town, filing(session))
        record = make_evidence(
            signer_of("alpha"), dispute="dsp_1", by=ALPHA, statement="Elsewhere.",
            at_ms=now_ms(), session="019526a1-8e1a-7000-8000-00000000dead",
        )  # fmt: skip
        with pytest.raises(WireError):
            await submit(town, "evidence", record)


@simulated
async def test_an_invitation_names_this_operator_or_none() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        for key_id, lawful in ((town.operator.key.key_id, True), ("another", False)):
            terms = {"operator": {"uri": OPERATOR, "keyId": key_id}}
            if lawful:
                await alpha.invite(beta, terms=terms)
                continue
            with pytest.raises(Refused) as caught:
                await alpha.invite(beta, terms=terms)
            assert caught.value.code == "policy_violation"
        with pytest.raises(WireError):
            await alpha.invite(beta, terms={"operator": OPERATOR})


@simulated
async def test_too_few_judges_leave_it_to_a_person() -> None:
    async with Town() as town:
        await judged(town, 8)
        session = await promised(town)
        await file(town, filing(session))
        await later(DAY + MINUTE)

        view = await town.at_home().disputes.view("dsp_1", town.operator.key)
        assert view["phase"] == "PERSON"


@simulated
async def test_a_node_that_stopped_rules_when_it_is_back() -> None:
    async with Town() as town:
        alpha, _, session = await claimed(town)
        await file(town, filing(session))
        await town.stop()
        await later(9 * DAY)
        await town.wake()
        await later(10 * DAY)

        assert (await fired(town, session))[:2] == ["dispute:dsp_1", "dispute:dsp_1"]
        # Nobody ruled: the claim stands, and nobody's standing moves.
        assert await funds(town) == (32_000 - 900, 0, 18_900)
        assert await facts(town, session, "outcome") == []
        assert (await alpha.state(session)).commitments["cmt"].state == "RESOLVED"
        await check_copy(town, session)


@simulated
async def test_a_record_that_is_too_large_is_not_kept() -> None:
    async with Town() as town:
        _, _, session = await claimed(town)
        with pytest.raises(WireError) as caught:
            await file(town, filing(session, evidence={"text": "x" * RECORD_BYTES_MAX}))
        assert caught.value.code == "too_large"
