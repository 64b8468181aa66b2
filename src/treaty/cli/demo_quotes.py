"""The demo's second part: a price agreed over the quote channel, off chain, message by message.

A provider (``treaty serve --policy --mock``) and a buyer (``treaty quote loop``) are processes of
their own and speak HTTP on loopback. What the buyer verified is shown, and its deal file checked.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from treaty import app
from treaty.cli.demo_processes import examples_folder, expect, process
from treaty.cli.quote_steps import usdc
from treaty.cli.terminal import command
from treaty.core.deal import Report
from treaty.dialects.actp.chains import BASE_SEPOLIA
from treaty.wire.canonical import Json

OPENING_UNITS: Final = 500_000
SAYS: Final = {
    "agirails.quote.v1": ("quote", "quotedAmount", "provider", "the provider asks"),
    "agirails.counteroffer.v1": ("counter", "counterAmount", "consumer", "the consumer offers"),
    "agirails.counteraccept.v1": ("accept", "acceptedAmount", "provider", "the provider accepts"),
}
AGAIN: Final = "the provider counters the counter"
MARKS: Final = {"verified": ("✓", "green"), "failed": ("✗", "bold red")}


async def play(out: Path, console: Console | None, examples: Path) -> dict[str, Json]:
    """Negotiate, show it on ``console`` unless that is None, and tell what came of it."""
    with tempfile.TemporaryDirectory(prefix="treaty-quotes-") as scratch:
        told, provider = await _negotiate(Path(scratch), examples, out)
    deal_path = out / f"deal-actp-{told['negotiation'].rpartition('/')[2][2:14]}.json"
    _written(out).replace(deal_path)
    deal = json.loads(deal_path.read_bytes())
    report = app.verify(deal)
    if console is not None:
        _show(console, deal, report, deal_path)
    if not report.ok or told["status"] != "agreed":
        raise click.ClickException(f"the quote channel did not hold: {report.first_line}")
    return {
        "deal": str(deal_path),
        "provider": provider,
        "outcome": told,
        "verification": report.to_json(),
    }


def _written(out: Path) -> Path:
    return out / ".deal-actp.json"


async def _negotiate(scratch: Path, examples: Path, out: Path) -> tuple[dict[str, Any], str]:
    """Both processes; gives what the buyer printed, and the provider's account."""
    policies = [_example(examples, f"{role}-policy.yaml") for role in ("provider", "buyer")]
    keys = [{"TREATY_EVM_KEY": app.entropy(32).hex()} for _ in policies]
    sell = ["-m", "treaty.cli", "serve", "--policy", policies[0], "--mock", "--port", "0", "--json"]
    async with process(sell, scratch / "provider", keys[0]) as selling:
        listening = await expect(selling, "listening")
        buy = ["-m", "treaty.cli", "quote", "loop", "--endpoint", listening["url"], "--mock"]
        buy += ["--policy", policies[1], "--tx", f"0x{app.entropy(32).hex()}", "--json"]
        buy += ["--amount", str(OPENING_UNITS), "--out", str(_written(out).resolve())]
        async with process(buy, scratch / "buyer", keys[1]) as buying:
            assert buying.stdout is not None
            printed = await buying.stdout.read()
            if await buying.wait():
                raise click.ClickException("the buyer agreed on nothing; see the lines above")
    told = json.loads(printed)
    assert isinstance(told, dict)
    return told, f"did:ethr:{BASE_SEPOLIA}:{listening['provider']}"


def _example(examples: Path, name: str) -> str:
    path = examples / name
    return str(path if path.is_file() else examples_folder() / name)


def _show(console: Console, deal: dict[str, Any], report: Report, path: Path) -> None:
    head = Text("\nQUOTE     ", style="bold cyan")
    head.append("the same two roles agree a price off chain, each message signed (EIP-712)", "dim")
    console.print(head)
    hashes = zip(deal["messages"], deal["hashes"], strict=True)
    for number, (envelope, digest) in enumerate(hashes, start=1):
        console.print(_line(number, envelope, digest))
    call = deal["intended"]
    text = (
        f"      to commit on chain: {call['function']} with {call['newAmount']}; nothing was sent"
    )
    console.print(Text(text, style="yellow"))
    console.print(Text(f"\nVERIFY    offline: {report.first_line}", style="bold"))
    for claim in report.claims:
        mark, style = MARKS.get(claim.verdict.value, ("·", "dim"))
        line = Text(f"      {mark} ", style=style)
        line.append(f"{claim.name:<11}", style="bold")
        line.append(f"{claim.verdict.value}: {claim.detail}")
        console.print(line)
    console.print(Text(f"\nThe negotiation is in {path}:\n  {command()} verify {path}"))


def _line(number: int, envelope: dict[str, Any], digest: str) -> Text:
    message = envelope["message"]
    word, amount, role, says = SAYS[envelope["type"]]
    line = Text(f"{number:>3}  ")
    line.append(f"{message[role][-8:]:>9} ", style="bold")
    line.append(f"{word:<8}", style="green")
    line.append(f"{usdc(int(message[amount])):>11}  ", style="bold")
    line.append(f"{digest[2:10]}  ", style="dim")
    line.append(AGAIN if word == "quote" and number > 1 else says)
    return line
