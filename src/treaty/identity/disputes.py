"""The signed records of a dispute, as parties, arbiters and operators make them (ASP B15).

A party's secret for the draw of arbiters is made from its key, session and commitment, so that
nothing has to be kept: whoever has the key can show it when it is asked for, and nobody else
can know it. It is the digest of a signature over a text that is signed for nothing else.

Read next: ``records``, which seals them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from treaty.identity.keys import Signer
from treaty.identity.records import seal
from treaty.wire.canonical import Json
from treaty.wire.digest import sha256, sha256_tag
from treaty.wire.instants import format_instant
from treaty.wire.money import Money, money_to_json

_SEED_TEXT: Final = "treaty/1 arbiter-secret"


def arbiter_secret(signer: Signer, session: str, commitment: str) -> bytes:
    """A party's 32 secret bytes for one commitment; the same whenever they are asked for."""
    text = f"{_SEED_TEXT} {session.lower()} {commitment}"
    return sha256(signer.sign(text.encode("utf-8")))


def arbiter_seed(signer: Signer, session: str, commitment: str) -> str:
    """The hash of that secret, which COMMIT or ACCEPT carries as ``arbiterSeed``."""
    return sha256_tag(arbiter_secret(signer, session, commitment))


def make_filing(
    signer: Signer,
    *,
    dispute: str,
    session: str,
    commitment: str,
    filer: str,
    against: str,
    reason: str,
    at_ms: int,
    part: str | None = None,
    severity: int | None = None,
    evidence: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    """A filing; ``part`` names one slice of a schedule, ``severity`` is the filer's opinion."""
    body: dict[str, Json] = {
        "disputeId": dispute,
        "sessionId": session,
        "commitmentId": commitment,
        "filedBy": filer,
        "filedAgainst": against,
        "reason": reason,
        "at": format_instant(at_ms),
    }
    if part is not None:
        body["part"] = part
    if severity is not None:
        body["severity"] = severity
    if evidence is not None:
        body["evidence"] = dict(evidence)
    return seal("dispute", body, signer)


def make_evidence(
    signer: Signer,
    *,
    dispute: str,
    by: str,
    statement: str,
    at_ms: int,
    documents: Json = None,
    last: bool = False,
    session: str | None = None,
) -> dict[str, Json]:
    """A piece of evidence; ``last`` says that this party brings no more."""
    body: dict[str, Json] = {
        "disputeId": dispute,
        **_within(session),
        "by": by,
        "statement": statement,
        "last": last,
        "at": format_instant(at_ms),
    }
    if documents is not None:
        body["documents"] = documents
    return seal("evidence", body, signer)


def make_reveal(
    signer: Signer, *, dispute: str, by: str, secret: bytes, at_ms: int, session: str | None = None
) -> dict[str, Json]:
    """A party's secret for the draw."""
    body: dict[str, Json] = {
        "disputeId": dispute,
        **_within(session),
        "by": by,
        "secret": secret.hex(),
        "at": format_instant(at_ms),
    }
    return seal("reveal", body, signer)


def make_finding(
    kind: str,
    signer: Signer,
    *,
    dispute: str,
    by: str,
    to_payee: Money,
    at_ms: int,
    severity: int | None = None,
    reason: str = "",
    session: str | None = None,
) -> dict[str, Json]:
    """An arbiter's ``vote`` or an operator's ``ruling``: so much to the payee, the rest back."""
    body: dict[str, Json] = {
        "disputeId": dispute,
        **_within(session),
        "by": by,
        "toPayee": dict(money_to_json(to_payee)),
        "reason": reason,
        "at": format_instant(at_ms),
    }
    if severity is not None:
        body["severity"] = severity
    return seal(kind, body, signer)


def _within(session: str | None) -> dict[str, Json]:
    """The session a record is about.

    Only the filing must name it; a record that does is good for no other dispute of that name.
    """
    return {} if session is None else {"sessionId": session}
