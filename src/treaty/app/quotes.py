"""Putting a provider together: its policy file, its key, its chains, and a hook of its own.

What ``treaty serve --policy`` needs beside a node. Read next: ``treaty.engine.quotes``.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from treaty.app.places import entropy, key_beside, passphrase
from treaty.dialects.actp.chains import BASE_SEPOLIA, KNOWN_KERNELS, MOCK, Chains
from treaty.dialects.actp.decision import HookContext
from treaty.dialects.actp.dialect import ACTP
from treaty.dialects.actp.policy import POLICY_BYTES_MAX
from treaty.dialects.actp.policy_reading import read_policy
from treaty.engine.quote_dialect import ChainView
from treaty.engine.quotes import Selling
from treaty.errors import MisuseError, UnavailableError, WireError
from treaty.identity.secp256k1 import EvmSigner
from treaty.wire.encoding import hex_decode

EVM_KEY: Final = "TREATY_EVM_KEY"
HOOK_S: Final = 2.0
"""How long a provider's own ``decide`` may think."""

Decide = Callable[[HookContext], object]
"""A hook: returns a ``Proposal``, None to leave it to the policy, or an awaitable of these."""
Complain = Callable[[str], None]


class _Failed:
    """What stands for the proposal of a hook that raised or was late; no rule allows it."""


@dataclass(frozen=True, slots=True)
class QuotePlan:
    """What ``treaty serve`` was told about selling."""

    policy: Path
    is_mock: bool = False
    chains: Mapping[int, str] = field(default_factory=dict)
    """Chain id -> kernel; empty takes Base Sepolia and the kernel known there, as the peer does."""
    evm_key: Path | None = None
    decide: Decide | None = None
    view: ChainView | None = None


def open_selling(plan: QuotePlan, db: Path | None, complain: Complain) -> Selling:
    """Read the policy and the key of a provider.

    Raises ``PolicyError`` with its line, ``MisuseError``, ``UnavailableError``.
    """
    policy = read_policy(_read_file(plan.policy))
    dialect = ACTP(policy, _chains(plan), evm_signer(plan.evm_key, db))
    decider = None if plan.decide is None else Hook(plan.decide, complain)
    return Selling(dialect, plan.view, decider)


def evm_signer(stated: Path | None, db: Path | None) -> EvmSigner:
    """The account that sells: a keystore, ``TREATY_EVM_KEY``, the keystore beside ``db``, or new.

    A keystore that is not there is made; it needs a passphrase. Without any of these, and nothing
    to keep, the account is a fresh one. Raises ``MisuseError``, ``Refused``, ``WireError``.
    """
    from treaty.store.evm_keys import create_evm_key, load_evm_key

    if stated is None and (secret := os.environ.get(EVM_KEY)):
        return _signer_of(secret)
    path = stated or (None if db is None else key_beside(db, "evm"))
    if path is None:
        return EvmSigner(entropy(32))
    word = passphrase()
    if word is None:
        raise MisuseError(
            f"the account needs TREATY_PASSPHRASE for the keystore {path}, or {EVM_KEY}"
        )
    if path.exists():
        return load_evm_key(path, passphrase=word)
    return create_evm_key(path, passphrase=word)


class Hook:
    """A provider's ``decide`` with a time limit; what it does wrong becomes no agreement."""

    __slots__ = ("_complain", "_decide")

    def __init__(self, decide: Decide, complain: Complain) -> None:
        self._decide = decide
        self._complain = complain

    async def __call__(self, context: HookContext) -> object:
        """What the hook proposes. A plain function runs in a thread of its own."""
        try:
            async with asyncio.timeout(HOOK_S):
                if inspect.iscoroutinefunction(self._decide):
                    proposed = await self._decide(context)
                else:
                    proposed = await asyncio.to_thread(self._decide, context)
        except TimeoutError:
            self._complain(f"decide took longer than {HOOK_S:g} s; nothing was agreed")
            return _Failed()
        except Exception as error:  # noqa: BLE001 - whatever a hook raises is the hook's.
            self._complain(f"decide failed with {type(error).__name__}; nothing was agreed")
            return _Failed()
        return proposed


def _chains(plan: QuotePlan) -> Chains:
    if plan.is_mock:
        return MOCK
    return Chains(plan.chains or {BASE_SEPOLIA: KNOWN_KERNELS[BASE_SEPOLIA]})


def _read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(POLICY_BYTES_MAX + 1)
    except OSError as error:
        raise UnavailableError(f"cannot read the policy {path}: {error.strerror}") from error


def _signer_of(text: str) -> EvmSigner:
    try:
        return EvmSigner(hex_decode(text.strip().removeprefix("0x").lower(), 32))
    except (WireError, MisuseError):
        raise MisuseError(f"{EVM_KEY} must be 32 bytes as hex digits") from None
