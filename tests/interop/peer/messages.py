"""The peer's side: agirails' own builders and client, driven by JSON, one line a command.

Run with the Python of the environment that has agirails; it knows nothing of treaty.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from agirails.builders import (
    CounterAcceptBuilder,
    CounterAcceptMessage,
    CounterAcceptParams,
    CounterOfferBuilder,
    CounterOfferJustification,
    CounterOfferMessage,
    CounterOfferParams,
    MessageNonceManager,
    QuoteBuilder,
    QuoteMessage,
    QuoteParams,
)
from agirails.negotiation.negotiation_channel import (
    DeliveredMessage,
    NegotiationMessage,
    RelayChannel,
    RelayChannelConfig,
)
from agirails.server.quote_channel import QuoteChannelClient, QuoteChannelClientConfig
from eth_account import Account

CHAIN = 84532
NONCES: dict[str, MessageNonceManager] = {}


def nonces(key: str) -> MessageNonceManager:
    """Each account counts on for as long as this process lives."""
    return NONCES.setdefault(key, MessageNonceManager())


def read_counter(document: dict[str, Any]) -> CounterOfferMessage:
    """A counter from its wire form, through the peer's own records."""
    fields = {name: value for name, value in document.items() if name != "justification"}
    said = document.get("justification")
    if said is not None:
        said = CounterOfferJustification(
            said.get("reason"), said.get("marketRate"), said.get("breakdown") or {}
        )
    return CounterOfferMessage(**fields, justification=said)


def address(key: str) -> str:
    """The checksummed address of a key."""
    return Account.from_key(key).address


def build_counter(key: str, justification: Any = None, **params: Any) -> dict[str, Any]:
    """A signed counter in its wire form."""
    if justification is not None:
        justification = CounterOfferJustification(**justification)
    builder = CounterOfferBuilder(key, nonces(key))
    return builder.build(CounterOfferParams(**params, justification=justification)).to_dict()


def build_accept(key: str, **params: Any) -> dict[str, Any]:
    """A signed acceptance in its wire form."""
    return CounterAcceptBuilder(key, nonces(key)).build(CounterAcceptParams(**params)).to_dict()


def build_quote(key: str, **params: Any) -> dict[str, Any]:
    """A signed quote in its wire form."""
    return QuoteBuilder(Account.from_key(key), nonces(key)).build(QuoteParams(**params)).to_dict()


def verify(message: dict[str, Any], kernel: str) -> bool:
    """What the builder of its kind says of a message; raises what that raises."""
    match message["type"]:
        case "agirails.quote.v1":
            return QuoteBuilder().verify(QuoteMessage.from_dict(message), kernel)
        case "agirails.counteroffer.v1":
            return CounterOfferBuilder().verify(read_counter(message), kernel)
        case _:
            return CounterAcceptBuilder().verify(CounterAcceptMessage(**message), kernel)


def compute_hash(message: dict[str, Any]) -> str:
    """The message hash, as the builder of its kind has it."""
    match message["type"]:
        case "agirails.quote.v1":
            return QuoteBuilder().compute_hash(QuoteMessage.from_dict(message))
        case "agirails.counteroffer.v1":
            return CounterOfferBuilder().compute_hash(read_counter(message))
        case _:
            return CounterAcceptBuilder().compute_hash(CounterAcceptMessage(**message))


def send_counter(url: str, message: dict[str, Any]) -> None:
    """Post a counter with the peer's client; it raises for every answer of 400 and above."""
    client = QuoteChannelClient(QuoteChannelClientConfig(allow_insecure_targets=True))
    asyncio.run(client.send_counter(url, read_counter(message)))


def relay(url: str, kernel: str) -> RelayChannel:
    """The peer's relay client for one kernel."""
    return RelayChannel(
        RelayChannelConfig(
            {CHAIN: kernel}, base_url=url, poll_interval_ms=50, allow_insecure_targets=True
        )
    )


def record_of(message: dict[str, Any]) -> Any:
    """A message as the peer's own record of its kind."""
    match message["type"]:
        case "agirails.quote.v1":
            return QuoteMessage.from_dict(message)
        case "agirails.counteroffer.v1":
            return read_counter(message)
        case _:
            return CounterAcceptMessage(**message)


def relay_post(url: str, kernel: str, message: dict[str, Any]) -> None:
    """Leave a message at a relay; raises for what the relay refuses."""

    async def post() -> None:
        channel = relay(url, kernel)
        try:
            envelope = NegotiationMessage(message["type"], record_of(message))
            await channel.post(message["txId"], envelope)
        finally:
            await channel.close()

    asyncio.run(post())


def relay_hear(url: str, kernel: str, count: int, **of: str) -> list[dict[str, Any]]:
    """What the peer's subscription of a ``tx_id`` or an ``agent`` hands out, once it is so many."""

    async def hear() -> list[dict[str, Any]]:
        channel, heard, enough = relay(url, kernel), [], asyncio.Event()

        def take(delivered: DeliveredMessage) -> None:
            heard.append({"cursor": delivered.cursor, "message": delivered.envelope.message})
            if len(heard) == count:
                enough.set()

        if "tx_id" in of:
            channel.subscribe_tx_id(of["tx_id"], take)
        else:
            channel.subscribe_agent(of["agent"], lambda _tx_id, delivered: take(delivered))
        try:
            async with asyncio.timeout(20):
                await enough.wait()
        finally:
            await channel.close()
        return [{**one, "message": one["message"].to_dict()} for one in heard]

    return asyncio.run(hear())


COMMANDS = {
    "address": address,
    "counter": build_counter,
    "accept": build_accept,
    "quote": build_quote,
    "verify": verify,
    "hash": compute_hash,
    "send_counter": send_counter,
    "relay_post": relay_post,
    "relay_hear": relay_hear,
}


def main() -> None:
    """Answer until there is nothing more to read."""
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = {"value": COMMANDS[asked.pop("command")](**asked)}
        except Exception as error:  # noqa: BLE001 - whatever it raises is the answer.
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)  # noqa: T201 - this is how it answers.


if __name__ == "__main__":
    main()
