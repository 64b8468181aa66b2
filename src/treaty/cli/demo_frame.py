"""The frame of every story of the demo: a node, its two parties in processes, and what they tell.

    async with framed(out, as_json, examples) as scene:
        await scene.play()
    scene.story.finish()

Read next: ``demo_story``, which tells what happened.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from treaty.cli.demo_processes import DEADLINE_S, events, expect, party, read_toml, running_node
from treaty.cli.demo_story import Story

Told: TypeAlias = AsyncIterator[dict[str, Any]]


def _as_told(told: Told) -> Told:
    return told


@dataclass(frozen=True, slots=True)
class Scene:
    """A node with funds and an attestation, and the provider ready."""

    story: Story
    tables: Mapping[str, Mapping[str, Any]]
    """The parties' files, by name."""
    examples: Path
    out: Path
    url: str
    operator_key: Path
    home: Path
    """Where everybody has a home."""
    provider: asyncio.subprocess.Process

    async def play(
        self,
        beside: Callable[[Told], Told] = _as_told,
        *,
        config: str | None = None,
        aborts: bool = False,
    ) -> None:
        """Let the buyer buy, and keep the roots.

        ``beside`` adds to what the buyer tells what others do meanwhile; ``config`` names one more
        file that the buyer reads; ``aborts`` when somebody ends the deal.
        """
        more = () if config is None else (str(self.examples / f"{config}.toml"),)
        alpha = self.examples / "alpha.toml"
        async with party("buyer", alpha, self.url, self.out, self.home, *more) as buyer:
            told, provided = beside(events(buyer)), events(self.provider)
            await self.story.play(told, provided, aborts=aborts)
            await self.story.take_roots(self.url)


@asynccontextmanager
async def framed(
    out: Path, as_json: bool, examples: Path, more: Sequence[str] = ()
) -> AsyncIterator[Scene]:
    """Set a scene, and stop every process at its end; ``more`` names further files to read."""
    tables = {name: read_toml(examples / f"{name}.toml") for name in ("alpha", "beta", *more)}
    with tempfile.TemporaryDirectory(prefix="treaty-demo-") as scratch:
        home = Path(scratch)
        story = Story(as_json=as_json, out=out)
        async with asyncio.timeout(DEADLINE_S), AsyncExitStack() as stack:
            node = await stack.enter_async_context(running_node(home))
            url, operator_key = str(node["url"]), Path(str(node["operatorKey"]))
            await story.prepare(url, operator_key, tables["alpha"], tables["beta"])
            beta = party("provider", examples / "beta.toml", url, out, home)
            provider = await stack.enter_async_context(beta)
            await expect(provider, "ready")
            yield Scene(story, tables, examples, out, url, operator_key, home, provider)
