"""The seed's exchange as a buyer keeps it, ready to be laid out as a deal file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.dialects.mrp.made import AT_MS, BUYER, SEED, payload
from treaty.dialects.mrp.codec import compose, decode_reply, encode
from treaty.dialects.mrp.deal import Line, make_deal
from treaty.dialects.mrp.decision import Heard, decide, record
from treaty.dialects.mrp.evidence import EVIDENCE_CLAIMS, SOURCES
from treaty.dialects.mrp.reading import read_discover, read_offers
from treaty.dialects.mrp.signing import sign
from treaty.identity.keys import Ed25519Signer

SELLER: Final = Ed25519Signer(b"\x21" * 32)
A: Final = f"service:treaty/{SELLER.key.key_id}"
B: Final = "service:global/summarize"
MANIFESTS: Final[Mapping[str, str]] = {
    A: "https://a.example/mrp/manifest",
    B: "https://b.example/mrp/manifest",
}
DECISION_ID: Final = "01941f29-7c00-7000-8000-000000000000"


class Exchange:
    """Says the messages of one exchange, one after the other, and keeps them."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self._count = 0

    def say(self, msg_type: str, body: Mapping[str, Any], provider: str, **more: Any) -> str:
        """The buyer says something; returns its msg_id."""
        return self._put(msg_type, body, provider, sender=BUYER, is_sent=True, **more)

    def hear(self, msg_type: str, body: Mapping[str, Any], provider: str, **more: Any) -> str:
        """A provider says something, signed when it is A and does more than offer."""
        return self._put(msg_type, body, provider, sender=provider, is_sent=False, **more)

    def _put(
        self, msg_type: str, body: Any, provider: str, *, sender: str, is_sent: bool, **more: Any
    ) -> str:
        self._count += 1
        at_ms = AT_MS + self._count
        other = provider if is_sent else BUYER
        document = compose(
            msg_type, body, sender=sender, receiver=other, at_ms=at_ms, entropy=bytes(10), **more
        )
        if sender == A and msg_type != "OFFER":
            document = sign(document, SELLER)
        self.lines.append(
            Line(
                raw=encode(document),
                is_sent=is_sent,
                manifest_url=MANIFESTS[provider],
                at_ms=at_ms,
            )
        )
        return str(document["msg_id"])


def evidence(job_id: str) -> dict[str, Any]:
    """The seed's evidence, of the job that was asked for."""
    return {**payload("evidence"), "job_id": job_id}


def seed_lines(*, negotiated: Mapping[str, Any] | None = None) -> list[Line]:
    """The seed's whole exchange with both providers; ``negotiated`` changes A's agreement."""
    talk, offered = Exchange(), dict[str, str]()
    for provider, offer in ((A, "offer_a"), (B, "offer_b")):
        asked = talk.say("DISCOVER", payload("discover"), provider)
        offered[provider] = talk.hear("OFFER", payload(offer), provider, in_reply_to=asked)
    put = talk.say("NEGOTIATE", payload("negotiate"), A, in_reply_to=offered[A])
    agreement = {
        "status": "accepted",
        "id": "agr-1",
        "price": 0.018,
        "expires_at": "2025-01-01T01:00:00.000Z",
        **(negotiated or {}),
    }
    terms = payload("negotiate")
    terms["constraints"]["agreement"] = agreement
    agreed = talk.hear("NEGOTIATE", terms, A, in_reply_to=put)
    job = {"id": "job-1", "intent": "summarize pricing", "agreement": "agr-1"}
    order = talk.say("EXECUTE", payload("execute", job=job), A, in_reply_to=agreed)
    talk.hear("EVIDENCE", evidence("job-1"), A, in_reply_to=order)
    return talk.lines


def seed_record(lines: list[Line], **changes: Any) -> dict[str, Any]:
    """The record a buyer makes of the seed's exchange."""
    wanted = read_discover(decode_reply(lines[0].raw)[0])
    heard = [
        Heard(provider=provider, offer=offer)
        for provider, line in ((A, lines[1]), (B, lines[3]))
        for offer in read_offers(decode_reply(line.raw)[0])
    ]
    made = record(wanted, decide(wanted, heard), decision_id=DECISION_ID, at_ms=AT_MS)
    inputs = SEED["discover"]["payload"]["inputs"]
    return {
        **made,
        "status": "done",
        "inputs": inputs,
        "allowed_domains": ["example.com"],
        "output_format": "markdown",
        "job_id": "job-1",
        "evidence_msg_id": decode_reply(lines[-1].raw)[0].msg_id,
        "provider_keys": [SELLER.key.jwk()],
        "negotiation": {
            "status": "accepted",
            "detail": "the provider agrees",
            "agreement": "agr-1",
            "price": "0.018",
            "expires_at": "2025-01-01T01:00:00.000Z",
        },
        "claims": [
            {"name": name, "verdict": "verified", "detail": ""}
            for name in EVIDENCE_CLAIMS
            if name != SOURCES
        ],
        **changes,
    }


def seed_deal(**changes: Any) -> dict[str, Any]:
    """The seed as a deal file."""
    lines = seed_lines()
    return make_deal(seed_record(lines, **changes), lines)


def lost_deal() -> dict[str, Any]:
    """Offer B alone, which nobody takes, as a deal file."""
    talk = Exchange()
    asked = talk.say("DISCOVER", payload("discover"), B)
    talk.hear("OFFER", payload("offer_b"), B, in_reply_to=asked)
    wanted = read_discover(decode_reply(talk.lines[0].raw)[0])
    (offer,) = read_offers(decode_reply(talk.lines[1].raw)[0])
    decided = decide(wanted, [Heard(provider=B, offer=offer)])
    made = record(wanted, decided, decision_id=DECISION_ID, at_ms=AT_MS)
    return make_deal({**made, "status": "no_winner"}, talk.lines)
