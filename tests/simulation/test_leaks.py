"""What is private stays private: nobody's limit is anywhere but in its own process (B21).

The bytes of everything that leaves a party, or that somebody else keeps, are searched: messages,
the node's store, the other's store, inboxes, deal files, answers, complaints and log lines.
"""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, Town
from tests.agent.scene import alpha_of, beta_of, beta_service, market, strike
from tests.simulation.clock import later, simulated
from treaty.agent import BuyerPolicy, Deal, SellerPolicy, Tier, learn, statistics
from treaty.agent.export import export_deal
from treaty.core.learning import Observation, Statistics
from treaty.engine.node import Node
from treaty.errors import Refused
from treaty.store.memory import MemoryStore
from treaty.wire.canonical import canonical

FLOOR = Decimal("3.6173")
RESERVATION = Decimal("4.2317")
SPOKEN = (b"3.5", b"3.75", b"99.95")
"""What is said in this deal and must be found, so that the search is known to find."""

SELLER = SellerPolicy(
    tiers=(Tier(Decimal("3.50"), Decimal("99.9")), Tier(Decimal("4.00"), Decimal("99.95"))),
    floor=FLOOR,
)
BUYER = BuyerPolicy(ask=Decimal("5.00"), reservation=RESERVATION, quality_min=Decimal("99.9"))


def forms(limit: Decimal) -> Iterator[bytes]:
    """A limit as it might be written: exact, rounded either way, and inside base64."""
    rounded = [limit.quantize(Decimal("0.01"), rounding) for rounding in ("ROUND_UP", "ROUND_DOWN")]
    yield from {str(one).encode() for one in (limit, *rounded)}
    exact = str(limit).encode()
    for before in range(3):
        # Whatever stands around it, these characters of its base64 are the same.
        encoded = b64encode(b"\0" * before + exact)
        yield encoded[-(-before * 8 // 6) : (before + len(exact)) * 8 // 6]


def stored_in(store: MemoryStore) -> bytes:
    """Every byte a store keeps."""
    found: list[bytes] = []
    for name, entries in store._streams.items():
        found.append(name.encode())
        for entry in entries:
            found += [entry.kind.encode(), entry.body, entry.raw or b""]
    for task in store._tasks.values():
        found += [task.id.encode(), task.payload]
    found += store._settings.values()
    found += [f"{scope} {key}".encode() for scope, key in store._nonces]
    return b"\n".join(found)


async def answers_of(node: Node, deal: Deal) -> bytes:
    """What the node tells about the deal to whoever may ask."""
    hosted = await node.sessions.reader(deal.id, deal.line.voice.signer.key)
    told: list[Any] = [
        node.sessions.view(hosted),
        await node.describe(),
        await node.trust.extract(0, 100),
        *[await node.registry.listed(one) for one in (ALPHA, BETA)],
        *[node.trust.view(one) for one in (ALPHA, BETA)],
        *[await node.clearing.statement(one) for one in (ALPHA, BETA)],
    ]
    return b"\n".join(canonical(one) for one in told)


def check_unknown(secret: Decimal, *places: bytes) -> None:
    """The limit stands in none of these."""
    for place in places:
        for form in forms(secret):
            assert form not in place, f"{form!r} in {place[:80]!r}"


def check_notes(note: Observation, own: bytes, *elsewhere: bytes) -> None:
    """What one party has noted lies in its own store, and nowhere else."""
    whole = canonical(note.to_json())
    assert whole in own
    for place in elsewhere:
        for one in (whole, note.observation.encode(), note.subject.encode()):
            assert one not in place, f"{one!r} in {place[:80]!r}"


def check_figures(known: Statistics, *elsewhere: bytes) -> None:
    """The statistics are nowhere: they are computed when they are asked for."""
    figures = [one for one in (known.opening_gap, known.acceptance, known.concession) if one]
    assert figures
    for place in elsewhere:
        assert not any(str(one).encode() in place for one in figures)


@simulated
async def check_deal(caplog: pytest.LogCaptureFixture) -> None:
    async with market(service=beta_service(policy=SELLER)) as (town, alpha, beta):
        deal = await strike(alpha, policy=BUYER)
        learnt = [await learn(alpha, deal), await learn(beta, await beta.peruse(deal.id))]
        await later(1_000)
        files = [canonical(await export_deal(one, deal.id)) for one in (alpha, beta)]
        await alpha.copies.flush()
        public = b"\n".join(
            (
                *(raw for _, raw in town.sent),
                stored_in(town.inner),
                await answers_of(town.at_home(), deal),
                *files,
                "\n".join(town.complaints).encode(),
                caplog.text.encode(),
            )
        )

        assert all(one in public for one in SPOKEN)
        own = {ALPHA: stored_in(town.store_of(ALPHA)), BETA: stored_in(town.store_of(BETA))}
        check_notes(learnt[0], own[ALPHA], own[BETA], public)
        check_notes(learnt[1], own[BETA], own[ALPHA], public)
        assert b"observationType" not in public
        check_figures(await statistics(alpha, BETA), public, own[BETA])
        check_figures(await statistics(beta, ALPHA), public, own[ALPHA])
        check_unknown(FLOOR, public, stored_in(town.store_of(ALPHA)))
        check_unknown(RESERVATION, public, stored_in(town.store_of(BETA)))
        # Not even its own copies hold a limit: they may be exported one day.
        check_unknown(FLOOR, stored_in(town.store_of(BETA)))
        check_unknown(RESERVATION, stored_in(town.store_of(ALPHA)))


def test_a_deal_tells_nobody_the_limits(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        check_deal(caplog)


@simulated
async def check_failure(caplog: pytest.LogCaptureFixture) -> None:
    """The zones do not meet; both walk away without having said why in figures."""
    dear = SellerPolicy(
        tiers=(Tier(Decimal("9.00"), Decimal("99.95")),), floor=Decimal("8.5173"), rounds_max=6
    )
    poor = BuyerPolicy(ask=None, reservation=RESERVATION, quality_min=Decimal("99.9"), rounds_max=3)
    async with market(service=beta_service(policy=dear)) as (town, alpha, _beta):
        with pytest.raises(Refused) as caught:
            await strike(alpha, policy=poor, listed=None)
        await later(120_000)
        said = b"\n".join(raw for _, raw in town.sent)

        assert str(caught.value.detail)
        # The last bid is the limit in whole cents, by choice; the limit itself is not.
        exact = (str(RESERVATION).encode(), b"8.5173")
        places = (said, stored_in(town.inner), caught.value.detail.encode(), caplog.text.encode())
        for place in (*places, "\n".join(town.complaints).encode()):
            assert not any(one in place for one in exact)


def test_a_failed_negotiation_tells_nobody_the_limits(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        check_failure(caplog)


def test_the_search_would_find_a_leak() -> None:
    for padding in range(3):
        hidden = b64encode(b"x" * padding + b"the most I pay is 4.2317 an hour")
        with pytest.raises(AssertionError):
            check_unknown(RESERVATION, b"some text " + hidden + b" more")
    with pytest.raises(AssertionError):
        check_unknown(RESERVATION, b'{"price":4.23}')
    note = Observation("s", "Opens at list price.", BETA, (), Decimal("0.75"))
    for told in (canonical(note.to_json()), b"it says: Opens at list price."):
        with pytest.raises(AssertionError):
            check_notes(note, canonical(note.to_json()), told)
    with pytest.raises(AssertionError):
        check_figures(Statistics(acceptance=Decimal("-0.0625")), b"it accepts at -0.0625")


@simulated
async def test_two_parties_have_their_stores_to_themselves() -> None:
    """The test above would be empty if both kept the same."""
    async with Town() as town, alpha_of(town), beta_of(town):
        assert town.store_of(ALPHA) is not town.store_of(BETA)
