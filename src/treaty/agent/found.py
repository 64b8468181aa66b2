"""What discovery found: the registry's signed answer, checked and read (decisions B8, B19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from treaty.dialects.asp.choices import SIGNING_PREFIX
from treaty.dialects.asp.codec import decode_pre_session
from treaty.dialects.asp.messages import Inform
from treaty.errors import WireError
from treaty.identity.envelopes import open_envelope
from treaty.identity.keys import PublicKey
from treaty.wire import fields
from treaty.wire.canonical import Json


@dataclass(frozen=True, slots=True)
class Found:
    """An agent that discovery found, as the registry lists it."""

    uri: str
    trust_score: Json
    trust_level: int
    capabilities: tuple[str, ...]
    pricing: Mapping[str, Json]
    discovery: tuple[bytes, bytes] | None = None
    """The signed question and answer it comes from."""


def read_answer(question: bytes, answer: bytes, registry: PublicKey) -> list[Found]:
    """Read the answer to a question, best first.

    Raises ``SignatureError`` when the registry did not sign it, ``WireError`` when it answers
    another question or is not of the form.
    """
    asked, said = decode_pre_session(question), decode_pre_session(answer)
    open_envelope(said.document, registry, prefix=SIGNING_PREFIX)
    body = said.body
    if not isinstance(body, Inform) or said.previous_hash != asked.hash:
        raise WireError("the registry answered another question")
    agents = fields.items(body.data, "agents")
    return [_found(one, (question, answer)) for one in agents if isinstance(one, dict)]


def _found(item: Mapping[str, Json], discovery: tuple[bytes, bytes]) -> Found:
    pricing = item.get("pricing")
    return Found(
        uri=fields.agent(item, "uri"),
        trust_score=item.get("trustScore"),
        trust_level=fields.integer(item, "trustLevel", most=4),
        capabilities=tuple(str(one) for one in fields.items(item, "capabilities")),
        pricing=pricing if isinstance(pricing, dict) else {},
        discovery=discovery,
    )
