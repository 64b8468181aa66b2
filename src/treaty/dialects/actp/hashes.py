"""The two hashes over canonical JSON: of a whole message, and of its justification.

Laws (1.4, 1.5): both are Keccak-256 over RFC 8785 bytes. The message hash covers everything but
the signature, ``type`` and ``version`` and the whole justification too, and is what ``inReplyTo``
and a chain's anchor name; it is not the EIP-712 digest. The justification is hashed as received;
absent or ``{}`` it counts as 32 zero bytes.

Where the peer's two SDKs disagree, RFC 8785 decides: names sort by UTF-16 units; integers beyond
2^53-1 and lone surrogates have no canonical form and are refused when read.

Read next: ``typed``.
"""

from __future__ import annotations

from typing import Final

from treaty.dialects.actp.codec import unsigned_document
from treaty.dialects.actp.messages import Justification, Message
from treaty.wire.canonical import canonical
from treaty.wire.digest import keccak256

_NO_JUSTIFICATION: Final = bytes(32)


def message_hash(message: Message) -> str:
    """``0x`` and 64 hex digits: what an answer to this message names in ``inReplyTo``.

    Raises ``WireError`` when a justification made by hand has no canonical form.
    """
    return "0x" + keccak256(canonical(unsigned_document(message))).hex()


def justification_hash(justification: Justification | None) -> bytes:
    """The 32 bytes that stand for the justification in what is signed."""
    if not justification:
        return _NO_JUSTIFICATION
    return keccak256(canonical_justification(justification))


def canonical_justification(justification: Justification) -> bytes:
    """The RFC 8785 bytes of a justification; a kernel is given these."""
    return canonical(dict(justification))
