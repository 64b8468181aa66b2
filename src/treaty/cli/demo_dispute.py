"""The demo's story of a deal that goes wrong: a dispute, its evidence, and a ruling to the cent.

The buyer is not satisfied with what the provider claims. What both parties and the operator then
do are the commands ``treaty dispute file``, ``evidence`` and ``resolve``, run as processes of
their own, each with the key of whoever speaks. The escrow is split as ruled, and the deal file
holds the whole dispute.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treaty.cli.demo_frame import framed
from treaty.cli.demo_processes import run_command
from treaty.dialects.asp.acts import claimed_commitment
from treaty.dialects.asp.codec import decode
from treaty.dialects.asp.messages import Inform


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
    async with framed(out, as_json, examples, ("dispute",)) as scene:
        quarrel = Quarrel(scene.tables, scene.url, scene.home, scene.operator_key)
        await scene.play(lambda told: with_dispute(told, quarrel), config="dispute")
    scene.story.finish()


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
