"""What each step of ``treaty mrp`` says and shows. Each returns True when it went well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from treaty import app
from treaty.agent.route_ports import Providers
from treaty.agent.speaking import Speaker
from treaty.agent.working import EXECUTE_MS, NEGOTIATE_MS
from treaty.cli.failures import Failed
from treaty.cli.route_screen import show_items
from treaty.cli.terminal import say, show_facts, show_json, show_table
from treaty.core.routing_reasons import plain
from treaty.dialects.mrp.answers import Answer, Said
from treaty.dialects.mrp.answers import Failed as Error
from treaty.dialects.mrp.buying import (
    Stand,
    Wish,
    discover_payload,
    execute_payload,
    negotiate_payload,
    read_terms,
)
from treaty.dialects.mrp.choices import DISCOVER, EVIDENCE, EXECUTE, NEGOTIATE, OFFER
from treaty.dialects.mrp.codec import read_offers
from treaty.dialects.mrp.messages import Envelope, Malformed
from treaty.wire.canonical import Json
from treaty.wire.hosts import same_origin
from treaty.wire.ids import uuid7

DISCOVER_MS = 20_000


@dataclass(frozen=True, slots=True)
class Talk:
    """A provider, and how to speak to it."""

    providers: Providers
    speaker: Speaker
    manifest_url: str
    wish: Wish

    async def say(
        self, url: str, msg_type: str, payload: Mapping[str, Json], timeout_ms: int
    ) -> Answer:
        """Say one message and hear the answer."""
        is_known = same_origin(url, self.manifest_url)
        names = self.speaker.signs and is_known
        receiver = await self.providers.name_of(url) if names else None
        saying = self.speaker.say(msg_type, payload, receiver=receiver, is_known=is_known)
        answer, _ = await self.providers.post(url, saying.wire, timeout_ms=timeout_ms)
        return answer


async def discover(talk: Talk, told: dict[str, Any]) -> bool:
    """Ask for offers."""
    manifest = await talk.providers.manifest(talk.manifest_url)
    payload = discover_payload(talk.wish)
    answer = await talk.say(manifest.discover_url, DISCOVER, payload, DISCOVER_MS)
    envelope = _heard(answer, OFFER)
    offers = read_offers(envelope)
    if told["as_json"]:
        show_json(dict(envelope.payload))
    else:
        rows = [
            (one.route_id, "", "", "", f"malformed: {one.detail}")
            if isinstance(one, Malformed)
            else (
                one.route_id,
                one.capability,
                "" if one.cost is None else f"{plain(one.cost)} {one.cost_unit or ''}",
                "" if one.latency_ms is None else f"{plain(one.latency_ms)} ms",
                ", ".join((*one.policy, *one.proofs)),
            )
            for one in offers
        ]
        show_table(("route", "capability", ">cost", ">latency", "policy and proofs"), rows)
    return bool(offers)


async def negotiate(talk: Talk, told: dict[str, Any]) -> bool:
    """Ask for an agreement."""
    manifest = await talk.providers.manifest(talk.manifest_url)
    if manifest.negotiate_url is None:
        raise Failed("its manifest names no place to negotiate at")
    payload = negotiate_payload(talk.wish, told["route"])
    answer = await talk.say(manifest.negotiate_url, NEGOTIATE, payload, NEGOTIATE_MS)
    terms = read_terms(talk.wish, told["route"], answer)
    if told["as_json"]:
        show_json(terms.to_json())
    else:
        say(f"{terms.stand}: {terms.detail}", "bold")
        price = "" if terms.price is None else f"{plain(terms.price)} usd"
        until = terms.expires_at or ""
        facts = [("agreement", terms.agreement or ""), ("price", price), ("until", until)]
        show_facts([*facts, *(("because", one) for one in terms.reasons)])
    return terms.stand is Stand.ACCEPTED


async def execute(talk: Talk, told: dict[str, Any]) -> bool:
    """Have the work done."""
    manifest = await talk.providers.manifest(talk.manifest_url)
    job_id = uuid7(app.now_ms(), app.entropy(16))
    payload = execute_payload(talk.wish, told["route"], job_id, told["agreement"])
    answer = await talk.say(manifest.execute_url, EXECUTE, payload, EXECUTE_MS)
    envelope = _heard(answer, EVIDENCE)
    if told["as_json"]:
        show_json(dict(envelope.payload))
    else:
        show_items(dict(envelope.payload).get("outputs"), envelope.sender)
    return True


def _heard(answer: Answer, wanted: str) -> Envelope:
    """The envelope that was wanted. Raises ``Failed`` for anything else."""
    if isinstance(answer, Error):
        raise Failed(answer.detail)
    if not isinstance(answer, Said):
        raise Failed(answer.detail)
    if answer.envelope.msg_type != wanted:
        raise Failed(f"a {answer.envelope.msg_type} came, and no {wanted}")
    return answer.envelope
