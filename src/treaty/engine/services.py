"""The provider's service desk: terms agreed and work carried out, everything durable.

A negotiation is one decision: the terms are judged, the reply is signed and written, then it
leaves. An execution is two: the job is written with the agreement it uses up; when the work has
ended, its signed answer is written, and whoever waits is woken. Between the two the work goes on
beside everything else, whether its asker waits or has left.

Laws:

1. A refused message changes nothing and uses nothing up.
2. An agreement is good for one job, of the principal it was made with; both are written in one
   unit.
3. A repeat under the same idempotency key is given the same bytes, before and after a restart.
4. Work that had not ended when the node went down is begun again, or ends as failed where it
   must not be done twice: it is never lost.
5. Open jobs and open agreements are bounded, for everybody and for one principal.

Read next: ``agreements`` and ``jobs`` for the streams, ``once`` for repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from treaty.engine.agreements import AGREED, COUNTERED, Agreement, Agreements, agreement_stream
from treaty.engine.agreements import TASK as AGREEMENT_TASK
from treaty.engine.artifacts import ERASE_TASK as ARTIFACT_TASK
from treaty.engine.artifacts import Artifacts
from treaty.engine.capability import Call, Capability, Item, Result
from treaty.engine.desk import Desk
from treaty.engine.inputs import Inputs
from treaty.engine.jobs import ACCEPTED, CANCELED, DONE, ERASE_TASK, FAILED, Job, Jobs, job_stream
from treaty.engine.losses import Losses
from treaty.engine.once import Once
from treaty.engine.outbox import Handler
from treaty.engine.ports import Unit
from treaty.engine.service_dialect import Asked, Order, Record, ServiceDialect, Serving
from treaty.engine.transaction import Transaction
from treaty.errors import Refused, TreatyError, UnavailableError
from treaty.wire.ids import uuid7

OPEN_MAX: Final = 256
"""Jobs that have not ended."""
OPEN_EACH_MAX: Final = 128
"""The same of one holder: a principal, or an address of those who prove nothing."""
WAITED_MS: Final = 57_000
"""How long work may take whose asker waits: their client gives up after a minute."""
UNWAITED_MS: Final = 900_000
"""How long work may take whose asker does not wait."""
RETRY_MS: Final = 1_000
LOOK_S: Final = 5.0
"""How often somebody who waits for a job looks again without being woken."""


@dataclass(frozen=True, slots=True)
class _Bound:
    """The agreement an execution uses up."""

    ident: str | None
    is_named: bool


class Services:
    """What one provider agrees to and carries out."""

    def __init__(self, desk: Desk, serving: Serving) -> None:
        self.serving = serving
        self.dialect: Any = serving.dialect
        self.jobs = Jobs(desk)
        self.agreements = Agreements(desk)
        self.artifacts = Artifacts(desk)
        self.losses = Losses(desk)
        self._dialect: ServiceDialect = serving.dialect
        self._desk = desk
        self._inputs = Inputs(self.artifacts, serving.fetcher)
        self._once = Once(desk.store, self._dialect.conflict)

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """What the outbox does for it."""
        return {
            AGREEMENT_TASK: self.agreements.expire,
            ARTIFACT_TASK: self.artifacts.erase,
            ERASE_TASK: self.jobs.erase,
        }

    async def start(self) -> None:
        """Load what is open, and begin again what had not ended."""
        await self.agreements.load()
        await self.artifacts.load()
        await self.losses.load(tuple(self.serving.capabilities))
        for key in await self.jobs.load():
            self.serving.worker.start(key, partial(self._resume, key))

    async def note(self, asked: Asked) -> None:
        """Use up what a message carries that does nothing else; without any, nothing waits.

        Raises ``Refused`` where some of it was used before.
        """
        marks = self._once.marks(asked)
        if not marks:
            return
        try:
            await self._desk.store.commit(Unit(nonces=marks))
        except Refused as refusal:
            raise await self._once.refusal(asked, refusal) from None

    async def negotiate(self, asked: Asked) -> bytes:
        """Answer terms that are put to us; the reply is signed and durable.

        Raises ``Refused`` with the reasons; then nothing has changed.
        """
        known = await self._once.known(asked)
        if known is not None:
            return (await self.agreements.find(known)).reply.encode()
        named, _ = self._dialect.named_agreement(asked)
        before = await self.agreements.find(named or "")
        countered = before.terms if self._answers_counter(before, asked) else None
        ident = self._dialect.agreement_id(asked)
        try:
            decide = partial(self._agree, asked, ident, countered)
            return await self._desk.transact((agreement_stream(ident),), decide)
        except Refused as refusal:
            known = await self._once.known(asked)
            if refusal.code == "proof_replayed" and known is not None:
                return (await self.agreements.find(known)).reply.encode()
            raise await self._once.refusal(asked, refusal) from None

    def _answers_counter(self, before: Agreement, asked: Asked) -> bool:
        """True for terms that answer a counter of ours to the same principal, in its time."""
        is_theirs = before.status == COUNTERED and before.principal == asked.principal
        return is_theirs and asked.at_ms < before.expires_ms

    def _agree(
        self, asked: Asked, ident: str, before: Record | None, transaction: Transaction
    ) -> bytes:
        terms = self._dialect.terms(asked, before)
        if terms.is_agreed:
            self.agreements.check_place(asked.principal, asked.at_ms)
        reply = self._dialect.terms_reply(asked, terms)
        agreement = Agreement(
            AGREED if terms.is_agreed else COUNTERED,
            terms.record,
            reply.decode(),
            asked.principal,
            terms.expires_ms,
        )
        self.agreements.write(transaction, ident, agreement, self._dialect.binding(asked))
        self._once.use(transaction, asked, ident)
        return reply

    async def execute(self, asked: Asked) -> Job:
        """Take work on, and begin it; for a repeat, the job there is.

        Raises ``Refused``; then nothing has changed.
        """
        known = await self._once.known(asked)
        if known is not None:
            return await self._job(known)
        bound = await self._bound(asked)
        name = self._dialect.job_id(asked)
        try:
            return await self._take_on(asked, bound, await self._free(name))
        except Refused as refusal:
            if refusal.code != "proof_replayed":
                raise
            # The same message won the race, or another job took the name.
            known = await self._once.known(asked)
            if known is not None:
                return await self._job(known)
            told = await self._once.refusal(asked, refusal)
            if told is not refusal:
                raise told from None
        return await self._take_on(asked, bound, None)

    async def _bound(self, asked: Asked) -> _Bound:
        """The agreement that is named, else the only one it can be."""
        named, is_sure = self._dialect.named_agreement(asked)
        # What is answered need not be an agreement: it may be an offer.
        if named is not None and (is_sure or (await self.agreements.find(named)).status):
            return _Bound(named, True)
        return _Bound(self.agreements.only(self._dialect.binding(asked)), False)

    async def _free(self, name: str | None) -> str | None:
        """The name the asker gives its job, unless it is taken."""
        return None if name is None or await self.jobs.is_named(name) else name

    async def _take_on(self, asked: Asked, bound: _Bound, free: str | None) -> Job:
        key = uuid7(asked.at_ms, self._desk.entropy(16))
        streams = [job_stream(key)]
        if bound.ident is not None:
            streams.append(agreement_stream(bound.ident))
        decide = partial(self._accept, asked, bound, key, free)
        job, order = await self._desk.transact(streams, decide)
        self.serving.worker.start(key, partial(self._carry_out, job, order))
        return job

    def _accept(
        self, asked: Asked, bound: _Bound, key: str, free: str | None, transaction: Transaction
    ) -> tuple[Job, Order]:
        agreement = self._usable(bound, asked, transaction)
        order = self._dialect.order(asked, agreement.terms if agreement else None)
        self._check_open(asked.principal)
        job = self._new_job(asked, order, key, free)
        self.jobs.accept(transaction, job, self._dialect.raw(asked), takes_name=free is not None)
        if agreement is not None and bound.ident is not None:
            self.agreements.use(transaction, bound.ident, key)
        self._once.use(transaction, asked, key)
        return job, order

    def _new_job(self, asked: Asked, order: Order, key: str, free: str | None) -> Job:
        # A name is found again for whoever took it first; who waits is answered under their own.
        name = order.job_id if free is not None or not order.is_async else None
        told = name or (key if order.is_async else None)
        return Job(
            key,
            ACCEPTED,
            asked.principal,
            name or key,
            order.is_async,
            self.serving.capabilities[order.capability].retention_days or 0,
            {**order.record, "jobId": told},
            asked.at_ms,
        )

    def _usable(self, bound: _Bound, asked: Asked, transaction: Transaction) -> Agreement | None:
        """The agreement, if it may be used now; one that was only found may be left alone."""
        if bound.ident is None:
            return None
        agreement: Agreement = transaction.state(agreement_stream(bound.ident))
        refusal: Refused | None = None
        if not agreement.is_agreed or agreement.principal != asked.principal:
            refusal = Refused("no agreement of yours has this id", self._dialect.agreement_unknown)
        elif agreement.used_by is not None:
            refusal = Refused("the agreement was used", self._dialect.agreement_used)
        elif asked.at_ms >= agreement.expires_ms:
            refusal = Refused("the agreement's time is over", self._dialect.agreement_expired)
        if refusal is not None and bound.is_named:
            raise refusal
        return agreement if refusal is None else None

    def _check_open(self, principal: str) -> None:
        total, own = self.jobs.open_of(principal)
        if total >= OPEN_MAX or own >= OPEN_EACH_MAX:
            detail = f"{own if own >= OPEN_EACH_MAX else total} jobs are open"
            raise Refused(detail, "capacity_unavailable", data={"retryAfterMs": RETRY_MS})

    async def _resume(self, key: str) -> None:
        """Begin again what a stop of the node has interrupted."""
        job = await self._job(key)
        try:
            order = self._dialect.read_order(await self.jobs.order(key), job.record)
            capability = self.serving.capabilities[order.capability]
            if not capability.repeatable:
                detail = "the node stopped while this was done; whether it was is not known"
                raise UnavailableError(detail, "capability_failed")
        except TreatyError as error:
            await self._end(job, FAILED, error)
            return
        await self._carry_out(job, order)

    async def _carry_out(self, job: Job, order: Order) -> None:
        """Do the work and write its answer down; raises nothing but what the store raises."""
        capability = self.serving.capabilities.get(order.capability)
        limit_ms = UNWAITED_MS if job.is_async else WAITED_MS
        try:
            if capability is None:
                raise Refused("this capability is no longer offered", "not_found")
            work = self._work(capability, order, limit_ms)
            result: Result = await self.serving.worker.within(limit_ms, work)
        except TreatyError as error:
            await self._end(job, FAILED, error)
            return
        await self._end(job, DONE, result)

    async def _work(self, capability: Capability, order: Order, limit_ms: int) -> Result:
        inputs = await self._inputs.read(order.inputs, capability.inputs, order.allowed_domains)
        return await capability.execute(self._call(order, inputs, limit_ms))

    def _call(self, order: Order, inputs: tuple[Item, ...], limit_ms: int) -> Call:
        return Call(
            intent=order.intent,
            inputs=inputs,
            fetcher=self.serving.fetcher,
            at_ms=self._desk.clock(),
            output_format=order.output_format,
            allowed_domains=order.allowed_domains,
            max_cost=order.max_cost,
            deadline_ms=limit_ms,
        )

    async def _end(self, job: Job, status: str, outcome: Result | TreatyError) -> None:
        at_ms, entropy = self._desk.clock(), self._desk.entropy(32)
        if isinstance(outcome, TreatyError):
            answer = self._dialect.failure(job.record, outcome, at_ms, entropy)
        else:
            try:
                answer = self._dialect.evidence(job.record, outcome, at_ms, entropy)
            except TreatyError as error:
                # What a capability gave back cannot be said, such as a number beyond JSON's.
                status = FAILED
                answer = self._dialect.failure(job.record, error, at_ms, entropy)
        decide = partial(self._write_end, job.key, status, answer, at_ms)
        await self._desk.transact((job_stream(job.key),), decide)

    def _write_end(
        self, key: str, status: str, answer: bytes, at_ms: int, transaction: Transaction
    ) -> None:
        self.jobs.end(transaction, key, status, answer, at_ms)

    async def ended(self, job: Job) -> tuple[Job, bytes]:
        """Wait until a job has ended; returns it with its answer, empty once that was erased."""
        watch = self._desk.watch(job_stream(job.key))
        try:
            while not job.has_ended:
                job = await self._job(job.key)
                if not job.has_ended:
                    await watch.wait(LOOK_S)
        finally:
            watch.close()
        return job, await self.jobs.answer(job.key)

    async def find(self, name: str) -> Job:
        """A job by its key or name. Raises ``Refused``."""
        job = await self.jobs.find(name)
        if not job.status:
            raise Refused("there is no such job", self._dialect.job_unknown)
        return job

    async def cancel(self, name: str, principal: str | None) -> Job:
        """Give a job up; one that has ended stays as it is.

        ``principal`` is None for somebody who shows the job's id and nothing else. Raises
        ``Refused`` for an unknown job, and for somebody else's.
        """
        job = await self.find(name)
        if principal is not None and principal != job.principal:
            raise Refused("there is no such job", self._dialect.job_unknown)
        if not job.has_ended:
            decide = partial(self._write_end, job.key, CANCELED, b"", self._desk.clock())
            await self._desk.transact((job_stream(job.key),), decide)
            self.serving.worker.stop(job.key)
        return await self._job(job.key)

    async def _job(self, key: str) -> Job:
        job: Job = await self._desk.state(job_stream(key))
        return job
