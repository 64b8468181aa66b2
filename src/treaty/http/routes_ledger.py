"""The clearing: the operator moves money in and out, owners see their accounts (ASP B13, B18)."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from treaty.http.answers import json
from treaty.http.asking import Ask, Routes
from treaty.http.feeds import check_owner
from treaty.wire.canonical import read_json


async def transfer(ask: Ask) -> Response:
    """Carry out a transfer signed by the operator; the answer is the account."""
    return json(await ask.node.clearing.transfer(read_json(await ask.body())), 201)


async def statement(ask: Ask) -> Response:
    """The accounts of an agent, for itself and for the operator."""
    key = await ask.reader()
    agent = ask.agent()
    if key != ask.node.identity.operator:
        check_owner(ask.node, agent, key)
    return json(await ask.node.clearing.statement(agent))


ROUTES: Final[Routes] = {
    "/v1/ledger/transfers": {"POST": transfer},
    "/v1/ledger/accounts/{agent}": {"GET": statement},
}
