"""What evidence is worth, claim by claim: verified, failed or not checkable (sections 4, 8, 12).

Laws:

1. A word that nobody signed is *declared*: an attestation in an unsigned envelope is there or
   missing, and never verified.
2. Nothing is fetched here. What was fetched, and why something was not, is an argument.
3. Evidence that says less than it could is not false: it is not checkable, and the report says so.

Read next: ``audit``, which asks the same of a deal file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from treaty.core.deal import Claim, Finding, Verdict, judged, lack
from treaty.dialects.mrp.choices import ARTIFACT, JSON, MARKDOWN, TEXT
from treaty.dialects.mrp.messages import Envelope, Evidence, Item
from treaty.errors import Refused, shown
from treaty.wire.digest import hash_agrees
from treaty.wire.hosts import is_within, read_url

REPLY: Final = "reply"
FORMAT: Final = "format"
ATTESTATIONS: Final = "attestations"
CITATIONS: Final = "citations"
SOURCES: Final = "sources"
ARTIFACTS: Final = "artifacts"
SIGNATURE: Final = "signature"
EVIDENCE_CLAIMS: Final = (
    REPLY, FORMAT, ATTESTATIONS, CITATIONS, SOURCES, ARTIFACTS, SIGNATURE,
)  # fmt: skip
"""The claims about every evidence, in the order of a report."""

NOT_ASKED: Final = "not fetched for this check"
_MEDIA: Final[Mapping[str, frozenset[str]]] = {
    MARKDOWN: frozenset(("text/markdown", "text/x-markdown")),
    TEXT: frozenset(("text/plain",)),
    JSON: frozenset(("application/json",)),
}

Got = bytes | str
"""What was fetched, or why it was not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the EXECUTE asked for, and what its EVIDENCE is held against."""

    msg_id: str
    route_id: str
    job_id: str | None = None
    output_format: str | None = None
    proofs: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    """Hosts that may be cited, subdomains included; empty allows all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """What checking the envelope's signature gave."""

    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was looked at beside the envelope."""

    signed: Signed
    artifacts: Mapping[str, Got] = field(default_factory=dict)
    """By URI, as it stands in the outputs."""
    sources: Mapping[str, Got] | None = None
    """By citation; None when nobody asked to fetch them again."""


def judge(asked: Asked, envelope: Envelope, evidence: Evidence, seen: Seen) -> tuple[Claim, ...]:
    """Judge an EVIDENCE by what was asked and what was seen; one claim a name, in order."""
    found = [
        *_reply(asked, envelope, evidence),
        *_format(asked, evidence),
        *_attestations(asked, evidence, seen),
        *_citations(asked, evidence),
        *_sources(evidence, seen),
        *_artifacts(evidence, seen),
    ]
    if seen.signed.verdict is not Verdict.VERIFIED:
        found.append(Finding(SIGNATURE, "", seen.signed.detail, seen.signed.verdict))
    return judged(EVIDENCE_CLAIMS, found, _verified(asked, evidence, seen))


def _verified(asked: Asked, evidence: Evidence, seen: Seen) -> Mapping[str, str]:
    """What each claim says when nothing speaks against it."""
    artifacts = sum(one.type == ARTIFACT for one in evidence.outputs)
    return {
        REPLY: "it answers this request, on this route",
        FORMAT: f"{asked.output_format} as asked" if asked.output_format else "none was asked for",
        ATTESTATIONS: f"{_listed(asked.proofs)} under the provider's signature"
        if asked.proofs
        else "none was required",
        CITATIONS: f"{len(evidence.citations)}, each within {_listed(asked.domains)}"
        if asked.domains
        else f"{len(evidence.citations)}, and no domain was set",
        SOURCES: f"{len(evidence.source_hashes)} agree with what is there now",
        ARTIFACTS: f"{artifacts} of the stated hash and size" if artifacts else "there is none",
        SIGNATURE: seen.signed.detail,
    }


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _reply(asked: Asked, envelope: Envelope, evidence: Evidence) -> Iterator[Finding]:
    """It came as the answer; whether it says so too is its sender's care."""
    pairs = (
        ("in_reply_to", envelope.in_reply_to, asked.msg_id),
        ("route_id", evidence.route_id, asked.route_id),
        ("job_id", evidence.job_id, asked.job_id),
    )
    for name, got, wanted in pairs:
        if wanted is not None and got != wanted:
            said = "is not stated" if got is None else f"is {shown(got)}"
            yield lack(REPLY, name, f"{said}, and {shown(wanted)} was asked")


def _format(asked: Asked, evidence: Evidence) -> Iterator[Finding]:
    if not evidence.outputs:
        yield Finding(FORMAT, "outputs", "there is no output")
    elif asked.output_format and not any(
        _is_of(one, asked.output_format) for one in evidence.outputs
    ):
        got = ", ".join(dict.fromkeys(one.type for one in evidence.outputs))
        yield Finding(FORMAT, "outputs", f"{asked.output_format} was asked for, {got} came")


def _is_of(item: Item, wanted: str) -> bool:
    media = (item.mime or "").partition(";")[0].strip().lower()
    return item.type == wanted or media == wanted or media in _MEDIA.get(wanted, ())


def _attestations(asked: Asked, evidence: Evidence, seen: Seen) -> Iterator[Finding]:
    missing = [one for one in asked.proofs if one not in evidence.attestations]
    if missing:
        yield Finding(ATTESTATIONS, "attestations", f"required and missing: {', '.join(missing)}")
    elif asked.proofs and seen.signed.verdict is not Verdict.VERIFIED:
        yield lack(ATTESTATIONS, "attestations", f"{_listed(asked.proofs)} declared, not signed")


def _citations(asked: Asked, evidence: Evidence) -> Iterator[Finding]:
    if not asked.domains:
        return
    if not evidence.citations:
        yield lack(CITATIONS, "provenance.citations", "nothing is cited")
    for number, citation in enumerate(evidence.citations):
        where = f"citation {number + 1}"
        try:
            host = read_url(citation).host
        except Refused as refusal:
            yield Finding(CITATIONS, where, refusal.detail)
            continue
        if not is_within(host, asked.domains):
            yield Finding(CITATIONS, where, f"{host} is not within {_listed(asked.domains)}")


def _sources(evidence: Evidence, seen: Seen) -> Iterator[Finding]:
    if not evidence.source_hashes:
        yield lack(SOURCES, "provenance.source_hashes", "no hash of a source is stated")
        return
    if seen.sources is None:
        yield lack(SOURCES, "", NOT_ASKED)
        return
    fetched = [one for one in seen.sources.values() if isinstance(one, bytes)]
    unreached = [one for one in seen.sources.values() if isinstance(one, str)]
    of_outputs = {one.hash for one in evidence.outputs if one.type == ARTIFACT}
    for stated in evidence.source_hashes:
        if any(hash_agrees(stated, one) for one in fetched):
            continue
        if stated in of_outputs:
            yield lack(SOURCES, "", "it is the hash of what was delivered, not of its source")
        elif unreached or not fetched:
            yield lack(SOURCES, "", unreached[0] if unreached else "no source is cited")
        else:
            yield Finding(SOURCES, "", f"{shown(stated)} is not the hash of what is there now")


def _artifacts(evidence: Evidence, seen: Seen) -> Iterator[Finding]:
    for number, item in enumerate(evidence.outputs):
        if item.type != ARTIFACT:
            continue
        where, got = f"output {number + 1}", seen.artifacts.get(item.uri or "", NOT_ASKED)
        if isinstance(got, str):
            yield lack(ARTIFACTS, where, got)
        elif item.size is not None and len(got) != item.size:
            yield Finding(ARTIFACTS, where, f"{len(got)} bytes, {item.size} were stated")
        elif not hash_agrees(item.hash, got):
            yield Finding(ARTIFACTS, where, f"its bytes do not have the hash {shown(item.hash)}")
