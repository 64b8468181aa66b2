"""A provider's side of MRP: requests read and judged, terms answered, work ordered.

A message at the wrong place is refused by its type before anything of it is believed.

Read next: ``authority``, ``offering`` and ``terms`` for the judgements, ``answering`` for what is
said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp import codec, terms
from treaty.dialects.mrp.answering import Answers, Members, Request
from treaty.dialects.mrp.authority import Authority, Standing
from treaty.dialects.mrp.choices import Profile
from treaty.dialects.mrp.machine import PLACES
from treaty.dialects.mrp.messages import Envelope, Execute, Item, Negotiate
from treaty.dialects.mrp.offering import Offering, Route
from treaty.errors import Refused, WireError, shown
from treaty.identity.keys import Signer
from treaty.wire.canonical import Json, canonical
from treaty.wire.digest import content_tag, sha256
from treaty.wire.ids import uuid7
from treaty.wire.instants import format_instant
from treaty.wire.money import number_to_json


class Asking(Protocol):
    """A request as the engine holds it."""

    @property
    def message(self) -> Request:
        """Ours."""

    @property
    def principal(self) -> str:
        """Who asks."""

    @property
    def at_ms(self) -> int:
        """When."""

    @property
    def entropy(self) -> bytes:
        """For ids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """An answer to terms, as the engine keeps it."""

    record: Mapping[str, Json]
    expires_ms: int
    is_agreed: bool
    agreed: terms.Agreed = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Work to be done, as the engine hands it out."""

    capability: str
    intent: str
    inputs: tuple[Item, ...]
    output_format: str | None
    allowed_domains: tuple[str, ...]
    max_cost: Decimal | None
    is_async: bool
    job_id: str | None
    record: Mapping[str, Json]


class MRP(Answers):
    """One provider: its name, its key, what it offers and whom it serves."""

    conflict = mrp.IDEMPOTENCY_CONFLICT
    agreement_unknown = mrp.AGREEMENT_UNKNOWN
    agreement_used = mrp.AGREEMENT_USED
    agreement_expired = mrp.AGREEMENT_EXPIRED
    job_unknown = mrp.JOB_UNKNOWN

    def __init__(
        self,
        signer: Signer,
        offering: Offering,
        authority: Authority,
        *,
        profile: Profile = Profile.COMPAT,
    ) -> None:
        super().__init__(signer)
        self.offering = offering
        self.authority = authority
        self.profile = profile

    # Reading.

    def read(self, document: Mapping[str, Json], raw: bytes, endpoint: str) -> Envelope:
        """Read a message that was posted at an endpoint. Raises ``WireError``."""
        envelope = codec.decode_document(document, raw, self.profile)
        wanted = PLACES[endpoint].takes
        if envelope.msg_type != wanted:
            detail = f"{shown(envelope.msg_type)} is not for /mrp/{endpoint}, which takes {wanted}"
            raise WireError(detail, mrp.TYPE_UNEXPECTED)
        return envelope

    def judge(self, envelope: Envelope, endpoint: str, address: str, at_ms: int) -> Request:
        """Find out who asks, and read the payload.

        Raises ``SignatureError``, ``Refused`` and ``WireError``.
        """
        standing = Standing(f"from:{address}/{envelope.sender}")
        if endpoint != "hello":
            standing = self.authority.standing(
                envelope, endpoint, provider=self.provider, address=address, at_ms=at_ms
            )
        version = codec.common_version(envelope.version)
        return Request(
            envelope=envelope, body=_payload(envelope), standing=standing, version=version
        )

    @staticmethod
    def digest(request: Request) -> str:
        """SHA-256 of the payload, by which a repeat under an idempotency key is known."""
        return sha256(canonical(dict(request.envelope.payload))).hex()

    # HELLO and DISCOVER.

    def hello(self, request: Request, at_ms: int, entropy: bytes) -> bytes:
        """The answer to a HELLO: what is spoken here."""
        payload: Members = {
            "schemas": [mrp.VERSION],
            "proofs": list(self.offering.proofs),
            "capabilities": list(self.offering.names),
            "manifest_url": "/mrp/manifest",
            "auth_methods": [str(self.authority.mode)],
        }
        return codec.encode(self.reply(request, mrp.HELLO, payload, at_ms, entropy))

    def offer(self, request: Request, named: str | None, at_ms: int, entropy: bytes) -> bytes:
        """The answer to a DISCOVER; ``named`` is the capability the address names."""
        offers = self.offering.encoded(request.envelope.payload, named)
        return self.reply_bytes(request, mrp.OFFER, b'{"offers":%s}' % offers, at_ms, entropy)

    # NEGOTIATE.

    def terms(self, asked: Asking, before: Mapping[str, Json] | None) -> Answered:
        """Answer terms. Raises ``Refused`` with its reasons."""
        body = asked.message.body
        assert isinstance(body, Negotiate)
        agreed = terms.agree(body, self.route(body.route_id), before)
        return Answered(
            record=agreed.record,
            expires_ms=asked.at_ms + terms.LIFE_MS,
            is_agreed=agreed.status == terms.ACCEPTED,
            agreed=agreed,
        )

    def terms_reply(self, asked: Asking, answered: Answered) -> bytes:
        """The signed NEGOTIATE that answers a NEGOTIATE; its id is the agreement's."""
        record, body = answered.record, asked.message.body
        agreement: Members = {
            "status": answered.agreed.status,
            "id": self.agreement_id(asked),
            "expires_at": format_instant(answered.expires_ms),
            "price": number_to_json(Decimal(str(record["price"]))),
            "unit": record["unit"],
        }
        payload: Members = {
            "route_id": record["routeId"],
            "constraints": {**answered.agreed.constraints, "agreement": agreement},
            "proofs": list(body.proofs),
        }
        return self.signed(asked.message, mrp.NEGOTIATE, payload, asked.at_ms, asked.entropy)

    @staticmethod
    def agreement_id(asked: Asking) -> str:
        """The id of the reply, which is made of the same time and chance."""
        return uuid7(asked.at_ms, asked.entropy)

    # EXECUTE.

    @staticmethod
    def named_agreement(asked: Asking) -> tuple[str | None, bool]:
        """``job.agreement``, which can name nothing else, else what the message replies to."""
        envelope, body = asked.message.envelope, asked.message.body
        named = body.job.get("agreement") if isinstance(body, Execute) else None
        if named is not None and not isinstance(named, str):
            raise WireError(f"job.agreement must be a text, not {shown(named)}")
        return (named, True) if named is not None else (envelope.in_reply_to, False)

    @staticmethod
    def binding(asked: Asking) -> str | None:
        """By whom, for which route, on which inputs; None for terms that name no inputs."""
        body = asked.message.body
        if not body.inputs:
            return None
        return content_tag([asked.principal, body.route_id, terms.inputs_tag(body.inputs)])

    @staticmethod
    def job_id(asked: Asking) -> str | None:
        """How the asker calls its job. Raises ``WireError``."""
        return terms.read_job_id(asked.message.body.job)

    @staticmethod
    def raw(asked: Asking) -> bytes:
        """The message as received."""
        return asked.message.envelope.raw

    def order(self, asked: Asking, agreed: Mapping[str, Json] | None) -> Work:
        """The work that is asked for, within what was agreed. Raises ``Refused``."""
        request = asked.message
        body = request.body
        assert isinstance(body, Execute)
        route = self.route(body.route_id)
        terms.check_execution(body, route.ability, route.id, agreed)
        price = terms.price_of(agreed, route.ability)
        record: Members = {
            "routeId": route.id,
            "receiver": request.envelope.sender,
            "inReplyTo": request.envelope.msg_id,
            "trace": None if request.envelope.trace is None else dict(request.envelope.trace),
            "version": request.version,
            "price": str(price),
            "unit": route.ability.cost_unit,
            "format": body.output_format,
            "allowedDomains": list(terms.domains_of(agreed)),
            "attestations": list(route.ability.proofs),
        }
        return self._work(route, body, record)

    def read_order(self, raw: bytes, record: Mapping[str, Json]) -> Work:
        """The work again, from the message that was kept. Raises ``WireError``, ``Refused``."""
        body = codec.read_execute(codec.decode(raw, self.profile))
        return self._work(self.route(body.route_id), body, record)

    def _work(self, route: Route, body: Execute, record: Mapping[str, Json]) -> Work:
        intent = body.job.get("intent")
        return Work(
            capability=route.ability.name,
            intent=intent[: mrp.TEXT_CHARS_MAX] if isinstance(intent, str) else "",
            inputs=body.inputs,
            output_format=body.output_format,
            allowed_domains=terms.domains_of(record),
            max_cost=Decimal(str(record["price"])),
            is_async=terms.is_async(body.job),
            job_id=terms.read_job_id(body.job),
            record=record,
        )

    def route(self, ident: str) -> Route:
        """One of our routes. Raises ``Refused``."""
        route = self.offering.by_id.get(ident)
        if route is None:
            raise Refused(f"there is no route {shown(ident)} here", mrp.ROUTE_UNKNOWN)
        return route


def _payload(envelope: Envelope) -> Negotiate | Execute | None:
    if envelope.msg_type == mrp.NEGOTIATE:
        return codec.read_negotiate(envelope)
    return codec.read_execute(envelope) if envelope.msg_type == mrp.EXECUTE else None
