"""The processes of ``treaty demo``: started, listened to, and ended by their own handles."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click

DEADLINE_S: Final = 60.0
"""The whole demo, at the most."""
STOP_S: Final = 5.0
LINE_BYTES_MAX: Final = 1 << 20


def examples_folder() -> Path:
    """The example files: inside the installed package, or beside the sources."""
    packaged = Path(__file__).parents[1] / "examples"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "examples"


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
