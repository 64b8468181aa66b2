"""Many sessions name one place as what their promises are measured by: it is asked as it bears."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.town import serving
from tests.http.pages import page, pages
from treaty import app
from treaty.http.targets import AT_ONCE
from treaty.wire.instants import format_instant

pytestmark = pytest.mark.anyio

SESSIONS = 3
DUTIES = 6
"""Of each session: together more checks than may be made at once."""
ONE, OTHER = "agent://acme.com/one", "agent://cloudprime.io/other"
PATIENCE_S = 120
"""Longer than the lease of a fetch that a node was killed in."""


def commitment(url: str) -> dict[str, Any]:
    """Duties without money, all to be checked at one place."""
    duty = {
        "party": OTHER,
        "action": "be up",
        "deadline": format_instant(app.now_ms() + 3_600_000),
        "verificationMethod": "health-check-endpoint",
        "verification": {"url": url},
    }
    return {
        "commitmentId": "cmt",
        "type": "service-agreement",
        "subject": "A service",
        "terms": {},
        "obligations": {f"part{number}": duty for number in range(DUTIES)},
    }


async def answer(other: Any, sessions: int) -> None:
    """Take so many invitations, one after another, and claim at once what is then agreed."""
    async for item in other.client.inbox(0):
        if item.kind != "invitation":
            continue
        deal = await other.join(item.body["session"], ONE)
        await deal.accept()
        await deal.introduce(other.card)
        await deal.until(lambda now: now.state == "AGREEING")
        await deal.accept()
        await deal.fulfil()
        sessions -= 1
        if not sessions:
            return


async def ask(one: Any, url: str) -> str:
    """A session in which the other is bound to be up; returns its id."""
    deal = await one.invite(OTHER, subject="Health")
    await deal.propose({"n": 1})
    await deal.commit(commitment(url))
    await deal.until(lambda now: now.state == "EXECUTING")
    return str(deal.id)


def readings(deal: Any) -> list[Any]:
    """What the host stated of its fetches, as statuses."""
    records = (item.record for item in deal.line.copy.items)
    return [one["data"]["status"] for one in records if one.get("fact") == "metric"]


@asynccontextmanager
async def life(home: Path, db: Path, port: int) -> AsyncIterator[str]:
    """A node that asks one host a few times and then every two seconds; killed at the end."""
    options = ("--allow-loopback", "--fetch-rate", "30/min", "--port", port)
    with serving(home, "--db", db, *options) as node:
        yield node["url"]
        os.kill(node["pid"], signal.SIGKILL)


async def test_each_check_is_made_once_in_its_turn_though_the_node_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, db = tmp_path / "home", tmp_path / "node.db"
    monkeypatch.setenv("TREATY_HOME", str(home))
    # Its proofs name its address, so each life has the same one.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with pages({"/up": page("yes")}) as target:
        async with (
            life(home, db, port) as url,
            app.Agent(ONE, node=url) as one,
            app.Agent(OTHER, node=url) as other,
        ):
            answering = asyncio.create_task(answer(other, SESSIONS))
            sessions = [await ask(one, f"{target.url}/up") for _ in range(SESSIONS)]
            await answering
            await _until_stated(one, sessions, AT_ONCE)
        # Another process has asked nobody yet; the checks that waited are in its store.
        async with life(home, db, port) as url, app.Agent(ONE, node=url) as one:
            await _until_stated(one, sessions, SESSIONS * DUTIES)
            for deal in [await one.resume(name) for name in sessions]:
                # Each was read once, nobody was found unable to answer.
                assert readings(deal) == [200] * DUTIES
                duties = deal.commitment().obligations
                assert {(duty.state.value, duty.failures) for duty in duties} == {("CLAIMED", 0)}


async def _until_stated(agent: Any, sessions: list[str], least: int) -> None:
    """Wait until the host has stated so many readings in all."""
    deals = [await agent.resume(name) for name in sessions]
    while sum(len(readings(deal)) for deal in deals) < least:
        waiting = [deal for deal in deals if len(readings(deal)) < DUTIES]
        await waiting[0].line.changed(waiting[0].conversation.position, timeout_s=PATIENCE_S)
