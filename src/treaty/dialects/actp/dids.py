"""The one DID grammar of the channel: ``did:ethr:<chain id>:0x<40 hex digits>``.

Laws (9.8):

1. A DID is parsed, never rebuilt, because it is signed as text. The digits may have any case and
   the checksum of mixed case is not asked for; ``0x`` is lower case, the chain id has no leading
   zeros. Compared are the accounts in it, in lower case.
2. The chain in the DID is the chain of the message. The peer's older spellings that name no chain
   (``did:ethr:0x…``) or a network's name (``did:ethr:base-sepolia:0x…``) are ``did_invalid``: the
   kernel could not tie them to its chain. Another chain's number is ``did_chain_mismatch``.
3. The zero account is nobody, so it is ``did_invalid``.
4. Both parties of a message are read so, not only its signer.

Read next: ``rules``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from treaty.dialects.actp.choices import DID_CHAIN_MISMATCH, DID_INVALID, ZERO_ADDRESS
from treaty.errors import MisuseError, Refused, shown
from treaty.wire.digest import keccak256

_DID: Final = re.compile(r"did:ethr:(0|[1-9][0-9]{0,77}):(0x[0-9a-fA-F]{40})")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
ACCOUNTS_KEPT: Final = 4_096
"""DIDs that are read once; a message is asked for its parties three times."""


@lru_cache(maxsize=ACCOUNTS_KEPT)
def did_account(did: str, chain_id: int) -> str:
    """The account of a DID on ``chain_id``, ``0x`` and 40 lower-case hex digits.

    Raises ``Refused`` (``did_invalid``, ``did_chain_mismatch``).
    """
    match = _DID.fullmatch(did)
    if match is None:
        raise Refused(f"not did:ethr:<chain id>:0x<40 hex>: {shown(did)}", DID_INVALID)
    if match[1] != str(chain_id):
        raise Refused(
            f"{shown(did)} is on chain {match[1][:20]}, the message on {chain_id}",
            DID_CHAIN_MISMATCH,
        )
    account = match[2].lower()
    if account == ZERO_ADDRESS:
        raise Refused("the zero account is nobody's", DID_INVALID)
    return account


def make_did(chain_id: int, address: str) -> str:
    """Write the DID of an account, in the case given; we emit lower case.

    Raises ``MisuseError`` for what is no address or chain id.
    """
    if _ADDRESS.fullmatch(address) is None or chain_id < 0:
        raise MisuseError(f"no DID for {shown(address)} on chain {chain_id}")
    return f"did:ethr:{chain_id}:{address}"


def checksummed(address: str) -> str:
    """Write an address in the mixed case of EIP-55, as people and block explorers show it.

    Raises ``MisuseError`` for what is no address.
    """
    if _ADDRESS.fullmatch(address) is None:
        raise MisuseError(f"not an address: {shown(address)}")
    digits = address[2:].lower()
    marks = keccak256(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if mark >= "8" else digit
        for digit, mark in zip(digits, marks[:40], strict=True)
    )
