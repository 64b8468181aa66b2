"""The peer's buyer at our daemon: its builders and its client, our policy and our replies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.interop.agirails_venv import Peer, PeerError
from tests.interop.daemons import (
    BUYER,
    BUYER_SECRET,
    CHAIN,
    PROVIDER,
    ZERO_KERNEL,
    Daemon,
    did,
    policy_file,
    treaty_serve,
    tx,
)
from treaty.identity.secp256k1 import EvmSigner

# The environment may have to be made first.
pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]


def counter(peer: Peer, tx_id: str, amount: int, **changes: Any) -> dict[str, Any]:
    """A counter that the peer's builder signed; without a quote it names an invented one."""
    params: dict[str, Any] = {
        "txId": tx_id,
        "consumer": did(BUYER),
        "provider": did(PROVIDER),
        "quoteAmount": "1500000",
        "counterAmount": str(amount),
        "maxPrice": "2000000",
        "inReplyTo": "0x" + "bb" * 32,
        "chainId": CHAIN,
        "kernelAddress": ZERO_KERNEL,
        "key": BUYER_SECRET,
    }
    return peer("counter", **{**params, **changes})


def to_quote(peer: Peer, quote: dict[str, Any], amount: int) -> dict[str, Any]:
    """A counter to a quote of ours, bound to it by the peer's own hash."""
    bound = {"quoteAmount": quote["quotedAmount"], "inReplyTo": peer("hash", message=quote)}
    return counter(peer, quote["txId"], amount, **bound, maxPrice=quote["maxPrice"])


def test_an_acceptance_of_ours_verifies_at_the_buyers(peer: Peer, ours: Daemon) -> None:
    offer = counter(peer, tx("accepted"), 1_100_000, justification={"reason": "фиксированный курс"})
    answer = ours.counter(offer)

    assert answer.status_code == 201, answer.text
    assert answer.json()["verdict"]["action"] == "ACCEPT"
    accept = answer.json()["reply"]["message"]
    assert peer("verify", message=accept, kernel=ZERO_KERNEL) is True
    assert accept["inReplyTo"] == peer("hash", message=offer)
    assert (accept["txId"], accept["acceptedAmount"]) == (offer["txId"], "1100000")


def test_a_negotiation_of_three_rounds_goes_through_their_builders(
    peer: Peer, ours: Daemon
) -> None:
    first = ours.counter(counter(peer, tx("rounds"), 600_000)).json()
    assert first["verdict"]["recommended_amount"] == "850000"
    quote = first["reply"]["message"]
    assert first["reply"]["type"] == quote["type"] == "agirails.quote.v1"
    assert peer("verify", message=quote, kernel=ZERO_KERNEL) is True

    second = ours.counter(to_quote(peer, quote, 700_000)).json()
    requote = second["reply"]["message"]
    assert (requote["quotedAmount"], requote["maxPrice"]) == ("745000", quote["maxPrice"])
    assert peer("verify", message=requote, kernel=ZERO_KERNEL) is True

    offer = to_quote(peer, requote, 744_999)
    last = ours.counter(offer)
    assert last.status_code == 201
    # Two re-quotes are the policy's most (W6); a third counter gets no other figure.
    assert last.json()["verdict"] == {
        "action": "REJECT",
        "reason": last.json()["verdict"]["reason"],
        "recommended_amount": None,
    }
    assert last.json()["reply"] is None


def test_a_requote_is_accepted_by_countering_at_what_the_policy_takes(
    peer: Peer, ours: Daemon
) -> None:
    quote = ours.counter(counter(peer, tx("closing"), 600_000)).json()["reply"]["message"]
    answer = ours.counter(to_quote(peer, quote, 800_000)).json()

    assert answer["reply"]["message"]["type"] == "agirails.counteraccept.v1"
    assert peer("verify", message=answer["reply"]["message"], kernel=ZERO_KERNEL) is True


def test_their_client_takes_our_answers(peer: Peer, ours: Daemon) -> None:
    offer = counter(peer, tx("their client"), 1_000_000)

    assert peer("send_counter", url=ours.url, message=offer) is None
    # The same again, with a slash too many at the end of the address.
    assert peer("send_counter", url=ours.url + "/", message=offer) is None


def test_their_client_reads_our_refusals(peer: Peer, ours: Daemon) -> None:
    offer = counter(peer, tx("their client, refused"), 1_000_000)
    spoilt = {**offer, "counterAmount": "999999"}

    with pytest.raises(PeerError, match=r"POST failed: 401 .*does not recover to consumer DID"):
        peer("send_counter", url=ours.url, message=spoilt)


def test_a_walking_provider_answers_without_a_message(
    peer: Peer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    policy = policy_file(tmp_path_factory.mktemp("walk"), counter_strategy="walk")
    with treaty_serve(policy) as daemon:
        answer = daemon.counter(counter(peer, tx("walk"), 999_999)).json()

    assert (answer["verdict"]["action"], answer["reply"]) == ("REJECT", None)


def test_a_duplicate_is_told_what_was_told_before(peer: Peer, ours: Daemon) -> None:
    offer = counter(peer, tx("duplicate"), 600_000)
    first, again = ours.counter(offer), ours.counter(offer)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {**first.json(), "duplicate": True}


def test_w11_a_restarted_buyer_is_heard_on_another_transaction(
    agirails: Path, peer: Peer, ours: Daemon
) -> None:
    # The peer's nonces begin at one with every process; here the buyer is a fresh account.
    again = {"key": "0x" + "61" * 32, "consumer": did(EvmSigner(b"\x61" * 32))}
    assert ours.counter(counter(peer, tx("before"), 600_000, **again)).status_code == 201

    restarted = Peer(agirails / "bin" / "python")
    try:
        offer = counter(restarted, tx("after"), 600_000, **again)
    finally:
        restarted.close()
    assert (offer["nonce"], ours.counter(offer).json()["duplicate"]) == (1, False)


def test_the_recipes_address_takes_a_bare_message(peer: Peer, ours: Daemon) -> None:
    accepted = counter(peer, tx("recipe, accepted"), 1_000_000)
    countered = counter(peer, tx("recipe, countered"), 600_000)

    answers = [ours.http.post("/actp/counter-offer", json=one) for one in (accepted, countered)]
    assert [one.status_code for one in answers] == [201, 201]
    assert [one.json()["kind"] for one in answers] == ["CounterAccept", "PriceQuote"]
    for one in answers:
        assert peer("verify", message=one.json()["payload"], kernel=ZERO_KERNEL) is True
    assert ours.http.get("/healthz").json()["ok"] is True
