"""The demo's story of a deal that goes wrong: a dispute, its evidence, and a ruling to the cent.

The buyer is not satisfied with what the provider claims. What both parties and the operator then
do are the commands ``treaty dispute file``, ``evidence`` and ``resolve``, run as processes of
their own, each with the key of whoever speaks. The escrow is split as ruled, and the deal file
holds the whole dispute.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from treaty.cli.demo import (
    DEADLINE_S,
    events,
    expect,
    party,
    read_toml,
    run_command,
    running_node,
)
from treaty.cli.demo_story import Story
from treaty.dialects.asp.acts import claimed_commitment
from treaty.dialects.asp.codec import decode
from treaty.dialects.asp.messages import Inform

PARTIES: Final = ("alpha", "beta", "dispute")


@dataclass(frozen=True, slots=True)
class Quarrel:
    """Everybody's next word in the dispute, by command."""

    tables: Mapping[str, Mapping[str, Any]]
    url: str
    home: Path
    operator_key: Path

    async def settle(self, session: str) -> AsyncIterator[dict[str, Any]]:
        """File, show what there is to show, and rule; gives the dispute after each step."""
        told = self.tables["dispute"]
        complaint, ruling = told["complaint"], told["ruling"]
        filed = await self._by(
            "alpha", "file", session, "--reason", complaint["reason"],
            "--severity", complaint["severity"], "--statement", complaint["statement"],
        )  # fmt: skip
        yield {"event": "dispute", "step": "file", "dispute": filed}
        name = filed["disputeId"]
        for who, words in (("alpha", complaint["last"]), ("beta", told["answer"]["last"])):
            shown = await self._by(who, "evidence", name, "--statement", words, "--last")
            yield {"event": "dispute", "step": "evidence", "dispute": shown}
        ruled = await run_command(
            self.home, self.url, "dispute", "resolve", name,
            "--to-payee", str(ruling["to_payee"]), "--severity", str(ruling["severity"]),
            "--reason", str(ruling["reason"]), "--operator-key", str(self.operator_key),
        )  # fmt: skip
        yield {"event": "dispute", "step": "resolve", "dispute": ruled}

    async def _by(self, who: str, *words: object) -> dict[str, Any]:
        """A command of one party, with its own key."""
        home = self.home / ("buyer" if who == "alpha" else "provider")
        uri = str(self.tables[who]["agent"]["uri"])
        said = [str(word) for word in words]
        return await run_command(home, self.url, "dispute", *said, "--as", uri)


async def play(out: Path, as_json: bool, examples: Path) -> None:
    """Run the story: the deal, the quarrel about it, and the ruling."""
    configs = {name: examples / f"{name}.toml" for name in PARTIES}
    tables = {name: read_toml(path) for name, path in configs.items()}
    with tempfile.TemporaryDirectory(prefix="treaty-demo-") as scratch:
        home = Path(scratch)
        story = Story(as_json=as_json, out=out)
        async with asyncio.timeout(DEADLINE_S), AsyncExitStack() as stack:
            node = await stack.enter_async_context(running_node(home))
            url, operator = str(node["url"]), Path(str(node["operatorKey"]))
            await story.prepare(url, operator, tables["alpha"], tables["beta"])
            beta = party("provider", configs["beta"], url, out, home)
            provider = await stack.enter_async_context(beta)
            await expect(provider, "ready")
            alpha = party("buyer", configs["alpha"], url, out, home, str(configs["dispute"]))
            buyer = await stack.enter_async_context(alpha)
            quarrel = Quarrel(tables, url, home, operator)
            await story.play(with_dispute(events(buyer), quarrel), events(provider))
            await story.take_roots(url)
        story.finish()


async def with_dispute(
    told: AsyncIterator[dict[str, Any]], quarrel: Quarrel
) -> AsyncIterator[dict[str, Any]]:
    """What the buyer tells; once the provider claims to have delivered, they quarrel."""
    async for event in told:
        yield event
        if event.get("event") != "message" or not event.get("state"):
            continue
        body = decode(str(event["raw"]).encode()).body
        if isinstance(body, Inform) and claimed_commitment(body) is not None:
            async for step in quarrel.settle(str(event["session"])):
                yield step
