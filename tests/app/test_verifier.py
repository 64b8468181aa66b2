"""The frames between a node and the process that verifies for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.engine.quote_stage import CHAIN, KERNELS, START_MS, account, tx
from treaty.app import verifier
from treaty.dialects.actp import codec
from treaty.dialects.actp.builders import CounterOfferBuilder
from treaty.dialects.actp.dialect import hear_counter
from treaty.dialects.actp.forms import Limits

LIMITS = Limits(max_counter_ttl_s=900, skew_s=5, grace_s=7)
ITEMS = st.lists(
    st.tuples(
        st.binary(max_size=300),
        st.integers(0, 10**16),
        st.integers(0, 2**256 - 1).map(tx),
        st.integers(0, 2**53),
    ),
    max_size=20,
)


@given(ITEMS)
def test_items_come_out_as_they_went_in(items: list[verifier.Item]) -> None:
    assert list(verifier.read_items(verifier.write_items(items))) == items


@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(1, 50))
def test_frames_come_out_whole_in_whatever_pieces_they_come(
    bodies: list[bytes], piece: int
) -> None:
    sent, buffer, found = b"".join(map(verifier.framed, bodies)), bytearray(), []
    for start in range(0, len(sent), piece):
        buffer += sent[start : start + piece]
        found += verifier.frames(buffer)
    assert (found, buffer) == (bodies, b"")


def test_the_setup_says_which_chains_and_limits() -> None:
    chains, limits = verifier.read_setup(verifier.write_setup(KERNELS, LIMITS))
    assert (chains.ids, chains.kernel(CHAIN), limits) == (
        KERNELS.ids,
        KERNELS.kernel(CHAIN),
        LIMITS,
    )


def test_only_what_is_verified_becomes_a_row() -> None:
    counter = CounterOfferBuilder(KERNELS, account("buyer")).build(
        tx_id=tx(1), provider=f"did:ethr:{CHAIN}:{account('provider').address}",
        quote_amount=1_500_000, counter_amount=600_000, max_price=2_000_000,
        in_reply_to="0x" + "bb" * 32, chain_id=CHAIN, nonce=2**53 - 1, at_ms=START_MS,
        expires_at=START_MS // 1_000 + 60, justification={"reason": "ünüsual \\ \" 🙂", "n": 1e-7},
    )  # fmt: skip
    raw = codec.encode(counter)
    found = [
        verifier.verified((raw, CHAIN, tx_id, at_ms), KERNELS, LIMITS)
        for tx_id, at_ms in ((tx(1), START_MS), (tx(2), START_MS), (tx(1), START_MS + 90_000))
    ]
    expected = hear_counter(counter, KERNELS, (CHAIN, tx(1)), at_ms=START_MS, limits=LIMITS)
    assert found == [expected, None, None]
    assert verifier.read_rows(verifier.write_rows(found)) == found
