"""Evidence, checked live: what it names is fetched, its signature tried, each claim judged.

Law: nothing is trusted for being named. Artifacts come through the guarded client within limits,
sources only when asked for, and keys are those that were pinned before the work was given.

Read next: ``treaty.dialects.mrp.evidence``, which judges.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from treaty.agent.route_ports import Providers
from treaty.core.deal import Claim, Verdict
from treaty.dialects.mrp.choices import ARTIFACT
from treaty.dialects.mrp.evidence import Asked, Got, Seen, Signed, judge
from treaty.dialects.mrp.messages import Envelope, Evidence
from treaty.dialects.mrp.signing import check
from treaty.errors import SignatureError, shown
from treaty.identity.keys import PublicKey

ARTIFACTS_MAX: Final = 16
SOURCES_MAX: Final = 16
"""Fetched for one evidence; the others are not checkable."""
TOO_MANY: Final = "one of too many to be fetched"


async def examine(
    providers: Providers,
    asked: Asked,
    envelope: Envelope,
    evidence: Evidence,
    *,
    keys: Mapping[str, PublicKey],
    base_url: str,
    refetches: bool,
) -> tuple[Claim, ...]:
    """Check an EVIDENCE; ``base_url`` is where it came from."""
    uris = [one.uri for one in evidence.outputs if one.type == ARTIFACT and one.uri]
    artifacts = await _fetched(uris, ARTIFACTS_MAX, lambda uri: providers.artifact(uri, base_url))
    sources: Mapping[str, Got] | None = None
    if refetches:
        domains = asked.domains
        sources = await _fetched(
            evidence.citations, SOURCES_MAX, lambda url: providers.source(url, domains)
        )
    seen = Seen(signed=signature(envelope, keys), artifacts=artifacts, sources=sources)
    return judge(asked, envelope, evidence, seen)


async def _fetched(
    names: Sequence[str], most: int, fetch: Callable[[str], Awaitable[Got]]
) -> Mapping[str, Got]:
    """What each name leads to, all at once; beyond the limit nothing is fetched."""
    wanted = list(dict.fromkeys(names))
    got = await asyncio.gather(*map(fetch, wanted[:most]))
    found: dict[str, Got] = dict.fromkeys(wanted, TOO_MANY)
    return found | dict(zip(wanted, got, strict=False))


def signature(envelope: Envelope, keys: Mapping[str, PublicKey]) -> Signed:
    """Whether an envelope is signed by one of these keys."""
    stated = (envelope.auth or {}).get("signature")
    if not isinstance(stated, dict):
        return Signed(verdict=Verdict.NOT_CHECKABLE, detail="the provider signed nothing")
    named = stated.get("key_id")
    key = keys.get(named) if isinstance(named, str) else None
    if key is None:
        detail = f"signed with {shown(named)}, a key its origin did not show before"
        return Signed(verdict=Verdict.NOT_CHECKABLE, detail=detail)
    try:
        check(envelope, key)
    except SignatureError as error:
        return Signed(verdict=Verdict.FAILED, detail=error.detail)
    return Signed(verdict=Verdict.VERIFIED, detail=f"by {key.key_id}, pinned before the work")
