"""The peer's words for a refused counter-offer, for whoever reads its ``reason`` (2.1).

Programs read ``code``; the text is what the peer's daemon answers in the same case, so that an
operator finds it where the peer is documented. Cases that the peer does not know have our own
words.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from treaty.dialects.actp import choices
from treaty.dialects.actp.offers import PEER
from treaty.errors import TreatyError

_SIGNATURE: Final = "[SIGNATURE_VERIFICATION_FAILED] "
_OTHER_SIGNER: Final = _SIGNATURE + "Counter-offer signature does not recover to consumer DID"
_NO_SIGNER: Final = _SIGNATURE + "Failed to recover signer from counter-offer signature"

_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        choices.TYPE_UNSUPPORTED.code: (
            "Only agirails.counteroffer.v1 is supported by this handler in v1"
        ),
        choices.MESSAGE_EXPIRED.code: "Message expired",
        choices.OFFER_EXPIRED.code: "Counter-offer expired",
        choices.SIGNATURE_MALFORMED.code: "Invalid signature format",
        choices.AMOUNT_BELOW_MINIMUM.code: "counterAmount below platform minimum ($0.05)",
        choices.COUNTER_NOT_BELOW_QUOTE.code: (
            "counterAmount must be less than quoteAmount (otherwise just accept the quote)"
        ),
        choices.ABOVE_MAX_PRICE.code: "counterAmount exceeds maxPrice",
        choices.CREATED_IN_FUTURE.code: "counteredAt is in the future beyond skew tolerance",
        "currency_unsupported": "Only USDC currency is supported",
    }
)


def peer_reason(error: TreatyError) -> str:
    """What the peer's daemon would say to a refused counter-offer, or our own words."""
    stated = error.data.get(PEER)
    if isinstance(stated, str):
        return stated
    code, first = error.code, error.detail.partition(" ")[0]
    if code == choices.PATH_MISMATCH.code and first in ("chainId", "txId"):
        return f"{first} mismatch between URL and message"
    if code == choices.CHAIN_UNSUPPORTED.code:
        return f"Unsupported chainId: {error.detail.split()[1]}"
    if code == "signature_invalid":
        is_other = error.detail.startswith("the signature is by")
        return _OTHER_SIGNER if is_other else _NO_SIGNER
    return _WORDS.get(code, error.detail)
