"""The trust log: anyone reads it, agents endorse, others add to it (ASP B16, B18)."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from treaty.http.answers import json
from treaty.http.asking import CURSOR_MAX, Ask, Routes
from treaty.wire.canonical import read_json


async def extract(ask: Ask) -> Response:
    """Records ``from`` (inclusive) to ``to``, with proofs under a signed head.

    With ``size`` the log is read as it was when it had so many records.
    """
    start = ask.number("from", default=0)
    end = ask.number("to", default=CURSOR_MAX, least=start)
    size = ask.number("size", default=CURSOR_MAX)
    return json(await ask.node.trust.extract(start, end, None if size == CURSOR_MAX else size))


async def head(ask: Ask) -> Response:
    """The signed head of the log."""
    return json(ask.node.trust.head())


async def attest(ask: Ask) -> Response:
    """Take in an attestation signed by the operator."""
    return json(await ask.node.trust.attest(read_json(await ask.body())), 201)


async def endorse(ask: Ask) -> Response:
    """Take in an endorsement signed by the endorser."""
    return json(await ask.node.endorsements.endorse(read_json(await ask.body())), 201)


async def take(ask: Ask) -> Response:
    """Take in an outcome that another clearing reports: 201, or 200 when it was known."""
    record = read_json(await ask.body())
    answer, new = await ask.node.outcomes.report(record, ask.node.anchor)
    return json(answer, 201 if new else 200)


async def report(ask: Ask) -> Response:
    """Take in a violation that its own two signatures prove."""
    return json(await ask.node.violations.report(read_json(await ask.body())), 201)


ROUTES: Final[Routes] = {
    "/v1/trust/log": {"GET": extract, "HEAD": extract},
    "/v1/trust/log/head": {"GET": head, "HEAD": head},
    "/v1/trust/attestations": {"POST": attest},
    "/v1/trust/endorsements": {"POST": endorse},
    "/v1/trust/outcomes": {"POST": take},
    "/v1/trust/violations": {"POST": report},
}
