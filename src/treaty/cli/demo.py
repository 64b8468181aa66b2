"""``treaty demo``: one real deal between three processes, and its offline proof.

A node (``treaty serve``), the provider Beta and the buyer Alpha are started as processes of
their own and speak HTTP on loopback; this process only starts them, signs what an operator
signs (Alpha's funds, Beta's attestation), shows what Alpha verified, and checks the deal file.
Then a price is agreed over the quote channel, by two more processes (``demo_quotes``), and a wish
is routed to the better of two providers, by three more (``demo_routes``).
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from treaty.cli.demo_processes import examples_folder

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
