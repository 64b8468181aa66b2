"""A provider that needs no port: its counter-offers come from a relay, its answers go there.

Laws: what comes is posted to the provider's own quote desk as if it had come over HTTP, byte for
byte what the relay kept, so every rule and every record is the same; an answer that could not be
left is left again, because the desk repeats itself. What is refused is passed over in silence, as
there is nobody to tell.

Read next: ``relay_client``, ``treaty.engine.quotes``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from treaty.dialects.actp.choices import COUNTER_TYPE
from treaty.dialects.actp.dids import did_account
from treaty.engine.quotes import Quotes
from treaty.errors import Refused, SignatureError, WireError
from treaty.http.relay_client import Delivered, RelayClient
from treaty.wire.canonical import canonical


async def sell_by_relay(
    quotes: Quotes, client: RelayClient, complain: Callable[[str], None]
) -> None:
    """Answer what is left for this provider, until cancelled."""
    await client.subscribe_inbox(partial(answer, quotes, client, complain))


async def answer(
    quotes: Quotes, client: RelayClient, complain: Callable[[str], None], one: Delivered
) -> None:
    """Answer one message. Raises ``UnavailableError``: then it is to be heard again."""
    message = one.message
    provider = did_account(message.provider, message.chain_id)
    if message.type != COUNTER_TYPE or provider != quotes.dialect.provider:
        return
    try:
        told = await quotes.counter(canonical(one.envelope), message.chain_id, one.tx_id)
    except (WireError, SignatureError, Refused) as error:
        complain(f"a counter-offer from the relay is refused ({error.code}: {error.detail})")
        return
    if told.reply is not None:
        await client.post(one.tx_id, canonical(told.reply))
