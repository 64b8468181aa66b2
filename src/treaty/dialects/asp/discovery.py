"""Before a session: the registry QUERY and its signed INFORM (decisions B8, B19).

No session, no sequence, no proof; a chain of two messages from zeros, both signed. The answer
echoes the question's id, and its hash goes into the invitation as ``terms.discovery``.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from treaty.core.matching import PAGE_MAX, PRICE_FILTER, Candidate, Need, Page, Price
from treaty.dialects.asp.choices import SALT_BYTES
from treaty.dialects.asp.codec import compose, decode_pre_session, seal
from treaty.dialects.asp.messages import Envelope, Performative, Query
from treaty.errors import WireError, shown
from treaty.identity.keys import Signer
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical
from treaty.wire.digest import ZERO_TAG
from treaty.wire.ids import uuid7
from treaty.wire.money import decimal_number, number_to_json

_PRICE: Final = "maxPricePer"
_KNOWN: Final = frozenset(
    (
        "capability",
        "minTrustLevel",
        "minTrustScore",
        "schema",
        "protocol",
        "organization",
        "limit",
        "cursor",
        "currency",
    )
)


def read_query(raw: bytes) -> tuple[Envelope, Need]:
    """Decode a discovery question. Raises ``WireError``."""
    envelope = decode_pre_session(raw)
    body = envelope.body
    if not isinstance(body, Query):
        raise WireError(f"discovery is asked with QUERY, not {envelope.performative.value}")
    if envelope.previous_hash != ZERO_TAG:
        raise WireError("a discovery question begins a chain: previousHash is all zeros")
    if body.query_type != "capability":
        raise WireError(f"queryType {shown(body.query_type)} is not answered here")
    return envelope, read_need(body.parameters)


def read_need(parameters: Mapping[str, Json]) -> Need:
    """Read the filters of B19. An unknown one is refused: ignoring it would widen the answer."""
    unknown = [name for name in parameters if name not in _KNOWN and not name.startswith(_PRICE)]
    if unknown:
        raise WireError(f"filter {shown(unknown[0])} is not known")
    return Need(
        capability=fields.text_or(parameters, "capability"),
        min_level=fields.integer_or(parameters, "minTrustLevel", most=4),
        min_score=_score(parameters.get("minTrustScore")),
        max_price=_price(parameters),
        schema=fields.text_or(parameters, "schema"),
        protocol=fields.text_or(parameters, "protocol"),
        organization=fields.text_or(parameters, "organization"),
        limit=fields.integer_or(parameters, "limit", least=1, most=PAGE_MAX) or PAGE_MAX,
        after=read_cursor(fields.text_or(parameters, "cursor")),
    )


def _score(value: Json) -> Decimal | None:
    if value is None:
        return None
    score = decimal_number(value)
    if not 0 <= score <= 100:
        raise WireError(f"minTrustScore lies in 0 to 100, not {score}")
    return score


def _price(parameters: Mapping[str, Json]) -> Price | None:
    names = [name for name in parameters if name.startswith(_PRICE)]
    if not names:
        return None
    if len(names) > 1:
        raise WireError("one maximum price at a time")
    unit = names[0].removeprefix(_PRICE).lower()
    amount = decimal_number(parameters[names[0]])
    return Price(amount, unit, fields.text_or(parameters, "currency"))


def read_cursor(text: str | None) -> tuple[Decimal, str] | None:
    """Read an exclusive cursor ``<score>~<uri>``, as an answer gave it."""
    if text is None:
        return None
    score, mark, uri = text.partition("~")
    whole, _, part = score.partition(".")
    digits = score.isascii() and whole.isdigit() and (not part or part.isdigit())
    if not mark or not digits or len(score) > 8:
        raise WireError(f"cursor {shown(text)} is not one that was given out")
    return Decimal(score), fields.agent({"cursor": uri}, "cursor")


def page_to_json(page: Page, asked: Mapping[str, Json]) -> dict[str, Json]:
    """An answer's data: agents, totals, near misses, the next cursor (B19).

    A near miss names the filter as it was ``asked``, so that it can be left out or relaxed.
    """
    price = next((name for name in asked if name.startswith(_PRICE)), PRICE_FILTER)
    data: dict[str, Json] = {"agents": [_agent(one) for one in page.found]}
    data["totalResults" if page.exact else "atLeast"] = page.total
    if page.near_misses:
        data["nearMisses"] = [
            {
                "uri": miss.candidate.uri,
                "filter": price if miss.filter == PRICE_FILTER else miss.filter,
            }
            for miss in page.near_misses
        ]
    if page.more and page.found:
        last = page.found[-1]
        data["cursor"] = f"{last.score}~{last.uri}"
    return data


def _agent(candidate: Candidate) -> dict[str, Json]:
    return {
        "uri": candidate.uri,
        "trustScore": number_to_json(candidate.score),
        "trustLevel": candidate.level,
        "capabilities": list(candidate.capabilities),
        "pricing": dict(candidate.pricing),
    }


def compose_query(
    *,
    sender: Mapping[str, Json],
    parameters: Mapping[str, Json],
    subject: str,
    query_id: str,
    signer: Signer,
    at_ms: int,
    entropy: bytes,
) -> bytes:
    """A signed discovery question. ``entropy`` is 32 bytes."""
    document = compose(
        message_id=uuid7(at_ms, entropy[:16]),
        at_ms=at_ms,
        sender=sender,
        performative=Performative.QUERY,
        body={
            "queryId": query_id,
            "queryType": "capability",
            "subject": subject,
            "parameters": dict(parameters),
        },
        previous_hash=ZERO_TAG,
        salt=entropy[16 : 16 + SALT_BYTES],
    )
    return canonical(seal(document, signer))


def answer_query(
    question: Envelope, page: Page, *, signer: Signer, uri: str, at_ms: int, entropy: bytes
) -> bytes:
    """The registry's signed answer, chained to the question and echoing its id (B8)."""
    body = question.body
    assert isinstance(body, Query)
    data: dict[str, Any] = {"queryId": body.query_id, **page_to_json(page, body.parameters)}
    capability = body.parameters.get("capability", "any capability")
    document = compose(
        message_id=uuid7(at_ms, entropy[:16]),
        at_ms=at_ms,
        sender={"agentId": uri, "orgId": "registry", "trustScore": 100},
        performative=Performative.INFORM,
        body={
            "informType": "result",
            "subject": f"Discovery results for {capability}",
            "data": data,
        },
        previous_hash=question.hash,
        salt=entropy[16 : 16 + SALT_BYTES],
        recipient=question.sender,
    )
    return canonical(seal(document, signer))
