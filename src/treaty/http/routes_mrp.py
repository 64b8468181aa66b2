"""MRP: hello, discover, negotiate, execute, and what becomes of jobs (2, 6, 9).

A DISCOVER is a read: nothing of it is kept, unless it brings something that is good once. An
EXECUTE is answered when its work has ended, within a minute; its asker may also say that it does
not wait. Several messages may come as one array under ``application/mrp-batch+json``.

Read next: ``treaty.engine.services`` for what is done.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from treaty.dialects.mrp import choices as mrp
from treaty.dialects.mrp import codec
from treaty.dialects.mrp.answering import Request
from treaty.dialects.mrp.messages import Envelope
from treaty.engine.jobs import DONE, Job
from treaty.engine.service_dialect import Asked, Mark
from treaty.engine.services import UNWAITED_MS, Services
from treaty.errors import (
    MisuseError,
    Refused,
    SignatureError,
    TreatyError,
    WireError,
    shown,
)
from treaty.http.asking import Ask, Handler, Routes
from treaty.http.limits import read_body
from treaty.http.mrp_answers import (
    Said,
    allowed,
    envelope,
    error_body,
    failed,
    made_status,
    said_status,
    salvage,
)
from treaty.http.problems import as_error
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.digest import sha256

ANSWER_S: Final = 58.0
"""How long somebody waits for work at most, the time it waits for its turn included."""
WAIT_MS: Final = 5_000
"""When to look again for work nobody waits for."""
STATES: Final[Mapping[str, str]] = {
    "accepted": "running",
    "done": "completed",
    "failed": "failed",
    "canceled": "canceled",
}

_JSON_MEDIA: Final = re.compile(r"application/(?:[a-z0-9.+_-]+\+)?json", re.IGNORECASE)


def services_of(ask: Ask) -> Services:
    """The provider's side of the node."""
    services = ask.node.services
    if services is None:
        raise MisuseError("a node without capabilities has no routes of MRP")
    return services


def client_of(ask: Ask) -> str:
    """The address a request came from."""
    client = ask.scope.get("client")
    return client[0] if client else ""


async def _posted(ask: Ask, endpoint: str) -> Response | Said:
    """One message, or an array of them."""
    raw = b""
    try:
        is_batch = _check_media(ask)
        most = mrp.BATCH_BYTES_MAX if is_batch else mrp.ENVELOPE_BYTES_MAX
        raw = await read_body(ask.scope, ask.receive, ask.ticket, most)
        if is_batch and raw.lstrip()[:1] == b"[":
            return await _batch(ask, raw, endpoint)
        document = codec.read_document(raw)
    except TreatyError as error:
        return failed(ask.node, error, salvaged=salvage(raw))
    body, failure = await _answer(ask, document, raw, endpoint)
    if failure is not None:
        return envelope(body, said_status(ask.node, failure))
    # The end of a job may be an ERROR too, made when it ended.
    status = made_status(ask.node, body) if endpoint == "execute" else 200
    return Said(body) if status == 200 else envelope(body, status)


def _check_media(ask: Ask) -> bool:
    """Whether a body says it is a batch. Raises ``WireError`` where it is not said to be JSON.

    A form of a web page cannot say so: no page makes its visitor's browser ask for work here.
    """
    stated = b""
    for name, value in ask.scope["headers"]:
        if name == b"content-type":
            stated = value
            break
    return _is_batch(stated)


@lru_cache(maxsize=256)
def _is_batch(stated: bytes) -> bool:
    media = stated.decode("latin-1").partition(";")[0].strip()
    if _JSON_MEDIA.fullmatch(media) is None:
        detail = f"a message is {mrp.ENVELOPE_MEDIA} or application/json, not {shown(media)}"
        raise WireError(detail, "unsupported_media_type")
    return media.lower() == mrp.BATCH_MEDIA


async def _batch(ask: Ask, raw: bytes, endpoint: str) -> Response:
    """Answer every message of an array, in its order; one that is none spoils only itself."""
    items = read_json(raw, size_max=mrp.BATCH_BYTES_MAX, depth_max=mrp.DEPTH_MAX)
    if not isinstance(items, list) or len(items) > mrp.BATCH_ENVELOPES_MAX:
        raise WireError(f"a batch is a list of at most {mrp.BATCH_ENVELOPES_MAX} messages")
    if endpoint == "execute":
        _let_run(ask)
    answers = await asyncio.gather(*(_item(ask, one, endpoint) for one in items))
    return envelope(b"[%s]" % b",".join(answers), media_type=mrp.BATCH_MEDIA)


async def _item(ask: Ask, item: Json, endpoint: str) -> bytes:
    if not isinstance(item, dict):
        error = WireError(f"an envelope is a JSON object, not {shown(item)}")
        return error_body(ask.node, error)
    answer, _ = await _answer(ask, item, canonical(item), endpoint)
    return answer


async def _answer(
    ask: Ask, document: Mapping[str, Json], raw: bytes, endpoint: str
) -> tuple[bytes, TreatyError | None]:
    """The answer to one message, and the error it says, if it says one."""
    services, read = services_of(ask), None
    try:
        read = services.dialect.read(document, raw, endpoint)
        return await _ANSWERS[endpoint](ask, services, read), None
    except TreatyError as error:
        failure = error
    except Exception as error:  # noqa: BLE001 - this is the rim: logged, and told apart.
        failure = as_error(error)
    return error_body(ask.node, failure, to=read, salvaged=document), failure


async def _hello(ask: Ask, services: Services, read: Envelope) -> bytes:
    desk = ask.node.desk
    at_ms = desk.clock()
    request = services.dialect.judge(read, "hello", client_of(ask), at_ms)
    made: bytes = services.dialect.hello(request, at_ms, desk.entropy(16))
    return made


async def _discover(ask: Ask, services: Services, read: Envelope) -> bytes:
    desk = ask.node.desk
    at_ms = desk.clock()
    request: Request = services.dialect.judge(read, "discover", client_of(ask), at_ms)
    if request.standing.used:
        await services.note(_asked(ask, request, "discover", at_ms))
    named = ask.query.get("capability") if ask.scope["query_string"] else None
    made: bytes = services.dialect.offer(request, named, at_ms, desk.entropy(16))
    return made


async def _negotiate(ask: Ask, services: Services, read: Envelope) -> bytes:
    at_ms = ask.node.desk.clock()
    request = services.dialect.judge(read, "negotiate", client_of(ask), at_ms)
    return await services.negotiate(_asked(ask, request, "negotiate", at_ms))


async def _execute(ask: Ask, services: Services, read: Envelope) -> bytes:
    at_ms = ask.node.desk.clock()
    request = services.dialect.judge(read, "execute", client_of(ask), at_ms)
    job = await services.execute(_asked(ask, request, "execute", at_ms))
    if job.is_async:
        # A repeat is told the same in the same bytes.
        chance = sha256(b"accepted/" + job.key.encode())
        dialect = services.dialect
        made: bytes = dialect.job_accepted(job.record, job.key, WAIT_MS, job.accepted_ms, chance)
        return made
    _let_run(ask)
    try:
        async with asyncio.timeout(ANSWER_S):
            job, answer = await services.ended(job)
    except TimeoutError:
        raise Refused("the work has not ended in time", "timeout") from None
    return answer or _state(ask, services, job)


def _let_run(ask: Ask) -> None:
    """From here on a request waits for work: it holds no place among those that are answered."""
    if not ask.ticket.streaming:
        ask.ticket.start_stream()


def _asked(ask: Ask, request: Request, endpoint: str, at_ms: int) -> Asked:
    principal = request.standing.principal
    if not principal.startswith("from:"):
        ask.ticket.gate.admit_principal(principal, client_of(ask))
    return Asked(
        message=request,
        principal=principal,
        endpoint=endpoint,
        digest=services_of(ask).dialect.digest(request),
        idempotency_key=request.envelope.idempotency_key,
        marks=tuple(
            Mark(scope=one.scope, key=one.key, until_ms=one.until_ms, reason=one.reason)
            for one in request.standing.used
        ),
        at_ms=at_ms,
        entropy=ask.node.desk.entropy(32),
    )


_ANSWERS: Final[Mapping[str, Any]] = {
    "hello": _hello,
    "discover": _discover,
    "negotiate": _negotiate,
    "execute": _execute,
}


# Jobs.


async def status(ask: Ask) -> Response:
    """How a job stands; its answer once it has ended."""
    services = services_of(ask)
    job = await _job(ask, ask.params["job"], bearer(ask))
    answer = await services.jobs.answer(job.key) if job.has_ended else b""
    return envelope(answer or _state(ask, services, job))


async def posted_json(ask: Ask, bytes_max: int) -> tuple[dict[str, Json], bytes]:
    """A body that says it is JSON and is one object, and its bytes. Raises ``WireError``."""
    _check_media(ask)
    raw = await read_body(ask.scope, ask.receive, ask.ticket, bytes_max)
    return codec.read_document(raw), raw


async def cancel(ask: Ask) -> Response:
    """Give a job up: ``{"job_id"}``, alone or as the payload of an envelope."""
    services = services_of(ask)
    document, raw = await posted_json(ask, mrp.ENVELOPE_BYTES_MAX)
    principal = shown_by = None
    if "payload" in document:
        read = codec.decode_document(document, raw, services.dialect.profile)
        principal = _canceler(ask, services, read)
        document = dict(read.payload)
    else:
        shown_by = bearer(ask, is_enough=False)
    name = document.get("job_id")
    if not isinstance(name, str):
        raise WireError(f"job_id must be a text, not {shown(name)}")
    if principal is None:
        await _job(ask, name, shown_by)
    return envelope(_state(ask, services, await services.cancel(name, principal)))


def _canceler(ask: Ask, services: Services, read: Envelope) -> str:
    dialect, at_ms = services.dialect, ask.node.desk.clock()
    standing = dialect.authority.standing(
        read, "cancel", provider=dialect.provider, address=client_of(ask), at_ms=at_ms
    )
    principal: str = standing.principal
    return principal


def bearer(ask: Ask, *, is_enough: bool = True) -> str | None:
    """Hold a request without envelope against the mode: a job's id is enough, unless it is not.

    Where tokens are wanted, one is wanted here too, and its principal is returned. Raises
    ``SignatureError`` and ``Refused``.
    """
    authority = services_of(ask).dialect.authority
    if authority.mode == "bearer":
        scheme, _, token = (ask.headers.get("authorization") or "").partition(" ")
        if scheme.lower() != "bearer":
            raise SignatureError("this provider wants a bearer token", mrp.AUTH_MISSING)
        principal: str = authority.bearer(token.strip(), "execute")
        return principal
    if authority.mode == "signed" and not is_enough:
        raise SignatureError("this provider wants a signed envelope", mrp.AUTH_MISSING)
    return None


async def _job(ask: Ask, name: str, principal: str | None) -> Job:
    """A job by its key, which nobody guesses, or by the name it was given by who asks.

    ``principal`` is whose token came with the request. Raises ``Refused``.
    """
    job = await services_of(ask).find(name)
    is_own = job.principal == principal or job.principal.startswith(f"from:{client_of(ask)}/")
    if name != job.key and not is_own:
        raise Refused("there is no such job", mrp.JOB_UNKNOWN)
    return job


async def stream(ask: Ask) -> ASGIApp:
    """The pieces of a job's answer, one envelope a line, as soon as there are any."""
    services = services_of(ask)
    job = await _job(ask, ask.params["job"], bearer(ask))
    ask.ticket.start_stream()
    return _Stream(ask, services, job)


class _Stream:
    """The answer to whoever reads the stream of a job."""

    def __init__(self, ask: Ask, services: Services, job: Job) -> None:
        self._ask = ask
        self._services = services
        self._job = job

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Wait for the work, then say what it brought."""
        headers = [
            (b"content-type", mrp.BATCH_MEDIA.encode()),
            (b"cache-control", b"no-store"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            async with asyncio.timeout(UNWAITED_MS / 1000):
                job, answer = await self._services.ended(self._job)
            lines = self._lines(job, answer)
        except TimeoutError:
            late = Refused("the work has not ended in time", "timeout")
            lines = [error_body(self._ask.node, late)]
        await send({"type": "http.response.body", "body": b"\n".join((*lines, b""))})

    def _lines(self, job: Job, answer: bytes) -> list[bytes]:
        if job.status != DONE or not answer:
            return [answer or _state(self._ask, self._services, job)]
        evidence = codec.read_evidence(codec.decode(answer))
        items: list[Json] = [dict(one.document) for one in evidence.outputs]
        items = items or [{"type": "text", "value": ""}]
        desk, dialect = self._ask.node.desk, self._services.dialect
        return [
            dialect.chunk(
                job.record,
                job.job_id,
                number,
                item,
                is_final=number == len(items) - 1,
                at_ms=desk.clock(),
                entropy=desk.entropy(16),
            )
            for number, item in enumerate(items)
        ]


def _state(ask: Ask, services: Services, job: Job) -> bytes:
    """A JOB_STATUS; of a job whose answer was erased it is all there is."""
    desk = ask.node.desk
    made: bytes = services.dialect.job_status(
        job.record, job.job_id, STATES[job.status], desk.clock(), desk.entropy(16)
    )
    return made


def _at(endpoint: str) -> Handler:
    async def answer(ask: Ask) -> ASGIApp:
        response = await _posted(ask, endpoint)
        allowance = ask.ticket.gate.allowance(client_of(ask))
        return response if allowance is None else allowed(response, allowance)

    return answer


def said(handler: Handler) -> Handler:
    """A handler whose answers say what is left of the asker's rate."""

    async def answer(ask: Ask) -> ASGIApp:
        response = await handler(ask)
        allowance = ask.ticket.gate.allowance(client_of(ask))
        return response if allowance is None else allowed(response, allowance)

    return answer


ROUTES: Final[Routes] = {
    **{f"/mrp/{name}": {"POST": _at(name)} for name in _ANSWERS},
    "/mrp/status/{job}": {"GET": said(status), "HEAD": said(status)},
    "/mrp/cancel": {"POST": said(cancel)},
    "/mrp/stream/{job}": {"GET": stream},
}
