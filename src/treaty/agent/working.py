"""The chosen provider at work: NEGOTIATE, EXECUTE, and its evidence, each step written down first.

Laws:

1. Nobody is given work before the choice and the request itself are durable. Whether a request
   that got no answer was carried out is not known, and nobody else is asked instead.
2. An ERROR, or an answer that is no envelope, ends the run; no evidence is recorded for it.
3. A job id is ours. What a provider calls it is a text like any other, and no file's name.

Read next: ``checking`` for the evidence; ``decisions`` for what is kept.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from treaty.agent.checking import examine
from treaty.agent.decisions import Decisions
from treaty.agent.hearing import Heard
from treaty.agent.route_ports import Providers
from treaty.agent.speaking import Saying, Speaker
from treaty.core.deal import Claim, Verdict
from treaty.dialects.mrp.answers import Answer, Failed, NoEnvelope, Said
from treaty.dialects.mrp.buying import (
    Stand,
    Terms,
    Wish,
    execute_payload,
    leads_to_negotiate,
    negotiate_payload,
    read_terms,
)
from treaty.dialects.mrp.choices import (
    EVIDENCE,
    EXECUTE,
    JOB_ACCEPTED,
    JOB_STATUS,
    NEGOTIATE,
)
from treaty.dialects.mrp.codec import read_evidence
from treaty.dialects.mrp.deal import Line
from treaty.dialects.mrp.evidence import Asked
from treaty.dialects.mrp.keysets import read_keys
from treaty.dialects.mrp.manifest import resolve
from treaty.dialects.mrp.messages import Envelope, Evidence, Offer
from treaty.engine.desk import Draw
from treaty.errors import TreatyError, UnavailableError, WireError, shown
from treaty.identity.keys import PublicKey
from treaty.wire import fields
from treaty.wire.canonical import Json
from treaty.wire.ids import uuid7

NEGOTIATE_MS: Final = 20_000
EXECUTE_MS: Final = 120_000
"""A provider may hold the connection while it works, mrpd for 30 s and more (M14)."""
ROUNDS_MAX: Final = 2
"""NEGOTIATEs sent for one offer: the second takes a counter that lies within the wish, or puts
our own terms once more."""
POLL_S: Final = 1.0
POLLS_MAX: Final = 600
MISSED_MAX: Final = 5
"""Questions in a row that may go unanswered while a job goes on."""
UNREACHED: Final = 0
PASSING: Final = frozenset((UNREACHED, 408, 429, 502, 503, 504))
ENDED: Final = frozenset(("canceled", "cancelled", "failed"))
ENTROPY: Final = 16


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, by whom it was offered, and for what."""

    decision_id: str
    wish: Wish
    heard: Heard
    offer: Offer


@dataclass(frozen=True, slots=True)
class Done:
    """How a run ended."""

    status: str
    """``done``, ``stopped`` before the work was given, or ``failed``."""
    detail: str
    terms: Terms | None = None
    envelope: Envelope | None = None
    evidence: Evidence | None = None
    claims: tuple[Claim, ...] = ()

    @property
    def is_good(self) -> bool:
        """True when evidence came and nothing about it failed."""
        failed = any(one.verdict is Verdict.FAILED for one in self.claims)
        return self.evidence is not None and not failed


@dataclass(slots=True)
class Worker:
    """Takes a choice to its evidence."""

    providers: Providers
    decisions: Decisions
    speaker: Speaker
    clock: Callable[[], int]
    entropy: Draw

    async def work(self, choice: Choice, *, needs_agreement: bool, refetches: bool) -> Done:
        """Negotiate, execute, check. What ends it early is told, not raised."""
        raw_keys = await self._pin(choice)
        terms, reply = await self._negotiate(choice, needs_agreement=needs_agreement)
        stop = _stop(terms, needs_agreement=needs_agreement)
        if stop:
            return await self._end(choice, Done("stopped", stop, terms))
        try:
            asked, answer = await self._execute(choice, terms, reply)
        except TreatyError as error:
            return await self._end(choice, Done("failed", error.detail, terms))
        if isinstance(answer, Failed):
            return await self._end(choice, Done("failed", answer.detail, terms))
        if isinstance(answer, NoEnvelope):
            return await self._end(choice, Done("failed", answer.detail, terms))
        return await self._check(choice, terms, asked, answer, raw_keys, refetches=refetches)

    async def _pin(self, choice: Choice) -> Mapping[str, PublicKey]:
        """The keys of the provider's origin, as they are before it is given anything."""
        manifest = choice.heard.manifest
        assert manifest is not None
        raw = await self.providers.keys(manifest.execute_url)
        try:
            keys = read_keys(raw, self.clock()) if raw is not None else {}
        except WireError:
            keys = {}
        pinned: list[Json] = [dict(key.jwk()) for key in dict.fromkeys(keys.values())]
        if pinned:
            await self.decisions.keep(choice.decision_id, {"provider_keys": pinned})
        return keys

    async def _negotiate(
        self, choice: Choice, *, needs_agreement: bool
    ) -> tuple[Terms, Envelope | None]:
        manifest, offer = choice.heard.manifest, choice.offer
        assert manifest is not None
        if manifest.negotiate_url is None:
            return Terms(stand=Stand.UNSUPPORTED, detail="its manifest names no place for it"), None
        # Domains that were named bind nobody unless they are agreed on.
        is_needed = needs_agreement or bool(choice.wish.allowed_domains)
        if not is_needed and not leads_to_negotiate(offer.endpoint):
            return Terms(stand=Stand.SKIPPED, detail="the offer leads to EXECUTE at once"), None
        more: Mapping[str, Json] = {}
        answered = choice.heard.reply
        for _ in range(ROUNDS_MAX):
            payload = negotiate_payload(choice.wish, offer.route_id, more)
            url = manifest.negotiate_url
            saying = self._say(choice, url, NEGOTIATE, payload, answered)
            terms, reply = await self._put(choice, url, saying)
            if terms.stand is not Stand.COUNTERED:
                break
            more, answered = _taken(terms), reply
        await self.decisions.keep(choice.decision_id, {"negotiation": terms.to_json()})
        return terms, reply

    async def _put(self, choice: Choice, url: str, saying: Saying) -> tuple[Terms, Envelope | None]:
        try:
            answer = await self._exchange(choice, url, saying, NEGOTIATE_MS)
        except TreatyError as error:
            return Terms(stand=Stand.REFUSED, detail=error.detail), None
        terms = read_terms(choice.wish, choice.offer.route_id, answer)
        return terms, answer.envelope if isinstance(answer, Said) else None

    async def _execute(
        self, choice: Choice, terms: Terms, reply: Envelope | None
    ) -> tuple[Asked, Answer]:
        manifest, wish, offer = choice.heard.manifest, choice.wish, choice.offer
        assert manifest is not None
        job_id = uuid7(self.clock(), self.entropy(ENTROPY))
        payload = execute_payload(wish, offer.route_id, job_id, terms.agreement)
        agreed = reply if terms.stand is Stand.ACCEPTED else None
        url, answered = manifest.execute_url, agreed or choice.heard.reply
        saying = self._say(choice, url, EXECUTE, payload, answered, job_id)
        asked = Asked(
            msg_id=saying.msg_id,
            route_id=offer.route_id,
            job_id=job_id,
            output_format=wish.output_format,
            proofs=wish.proofs,
            domains=wish.domains,
        )
        state: dict[str, Json] = {"status": "executing", "job_id": job_id}
        await self.decisions.keep(choice.decision_id, {**state, "negotiation": terms.to_json()})
        answer = await self._exchange(choice, url, saying, EXECUTE_MS)
        if isinstance(answer, Said) and answer.envelope.msg_type in (JOB_ACCEPTED, JOB_STATUS):
            answer = await self._follow(choice, url, answer)
        return asked, answer

    async def _follow(self, choice: Choice, url: str, accepted: Said) -> Answer:
        """Ask how a job stands until there is evidence of it, or an end."""
        stated = accepted.envelope.payload.get("status_url")
        if not isinstance(stated, str):
            raise UnavailableError("the job was accepted, and no address was named to ask at")
        place, missed = resolve(stated, url), 0
        for _ in range(POLLS_MAX):
            answer, raw = await self._look(place)
            missed = missed + 1 if _is_passing(answer) else 0
            if not missed and _is_last(answer):
                if not isinstance(answer, NoEnvelope):
                    await self._keep(choice, raw, is_sent=False)
                return answer
            if missed > MISSED_MAX:
                return answer
            await asyncio.sleep(POLL_S)
        raise UnavailableError(f"no evidence after {POLLS_MAX} questions for it")

    async def _look(self, place: str) -> tuple[Answer, bytes]:
        """Ask once; that nobody answers is an answer too."""
        try:
            return await self.providers.job(place)
        except UnavailableError as error:
            return NoEnvelope(UNREACHED, error.detail), b""

    async def _exchange(self, choice: Choice, url: str, saying: Saying, timeout_ms: int) -> Answer:
        await self._keep(choice, saying.kept, is_sent=True)
        answer, came = await self.providers.post(url, saying.wire, timeout_ms=timeout_ms)
        if not isinstance(answer, NoEnvelope):
            await self._keep(choice, came, is_sent=False)
        return answer

    async def _keep(self, choice: Choice, raw: bytes, *, is_sent: bool) -> None:
        url = choice.heard.source.manifest_url
        line = Line(raw=raw, is_sent=is_sent, manifest_url=url, at_ms=self.clock())
        await self.decisions.keep(choice.decision_id, {}, (line,))

    async def _check(
        self,
        choice: Choice,
        terms: Terms,
        asked: Asked,
        answer: Said,
        keys: Mapping[str, PublicKey],
        *,
        refetches: bool,
    ) -> Done:
        envelope, manifest = answer.envelope, choice.heard.manifest
        assert manifest is not None
        if envelope.msg_type != EVIDENCE:
            detail = f"a {envelope.msg_type} answers the EXECUTE"
            return await self._end(choice, Done("failed", detail, terms))
        try:
            evidence = read_evidence(envelope)
        except WireError as error:
            detail = f"its EVIDENCE cannot be read: {error.detail}"
            return await self._end(choice, Done("failed", detail, terms))
        claims = await examine(
            self.providers,
            asked,
            envelope,
            evidence,
            keys=keys,
            base_url=manifest.execute_url,
            refetches=refetches,
        )
        done = Done("done", _sum(claims), terms, envelope, evidence, claims)
        return await self._end(choice, done)

    async def _end(self, choice: Choice, done: Done) -> Done:
        changes: dict[str, Json] = {"status": done.status, "detail": done.detail}
        if done.terms is not None:
            changes["negotiation"] = done.terms.to_json()
        if done.envelope is not None:
            changes["evidence_msg_id"] = done.envelope.msg_id
            changes["claims"] = [_claim(one) for one in done.claims]
        await self.decisions.keep(choice.decision_id, changes)
        return done

    def _say(
        self,
        choice: Choice,
        url: str,
        msg_type: str,
        payload: Mapping[str, Json],
        answered: Envelope | None,
        key: str | None = None,
    ) -> Saying:
        """A message to the chosen provider, and what it answers."""
        return self.speaker.say(
            msg_type,
            payload,
            receiver=None if answered is None else answered.sender,
            in_reply_to=None if answered is None else answered.msg_id,
            key=key,
            is_known=choice.heard.knows(url),
        )


def _stop(terms: Terms, *, needs_agreement: bool) -> str:
    """Why no work is given, or nothing."""
    if terms.stand is Stand.ACCEPTED:
        return ""
    if terms.stand in (Stand.UNSUPPORTED, Stand.SKIPPED):
        word = "negotiation was required and is unsupported"
        return f"{word}: {terms.detail}" if needs_agreement else ""
    return f"negotiation {terms.stand}: {terms.detail}"


def _is_passing(answer: Answer) -> bool:
    """True for an answer that another moment may better."""
    return isinstance(answer, NoEnvelope) and answer.status in PASSING


def _is_last(answer: Answer) -> bool:
    """True for evidence, an error, and whatever is no word about a job that goes on.

    Raises ``UnavailableError`` for a job that ended without evidence.
    """
    if not isinstance(answer, Said) or answer.envelope.msg_type not in (JOB_ACCEPTED, JOB_STATUS):
        return True
    status = answer.envelope.payload.get("status")
    if fields.is_one_of(status, ENDED):
        raise UnavailableError(f"the job ended without evidence: {shown(status)}")
    return False


def _taken(terms: Terms) -> Mapping[str, Json]:
    """A counter's constraints, to be asked for as they are; of one beyond the wish nothing."""
    return {name: one for name, one in (terms.constraints or {}).items() if name != "agreement"}


def _sum(claims: tuple[Claim, ...]) -> str:
    failed = [one.name for one in claims if one.verdict is Verdict.FAILED]
    unknown = [one.name for one in claims if one.verdict is Verdict.NOT_CHECKABLE]
    if failed:
        return f"evidence failed: {', '.join(failed)}"
    return f"not checkable: {', '.join(unknown)}" if unknown else "verified, every claim"


def _claim(claim: Claim) -> Json:
    return {"name": claim.name, "verdict": claim.verdict.value, "detail": claim.detail}
