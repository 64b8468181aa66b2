"""The peer's own relay client at our relay: what it leaves, what it hears, what it is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.agirails_venv import Peer, PeerError
from tests.interop.daemons import (
    BUYER,
    BUYER_SECRET,
    CHAIN,
    PROVIDER,
    PROVIDER_SECRET,
    ZERO_KERNEL,
    Daemon,
    did,
    policy_file,
    treaty_serve,
    tx,
)
from treaty.dialects.actp import codec
from treaty.dialects.actp.builders import CounterAcceptBuilder, CounterOfferBuilder
from treaty.dialects.actp.chains import MOCK
from treaty.dialects.actp.messages import CounterAccept, CounterOffer

pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A relay of ours whose reads are unsigned, as the peer's are."""
    folder = tmp_path_factory.mktemp("relay")
    options = ("--relay-serve", "--relay-open", "--db", str(folder / "treaty.db"))
    with treaty_serve(policy_file(folder), *options) as daemon:
        yield daemon


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def offer(name: str, **changes: Any) -> CounterOffer:
    """A counter that our builder signed for the peer's provider."""
    return CounterOfferBuilder(MOCK, BUYER).build(
        tx_id=tx(name), provider=did(PROVIDER), quote_amount=1_500_000, counter_amount=900_000,
        max_price=2_000_000, in_reply_to="0x" + "bb" * 32, chain_id=CHAIN, nonce=1,
        at_ms=now_ms(), **changes,
    )  # fmt: skip


def acceptance(peer: Peer, counter: CounterOffer) -> dict[str, Any]:
    """The peer's acceptance of it, signed by its own builder."""
    accept: dict[str, Any] = peer(
        "accept", txId=counter.tx_id, provider=did(PROVIDER), consumer=counter.consumer,
        acceptedAmount=counter.counter_amount, chainId=CHAIN, kernelAddress=ZERO_KERNEL,
        inReplyTo=peer("hash", message=codec.document_of(counter)), key=PROVIDER_SECRET,
    )  # fmt: skip
    return accept


def left(relay: Daemon, path: str) -> list[dict[str, Any]]:
    """What lies at the relay for a transaction or in an inbox."""
    answer = relay.http.get(f"/api/v1/negotiations/{path}")
    assert answer.status_code == 200, answer.text
    messages: list[dict[str, Any]] = answer.json()["messages"]
    return messages


def post(relay: Daemon, counter: CounterOffer) -> int:
    path = f"/api/v1/negotiations/{counter.tx_id}/messages"
    return relay.http.post(path, content=codec.encode(counter)).status_code


@pytest.mark.parametrize("of", ["tx_id", "agent"])
def test_the_peer_hears_and_believes_our_counter(peer: Peer, relay: Daemon, of: str) -> None:
    counter = offer(f"heard by {of}")
    assert post(relay, counter) == 201

    address = counter.tx_id if of == "tx_id" else did(PROVIDER)
    where = {"url": relay.url, "kernel": ZERO_KERNEL}
    path = f"{counter.tx_id}/messages" if of == "tx_id" else f"inbox/{address}"
    lying = len(left(relay, path))
    heard = peer("relay_hear", **where, count=lying, **{of: address})

    assert codec.document_of(counter) in [one["message"] for one in heard]


def test_what_the_peer_leaves_comes_out_as_it_went_in(peer: Peer, relay: Daemon) -> None:
    counter = offer("accepted")
    accept = acceptance(peer, counter)
    peer("relay_post", url=relay.url, kernel=ZERO_KERNEL, message=accept)

    (kept,) = left(relay, f"{counter.tx_id}/messages")
    assert kept["envelope"] == {"type": accept["type"], "message": accept}
    message = codec.decode_envelope(kept["envelope"])
    assert isinstance(message, CounterAccept)
    verified = CounterAcceptBuilder(MOCK).verify(message, at_ms=now_ms())
    assert verified.account == PROVIDER.address


def test_the_peer_may_leave_a_message_twice_and_it_lies_there_once(
    peer: Peer, relay: Daemon
) -> None:
    accept = acceptance(peer, offer("twice"))
    for _ in range(2):
        peer("relay_post", url=relay.url, kernel=ZERO_KERNEL, message=accept)

    assert len(left(relay, f"{accept['txId']}/messages")) == 1


def test_a_tampered_message_is_refused_to_the_peer_and_not_kept(peer: Peer, relay: Daemon) -> None:
    accept = acceptance(peer, offer("tampered"))
    accept["acceptedAmount"] = "900001"
    with pytest.raises(PeerError, match="Relay POST 401"):
        peer("relay_post", url=relay.url, kernel=ZERO_KERNEL, message=accept)

    assert left(relay, f"{accept['txId']}/messages") == []


def test_w1_what_the_peer_spells_so_that_no_other_reads_it_is_refused_with_words(
    peer: Peer, relay: Daemon
) -> None:
    """Its client writes quotes in snake_case and a null justification into every counter."""
    quote = peer(
        "quote", tx_id=tx("snake"), provider=did(PROVIDER), consumer=did(BUYER),
        quoted_amount="1000000", original_amount="600000", max_price="2000000", chain_id=CHAIN,
        kernel_address=ZERO_KERNEL, key=PROVIDER_SECRET,
    )  # fmt: skip
    counter = peer(
        "counter", txId=tx("null"), consumer=did(BUYER), provider=did(PROVIDER),
        quoteAmount="1500000", counterAmount="900000", maxPrice="2000000",
        inReplyTo="0x" + "bb" * 32, chainId=CHAIN, kernelAddress=ZERO_KERNEL, key=BUYER_SECRET,
    )  # fmt: skip
    for message, word in ((quote, "quoted_amount|no such member"), (counter, "justification")):
        with pytest.raises(PeerError, match=f"Relay POST 400.*({word})"):
            peer("relay_post", url=relay.url, kernel=ZERO_KERNEL, message=message)

        assert left(relay, f"{message['txId']}/messages") == []
