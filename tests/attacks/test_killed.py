"""W9: what a provider answered it answers again after it was killed, and forgets no nonce."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.interop.daemons import BUYER, CHAIN, PROVIDER, did, policy_file, treaty_serve, tx
from treaty.dialects.actp import codec
from treaty.dialects.actp.builders import CounterOfferBuilder
from treaty.dialects.actp.chains import MOCK

pytestmark = pytest.mark.slow


def offer(amount: int, nonce: int = 1) -> dict[str, Any]:
    """A counter to an invented quote."""
    counter = CounterOfferBuilder(MOCK, BUYER).build(
        tx_id=tx("killed"),
        provider=did(PROVIDER),
        quote_amount=1_500_000,
        counter_amount=amount,
        max_price=2_000_000,
        in_reply_to="0x" + "bb" * 32,
        chain_id=CHAIN,
        nonce=nonce,
        at_ms=time.time_ns() // 1_000_000,
    )
    return codec.document_of(counter)


def test_w09_the_same_bytes_get_the_same_reply_after_a_kill(tmp_path: Path) -> None:
    serve = (policy_file(tmp_path), "--db", str(tmp_path / "treaty.db"))
    counter = offer(600_000)
    with treaty_serve(*serve) as daemon:
        first = daemon.counter(counter)
        daemon.process.kill()
    with treaty_serve(*serve) as daemon:
        again = daemon.counter(counter)
        other = daemon.counter(offer(700_000))

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {**first.json(), "duplicate": True}
    assert (other.status_code, other.json()["code"]) == (409, "nonce_conflict")


def test_w13_with_a_rate_an_address_is_answered_so_often_a_minute(tmp_path: Path) -> None:
    with treaty_serve(policy_file(tmp_path), "--rate", "20/min") as daemon:
        answers = [daemon.post(tx("flood"), b"{") for _ in range(25)]

    told = [one.status_code for one in answers]
    assert told[:20] == [400] * 20
    assert told[20:] == [429] * 5
    assert int(answers[-1].headers["retry-after"]) >= 1
