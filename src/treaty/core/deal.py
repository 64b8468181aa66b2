"""The common shape of checking a deal, in any dialect: claims, a report, and the roots.

A deal exports to one file. Whoever reads it asks for a ``Report``: one line per *claim*, each
verified, failed or not checkable, with the places named (ASP decision B22).

Laws:

1. There is never a single yes without the list: ``ok`` only says that nothing failed.
2. Anchors come from the ``Roots`` the reader brings, never from the file that is checked.
3. A claim that one finding contradicts has failed, however much else supports it.

This module knows no dialect and checks no signature; keys are text here. Read next:
``treaty.dialects.asp.audit``, which makes such a report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from treaty.errors import WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.digest import sha256
from treaty.wire.encoding import b64url_decode, b64url_encode

DEAL_TAG: Final = "deal/1"
ROOTS_TAG: Final = "roots/1"
REPORT_TAG: Final = "report/1"

DEAL_BYTES_MAX: Final = 256 * 1024 * 1024
"""Largest deal file that is read: 64 MiB of messages, twice, with their receipts."""
DEAL_DEPTH_MAX: Final = 48
ROOTS_BYTES_MAX: Final = 4 * 1024 * 1024

ANCHORS_MAX: Final = 1_000
"""Anchors of one kind in a roots file."""
PLACES_MAX: Final = 16
"""Places that a claim names; the rest are counted."""
DETAIL_CHARS_MAX: Final = 400

UNANCHORED: Final = "self-consistent, identities not anchored"


class Verdict(StrEnum):
    """What became of one claim."""

    VERIFIED = "verified"
    FAILED = "failed"
    NOT_CHECKABLE = "not checkable"


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement about a deal, and what checking it gave."""

    name: str
    verdict: Verdict
    detail: str
    where: tuple[str, ...] = ()
    """Places, in the words of the file: ``message 7``, ``log 12``, ``escrow line 2``."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that was checked about one deal, claim by claim."""

    dialect: str
    session: str
    anchored: bool
    """True when every key was shown to belong to its name by the reader's own roots."""
    claims: tuple[Claim, ...]

    @property
    def ok(self) -> bool:
        """True when nothing failed. What was not checkable is only in the list."""
        return not self.of(Verdict.FAILED)

    @property
    def first_line(self) -> str:
        """The verdict in one line, never without its reservations."""
        failed, unknown = self.of(Verdict.FAILED), self.of(Verdict.NOT_CHECKABLE)
        if failed:
            return f"failed: {', '.join(failed)}"
        if not self.anchored:
            return UNANCHORED
        if unknown:
            return f"verified, but not checkable: {', '.join(unknown)}"
        return "verified, every claim"

    def of(self, verdict: Verdict) -> tuple[str, ...]:
        """The names of the claims with this verdict."""
        return tuple(claim.name for claim in self.claims if claim.verdict is verdict)

    def claim(self, name: str) -> Claim | None:
        """The claim of that name, or None."""
        return next((claim for claim in self.claims if claim.name == name), None)

    def require(self, names: Iterable[str]) -> Report:
        """The same report, in which a named claim that is not verified has failed.

        A name that this deal makes no claim about is added as failed.
        """
        wanted = dict.fromkeys(names)
        made = tuple(_required(one) if one.name in wanted else one for one in self.claims)
        absent = tuple(
            Claim(name, Verdict.FAILED, "required, and this deal makes no such claim")
            for name in wanted
            if self.claim(name) is None
        )
        return replace(self, claims=made + absent)

    def to_json(self) -> dict[str, Json]:
        """The report for programs."""
        return {
            "treaty": REPORT_TAG,
            "dialect": self.dialect,
            "session": self.session,
            "anchored": self.anchored,
            "ok": self.ok,
            "firstLine": self.first_line,
            "claims": [
                {
                    "name": claim.name,
                    "verdict": claim.verdict.value,
                    "detail": claim.detail,
                    "where": list(claim.where),
                }
                for claim in self.claims
            ],
        }


def _required(claim: Claim) -> Claim:
    if claim.verdict is not Verdict.NOT_CHECKABLE:
        return claim
    return replace(claim, verdict=Verdict.FAILED, detail=f"required, but {claim.detail}")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that speaks against a claim, or keeps it from being checked."""

    claim: str
    where: str
    detail: str
    verdict: Verdict = Verdict.FAILED


def lack(claim: str, where: str, detail: str) -> Finding:
    """A finding that keeps a claim from being checked."""
    return Finding(claim, where, detail, Verdict.NOT_CHECKABLE)


def judged(
    names: Sequence[str], findings: Iterable[Finding], verified: Mapping[str, str]
) -> tuple[Claim, ...]:
    """Make the claims ``names``, in that order, from what was found.

    A claim without findings is verified; its detail is ``verified[name]``. Failures hide what
    was merely not checkable.
    """
    by_claim: dict[str, list[Finding]] = {name: [] for name in names}
    for finding in findings:
        by_claim[finding.claim].append(finding)
    return tuple(_claim(name, found, verified.get(name, "")) for name, found in by_claim.items())


def _claim(name: str, found: list[Finding], verified: str) -> Claim:
    if not found:
        return Claim(name, Verdict.VERIFIED, verified)
    failures = [one for one in found if one.verdict is Verdict.FAILED]
    named = failures or found
    first = named[0]
    detail = f"{first.where}: {first.detail}" if first.where else first.detail
    places = tuple(dict.fromkeys(one.where for one in named if one.where))
    if len(places) > PLACES_MAX:
        places = (*places[:PLACES_MAX], f"and {len(places) - PLACES_MAX} more")
    return Claim(name, first.verdict, detail[:DETAIL_CHARS_MAX], places)


@dataclass(frozen=True, slots=True)
class Anchor:
    """A key the reader trusts to speak for a URI in one role."""

    uri: str
    key_id: str
    public_key: str
    """As in a card: base64url of an Ed25519 JWK."""


@dataclass(frozen=True, slots=True)
class Roots:
    """What the reader of a deal trusts beforehand, by role (ASP B22)."""

    registry: tuple[Anchor, ...] = ()
    host: tuple[Anchor, ...] = ()
    clearing: tuple[Anchor, ...] = ()
    attester: tuple[Anchor, ...] = ()
    metric: tuple[Anchor, ...] = ()
    log_head: Mapping[str, Json] | None = None
    """A signed head of the trust log, fetched by the reader."""
    chains: tuple[Json, ...] = field(default=(), repr=False)
    """Roots of dialects that settle on a chain, as they stand."""


_ROOTS_MEMBERS: Final = frozenset(
    ("treaty", "registry", "host", "clearing", "attester", "metric", "logHead", "chains")
)


def read_deal(raw: bytes) -> Json:
    """Read the bytes of a deal file, whatever it then holds. Raises ``WireError``."""
    return read_json(raw, size_max=DEAL_BYTES_MAX, depth_max=DEAL_DEPTH_MAX)


def read_roots(value: Json) -> Roots:
    """Read the roots. Every role may be missing; a member nobody knows is a mistake.

    Raises ``WireError``, also for a ``keyId`` that is not the thumbprint of its ``publicKey``.
    """
    if not isinstance(value, dict) or value.get("treaty") != ROOTS_TAG:
        raise WireError(f"roots are an object with `treaty`: {ROOTS_TAG!r}")
    strangers = sorted(value.keys() - _ROOTS_MEMBERS)
    if strangers:
        raise WireError(f"roots do not have the members {shown(strangers)}")
    return Roots(
        registry=_anchors(value, "registry"),
        host=_anchors(value, "host"),
        clearing=_anchors(value, "clearing"),
        attester=_anchors(value, "attester"),
        metric=_anchors(value, "metric"),
        log_head=fields.obj_or(value, "logHead"),
        chains=tuple(fields.items(value, "chains", most=ANCHORS_MAX)),
    )


def _anchors(value: Mapping[str, Json], role: str) -> tuple[Anchor, ...]:
    return tuple(_anchor(role, one) for one in fields.items(value, role, most=ANCHORS_MAX))


def _anchor(role: str, value: Json) -> Anchor:
    if not isinstance(value, dict):
        raise WireError(f"an anchor of {role} is an object, not {shown(value)}")
    anchor = Anchor(
        uri=fields.agent(value, "uri"),
        key_id=fields.ident(value, "keyId"),
        public_key=fields.text(value, "publicKey"),
    )
    if _thumbprint(anchor.public_key) != anchor.key_id:
        raise WireError(f"keyId {shown(anchor.key_id)} of {anchor.uri} is not that of its key")
    return anchor


def _thumbprint(public_key: str) -> str:
    """RFC 7638 of a card's ``publicKey``; whether it is a point is asked where it is used."""
    jwk = read_json(b64url_decode(public_key))
    if not isinstance(jwk, dict) or (jwk.get("kty"), jwk.get("crv")) != ("OKP", "Ed25519"):
        raise WireError("an anchor's publicKey is the base64url of an Ed25519 JWK")
    members: dict[str, Json] = {"kty": "OKP", "crv": "Ed25519", "x": fields.text(jwk, "x")}
    return b64url_encode(sha256(canonical(members)))
