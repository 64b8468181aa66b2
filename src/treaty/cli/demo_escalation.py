"""The demo's story of a decision: an agent reaches the end of its mandate and asks a person.

Beside the processes of the deal there is one more home with one more key: the person's. What she
sees and does are the commands ``treaty inbox`` and ``treaty inbox decide``, run as processes of
their own. The session waits meanwhile, and her decision is a signed message in it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from treaty.cli.demo_frame import framed
from treaty.cli.demo_processes import run_command
from treaty.dialects.asp.codec import decode
from treaty.dialects.asp.messages import Escalate


class Person:
    """Somebody at a keyboard, with a home and a key of her own."""

    def __init__(self, table: Mapping[str, Any], url: str, home: Path) -> None:
        self._table = table
        self._url = url
        self._home = home
        self.uri = str(table["agent"]["uri"])

    async def run(self, *words: str) -> dict[str, Any]:
        """One ``treaty`` command, and the JSON it prints."""
        return await run_command(self._home, self._url, *words)

    async def register(self) -> None:
        """Make her key and her card."""
        agent = self._table["agent"]
        name, organisation = str(agent["name"]), str(agent["organization"])
        await self.run("agent", "new", self.uri, "--name", name, "--organization", organisation)

    async def decide(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Look what waits, and decide it."""
        listed = await self.run("inbox", "--as", self.uri)
        (waiting,) = (one for one in listed["waiting"] if one["kind"] == "decision")
        said = self._table["decision"]
        words = (waiting["id"], str(said["decision"]), "--note", str(said["note"]))
        return waiting, await self.run("inbox", "decide", *words, "--as", self.uri)


async def play(out: Path, as_json: bool, examples: Path) -> None:
    """Run the story: the deal, and the decision in the middle of it."""
    async with framed(out, as_json, examples, ("finance",)) as scene:
        person = Person(scene.tables["finance"], scene.url, scene.home / "finance")
        await person.register()
        aborts = _aborts(scene.tables["finance"])
        await scene.play(lambda told: with_person(told, person), config="finance", aborts=aborts)
    scene.story.finish()


def _aborts(table: Mapping[str, Any]) -> bool:
    return str(table["decision"]["decision"]) == "abort"


async def with_person(
    told: AsyncIterator[dict[str, Any]], person: Person
) -> AsyncIterator[dict[str, Any]]:
    """What the buyer tells; when it has called for her, the person decides."""
    async for event in told:
        yield event
        if event.get("event") != "message" or not event.get("state"):
            continue
        if isinstance(decode(str(event["raw"]).encode()).body, Escalate):
            waiting, decision = await person.decide()
            yield {"event": "decision", "waiting": waiting, "decision": decision}
