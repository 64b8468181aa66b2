"""Telling losers why: a signed receipt each, of its own figures against limits it was sent.

Law: a receipt has no place for who won, the winner's figures, or a limit that was never sent
(``dialects.mrp.rejections``). It is a courtesy: nobody is told twice, and a provider that takes
none is left alone.

Read next: ``router``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Final

from treaty.agent.choosing import Chosen
from treaty.agent.hearing import Heard
from treaty.agent.route_ports import Providers
from treaty.core.routing import RouteVerdict
from treaty.dialects.mrp.choices import MSG_ID_CHARS_LEAST
from treaty.dialects.mrp.codec import decode_reply
from treaty.dialects.mrp.rejections import make_rejection
from treaty.errors import TreatyError
from treaty.identity.keys import Signer
from treaty.wire.canonical import Json, canonical

TOLD_MAX: Final = 100
"""Receipts for one decision."""


async def tell_losers(providers: Providers, chosen: Chosen, signer: Signer, at_ms: int) -> int:
    """Leave a receipt with every loser that takes one; how many were taken."""
    receipts = list(_receipts(chosen, signer, at_ms))[:TOLD_MAX]
    taken = await asyncio.gather(*(_leave(providers, url, body) for url, body in receipts))
    return sum(taken)


async def _leave(providers: Providers, url: str, body: bytes) -> bool:
    try:
        return await providers.leave(url, body)
    except TreatyError:
        return False


def _receipts(chosen: Chosen, signer: Signer, at_ms: int) -> Iterator[tuple[str, bytes]]:
    ranked = chosen.decision.ranking.considered
    for one, offer in zip(ranked, chosen.decision.heard, strict=True):
        heard = chosen.heard_from[id(offer)]
        if one.verdict is RouteVerdict.WON or heard.manifest is None or heard.reply is None:
            continue
        reasons: list[Mapping[str, Json]] = [reason.to_json() for reason in one.reasons]
        if len(heard.reply.msg_id) >= MSG_ID_CHARS_LEAST and one.offer.route_id:
            receipt = make_rejection(
                route_id=one.offer.route_id,
                discover_id=_asked(heard),
                offer_id=heard.reply.msg_id,
                reasons=reasons,
                at_ms=at_ms,
                signer=signer,
            )
            yield heard.manifest.execute_url, canonical(receipt)


def _asked(heard: Heard) -> str:
    sent = next(one for one in heard.messages if one.is_sent)
    return decode_reply(sent.raw)[0].msg_id
