"""Putting a buyer together: its policy file, its key, its chain, its own store.

What ``treaty quote`` needs. Read next: ``treaty.agent.quotes``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from treaty.agent.quotes import Hook, QuoteBuyer
from treaty.app.places import entropy, home, now_ms
from treaty.app.quotes import evm_signer
from treaty.dialects.actp.buying import BuyerPolicy
from treaty.dialects.actp.buying_reading import read_buyer_policy
from treaty.dialects.actp.chains import BASE_SEPOLIA, KNOWN_KERNELS, MOCK, Chains
from treaty.dialects.actp.choices import AMOUNT_LEAST
from treaty.dialects.actp.policy import POLICY_BYTES_MAX
from treaty.errors import UnavailableError
from treaty.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from treaty.http.relay_client import RelayClient

STORE: Final = "quotes.db"
NOTHING: Final = BuyerPolicy(ceiling_units=AMOUNT_LEAST, daily_units=0)
"""The policy of whoever only looks: it can promise nothing."""


@dataclass(frozen=True, slots=True)
class BuyingPlan:
    """What a buyer was told."""

    policy: Path | None = None
    is_mock: bool = False
    chains: Mapping[int, str] = field(default_factory=dict)
    """Chain id -> kernel; empty takes Base Sepolia and the kernel known there."""
    evm_key: Path | None = None
    db: Path | None = None
    hook: Hook | None = None

    @property
    def configured(self) -> Chains:
        """The chains, as they are spoken for."""
        if self.is_mock:
            return MOCK
        return Chains(self.chains or {BASE_SEPOLIA: KNOWN_KERNELS[BASE_SEPOLIA]})


@asynccontextmanager
async def open_buyer(plan: BuyingPlan) -> AsyncIterator[QuoteBuyer]:
    """A buyer with its store below ``TREATY_HOME``, or where the plan says.

    The key is a keystore, ``TREATY_EVM_KEY``, or a keystore beside the store, made if missing.
    Raises ``PolicyError`` with its line, ``MisuseError``, ``Refused``, ``UnavailableError``.
    """
    policy = NOTHING if plan.policy is None else _policy(plan.policy)
    db = plan.db or home() / STORE
    signer = evm_signer(plan.evm_key, db)
    db.parent.mkdir(parents=True, exist_ok=True)
    store = await SqliteStore.open(db)
    try:
        yield QuoteBuyer(
            signer,
            policy,
            store,
            chains=plan.configured,
            clock=now_ms,
            entropy=entropy,
            hook=plan.hook,
        )
    finally:
        await store.close()


@asynccontextmanager
async def open_relay(
    url: str, buyer: QuoteBuyer, chain_id: int, complain: Callable[[str], None]
) -> AsyncIterator[RelayClient]:
    """A relay, reached as this buyer; its cursors are kept in the buyer's store."""
    from treaty.http.relay_client import RelayClient

    client = RelayClient(
        url,
        buyer.signer,
        chains=buyer.chains,
        chain_id=chain_id,
        clock=now_ms,
        store=buyer.store,
        complain=complain,
    )
    try:
        yield client
    finally:
        await client.close()


def _policy(path: Path) -> BuyerPolicy:
    try:
        with path.open("rb") as file:
            raw = file.read(POLICY_BYTES_MAX + 1)
    except OSError as error:
        raise UnavailableError(f"cannot read the policy {path}: {error.strerror}") from error
    return read_buyer_policy(raw)
