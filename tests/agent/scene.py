"""The seed's two parties, at home in a town: Alpha buys GPU hours, Beta sells them.

    async with market() as (town, alpha, beta):
        deal = await strike(alpha)

``audit`` looks at everything that is left behind and judges it by a naive model of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

from tests.agent.local import ALPHA, BASE_URL, BETA, Town, log_item
from treaty.agent import (
    Agent,
    BuyerPolicy,
    Deal,
    Purchase,
    SellerPolicy,
    Service,
    Tier,
    buy,
    serve,
)
from treaty.agent.copy import Known, VerifiedCopy
from treaty.engine.hosted import session_stream
from treaty.wire.canonical import Json, read_json

FLOOR = Decimal("3.75")
RESERVATION = Decimal("4.23")
FUNDS_UNITS = 50_000

SELLER = SellerPolicy(
    tiers=(Tier(Decimal("3.50"), Decimal("99.9")), Tier(Decimal("4.00"), Decimal("99.95"))),
    floor=FLOOR,
)
BUYER = BuyerPolicy(ask=Decimal("5.00"), reservation=RESERVATION, quality_min=Decimal("99.9"))
LISTED = Tier(Decimal("3.50"), Decimal("99.9"))
TERMS: Mapping[str, Json] = {"gpuType": "A100", "quantity": 2, "durationHours": 24}
PRICING: Mapping[str, Json] = {"gpu": "A100", "pricePerHour": 3.5, "currency": "USD"}


def purchase(**changes: Any) -> Purchase:
    """What Alpha wants."""
    stated: dict[str, Any] = {
        "terms": TERMS,
        "policy": BUYER,
        "listed": LISTED,
        "subject": "GPU compute capacity for ML training",
        "method": "metric-query",
        "rating": 5,
    }
    return Purchase(**{**stated, **changes})


def beta_service(**changes: Any) -> Service:
    """What Beta offers: two instances, with a report half-way."""
    service = Service(**{"policy": SELLER, "rating": 4, **changes})

    @service.fulfils
    async def provision(deal: Deal, _commitment: object) -> dict[str, Json]:
        await deal.progress("provisioning", 50, "1 of 2 A100 instances allocated and running")
        return {"instances": [{"id": "gpu-a100-01"}, {"id": "gpu-a100-02"}]}

    return service


def alpha_of(town: Town) -> Agent:
    """Alpha, not yet entered."""
    return town.agent("alpha", ALPHA, capabilities=("negotiate.compute",), org_id="org_acme")


def beta_of(town: Town) -> Agent:
    """Beta, not yet entered."""
    return town.agent(
        "beta", BETA, capabilities=("provision.cloud",), extra={"pricing": dict(PRICING)}
    )


@asynccontextmanager
async def market(
    town: Town | None = None, *, service: Service | None = None
) -> AsyncIterator[tuple[Town, Agent, Agent]]:
    """Both parties at a node: Alpha has money, Beta is attested and serves."""
    async with (
        town or Town() as here,
        beta_of(here) as beta,
        alpha_of(here) as alpha,
    ):
        await here.fund(ALPHA, FUNDS_UNITS)
        await here.attest(BETA)
        serving = asyncio.create_task(serve(beta, service or beta_service()), name="beta serves")
        try:
            yield here, alpha, beta
        finally:
            await end(serving)


async def end(task: asyncio.Task[Any]) -> None:
    """Cancel a task; what it failed of before is raised."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def strike(alpha: Agent, **changes: Any) -> Deal:
    """Alpha finds Beta, invites it and buys."""
    found = await alpha.discover("provision.cloud", minTrustLevel=3, maxPricePerHour=5)
    deal = await alpha.invite(found[0], subject="GPU compute procurement")
    return await buy(deal, purchase(**changes))


async def audit(town: Town, session: str, *, funded_units: int = FUNDS_UNITS) -> None:
    """Judge what a session left behind: log, copies, money, outcomes."""
    entries = await town.log_of(session)
    copy = await _check_log(town, session)
    for uri in copy.conversation.principals:
        kept = await town.store_of(uri).read(f"log/{session}", 0, 10_000)
        ours = [(one.position, one.body, one.raw) for one in entries[: len(kept)]]
        assert [(one.position, one.body, one.raw) for one in kept] == ours
    await _check_money(town, copy, funded_units)
    await _check_outcomes(town, copy)


async def _check_log(town: Town, session: str) -> VerifiedCopy:
    """The log holds by itself, read by somebody who was not there."""
    copy = VerifiedCopy(Known(host=town.signer.key, base_url=BASE_URL, session=session))
    entries = await town.log_of(session)
    for entry in entries:
        copy.absorb(log_item(entry))
    previous = "sha256:" + "0" * 64
    for envelope in copy.envelopes:
        assert envelope.previous_hash == previous
        previous = envelope.hash
    raws = [entry.raw for entry in entries if entry.raw is not None]
    assert len(set(raws)) == len(raws)
    return copy


async def _check_money(town: Town, copy: VerifiedCopy, funded_units: int) -> None:
    """Nothing came out of nothing, and each reservation was settled once."""
    node = town.at_home()
    total = held = 0
    movements: list[dict[str, Any]] = []
    for stream in await town.inner.streams("account/"):
        account = await node.desk.state(stream)
        total += account.settled_units
        held += account.held_units
        for entry in await town.inner.read(stream):
            body: Any = read_json(entry.body)
            movements.append(body["movement"])
    assert total == funded_units
    reserved = {one["id"] for one in movements if one["kind"] == "reserve"}
    ends = {one["id"]: one["reservation"] for one in movements if one["kind"] in ("post", "void")}
    # Each movement stands in the streams of both sides, under one id.
    assert len(ends) == len(set(ends.values()))
    assert set(ends.values()) <= reserved
    live = {f"{copy.conversation.id}/{one.id}" for one in copy.conversation.live}
    unsettled = reserved - set(ends.values())
    assert {name for name in unsettled if name.startswith(copy.conversation.id)} == live
    assert bool(held) == bool(unsettled)


async def _check_outcomes(town: Town, copy: VerifiedCopy) -> None:
    """Every commitment that was worth something is in the trust log, once."""
    records: list[Any] = [read_json(entry.body) for entry in await town.inner.read("trust/log")]
    session = copy.conversation.id
    told = [one["commitment"] for one in records if one.get("session") == session]
    paid = [one.id for one in copy.conversation.settled if one.posted_units]
    assert len(told) == len(set(told))
    assert set(paid) <= set(told)
    facts = [
        one.record["data"]["commitmentId"]
        for one in copy.items
        if one.record.get("fact") == "outcome"
    ]
    assert sorted(facts) == sorted(told)


def last_position(town: Town, session: str) -> Any:
    """How far the log of a session is."""
    return town.inner.last(session_stream(session))
