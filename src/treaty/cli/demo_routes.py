"""The demo's third part: one wish, two providers, the better offer, and evidence that is checked.

Both providers (``treaty serve --capability``) and the buyer (``treaty run``) are processes of their
own and speak MRP over HTTP on loopback; the page they work on is served by this one. What the
buyer decided and checked is shown, and its deal file verified offline.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import tomllib
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from treaty import app
from treaty.cli.demo_processes import examples_folder, expect, process
from treaty.cli.terminal import command
from treaty.core.deal import Report
from treaty.wire.canonical import Json

FIGURES: Final = "routing.toml"
PROVIDERS: Final = "summarizers.py"
NAMES: Final = ("fast", "cheap")
MARKS: Final = {"verified": ("✓", "green"), "failed": ("✗", "bold red")}
OUTPUT_LINES_MAX: Final = 6


async def play(out: Path, console: Console | None, examples: Path) -> dict[str, Json]:
    """Route, run and verify; show it on ``console`` unless that is None, and tell what came."""
    folder = examples if (examples / PROVIDERS).is_file() else examples_folder()
    figures = tomllib.loads((folder / FIGURES).read_text(encoding="utf-8"))
    written = _written(out)
    with tempfile.TemporaryDirectory(prefix="treaty-routes-") as scratch:
        told = await _run(Path(scratch), folder, figures, written)
    deal_path = out / f"deal-mrp-{told['decision_id'][:13]}.json"
    written.replace(deal_path)
    report = app.verify(json.loads(deal_path.read_bytes()))
    if console is not None:
        _show(console, told, report, deal_path)
    if not report.ok or told["status"] != "done":
        raise click.ClickException(f"the route did not hold: {report.first_line}")
    return {"deal": str(deal_path), "decision": told, "verification": report.to_json()}


def _written(out: Path) -> Path:
    return out.absolute() / ".deal-mrp.json"


async def _run(
    scratch: Path, folder: Path, figures: Mapping[str, Any], written: Path
) -> dict[str, Any]:
    """All processes; gives what the buyer printed."""
    async with AsyncExitStack() as stack:
        page = stack.enter_context(_page(figures["page"]))
        providers = [_provider(scratch / name, folder, name) for name in NAMES]
        manifests = await asyncio.gather(*map(stack.enter_async_context, providers))
        buy = ["-m", "treaty.cli", "run", *_wish(figures["wish"]), "--url", page, "--refetch"]
        buy += [word for url in manifests for word in ("--manifest", url)]
        buy += ["--json", "--out", str(written)]
        async with process(buy, scratch / "buyer") as buying:
            assert buying.stdout is not None
            printed = await buying.stdout.read()
            if await buying.wait():
                raise click.ClickException("the run failed; see the lines above")
    told = json.loads(printed)
    assert isinstance(told, dict)
    return told


def _wish(wish: Mapping[str, Any]) -> list[str]:
    words = [str(wish["intent"])]
    for name in ("max_cost", "max_latency_ms", "residency", "retention_days", "format"):
        words += [f"--{name.replace('_', '-')}", str(wish[name])]
    for name, option in (("policy", "--policy"), ("proofs", "--proof")):
        words += [word for one in wish[name] for word in (option, str(one))]
    return words


@asynccontextmanager
async def _provider(home: Path, folder: Path, name: str) -> AsyncIterator[str]:
    """A provider process with one of the offers; gives the address of its manifest."""
    offered = f"{(folder / PROVIDERS).resolve()}:{name}"
    serve = ["-m", "treaty.cli", "serve", "--port", "0", "--json", "--allow-loopback"]
    serve += ["--no-summarize", "--capability", offered]
    async with process(serve, home) as running:
        yield str((await expect(running, "listening"))["manifest"])


@contextmanager
def _page(page: Mapping[str, str]) -> Iterator[str]:
    """One page on the loopback; gives its address."""
    body = page["html"].strip().encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{page['path']}"
        server.shutdown()


def _show(console: Console, told: Mapping[str, Any], report: Report, path: Path) -> None:
    head = Text("\nROUTE     ", style="bold cyan")
    head.append("one wish, two providers, one sealed window: the offer that fits wins", "dim")
    console.print(head)
    for one in told["considered"]:
        console.print(_offer(one))
        lines = told["why_won"] if one["verdict"] == "won" else _reasons(one)
        for line in lines:
            console.print(Text(f"        - {line}"))
    terms = told["negotiation"]
    agreed = f"      agreed at {terms['price']} usd, for one use and these inputs alone"
    console.print(Text(agreed, style="yellow"))
    output = told["evidence"]["outputs"][0]["value"]
    console.print(Text("\nEVIDENCE  ", style="bold cyan").append("what came back", "dim"))
    lines = [line for line in str(output).splitlines() if line]
    for line in lines[:OUTPUT_LINES_MAX]:
        console.print(Text(f"      {line}", style="dim"))
    for claim in told["claims"]:
        console.print(_claim(claim["name"], claim["verdict"], claim["detail"]))
    console.print(Text(f"\nVERIFY    offline: {report.first_line}", style="bold"))
    for found in report.claims:
        console.print(_claim(found.name, found.verdict.value, found.detail))
    console.print(Text(f"\nThe decision is in {path}:\n  {command()} verify {path}"))


def _offer(one: Mapping[str, Any]) -> Text:
    offer = one["offer"]
    won = one["verdict"] == "won"
    line = Text("      ")
    line.append(f"{one['route_id']:<19}", style="bold green" if won else "bold")
    line.append(f"{offer['cost']['estimate']} usd, {offer['latency']['p50']}, ")
    line.append(f"confidence {offer['confidence']}  ")
    line.append(one["verdict"], style="green" if won else "red")
    return line


def _reasons(one: Mapping[str, Any]) -> list[str]:
    return [f"{reason['text']} ({reason['code']})" for reason in one["reasons"]]


def _claim(name: str, verdict: str, detail: str) -> Text:
    mark, style = MARKS.get(verdict, ("·", "dim"))
    line = Text(f"      {mark} ", style=style)
    line.append(f"{name:<13}", style="bold")
    return line.append(f"{verdict}: {detail}")
