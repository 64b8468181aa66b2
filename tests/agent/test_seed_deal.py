"""The seed deal, whole and in one process: both SDK loops at a node, figure by figure."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.agent.local import ALPHA, BETA, Town
from tests.agent.scene import audit, beta_service, last_position, market, purchase, strike
from tests.simulation.clock import later, simulated
from treaty.agent import Deal, SellerPolicy, Tier, buy
from treaty.agent.copy import VerifiedCopy
from treaty.agent.export import export_deal
from treaty.core.deal import Verdict, read_deal
from treaty.core.movement import AccountId
from treaty.dialects import asp
from treaty.dialects.asp import audit as asp_audit
from treaty.dialects.asp.choices import MIME, MIME_PACKED
from treaty.dialects.asp.messages import Envelope
from treaty.identity.keys import PublicKey, read_public_key
from treaty.wire.canonical import canonical

SEED_ORDER = [
    ("alpha", "PROPOSE", "INVITED"),
    ("beta", "ACCEPT", "INVITED"),
    ("alpha", "INFORM", "INVITED"),
    ("beta", "INFORM", "INTRODUCED"),
    ("alpha", "PROPOSE", "CONVERSING"),
    ("beta", "COUNTER", "CONVERSING"),
    ("alpha", "PROPOSE", "CONVERSING"),
    ("beta", "ACCEPT", "CONVERSING"),
    ("alpha", "COMMIT", "AGREEING"),
    ("beta", "ACCEPT", "EXECUTING"),
    ("beta", "INFORM", "EXECUTING"),
    ("beta", "INFORM", "EXECUTING"),
    ("alpha", "CLOSE", "EXECUTING"),
    ("beta", "CLOSE", "CLOSED"),
]
"""Messages 3 to 16 of the seed, with the state after each."""


def body_of(envelope: Envelope) -> dict[str, Any]:
    content: Any = envelope.document["content"]
    return dict(content["body"])


def states_after(deal: Deal) -> list[str]:
    """The wire state after each message, by folding the copy once more."""
    again = VerifiedCopy(deal.line.copy.known)
    states = []
    for item in deal.line.copy.items:
        again.absorb(item)
        if item.raw is not None:
            states.append(again.conversation.wire_state)
    return states


@simulated
async def test_the_messages_are_those_of_the_seed_in_its_order() -> None:
    async with market() as (_, alpha, _beta):
        deal = await strike(alpha)

        names = {ALPHA: "alpha", BETA: "beta"}
        said = [(names[one.sender], one.performative.value) for one in deal.messages]
        assert [(*one, state) for one, state in zip(said, states_after(deal), strict=True)] == (
            SEED_ORDER
        )


@simulated
async def test_the_figures_are_those_of_the_seed() -> None:
    async with market() as (town, alpha, _beta):
        deal = await strike(alpha)

        terms = [body_of(deal.messages[place])["terms"] for place in (4, 5, 6)]
        assert [one["pricePerHour"] for one in terms] == [3.5, 4, 3.75]
        assert [one["sla"]["uptimePercent"] for one in terms] == [99.9, 99.95, 99.95]
        commit = body_of(deal.messages[8])
        assert commit["escrow"]["amount"] == "180.00"
        assert commit["terms"]["totalCost"] == {"amount": "180.00", "currency": "USD"}
        ratings = [body_of(deal.messages[place])["outcome"]["peerRating"] for place in (12, 13)]
        assert ratings == [5, 4]
        moved = [
            (one.record["data"]["movement"], one.record["data"].get("posted"))
            for one in deal.line.copy.items
            if one.record.get("fact") == "escrow"
        ]
        assert moved == [("reserve", None), ("settle", {"amount": "180.00", "currency": "USD"})]
        await audit(town, deal.id)


@simulated
async def test_alpha_rises_to_60_8_and_beta_stays_at_91() -> None:
    async with market() as (town, alpha, _beta):
        before = await alpha.trust(), await alpha.trust(BETA)
        deal = await strike(alpha)
        after = await alpha.trust(), await alpha.trust(BETA)

        assert [(one["score"], one["level"]) for one in before] == [(49, 1), (91, 4)]
        assert [(one["score"], one["level"]) for one in after] == [(60.8, 2), (91, 4)]
        outcome = deal.outcome()
        assert outcome is not None
        scores: Any = outcome["scores"]
        assert [scores[ALPHA][when]["score"] for when in ("before", "after")] == [49, 60.8]
        assert [scores[BETA][when]["score"] for when in ("before", "after")] == [91, 91]
        assert after[0]["components"] == {
            "IV": 50, "CH": 10, "CF": 100, "BC": 55, "RQ": 88, "SP": 50, "ER": 100, "PE": 0,
        }  # fmt: skip
        assert not town.complaints


@simulated
async def test_the_money_went_from_alpha_to_beta() -> None:
    async with market() as (town, alpha, _beta):
        await strike(alpha)

        clearing = town.at_home().clearing
        left = await clearing.account(AccountId(ALPHA, "USD"))
        got = await clearing.account(AccountId(BETA, "USD"))
        assert (left["available"], left["held"]) == (usd("320.00"), usd("0.00"))
        assert got["available"] == usd("180.00")


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


@simulated
async def test_each_keeps_the_same_log_as_the_host() -> None:
    async with market() as (town, alpha, beta):
        deal = await strike(alpha)
        await later(1_000)
        await alpha.copies.flush()
        await beta.copies.flush()

        hosted = await town.log_of(deal.id)
        assert len(hosted) == await last_position(town, deal.id) == 17
        for agent in (alpha, beta):
            kept = await agent.copies.items(deal.id)
            assert [(canonical(dict(one.record)), one.raw) for one in kept] == [
                (one.body, one.raw) for one in hosted
            ]


@simulated
async def test_the_deal_file_of_either_verifies_offline() -> None:
    async with market() as (town, alpha, beta):
        deal = await strike(alpha)
        files = [await export_deal(agent, deal.id) for agent in (alpha, beta)]

        for file in files:
            report = asp_audit.verify(file, None)
            assert report.of(Verdict.FAILED) == ()
            assert report.ok
            assert "complete" in " ".join(report.of(Verdict.VERIFIED))
        assert read_key(files[0]) == town.signer.key


def read_key(file: dict[str, Any]) -> PublicKey:
    return read_public_key(file["session"]["host"]["publicKey"])


@simulated
async def test_another_floor_gives_other_figures() -> None:
    """The figures come from the policies, and from nowhere else."""
    dearer = SellerPolicy(
        tiers=(Tier(Decimal("3.50"), Decimal("99.9")), Tier(Decimal("4.20"), Decimal("99.95"))),
        floor=Decimal("3.85"),
    )
    async with market(service=beta_service(policy=dearer)) as (town, alpha, _beta):
        deal = await strike(alpha)

        agreed = deal.agreed()
        assert agreed is not None
        assert agreed.terms["pricePerHour"] == 3.85
        await audit(town, deal.id)


@simulated
async def test_a_second_deal_goes_like_the_first() -> None:
    async with market() as (town, alpha, _beta):
        first = await strike(alpha)
        second = await strike(alpha)

        assert first.id != second.id
        await audit(town, first.id)
        await audit(town, second.id)


@simulated
async def test_many_deals_at_once_do_not_disturb_each_other() -> None:
    async with market(Town(seed=5)) as (town, alpha, _beta):
        await town.fund(ALPHA, 100_000)
        deals = await asyncio.gather(*(strike(alpha) for _ in range(4)))

        for deal in deals:
            assert deal.state == "CLOSED"
            await audit(town, deal.id, funded_units=150_000)


@simulated
async def test_the_same_deal_in_messagepack_is_smaller_and_proves_the_same() -> None:
    async with market() as (_town, alpha, _beta):
        plain = await strike(alpha)
        found = await alpha.discover("provision.cloud")
        terms: Any = {"format": MIME_PACKED}
        deal = await alpha.invite(found[0], subject="GPU compute procurement", terms=terms)
        await buy(deal, purchase())
        formats = [one.media_type for one in deal.messages]
        # The invitation asks for it; from its answer on they speak it.
        assert formats == [MIME, *[MIME_PACKED] * (len(formats) - 1)]
        sizes = [sum(len(one.raw) for one in of.messages[1:]) for of in (plain, deal)]
        assert sizes[1] < sizes[0]
        await alpha.copies.flush()
        file = await export_deal(alpha, deal.id)
        raws: Any = file["raw"]
        packed = [one for one in raws if isinstance(one, dict)]
        assert len(packed) == len(formats) - 1
        report = asp_audit.verify(read_deal(canonical(file)), None)
        proven = [one for one in report.claims if one.name in ("bytes", "signatures", "states")]
        assert [one.verdict for one in proven] == [Verdict.VERIFIED] * 3
        schema = json.loads((Path(asp.__file__).parent / "deal.schema.json").read_bytes())
        Draft202012Validator(schema).validate(json.loads(canonical(file)))

        # A changed byte counts here as well.
        packed[0]["base64"] = "A" + packed[0]["base64"][1:]
        assert not asp_audit.verify(read_deal(canonical(file)), None).ok
