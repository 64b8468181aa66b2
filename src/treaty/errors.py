"""Every way treaty says no, and the stable reason codes it says it with.

The tree::

    TreatyError
    ├── WireError            bytes that are not a message            the peer's fault
    ├── SignatureError       a wrong signature or proof              the peer's fault
    │   └── UnverifiableError   it could not be checked (no key)     unknown
    ├── Refused              a lawful message, not now or not so     nobody's fault
    ├── Conflict             lost a race, load and decide again      internal, retried
    ├── MisuseError          our caller broke the rules of the API   a bug
    └── UnavailableError     store, peer or chain is out of reach    the world

A ``Reason`` is the stable part: programs read its ``code``, HTTP its ``status``. The text
beside it is for people and may change. Reasons that only one dialect knows stand in that
dialect's ``choices``; the ones below are shared by the house (ASP decision B20 and the
rejection registry of section 10.2).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

FOREIGN_TEXT_MAX: Final = 80


@dataclass(frozen=True, slots=True)
class Reason:
    """One enumerated way to be refused."""

    code: str
    """Stable, lower-case, documented in ``docs/reasons.md``."""
    status: int
    """HTTP status a node answers with; a dialect may override it."""
    transient: bool = False
    """True when the same request may succeed later without being changed."""


_FETCHING: Final = (
    # Not fetched for anybody, or not brought back.
    ("url_invalid", 422, False),
    ("scheme_forbidden", 422, False),
    ("header_forbidden", 422, False),
    ("address_forbidden", 403, False),
    ("domain_forbidden", 403, False),
    ("redirect_refused", 403, False),
    ("answer_too_large", 502, False),
    ("fetch_refused", 502, False),
    ("fetch_failed", 502, True),
    ("fetch_timeout", 504, True),
    # A capability's own no.
    ("input_unsupported", 422, False),
    ("capability_failed", 500, False),
    ("backend_refused", 422, False),
    ("backend_failed", 502, True),
    # A registry's challenge that is not met, or not yet.
    ("challenge_not_found", 409, True),
    ("challenge_mismatch", 409, True),
)


_TRUST: Final = (
    # What a trust node does not take into its log.
    ("violation_unproven", 422, False),
    ("outcome_unproven", 422, False),
    ("clearing_unlisted", 403, False),
)


def _catalogue() -> Mapping[str, Reason]:
    rows: tuple[tuple[str, int, bool], ...] = (
        *_FETCHING,
        *_TRUST,
        # Not a message at all.
        ("malformed", 400, False),
        ("version_unsupported", 400, False),
        ("unsupported_media_type", 415, False),
        ("too_large", 413, False),
        # Not proven to come from whom it names.
        ("signature_invalid", 401, False),
        ("hash_mismatch", 401, False),
        ("proof_invalid", 401, False),
        ("proof_replayed", 401, False),
        ("key_revoked", 401, False),
        ("listing_expired", 401, False),
        # Money.
        ("escrow_unfunded", 402, True),
        ("ceiling_exceeded", 403, False),
        ("currency_unsupported", 422, False),
        ("commitment_invalid", 422, False),
        # Standing.
        ("authority_missing", 403, False),
        ("insufficient_trust_score", 403, False),
        ("unauthorized", 403, False),
        ("policy_violation", 403, False),
        ("domain_unproven", 403, True),
        # Not known here. The same words for "forbidden", so that neither tells.
        ("unknown_session", 404, False),
        ("unknown_agent", 404, False),
        ("proposal_unknown", 404, False),
        ("reference_unknown", 404, False),
        ("not_found", 404, False),
        ("method_not_allowed", 405, False),
        # Lawful, but not in this place of the order.
        ("chain_stale", 409, True),
        ("sequence_gap", 409, True),
        ("position_held", 409, True),
        ("transition_invalid", 409, False),
        ("duplicate", 409, False),
        ("obligation_open", 409, False),
        ("card_conflict", 409, False),
        ("schema_unsupported", 409, False),
        ("budget_exceeded", 409, False),
        ("capacity_unavailable", 409, True),
        ("timeout", 409, True),
        ("escalation_required", 409, True),
        ("unspecified", 409, False),
        ("proposal_expired", 410, False),
        # Too much.
        ("rate_limited", 429, True),
        ("session_quota_exceeded", 429, True),
        ("inbox_full", 429, True),
        ("session_full", 429, False),
        ("unresponsive", 503, True),
        ("overloaded", 503, True),
        ("unavailable", 503, True),
        ("internal", 500, False),
    )
    return {code: Reason(code, status, transient) for code, status, transient in rows}


REASONS: Final[Mapping[str, Reason]] = _catalogue()
"""The house's reasons by code."""


def shown(foreign: object) -> str:
    """Render a stranger's value for an error text: quoted, escaped and cut to a limit."""
    text = repr(foreign)
    return text if len(text) <= FOREIGN_TEXT_MAX else text[: FOREIGN_TEXT_MAX - 1] + "…"


class TreatyError(Exception):
    """The root: ``except TreatyError`` catches everything treaty raises on purpose."""

    default_code = "internal"

    def __init__(
        self,
        detail: str,
        reason: Reason | str | None = None,
        *,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.reason = _reason(reason if reason is not None else self.default_code)
        self.data: Mapping[str, Any] = data or {}

    @property
    def code(self) -> str:
        """The stable reason code."""
        return self.reason.code


def _reason(reason: Reason | str) -> Reason:
    return reason if isinstance(reason, Reason) else REASONS[reason]


class WireError(TreatyError):
    """The bytes are not a message of ours. Nothing was looked up, nothing changed."""

    default_code = "malformed"


class SignatureError(TreatyError):
    """The signature, hash or proof does not hold."""

    default_code = "signature_invalid"


class UnverifiableError(SignatureError):
    """The signature could not be checked, because no key is known for the signer."""

    default_code = "unknown_agent"


class Refused(TreatyError):
    """A lawful message that is not accepted now, or not like this. Nothing changed.

    ``data`` holds what the sender needs to do better (the head of the chain, the next
    sequence number, seconds to wait); it becomes members of the problem document.
    """

    default_code = "unspecified"


class Conflict(TreatyError):
    """Another writer took the position first. Load, decide again, a bounded number of times."""


class MisuseError(TreatyError):
    """The calling program broke a rule of the API; retrying cannot help."""


class UnavailableError(TreatyError):
    """A store, a peer or a chain is out of reach."""

    default_code = "unavailable"
