"""A key is revoked in the middle of a deal: both copies hold, and the successor goes on (B5)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.agent.local import ALPHA, BASE_URL, Town, log_item, signer_of
from tests.agent.scene import TERMS
from tests.agent.session import seen, session
from tests.engine.test_registry import revoke
from tests.simulation.clock import later, now_ms, simulated
from treaty.agent import Deal
from treaty.agent.copy import Known, VerifiedCopy
from treaty.dialects.asp.messages import Performative
from treaty.engine.hosted import session_stream
from treaty.errors import SignatureError, TreatyError
from treaty.identity.cards import key_hash, make_card, open_card
from treaty.identity.records import seal
from treaty.identity.revocations import make_revocation
from treaty.wire.canonical import canonical

NEXT = "alpha's next"


async def card_by(town: Town, name: str, then: str) -> None:
    """Register the next version of Alpha's card, by this key, committed to the one after."""
    view = open_card(await current(town))
    card = make_card(
        signer_of(name),
        uri=ALPHA,
        name=view.name,
        organization=str(view.card["organization"]),
        org_id=view.org_id,
        capabilities=view.capabilities,
        endpoints={"asp": f"{BASE_URL}/v1/asp"},
        version=view.version + 1,
        next_key_hash=key_hash(signer_of(then).key),
    )
    await town.at_home().registry.register(canonical(card))


async def current(town: Town) -> dict[str, Any]:
    """Alpha's card, also while it is barred."""
    told: Any = await town.at_home().registry.notice(ALPHA)
    return told.get("card") or await town.at_home().registry.listed(ALPHA)


@asynccontextmanager
async def revoked() -> AsyncIterator[tuple[Town, Deal, Deal]]:
    """Alpha's key was revoked by the next one, whose card is registered."""
    async with session() as (town, alpha, beta):
        await card_by(town, "alpha", NEXT)
        await alpha.propose({**TERMS, "pricePerHour": 3.5})
        await later(1_000)
        await revoke(town, NEXT)
        await later(1_000)
        await card_by(town, NEXT, "alpha at last")
        yield town, alpha, beta


def pinned(deal: Deal) -> Any:
    return deal.conversation.participants[ALPHA].public_key


@simulated
async def test_the_successor_goes_on_where_the_lost_key_stopped() -> None:
    async with revoked() as (town, old, beta):
        assert beta.conversation.participants[ALPHA].revoked
        await old.leave()
        async with town.agent(NEXT, ALPHA) as alpha:
            deal = await alpha.resume(old.id)
            await seen(beta, deal)
            assert pinned(deal) == pinned(beta) == signer_of(NEXT).key.text
            assert not beta.conversation.participants[ALPHA].revoked
            await beta.counter({**TERMS, "pricePerHour": 4}, reason="dearer")
            await seen(deal, beta)
            await deal.accept()
            await seen(beta, deal)
            agreed = beta.agreed()
            assert agreed is not None
            assert agreed.terms["pricePerHour"] == 4
            # Shown once: coming back shows nothing again.
            count = deal.conversation.messages
            await alpha.forget(deal)
            again = await alpha.join(old.id, ALPHA)
            assert again.conversation.messages == count


@simulated
async def test_the_lost_key_is_heard_by_nobody() -> None:
    async with revoked() as (_, old, _beta):
        with pytest.raises(TreatyError) as caught:
            await old.line.send(Performative.OBSERVE, {"subject": "x", "data": {}})
        assert caught.value.code in ("key_revoked", "signature_invalid")


async def shown(town: Town, deal: Deal, **changes: Any) -> None:
    """Absorb the log with its revocation changed, by a host that signs whatever it likes."""
    copy = VerifiedCopy(Known(host=town.signer.key, base_url=BASE_URL, session=deal.id))
    for entry in await town.inner.read(session_stream(deal.id)):
        item = log_item(entry)
        if item.record.get("fact") == "revocation":
            told: Any = item.record["data"]
            forged = seal("fact", {**item.record, "data": {**told, **changes}}, town.signer)
            copy.absorb(type(item)(item.position, forged, None))
            return
        copy.absorb(item)


@simulated
async def test_a_revocation_is_signed_by_the_key_that_comes_after() -> None:
    async with revoked() as (town, _, beta):
        await shown(town, beta)
        other = make_revocation(
            signer_of("mallory"), uri=ALPHA, key_id="another", since_ms=now_ms()
        )
        broken = {**other, "keyId": signer_of("alpha").key.key_id}
        for record in (None, {}, other, broken):
            with pytest.raises(TreatyError) as caught:
                await shown(town, beta, record=record)
            assert caught.value.code in ("malformed", "hash_mismatch", "signature_invalid")


@simulated
async def test_nothing_but_the_successors_card_is_read_under_a_new_key() -> None:
    async with revoked() as (town, old, beta):
        await old.leave()
        async with town.agent(NEXT, ALPHA) as alpha:
            deal = await alpha.resume(old.id)
            await seen(beta, deal)
            copy = VerifiedCopy(Known(host=town.signer.key, base_url=BASE_URL, session=old.id))
            items = [log_item(one) for one in await town.log_of(old.id)]
            renewal = next(
                number
                for number, item in enumerate(items)
                if item.raw is not None
                and number
                and b"identity" in item.raw
                and signer_of(NEXT).key.text.encode() in item.raw
            )
            for item in items[:renewal]:
                copy.absorb(item)
            said = next(one for one in items if one.raw and b"proposalId" in one.raw)
            moved = {
                **said.record,
                "position": copy.position + 1,
                "previousEntry": copy.conversation.entry,
                "receivedAt": items[renewal].record["receivedAt"],
            }
            forged = seal("receipt", moved, town.signer)
            with pytest.raises(SignatureError) as caught:
                copy.absorb(type(said)(copy.position + 1, forged, said.raw))
            assert caught.value.code == "key_revoked"
            copy.absorb(items[renewal])
