"""The frames between a node and the process that verifies for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.app.signed import HOST, SPEAKER, observation
from tests.engine.quote_stage import CHAIN, KERNELS, START_MS, account, tx
from treaty.app import verifier
from treaty.app.verifier import Setup, counter_item, message_item, verified
from treaty.dialects.actp import codec
from treaty.dialects.actp.builders import CounterOfferBuilder
from treaty.dialects.actp.dialect import hear_counter
from treaty.dialects.actp.forms import Limits
from treaty.dialects.actp.messages import CounterOffer
from treaty.identity.keys import Ed25519Signer, PublicKey

LIMITS = Limits(max_counter_ttl_s=900, skew_s=5, grace_s=7)
SETUP = Setup(KERNELS, LIMITS)


@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(1, 50))
def test_frames_come_out_whole_in_whatever_pieces_they_come(
    bodies: list[bytes], piece: int
) -> None:
    sent, buffer, found = verifier.write_items(bodies), bytearray(), []
    for start in range(0, len(sent), piece):
        buffer += sent[start : start + piece]
        found += verifier.frames(buffer)
    assert (found, buffer) == (bodies, b"")


def test_the_setup_says_which_chains_and_limits() -> None:
    setup = verifier.read_setup(verifier.write_setup(SETUP))
    assert setup.chains is not None
    assert (setup.chains.ids, setup.chains.kernel(CHAIN)) == (KERNELS.ids, KERNELS.kernel(CHAIN))
    assert setup.limits == LIMITS
    assert verifier.read_setup(verifier.write_setup(Setup())) == Setup()


def offer() -> CounterOffer:
    return CounterOfferBuilder(KERNELS, account("buyer")).build(
        tx_id=tx(1), provider=f"did:ethr:{CHAIN}:{account('provider').address}",
        quote_amount=1_500_000, counter_amount=600_000, max_price=2_000_000,
        in_reply_to="0x" + "bb" * 32, chain_id=CHAIN, nonce=2**53 - 1, at_ms=START_MS,
        expires_at=START_MS // 1_000 + 60, justification={"reason": "ünüsual \\ \" 🙂", "n": 1e-7},
    )  # fmt: skip


def test_a_counter_that_is_verified_comes_back_whole() -> None:
    counter = offer()
    row = verified(counter_item(codec.encode(counter), CHAIN, tx(1), START_MS), SETUP)
    (read,) = verifier.read_rows(verifier.write_rows([row]))
    expected = hear_counter(counter, KERNELS, (CHAIN, tx(1)), at_ms=START_MS, limits=LIMITS)
    assert verifier.heard_of(read) == expected


@pytest.mark.parametrize(
    ("tx_id", "at_ms", "setup"),
    [
        (tx(2), START_MS, SETUP),
        (tx(1), START_MS + 90_000, SETUP),
        (tx(1), START_MS, Setup()),
    ],
    ids=["elsewhere", "late", "where nothing is sold"],
)
def test_a_counter_that_is_not_verified_is_nothing(tx_id: str, at_ms: int, setup: Setup) -> None:
    row = verified(counter_item(codec.encode(offer()), CHAIN, tx_id, at_ms), setup)
    assert row is verifier.heard_of(row) is None


def test_a_message_holds_by_its_own_key_at_its_time_and_host() -> None:
    raw, key = observation(START_MS), SPEAKER.key
    other = Ed25519Signer(b"\x08" * 32).key

    def row(raw: bytes, key: PublicKey, at_ms: int, host: str) -> object:
        return verified(message_item(raw, key, at_ms, host), Setup())

    assert row(raw, key, START_MS + 1_000, HOST) is True
    assert row(raw, other, START_MS, HOST) is None
    assert row(raw, key, START_MS + 3_600_000, HOST) is None
    assert row(raw, key, START_MS, "https://elsewhere.example") is None
    assert row(raw.replace(b"sky", b"sea"), key, START_MS, HOST) is None
    assert row(b"{", key, START_MS, HOST) is None
