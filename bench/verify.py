"""What verifying a stored deal costs, with the Ed25519 checks it contains as the floor.

Run ``python bench/verify.py``. The deal is that of ``conformance/vectors/asp/deal.json``: sixteen
messages with proofs, receipts and facts, cards with listings, records of the trust log and its
head. One verification reads the file's bytes and answers every claim, with roots. The floor is
libsodium checking as many signatures, and nothing else. Rounds alternate, so that a busy machine
is busy for both; the best round of each counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nacl.bindings import crypto_sign_open

from treaty.core.deal import read_deal, read_roots
from treaty.dialects.asp import audit_file
from treaty.dialects.asp.audit import verify
from treaty.identity.keys import Ed25519Signer
from treaty.wire.canonical import read_json

VECTORS = Path(__file__).resolve().parents[1] / "conformance" / "vectors" / "asp"
ROUNDS = 15
CALLS = 20
SIGNED_BYTES = len("treaty/1 receipt sha256:") + 64


def signatures_in(deal: dict[str, Any]) -> int:
    """Every signature that stands in the file once: a message in a session has two."""
    proofs = sum("dpopProof" in message["sender"] for message in deal["messages"])
    listings = sum(card["listing"] is not None for card in deal["cards"])
    signed = ("messages", "log", "cards", "outcomes")
    head = deal["logHead"] is not None
    return proofs + listings + sum(len(deal[name]) for name in signed) + head


def floor_of(count: int) -> Callable[[], object]:
    """Checking ``count`` signatures and nothing else."""
    signer = Ed25519Signer(b"\x01" * 32)
    data = b"x" * SIGNED_BYTES
    signed, key = signer.sign(data) + data, signer.key.raw

    def check() -> None:
        for _ in range(count):
            crypto_sign_open(signed, key)

    return check


def round_ms(call: Callable[[], object]) -> float:
    """The mean of one round, in milliseconds of this process."""
    begun = time.process_time()
    for _ in range(CALLS):
        call()
    return (time.process_time() - begun) / CALLS * 1e3


def main() -> None:
    """Print the table."""
    raw = (VECTORS / "deal.json").read_bytes()
    roots = read_roots(read_json((VECTORS / "deal-roots.json").read_bytes()))
    deal = read_deal(raw)
    assert isinstance(deal, dict)
    report = verify(deal, roots)
    assert report.ok, report.first_line
    count = signatures_in(deal)
    floor = floor_of(count)

    def stored() -> None:
        verify(read_deal(raw), roots)

    def first_time() -> None:
        audit_file.key_of.cache_clear()
        verify(read_deal(raw), roots)

    calls = {"floor": floor, "verify": stored, "with new keys": first_time}
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(ROUNDS):
        for name, call in calls.items():
            best[name] = min(best[name], round_ms(call))
    print(f"{len(raw)} bytes, {len(deal['messages'])} messages, {count} signatures")
    for name, cost_ms in best.items():
        share = best["floor"] / cost_ms
        rate = 1e3 / cost_ms
        print(f"{name:<16}{cost_ms:8.3f} ms {rate:8.0f} deals/s   {share:4.0%} of the floor")


if __name__ == "__main__":
    main()
