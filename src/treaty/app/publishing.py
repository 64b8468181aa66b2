"""Publishing a provider's manifest at a registry: asked for, proven, verified.

What ``treaty publish`` needs. Read next: ``treaty.engine.publications``, the other end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from treaty.errors import Refused, TreatyError, UnavailableError, WireError, shown
from treaty.identity.keys import Ed25519Signer
from treaty.identity.records import seal
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.hosts import read_url

ANSWER_BYTES_MAX: Final = 262_144
WORDS_CHARS_MAX: Final = 200
OK: Final = 200


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a registry wants to see, and where."""

    token: str
    expected: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishPlan:
    """What ``treaty publish`` was told."""

    manifest_url: str
    registry: str
    node: str | None = None
    """The node that serves the manifest, where its operator's key is at hand."""
    operator: Ed25519Signer | None = None
    wait_s: float = 300.0
    poll_s: float = 5.0


Tell = Callable[[str], None]


async def publish(
    plan: PublishPlan, on_challenge: Callable[[Challenge], None], on_wait: Tell
) -> Mapping[str, Json]:
    """Publish a manifest, and wait until it is verified; returns the registry's entry.

    With the operator's key the node is told to serve the text, else somebody else has to. Raises
    ``Refused`` and ``UnavailableError``.
    """
    from treaty.http.guarded import GuardedClient

    # Both addresses are the user's own words, so they may be anywhere.
    origins = {read_url(plan.registry).origin}
    if plan.node is not None:
        origins.add(read_url(plan.node).origin)
    client = GuardedClient(trusted=origins)
    try:
        asking = _Asking(client)
        challenge = await _submit(asking, plan)
        if plan.operator is not None and plan.node is not None:
            await _put_up(asking, plan.node, challenge, plan.operator)
        on_challenge(challenge)
        return await _verified(asking, plan, challenge, on_wait)
    finally:
        await client.close()


class _Asking:
    """Plain JSON to places the user named."""

    def __init__(self, client: object) -> None:
        from treaty.http.guarded import GuardedClient

        assert isinstance(client, GuardedClient)
        self._client = client

    async def __call__(self, url: str, body: Mapping[str, Json]) -> tuple[int, dict[str, Json]]:
        answer = await self._client.fetch(
            url,
            method="POST",
            headers={"content-type": "application/json", "accept": "application/json"},
            body=canonical(dict(body)),
            bytes_max=ANSWER_BYTES_MAX,
            redirects_max=0,
        )
        try:
            value = read_json(answer.body)
        except WireError:
            value = {"error": answer.body.decode("utf-8", "replace")[:WORDS_CHARS_MAX]}
        return answer.status, value if isinstance(value, dict) else {}


async def _submit(asking: _Asking, plan: PublishPlan) -> Challenge:
    url = f"{plan.registry.rstrip('/')}/mrp/registry/submit"
    status, answer = await asking(url, {"manifest_url": plan.manifest_url})
    if status != OK:
        raise Refused(f"the registry does not take it ({status}): {_words(answer)}")
    try:
        challenge = fields.obj(answer, "challenge")
        return Challenge(
            fields.text(answer, "token"),
            fields.text(challenge, "expected"),
            fields.text(challenge, "url"),
        )
    except WireError as error:
        raise UnavailableError(f"the registry gives no challenge: {error.detail}") from None


async def _put_up(
    asking: _Asking, node: str, challenge: Challenge, operator: Ed25519Signer
) -> None:
    body: dict[str, Json] = {"token": challenge.token, "expected": challenge.expected}
    url = f"{node.rstrip('/')}/mrp/registry/challenges"
    status, answer = await asking(url, seal("challenge", body, operator))
    if status not in (OK, 201):
        raise Refused(f"the node does not serve the text ({status}): {_words(answer)}")


async def _verified(
    asking: _Asking, plan: PublishPlan, challenge: Challenge, on_wait: Tell
) -> Mapping[str, Json]:
    url = f"{plan.registry.rstrip('/')}/mrp/registry/verify"
    words = "it was not asked"
    try:
        async with asyncio.timeout(plan.wait_s):
            while True:
                try:
                    status, answer = await asking(url, {"token": challenge.token})
                except TreatyError as error:
                    status, answer = 0, {"error": error.detail}
                if status == OK:
                    entry = answer.get("entry", answer)
                    return entry if isinstance(entry, dict) else answer
                words = _words(answer)
                on_wait(words)
                await asyncio.sleep(plan.poll_s)
    except TimeoutError:
        detail = f"not verified within {plan.wait_s:g} s: {words}"
        raise UnavailableError(detail, "challenge_not_found") from None


def _words(answer: Mapping[str, Json]) -> str:
    """What a registry says went wrong, as a stranger's text."""
    said = answer.get("error") or answer.get("message")
    return shown(said) if said is not None else "without a word"
