"""Outcomes that crossed from node to node, in deal files: what holds, and what is found (B22)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, NODE, OPERATOR, Town, signer_of
from tests.engine.reporting import CLEARING, LISTED, hand_in, known, trusting
from tests.engine.speaker import FUNDS_UNITS, read
from tests.engine.test_reports import HOST, Road, begun, people, settled
from tests.engine.test_trust import kept
from tests.simulation.clock import later, simulated
from treaty.core.deal import Verdict, read_roots
from treaty.core.trust import record_from_json
from treaty.dialects.asp.audit import verify
from treaty.dialects.asp.audit_file import open_deal
from treaty.dialects.asp.audit_reported import check_elsewhere
from treaty.dialects.asp.deal import believed_at, make_deal, standings, trust_lines
from treaty.identity.records import seal
from treaty.wire.canonical import Json, canonical, read_json


def told(uri: str, key: Any) -> dict[str, Json]:
    return {"uri": uri, "keyId": key.key_id, "publicKey": key.text}


async def file_of(town: Town, session: str, *, with_log: bool) -> Any:
    """The deal file of a session, with the whole trust log of its host or without it."""
    node = town.at_home()
    page: Any = await node.trust.extract(0, 200)
    entries = [(read(one.body), one.raw) for one in await town.log_of(session)]
    records = page["records"] if with_log else []
    bodies = [record_from_json(one["kind"], one["record"]) for one in records]
    signed = [one["record"] for one in records]
    believed = believed_at(town.uri, zip(bodies, signed, strict=True))
    made = make_deal(
        host=told(town.uri, town.signer.key),
        url=town.base_url,
        entries=entries,
        cards=[await node.registry.listed(agent) for agent in (ALPHA, BETA)],
        outcomes=records,
        trust=trust_lines(standings(bodies, session, (ALPHA, BETA), believed)),
        log_head=page["head"] if with_log else None,
    )
    return read_json(canonical(made), size_max=1 << 24, depth_max=48)


def roots_of(town: Town, *clearings: Any) -> Any:
    node = told(town.uri, town.signer.key)
    return read_roots(
        {
            "treaty": "roots/1",
            "registry": [node],
            "host": [node],
            "clearing": [node, *clearings],
            "attester": [told(OPERATOR, town.operator.key)],
        }
    )


def trust_claim(deal: Any, roots: Any) -> tuple[str, str]:
    claim = verify(deal, roots).claim("trust")
    assert claim is not None
    return claim.verdict.value, claim.detail


# A host's own log that holds what another clearing reported.


async def counted(town: Town) -> Any:
    """Alpha and Beta dealt elsewhere, then here; the file of the second deal."""
    alpha, beta = await known(town)
    await town.fund(ALPHA, FUNDS_UNITS)
    await hand_in(town)
    await later(1_000)
    return await file_of(town, await kept(town, alpha, beta), with_log=True)


FAR = told(CLEARING, LISTED.key)


@simulated
async def test_scores_that_rest_on_another_clearings_word_follow_from_the_file() -> None:
    async with trusting() as town:
        deal = await counted(town)

        assert deal["trust"][0]["before"]["score"] == 60.8
        assert trust_claim(deal, roots_of(town, FAR))[0] == "verified"


@simulated
async def test_who_does_not_know_that_clearing_cannot_check_them() -> None:
    async with trusting() as town:
        verdict, detail = trust_claim(await counted(town), roots_of(town))

        assert verdict == "not checkable"
        assert CLEARING in detail


@simulated
async def test_an_entry_that_twists_the_report_is_found() -> None:
    async with trusting() as town:
        deal = await counted(town)
        line = next(one for one in deal["outcomes"] if "report" in one["record"])
        parties = [{**one, "rating": 5} for one in line["record"]["parties"]]
        line["record"] = seal("outcome", {**line["record"], "parties": parties}, town.signer)

        found = [one for one in verify(deal, roots_of(town, FAR)).claims if one.name == "trust"]
        assert found[0].verdict is Verdict.FAILED
        assert "report" in found[0].detail


@simulated
async def test_a_report_that_its_clearing_did_not_sign_is_found() -> None:
    async with trusting() as town:
        deal = await counted(town)
        impostor = told(CLEARING, signer_of("impostor").key)

        assert trust_claim(deal, roots_of(town, impostor))[0] == "failed"


# A session whose outcome stands in another node's log.


async def abroad(trust: Town, town: Town) -> tuple[str, Any]:
    """A deal that was reported elsewhere: its session, and its file."""
    alpha, beta = await people(town)
    session = await begun(alpha, beta, trust)
    await settled(alpha, beta, session)
    await later(5_000)
    return session, await file_of(town, session, with_log=False)


@simulated
async def test_the_entry_elsewhere_is_checked_as_far_as_the_file_goes() -> None:
    async with trusting(HOST, name="trust") as trust, Town(fetcher=Road(trust)) as town:
        _, deal = await abroad(trust, town)
        report = verify(deal, roots_of(town))

        assert report.ok, report.to_json()
        verdict, detail = trust_claim(deal, roots_of(town))
        assert (verdict, trust.uri in detail) == ("not checkable", True)


def facts_of(deal: Any) -> dict[str, Any]:
    (data,) = [one["data"] for one in deal["log"] if one.get("fact") == "outcome"]
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"trust": {"uri": "agent://trust.example/x"}}, "the entry elsewhere"),
        ({"record": {}}, "the entry elsewhere"),
        ({"record": None}, "the entry elsewhere"),
        ({"trust": told("agent://trust.example/x", signer_of("other").key)}, "another key"),
    ],
)
@simulated
async def test_an_entry_that_does_not_hold_is_found(change: dict[str, Any], why: str) -> None:
    async with trusting(HOST, name="trust") as trust, Town(fetcher=Road(trust)) as town:
        _, file = await abroad(trust, town)
        deal, _ = open_deal(file)
        outcome, found = check_elsewhere(deal, "log 9", {**facts_of(file), **change})

        assert outcome is None
        assert [one.verdict for one in found] == [Verdict.FAILED]
        assert why in found[0].detail


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"session": "019526a1-8e1a-7000-8000-000000000009"}, "another session"),
        ({"clearing": CLEARING}, "another session"),
        ({"report": {}}, "the report"),
        ({"commitment": "other"}, "its commitment"),
    ],
)
@simulated
async def test_a_trust_node_that_twists_what_the_host_reported_is_found(
    change: dict[str, Any], why: str
) -> None:
    async with trusting(HOST, name="trust") as trust, Town(fetcher=Road(trust)) as town:
        _, file = await abroad(trust, town)
        deal, _ = open_deal(file)
        data = facts_of(file)
        twisted = seal("outcome", {**data["record"], **change}, trust.signer)
        _, found = check_elsewhere(deal, "log 9", {**data, "record": twisted})

        details = [one.detail for one in found if one.verdict is Verdict.FAILED]
        assert any(why in detail for detail in details), found
        assert NODE in str(data)
