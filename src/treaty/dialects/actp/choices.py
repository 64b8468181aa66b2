"""What the quote channel leaves open, decided: constants and reasons of this dialect.

The numbers are sections of the project's reading of ACTP, kept in ``docs/spec/actp.md``. A value
that appears on the wire or bounds it stands here and nowhere else. Times in messages are whole
seconds, except ``issuedAt`` of a ``QuoteRead``; our functions take milliseconds.
"""

from __future__ import annotations

from typing import Final

from treaty.errors import Reason

TAG: Final = "actp/2.1"
"""The dialect's name in a deal file."""

DOMAIN_NAME: Final = "AGIRAILS"
DOMAIN_VERSION: Final = "1"
"""1.1: the EIP-712 domain of every message here."""
VERSION: Final = "1.0.0"
"""1.3: the message version we emit; any three numbers are read."""
VERSION_CHARS_MAX: Final = 11

QUOTE_TYPE: Final = "agirails.quote.v1"
COUNTER_TYPE: Final = "agirails.counteroffer.v1"
ACCEPT_TYPE: Final = "agirails.counteraccept.v1"

CURRENCY: Final = "USDC"
DECIMALS: Final = 6
AMOUNT_LEAST: Final = 50_000
"""1.7: the platform's minimum, 0.05 USDC in base units."""
AMOUNT_MOST: Final = 10**15
"""4.1: what a kernel lets a transaction hold at most; what it cannot lock is not agreed."""
UINT256_MAX: Final = 2**256 - 1

TTL_DEFAULT_S: Final = 3_600
TTL_MOST_S: Final = 86_400
"""1.7: how far ``expiresAt`` may lie after creation, by default and at most."""
SKEW_S: Final = 300
"""1.7: how far in the future a message may say it was made."""
GRACE_S: Final = 30
"""1.7: an expired message is answered 422 for so long, then 410; it is refused either way."""
REQUEST_WINDOW_MS: Final = 60_000
"""9.6: how far ``issuedAt`` of a request or a read may lie from our clock."""

BODY_BYTES_MAX: Final = 65_536
DEPTH_MAX: Final = 32
JUSTIFICATION_BYTES_MAX: Final = 2_048
"""9.4, 9.6: counted in canonical bytes, so that spaces do not matter."""
SIGNATURE_BYTES_MAX: Final = 1_024
"""Signatures of contract accounts may be longer than 65 bytes, up to this."""
READ_CHARS_MAX: Final = 1_024
"""9.6: length of the token in ``Authorization: QuoteRead``."""
SERVICE_CHARS_MAX: Final = 128
READ_SCHEME: Final = "QuoteRead"

ZERO_HASH: Final = "0x" + "0" * 64
ZERO_ADDRESS: Final = "0x" + "0" * 40

# What arrives cannot be meant for this address (2.1).
TYPE_UNSUPPORTED: Final = Reason("message_type_unsupported", 400)
PATH_MISMATCH: Final = Reason("path_mismatch", 400)
CHAIN_UNSUPPORTED: Final = Reason("chain_unsupported", 400)

# Its members do not have the form that is signed (1.7, 9.4, 9.8).
SCHEMA_INVALID: Final = Reason("schema_invalid", 422)
SIGNATURE_MALFORMED: Final = Reason("signature_malformed", 422)
DID_INVALID: Final = Reason("did_invalid", 422)
DID_CHAIN_MISMATCH: Final = Reason("did_chain_mismatch", 422)
SAME_PARTY: Final = Reason("same_party", 422)
JUSTIFICATION_TOO_LARGE: Final = Reason("justification_too_large", 422)

# Its amounts or times are not possible (1.7).
AMOUNT_BELOW_MINIMUM: Final = Reason("amount_below_minimum", 422)
AMOUNT_ABOVE_MAXIMUM: Final = Reason("amount_above_maximum", 422)
COUNTER_NOT_BELOW_QUOTE: Final = Reason("counter_not_below_quote", 422)
ABOVE_MAX_PRICE: Final = Reason("above_max_price", 422)
QUOTE_BELOW_ORIGINAL: Final = Reason("quote_below_original", 422)
EXPIRY_BEFORE_CREATION: Final = Reason("expiry_before_creation", 422)
TTL_EXCEEDED: Final = Reason("ttl_exceeded", 422)
CREATED_IN_FUTURE: Final = Reason("created_in_future", 422)
OFFER_EXPIRED: Final = Reason("offer_expired", 422)
MESSAGE_EXPIRED: Final = Reason("message_expired", 410)
REQUEST_STALE: Final = Reason("request_stale", 422)

# It does not belong to what was said before (9.3).
REPLY_MISMATCH: Final = Reason("reply_mismatch", 409)
PARTY_MISMATCH: Final = Reason("party_mismatch", 403)
ACCEPTANCE_MISMATCH: Final = Reason("acceptance_mismatch", 409)
REQUOTE_MISMATCH: Final = Reason("requote_mismatch", 409)

# What the node that answers knows beside the message (9.2, 9.5, 9.6).
NONCE_CONFLICT: Final = Reason("nonce_conflict", 409)
QUOTE_DECLINED: Final = Reason("quote_declined", 422)
NEGOTIATIONS_FULL: Final = Reason("negotiations_full", 503, True)
