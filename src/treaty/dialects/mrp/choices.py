"""What MRP leaves open, decided: names, limits, error codes and reasons of this dialect.

Numbers are sections of the project's reading of MRP, kept in ``docs/spec/mrp.md``. A value that
appears on the wire or bounds it stands here and nowhere else. Times are milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from treaty.errors import Reason

TAG: Final = "mrp/0.1"
"""The dialect's name in a deal file."""
VERSION: Final = "0.1"
"""3: the newest version we speak; every 0.x is read, and answered as the lower of the two."""
MAJOR: Final = 0
MINOR: Final = 1


class Profile(StrEnum):
    """15: which of the two existing readings of 0.1 a message must have the form of."""

    COMPAT = "compat"
    """What mrpd 0.1.1 takes."""
    STRICT = "strict"
    """What the protocol's newer schemas take, and JSON of one meaning."""


HELLO: Final = "HELLO"
DISCOVER: Final = "DISCOVER"
OFFER: Final = "OFFER"
NEGOTIATE: Final = "NEGOTIATE"
EXECUTE: Final = "EXECUTE"
EVIDENCE: Final = "EVIDENCE"
JOB_ACCEPTED: Final = "JOB_ACCEPTED"
JOB_STATUS: Final = "JOB_STATUS"
STREAM_CHUNK: Final = "STREAM_CHUNK"
ERROR: Final = "ERROR"
MSG_TYPES: Final = (
    HELLO, DISCOVER, OFFER, NEGOTIATE, EXECUTE, EVIDENCE, JOB_ACCEPTED, JOB_STATUS, STREAM_CHUNK,
    ERROR,
)  # fmt: skip

ENVELOPE_MEDIA: Final = "application/mrp+json"
MANIFEST_MEDIA: Final = "application/mrp-manifest+json"
BATCH_MEDIA: Final = "application/mrp-batch+json"

TEXT: Final = "text"
URL: Final = "url"
JSON: Final = "json"
MARKDOWN: Final = "markdown"
ARTIFACT: Final = "artifact"
VALUE_TYPES: Final = (TEXT, URL, JSON, MARKDOWN)
"""4: the types of items that carry a value; an artifact carries an address and a hash."""

ENVELOPE_BYTES_MAX: Final = 1_048_576
BATCH_BYTES_MAX: Final = 4_194_304
BATCH_ENVELOPES_MAX: Final = 64
MANIFEST_BYTES_MAX: Final = 262_144
DEPTH_MAX: Final = 48
ITEMS_MAX: Final = 64
"""Inputs of a request and outputs of an answer."""
OFFERS_MAX: Final = 1_000
CONSIDERED_OF_ONE_MAX: Final = 100
"""Offers of one provider that a buyer considers. All that is heard in a window is written as one
unit, and so is its record, in which an offer stands beside all reasons against it: both stay
below the store's limit."""
"""Offers in one OFFER that are read."""
NAMES_MAX: Final = 64
"""Policies, proofs, domains, scopes, citations of one list."""
CITATIONS_MAX: Final = 1_000
ID_CHARS_MAX: Final = 256
JOB_ID_CHARS_MAX: Final = 128
"""Of a job id that a provider gives back: clients make file names of it."""
TEXT_CHARS_MAX: Final = 4_096
URL_CHARS_MAX: Final = 4_096
LATENCY_MS_MAX: Final = 366 * 86_400_000
"""No answer is awaited for longer than a year: a latency above is no latency."""
RETENTION_DAYS_MAX: Final = 1_000_000
COST_MAX: Final = 10**12
"""No offer costs more; a figure above is a slip or a trick."""

MSG_ID_CHARS_LEAST: Final = 8
NAME_CHARS_LEAST: Final = 3

SIGNED_LIFE_MS_MAX: Final = 300_000
"""7: how far in the future ``expires_at`` of a signed envelope may lie."""

# Codes of the ERROR envelope (4).
MRP_AUTH_REQUIRED: Final = "MRP_AUTH_REQUIRED"
MRP_SCOPE_DENIED: Final = "MRP_SCOPE_DENIED"
MRP_VERSION_UNSUPPORTED: Final = "MRP_VERSION_UNSUPPORTED"
MRP_RATE_LIMITED: Final = "MRP_RATE_LIMITED"
MRP_BUDGET_EXCEEDED: Final = "MRP_BUDGET_EXCEEDED"
MRP_POLICY_VIOLATION: Final = "MRP_POLICY_VIOLATION"
MRP_PAYMENT_REQUIRED: Final = "MRP_PAYMENT_REQUIRED"
MRP_PAYMENT_FAILED: Final = "MRP_PAYMENT_FAILED"
MRP_JOB_NOT_FOUND: Final = "MRP_JOB_NOT_FOUND"
MRP_INVALID_REQUEST: Final = "MRP_INVALID_REQUEST"
MRP_INTERNAL_ERROR: Final = "MRP_INTERNAL_ERROR"
MRP_NOT_IMPLEMENTED: Final = "MRP_NOT_IMPLEMENTED"

STATUSES: Final[Mapping[str, int]] = MappingProxyType(
    {
        MRP_AUTH_REQUIRED: 401,
        MRP_SCOPE_DENIED: 403,
        MRP_VERSION_UNSUPPORTED: 400,
        MRP_RATE_LIMITED: 429,
        MRP_BUDGET_EXCEEDED: 402,
        MRP_POLICY_VIOLATION: 403,
        MRP_PAYMENT_REQUIRED: 402,
        MRP_PAYMENT_FAILED: 402,
        MRP_JOB_NOT_FOUND: 404,
        MRP_INVALID_REQUEST: 400,
        MRP_INTERNAL_ERROR: 500,
        MRP_NOT_IMPLEMENTED: 501,
    }
)
"""2: HTTP status of an ERROR in strict mode; by default a protocol's ERROR goes under 200."""

# The message is none for this place, or not in a form we can hold (2, 4).
TYPE_UNEXPECTED: Final = Reason("type_unexpected", 400)
RECEIVER_MISMATCH: Final = Reason("receiver_mismatch", 400)

# It is not proven, not fresh or not new (7).
NONCE_REUSED: Final = Reason("nonce_reused", 401)
MESSAGE_REPLAYED: Final = Reason("message_replayed", 401)
ENVELOPE_EXPIRED: Final = Reason("envelope_expired", 401)
LIFETIME_EXCEEDED: Final = Reason("lifetime_exceeded", 401)
FRESHNESS_MISSING: Final = Reason("freshness_missing", 401)
AUTH_MISSING: Final = Reason("auth_missing", 401)
SCOPE_MISSING: Final = Reason("scope_missing", 403)
IDEMPOTENCY_CONFLICT: Final = Reason("idempotency_conflict", 409)

# Routes, agreements and jobs (6, 9).
ROUTE_UNKNOWN: Final = Reason("route_unknown", 404)
JOB_UNKNOWN: Final = Reason("job_unknown", 404)
AGREEMENT_UNKNOWN: Final = Reason("agreement_unknown", 404)
AGREEMENT_REQUIRED: Final = Reason("agreement_required", 403)
AGREEMENT_USED: Final = Reason("agreement_used", 409)
AGREEMENT_EXPIRED: Final = Reason("agreement_expired", 410)
INPUTS_MISMATCH: Final = Reason("inputs_mismatch", 409)
FORMAT_UNSUPPORTED: Final = Reason("format_unsupported", 422)
COST_ABOVE_CAP: Final = Reason("cost_above_cap", 402)

_CODE_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        "version_unsupported": MRP_VERSION_UNSUPPORTED,
        SCOPE_MISSING.code: MRP_SCOPE_DENIED,
        JOB_UNKNOWN.code: MRP_JOB_NOT_FOUND,
        NONCE_REUSED.code: MRP_AUTH_REQUIRED,
        "escrow_unfunded": MRP_PAYMENT_REQUIRED,
        # Nothing is wrong with what was asked.
        "timeout": MRP_INTERNAL_ERROR,
        "unavailable": MRP_INTERNAL_ERROR,
        "capacity_unavailable": MRP_RATE_LIMITED,
    }
)
_CODE_BY_STATUS: Final[Mapping[int, str]] = MappingProxyType(
    {
        401: MRP_AUTH_REQUIRED,
        402: MRP_BUDGET_EXCEEDED,
        403: MRP_POLICY_VIOLATION,
        429: MRP_RATE_LIMITED,
        500: MRP_INTERNAL_ERROR,
        501: MRP_NOT_IMPLEMENTED,
        502: MRP_INTERNAL_ERROR,
        503: MRP_RATE_LIMITED,
        504: MRP_INTERNAL_ERROR,
    }
)


def error_code(reason: Reason) -> str:
    """The code of the ERROR envelope that says a reason; the reason itself goes into details."""
    named = _CODE_OF.get(reason.code)
    return named or _CODE_BY_STATUS.get(reason.status, MRP_INVALID_REQUEST)
