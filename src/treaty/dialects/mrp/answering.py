"""What a provider says: answers composed, signed where they bind it, errors included.

Laws:

1. What is answered names what it answers, goes to who asked, repeats its trace, and is in the
   form of both profiles; it is never null anywhere and never repeats a request's id.
2. What promises something or tells of work is signed: NEGOTIATE, EVIDENCE, and all about jobs.
3. What is our own fault is said without particulars.

Read next: ``serving``, which decides what is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, Protocol, TypeAlias

from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp import codec, signing
from treaty.dialects.mrp.authority import Standing
from treaty.dialects.mrp.messages import Envelope
from treaty.errors import TreatyError
from treaty.identity.keys import Signer
from treaty.wire.canonical import Json, canonical
from treaty.wire.ids import uuid7
from treaty.wire.instants import format_instant
from treaty.wire.money import number_to_json

SENDERS_MAX: Final = 1_024
Members: TypeAlias = dict[str, Json]


class Made(Protocol):
    """One output of work."""

    @property
    def type(self) -> str:
        """The type of item."""

    def document(self) -> Members:
        """The item as JSON."""


class Outcome(Protocol):
    """What work brought; the engine's record is one."""

    @property
    def outputs(self) -> Sequence[Made]:
        """The outputs."""

    @property
    def citations(self) -> Sequence[str]:
        """URLs they rest on."""

    @property
    def source_hashes(self) -> Sequence[str]:
        """Hashes of what was found there."""

    @property
    def usage(self) -> Mapping[str, Json]:
        """What it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A message that was posted, with its payload read and its sender known."""

    envelope: Envelope
    body: Any
    """``Negotiate`` or ``Execute``; None for the others, which are answered from the payload."""
    standing: Standing
    version: str
    """The version to answer in."""


class Answers:
    """The voice of one provider."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.provider = provider_id(signer)
        self._sender = canonical(self.provider)

    def evidence(
        self, record: Mapping[str, Json], result: Outcome, at_ms: int, entropy: bytes
    ) -> bytes:
        """The signed EVIDENCE of work that was done."""
        provenance: Members = {
            "source_hashes": list(result.source_hashes),
            "citations": list(result.citations),
            "timestamp": format_instant(at_ms),
            "request_id": record["inReplyTo"],
        }
        payload: Members = {
            "route_id": record["routeId"],
            "job_id": record.get("jobId"),
            "outputs": [_output(one, record.get("format")) for one in result.outputs],
            "provenance": provenance,
            "attestations": record["attestations"],
            "usage": {
                **result.usage,
                "amount": number_to_json(Decimal(str(record["price"]))),
                "currency": record["unit"],
            },
        }
        stated: Members = {name: one for name, one in payload.items() if one is not None}
        return self._told(record, mrp.EVIDENCE, stated, at_ms, entropy)

    def failure(
        self, record: Mapping[str, Json], error: TreatyError, at_ms: int, entropy: bytes
    ) -> bytes:
        """The signed ERROR of work that failed."""
        return self._told(record, mrp.ERROR, error_payload(error), at_ms, entropy)

    def job_accepted(
        self, record: Mapping[str, Json], key: str, wait_ms: int, at_ms: int, entropy: bytes
    ) -> bytes:
        """The answer to somebody who does not wait."""
        payload: Members = {
            "job_id": record["jobId"],
            "status": "accepted",
            "status_url": f"/mrp/status/{key}",
            "estimated_wait_ms": wait_ms,
        }
        return self._told(record, mrp.JOB_ACCEPTED, payload, at_ms, entropy)

    def job_status(
        self, record: Mapping[str, Json], job_id: str, status: str, at_ms: int, entropy: bytes
    ) -> bytes:
        """How a job stands, to whoever knows its id."""
        payload: Members = {"job_id": job_id, "status": status}
        return self._told(record, mrp.JOB_STATUS, payload, at_ms, entropy)

    def chunk(
        self,
        record: Mapping[str, Json],
        stream_id: str,
        sequence: int,
        item: Json,
        *,
        is_final: bool,
        at_ms: int,
        entropy: bytes,
    ) -> bytes:
        """One piece of an answer."""
        payload: Members = {
            "stream_id": stream_id,
            "sequence": sequence,
            "final": is_final,
            "chunk": item,
        }
        return self._told(record, mrp.STREAM_CHUNK, payload, at_ms, entropy)

    def reply(
        self, request: Request, msg_type: str, payload: Members, at_ms: int, entropy: bytes
    ) -> Members:
        """The answer to a request, unsigned."""
        envelope = request.envelope
        return codec.compose(
            msg_type,
            payload,
            sender=self.provider,
            at_ms=at_ms,
            entropy=entropy,
            receiver=envelope.sender,
            in_reply_to=envelope.msg_id,
            trace=envelope.trace,
            version=request.version,
        )

    def reply_bytes(
        self, request: Request, msg_type: str, payload: bytes, at_ms: int, entropy: bytes
    ) -> bytes:
        """The same in bytes, for a payload that is canonical already."""
        envelope, trace = request.envelope, request.envelope.trace
        msg_id = canonical(envelope.msg_id)
        return (
            b'{"in_reply_to":%s,"mrp_version":"%s","msg_id":"%s","msg_type":"%s","payload":%s,'
            b'"receiver":{"id":%s},"sender":{"id":%s},"timestamp":"%s"%s}'
        ) % (
            msg_id,
            request.version.encode("ascii"),
            uuid7(at_ms, entropy).encode("ascii"),
            msg_type.encode("ascii"),
            payload,
            _quoted(envelope.sender),
            self._sender,
            format_instant(at_ms).encode("ascii"),
            b"" if trace is None else b',"trace":' + canonical(dict(trace)),
        )

    def signed(
        self, request: Request, msg_type: str, payload: Members, at_ms: int, entropy: bytes
    ) -> bytes:
        """The answer to a request, signed."""
        return self._sealed(self.reply(request, msg_type, payload, at_ms, entropy))

    def _told(
        self,
        record: Mapping[str, Json],
        msg_type: str,
        payload: Members,
        at_ms: int,
        entropy: bytes,
    ) -> bytes:
        """An answer to an EXECUTE, from what was kept of it."""
        trace = record.get("trace")
        document = codec.compose(
            msg_type,
            payload,
            sender=self.provider,
            at_ms=at_ms,
            entropy=entropy,
            receiver=str(record["receiver"]),
            in_reply_to=str(record["inReplyTo"]),
            trace=trace if isinstance(trace, dict) else None,
            version=str(record["version"]),
        )
        return self._sealed(document)

    def _sealed(self, document: Members) -> bytes:
        return codec.encode(signing.sign(document, self.signer))

    def error(
        self,
        error: TreatyError,
        at_ms: int,
        entropy: bytes,
        *,
        envelope: Envelope | None = None,
        salvaged: Mapping[str, Json] | None = None,
    ) -> bytes:
        """An ERROR to a message, or to what can be made out of something that is none."""
        sender, msg_id, trace, version = _whereto(envelope, salvaged or {})
        document = codec.compose(
            mrp.ERROR,
            error_payload(error, caused_by=msg_id),
            sender=self.provider,
            at_ms=at_ms,
            entropy=entropy,
            receiver=sender,
            in_reply_to=msg_id,
            trace=trace,
            version=version,
        )
        return codec.encode(document)


@lru_cache(maxsize=SENDERS_MAX)
def _quoted(sender: str) -> bytes:
    """A sender's id as JSON: the same few ask again and again."""
    return canonical(sender)


def provider_id(signer: Signer) -> str:
    """The name of a provider: that of its key, so that its evidence can be checked by its name."""
    return f"service:treaty/{signer.key.key_id}"


def error_payload(error: TreatyError, *, caused_by: str | None = None) -> Members:
    """The payload of an ERROR: code, words, and the reason with its particulars in ``details``.

    What is our own fault is said without particulars.
    """
    is_ours = error.code == "internal"
    details: Members = {} if is_ours else {**error.data}
    wait_ms = details.pop("retryAfterMs", None)
    details["reason"] = error.code
    if caused_by is not None:
        details["caused_by"] = caused_by
    payload: Members = {
        "code": mrp.error_code(error.reason),
        "message": "the provider made a mistake" if is_ours else error.detail,
        "retryable": error.reason.transient,
        "details": details,
    }
    if isinstance(wait_ms, int):
        payload["retry_after_ms"] = wait_ms
    return payload


def status_of(error: TreatyError) -> int:
    """The HTTP status of an ERROR in strict mode (2)."""
    return mrp.STATUSES[mrp.error_code(error.reason)]


def _output(made: Made, wanted: Json) -> Members:
    document = made.document()
    if wanted == mrp.MARKDOWN and made.type == mrp.TEXT:
        document["type"] = mrp.MARKDOWN
    return document


def _whereto(
    envelope: Envelope | None, salvaged: Mapping[str, Json]
) -> tuple[str | None, str | None, Mapping[str, Json] | None, str]:
    """Whom to answer, what, and in which version, as far as that can be made out."""
    if envelope is not None:
        version = codec.common_version(envelope.version)
        return envelope.sender, envelope.msg_id, envelope.trace, version
    sender = salvaged.get("sender")
    named = sender.get("id") if isinstance(sender, dict) else None
    msg_id = salvaged.get("msg_id")
    return (
        _bounded(named, mrp.NAME_CHARS_LEAST),
        _bounded(msg_id, mrp.MSG_ID_CHARS_LEAST),
        None,
        mrp.VERSION,
    )


def _bounded(value: Json, least: int) -> str | None:
    if not isinstance(value, str) or not least <= len(value) <= mrp.ID_CHARS_MAX:
        return None
    # A lone surrogate can be read leniently, and be written by nobody.
    return value if value == value.encode("utf-8", "replace").decode() else None
