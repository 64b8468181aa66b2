"""EIP-712: how a typed record becomes the 32 bytes that an account signs.

Laws:

1. A digest is ``keccak(0x19 0x01 || domain separator || struct hash)`` and a struct hash is
   ``keccak(type hash || one 32-byte word a field)``, in the order of the type string.
2. Only the field types in use are here, each a small pure function that refuses what its type
   cannot hold; a caller strings them together once per record type, so nothing is looked up or
   parsed per message.

Read next: ``secp256k1``, and the ``typed`` module of a dialect for its records.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from treaty.errors import MisuseError, WireError, shown
from treaty.wire.digest import keccak256

WORD_BYTES: Final = 32
DOMAIN_TYPE: Final = (
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
DOMAINS_KEPT: Final = 256
"""Separators remembered; a node knows a handful of chains."""

_HEX32: Final = re.compile(r"0x[0-9a-fA-F]{64}")
_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}")
_PADDING: Final = bytes(12)
_PREFIX: Final = b"\x19\x01"


def type_hash(type_string: str) -> bytes:
    """The 32 bytes that stand for a record type, from ``Name(type field,...)``."""
    return keccak256(type_string.encode("ascii"))


@lru_cache(maxsize=DOMAINS_KEPT)
def domain_separator(name: str, version: str, chain_id: int, contract: str) -> bytes:
    """The 32 bytes that tie a signature to one application, chain and contract.

    ``contract`` is an address in any case. Raises ``WireError`` for what is no address and for a
    chain id outside uint256.
    """
    return keccak256(
        type_hash(DOMAIN_TYPE)
        + string_word(name)
        + string_word(version)
        + uint_word(chain_id)
        + address_word(contract)
    )


def bytes32_word(text: str) -> bytes:
    """A ``bytes32`` field from ``0x`` and 64 hex digits of any case.

    Raises ``WireError`` for anything else.
    """
    if _HEX32.fullmatch(text) is None:
        raise WireError(f"not 0x and 64 hex digits: {shown(text)}")
    return bytes.fromhex(text[2:])


def string_word(text: str) -> bytes:
    """A ``string`` field: the hash of its UTF-8 bytes.

    Raises ``WireError`` for lone surrogates, which have none.
    """
    try:
        return keccak256(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise WireError(f"no UTF-8 for {shown(text)}") from None


def uint_word(value: int, bits: int = 256) -> bytes:
    """A ``uintN`` field. Raises ``WireError`` outside 0 to 2**bits - 1."""
    try:
        word = value.to_bytes(WORD_BYTES, "big")
    except OverflowError:
        word = b""
    if not word or (bits != 256 and value >> bits):
        raise WireError(f"{shown(value)} is no uint{bits}")
    return word


def address_word(text: str) -> bytes:
    """An ``address`` field from ``0x`` and 40 hex digits of any case.

    Raises ``WireError`` for anything else.
    """
    if _ADDRESS.fullmatch(text) is None:
        raise WireError(f"not 0x and 40 hex digits: {shown(text)}")
    return _PADDING + bytes.fromhex(text[2:])


def struct_hash(type_hash_: bytes, *words: bytes) -> bytes:
    """The hash of a record: its type hash and its fields, each already one word."""
    return keccak256(type_hash_ + b"".join(words))


def typed_digest(separator: bytes, struct: bytes) -> bytes:
    """The 32 bytes that are signed: a record's hash within a domain.

    Raises ``MisuseError`` when either is not 32 bytes, since then another record could be meant.
    """
    if len(separator) != WORD_BYTES or len(struct) != WORD_BYTES:
        raise MisuseError("a domain separator and a struct hash have 32 bytes each")
    return keccak256(_PREFIX + separator + struct)
