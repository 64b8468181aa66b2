"""``treaty demo``: one real deal between three processes, and its offline proof.

A node (``treaty serve``), the provider Beta and the buyer Alpha are started as processes of
their own and speak HTTP on loopback; this process only starts them, signs what an operator
signs (Alpha's funds, Beta's attestation), shows what Alpha verified, and checks the deal file.
Then a price is agreed over the quote channel, by two more processes (``demo_quotes``), and a wish
is routed to the better of two providers, by three more (``demo_routes``).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

DEADLINE_S: Final = 60.0
"""The whole demo, at the most."""
STOP_S: Final = 5.0
LINE_BYTES_MAX: Final = 1 << 20
STORIES: Final = {
    "deal": "treaty.cli.demo:play_deal",
    "escalation": "treaty.cli.demo_escalation:play",
    "dispute": "treaty.cli.demo_dispute:play",
}
"""Name -> who plays it; a story's module is imported when it is asked for."""


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("treaty-demo"),
    show_default=True,
    help="Folder for the deal files and the roots.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
@click.option(
    "--examples",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with other figures: alpha.toml, beta.toml, routing.toml and the rest.",
)
@click.option(
    "--story",
    type=click.Choice(tuple(STORIES)),
    default="deal",
    show_default=True,
    help="Which story: a plain deal, one in which a person decides, or one that goes wrong.",
)
def demo(out: Path, as_json: bool, examples: Path | None, story: str) -> None:
    """Watch two agents make a real deal through a real node, then verify it offline."""
    out.mkdir(parents=True, exist_ok=True)
    module, _, name = STORIES[story].partition(":")
    play = getattr(import_module(module), name)
    asyncio.run(play(out, as_json, examples or examples_folder()))


def examples_folder() -> Path:
    """The example files: inside the installed package, or beside the sources."""
    packaged = Path(__file__).parents[1] / "examples"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "examples"


async def play_deal(out: Path, as_json: bool, examples: Path) -> None:
    """Run the plain story: one deal, then a price over the quote channel, then a routed wish."""
    from treaty.cli import demo_quotes, demo_routes
    from treaty.cli.demo_frame import framed

    async with framed(out, as_json, examples) as scene:
        await scene.play()
    parts = {"quotes": demo_quotes.play, "routes": demo_routes.play}
    if as_json:
        told = {name: await play(out, None, examples) for name, play in parts.items()}
        scene.story.finish(told)
        return
    scene.story.finish()
    for play in parts.values():
        await play(out, scene.story.console, examples)


def read_toml(path: Path) -> dict[str, Any]:
    """A party's file; its figures are exact."""
    with path.open("rb") as file:
        return tomllib.load(file, parse_float=Decimal)


@asynccontextmanager
async def running_node(scratch: Path) -> AsyncIterator[Mapping[str, Any]]:
    """A node process on a free port; gives the line it prints when it listens."""
    db = str(scratch / "node.db")
    command = ["-m", "treaty.cli", "serve", "--port", "0", "--db", db, "--json"]
    async with process(command, scratch) as running:
        yield await expect(running, "listening")


@asynccontextmanager
async def party(
    role: str, config: Path, url: str, out: Path, scratch: Path, *more: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """One party of the deal, in a process and a home of its own."""
    command = ["-m", "treaty.cli.demo_parties", role, str(config), url, str(out), *more]
    async with process(command, scratch / role) as running:
        yield running


@asynccontextmanager
async def process(
    arguments: list[str], home: Path, more: Mapping[str, str] | None = None
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run Python with these arguments; stopped at the end, by its own handle."""
    environment = {**os.environ, "TREATY_HOME": str(home), "PYTHONUNBUFFERED": "1", **(more or {})}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env=environment,
        limit=LINE_BYTES_MAX,
    )
    try:
        yield process
    finally:
        await _stop(process)


async def run_command(home: Path, url: str, *words: str) -> dict[str, Any]:
    """One ``treaty`` command as a process of its own, and the JSON it prints."""
    command = ["-m", "treaty.cli", *words, "--node", url, "--json"]
    async with process(command, home) as running:
        assert running.stdout is not None
        out = await running.stdout.read()
        code = await running.wait()
    if code != 0:
        raise click.ClickException(f"`treaty {' '.join(words)}` ended with {code}")
    told = json.loads(out)
    assert isinstance(told, dict)
    return told


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()


async def events(process: asyncio.subprocess.Process) -> AsyncIterator[dict[str, Any]]:
    """The JSON lines a process prints, until it ends."""
    assert process.stdout is not None
    while line := await process.stdout.readline():
        event = json.loads(line)
        if isinstance(event, dict):
            yield event


async def expect(running: asyncio.subprocess.Process, name: str) -> dict[str, Any]:
    """Wait for one event, or say that the process ended without it."""
    async for event in events(running):
        if event.get("event") == name:
            return event
        if event.get("event") == "failed":
            raise click.ClickException(str(event.get("detail")))
    raise click.ClickException(f"a process ended before it was {name}; see the lines above")
