"""Which chains are spoken for, and which kernel settles on each.

Laws: a kernel's address comes from configuration, never from a message or a caller on the
network; a chain that is not configured is refused. Each chain's domain separator is computed
once.

Read next: ``typed``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from treaty.dialects.actp.choices import (
    CHAIN_UNSUPPORTED,
    DOMAIN_NAME,
    DOMAIN_VERSION,
    ZERO_ADDRESS,
)
from treaty.errors import MisuseError, Refused, WireError
from treaty.identity.eip712 import domain_separator

BASE_SEPOLIA: Final = 84532
BASE_MAINNET: Final = 8453
KNOWN_KERNELS: Final[Mapping[int, str]] = {
    BASE_SEPOLIA: "0x9d25a874f046185d9237cd4954c88d2b74b0021b",
    BASE_MAINNET: "0x048c811352e8a3fecd5b0ec4aa2c2b94083cc842",
}
"""1.1: the kernels that the peer's SDKs name. Nothing uses them unless it is told to."""


class Chains:
    """A fixed mapping of chain id to kernel address.

    Raises ``MisuseError`` for an empty mapping and for what is no chain id or address.
    """

    __slots__ = ("_kernels", "_separators")

    def __init__(self, kernels: Mapping[int, str]) -> None:
        if not kernels:
            raise MisuseError("at least one chain and its kernel are needed")
        try:
            self._separators = {
                chain: domain_separator(DOMAIN_NAME, DOMAIN_VERSION, chain, kernel)
                for chain, kernel in kernels.items()
            }
        except WireError as error:
            raise MisuseError(f"no kernel can be there: {error}") from error
        self._kernels = {chain: kernel.lower() for chain, kernel in kernels.items()}

    @property
    def ids(self) -> tuple[int, ...]:
        """The configured chain ids, ascending."""
        return tuple(sorted(self._kernels))

    def kernel(self, chain_id: int) -> str:
        """The kernel's address in lower case; ``Refused`` (``chain_unsupported``) if unknown."""
        self.separator(chain_id)
        return self._kernels[chain_id]

    def separator(self, chain_id: int) -> bytes:
        """The EIP-712 domain separator; ``Refused`` (``chain_unsupported``) if unknown."""
        separator = self._separators.get(chain_id)
        if separator is None:
            raise Refused(f"chain {chain_id} is not configured here", CHAIN_UNSUPPORTED)
        return separator


MOCK: Final = Chains({BASE_SEPOLIA: ZERO_ADDRESS})
"""The peer's ``--mock``: chain 84532 and the zero address."""
