"""Accounts: for whom a signature over a digest speaks, be it a key or a contract.

Laws:

1. First the key: the signature recovers to the account. Only when it does not, and somebody who
   can read the chain was given, the account's own code is asked (EIP-1271). Without a chain
   there are only keys.
2. ``VerifiedByAccount`` is made here alone, after one of the two said yes. It is what
   ``Verified`` is for agents whose identity is an account instead of a key.

Read next: ``secp256k1`` and ``eip712``.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from typing import Final, Generic, Protocol, TypeVar

from treaty.errors import MisuseError, SignatureError
from treaty.identity.secp256k1 import SIGNATURE_BYTES, recover

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

_TOKEN: Final = object()


class ContractAccounts(Protocol):
    """Whoever can ask an account's code about a signature (EIP-1271, ``isValidSignature``)."""

    def __call__(self, chain_id: int, account: str, digest: bytes, signature: bytes) -> bool:
        """Say whether ``account`` has code and that code vouches for the signature.

        False for accounts without code. Raises ``UnavailableError`` when the chain cannot be
        read, and nothing else.
        """


@dataclass(frozen=True, slots=True)
class VerifiedByAccount(Generic[T_co]):
    """``value``, for which ``account`` signed ``digest``; checked in this process."""

    value: T_co
    account: str
    """``0x`` and 40 lower-case hex digits."""
    digest: bytes
    """The EIP-712 digest that was signed."""
    by_contract: bool = False
    """True when the account's code vouched (EIP-1271), not a key."""
    token: InitVar[object] = None

    def __post_init__(self, token: object) -> None:
        """Refuse every maker outside this module (MisuseError)."""
        if token is not _TOKEN:
            raise MisuseError(
                "a verified value is made by treaty.identity alone, after it checked a signature"
            )


def verify_account(
    value: T,
    *,
    account: str,
    digest: bytes,
    signature: bytes,
    chain_id: int,
    contracts: ContractAccounts | None = None,
) -> VerifiedByAccount[T]:
    """Check that ``account`` (lower case) signed ``digest``, and vouch for ``value``.

    The caller has computed ``digest`` from ``value``. Raises ``SignatureError``
    (``signature_invalid``); with ``contracts`` also ``UnavailableError``.
    """
    try:
        signer = recover(digest, signature)
    except SignatureError:
        # Signatures of contracts have any form, so they may not recover at all.
        if contracts is None or not contracts(chain_id, account, digest, signature):
            raise
        return VerifiedByAccount(value, account, digest, True, _TOKEN)
    if signer == account:
        return VerifiedByAccount(value, account, digest, False, _TOKEN)
    if contracts is not None and contracts(chain_id, account, digest, signature):
        return VerifiedByAccount(value, account, digest, True, _TOKEN)
    raise SignatureError(f"the signature is by {signer}, not by {account}")


def is_key_signature(signature: bytes) -> bool:
    """Tell whether a signature has the length of a key's; other lengths are contracts' alone."""
    return len(signature) == SIGNATURE_BYTES
