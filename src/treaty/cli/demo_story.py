"""The demo's thread: prepare as an operator would, show events, verify what was written."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console
from rich.text import Text

from treaty import app
from treaty.cli.demo_screen import Screen
from treaty.cli.terminal import command
from treaty.core.deal import Report
from treaty.http.client import HttpNode
from treaty.identity.records import seal
from treaty.wire.canonical import Json
from treaty.wire.instants import format_instant

ATTESTED_MS: Final = 365 * 86_400_000
MARKS: Final = {"verified": ("✓", "green"), "failed": ("✗", "bold red")}


class Story:
    """One run of the demo."""

    def __init__(self, *, as_json: bool, out: Path) -> None:
        self._as_json = as_json
        self._out = out
        self.console = Console(highlight=False, soft_wrap=True)
        self._screen = Screen(self.console)
        self._events: list[dict[str, Any]] = []
        self._deal: Path | None = None
        self._failure: str | None = None

    async def prepare(
        self, url: str, operator_key: Path, alpha: Mapping[str, Any], beta: Mapping[str, Any]
    ) -> None:
        """Do what a node's operator does beforehand: fund the buyer, attest the provider."""
        operator = app.signer_at(operator_key)
        client = HttpNode(url, operator, "")
        described = await client.describe()
        by = described["operator"]
        assert isinstance(by, dict)
        await client.post_transfer(seal("transfer", funding(alpha), operator))
        attestation = attesting(beta, str(by["uri"]))
        await client.post_attestation(seal("attestation", attestation, operator))
        await client.close()
        if not self._as_json:
            money = alpha["money"]
            self._screen.say("treaty demo: three processes, one deal, one proof", "bold")
            self._screen.say(
                f"node {described['uri']} at {url}\n"
                f"operator funds {alpha['agent']['uri']} with {money['fund']} {money['currency']} "
                f"and attests {beta['agent']['uri']}"
            )

    async def play(
        self,
        buyer: AsyncIterator[dict[str, Any]],
        provider: AsyncIterator[dict[str, Any]],
        *,
        aborts: bool = False,
    ) -> None:
        """Show what the buyer verified until it ends, then the provider's clean-up."""
        async for event in buyer:
            self._take(event)
        if self._failure is not None or self._deal is None:
            raise click.ClickException(f"the buyer did not finish: {self._failure}")
        # Who ended a session that bound nothing has nothing to release.
        async for event in provider:
            if aborts:
                break
            self._take(event)
            if event.get("event") in ("released", "failed"):
                break

    def _take(self, event: dict[str, Any]) -> None:
        self._events.append(event)
        if event.get("event") == "failed":
            self._failure = str(event.get("detail"))
        if event.get("event") == "deal":
            self._deal = Path(str(event["path"]))
        if not self._as_json:
            self._screen.show(event)

    async def take_roots(self, url: str) -> None:
        """Keep the node's keys as anchors, as somebody who knows the node would."""
        roots = await app.export_roots(url)
        path = self._out / "roots.json"
        path.write_text(json.dumps(roots, indent=1), encoding="utf-8")

    def finish(self, parts: Mapping[str, Mapping[str, Json]] | None = None) -> None:
        """Verify the deal file offline; ``parts`` tells programs of the demo's other parts."""
        assert self._deal is not None
        deal = json.loads(self._deal.read_bytes())
        raw = (self._out / "roots.json").read_bytes()
        # Each run's node has a key of its own, so each deal keeps the roots it is checked by.
        self._roots.write_bytes(raw)
        report = app.verify(deal, json.loads(raw))
        if self._as_json:
            click.echo(json.dumps(self._document(report, parts or {}), indent=1))
        else:
            self._show(report)
        if not report.ok:
            raise SystemExit(1)

    @property
    def _roots(self) -> Path:
        assert self._deal is not None
        return self._out / self._deal.name.replace("deal-", "roots-", 1)

    def _document(self, report: Report, parts: Mapping[str, Mapping[str, Json]]) -> dict[str, Json]:
        return {
            "deal": str(self._deal),
            "roots": str(self._roots),
            "events": list(self._events),
            "verification": report.to_json(),
            **{name: dict(part) for name, part in parts.items()},
        }

    def _show(self, report: Report) -> None:
        self._screen.say(f"\nVERIFY    offline, the node is stopped: {report.first_line}", "bold")
        for claim in report.claims:
            mark, style = MARKS.get(claim.verdict.value, ("·", "dim"))
            line = Text(f"      {mark} ", style=style)
            line.append(f"{claim.name:<11}", style="bold")
            line.append(f"{claim.verdict.value}: {claim.detail}")
            self.console.print(line)
        self._screen.say(
            f"\nThe deal is in {self._deal}. Check it yourself, or change a byte first:\n"
            f"  {command()} verify {self._deal} --roots {self._roots}"
        )


def funding(alpha: Mapping[str, Any]) -> dict[str, Json]:
    """The operator's transfer that gives the buyer something to spend."""
    money = alpha["money"]
    return {
        "id": f"fund-{app.entropy(6).hex()}",
        "direction": "fund",
        "agent": alpha["agent"]["uri"],
        "amount": {"amount": str(money["fund"]), "currency": money["currency"]},
        "at": format_instant(app.now_ms()),
    }


def attesting(beta: Mapping[str, Any], by: str) -> dict[str, Json]:
    """The operator's word that the provider has a history elsewhere."""
    table = beta["attestation"]
    now_ms = app.now_ms()
    return {
        "agent": beta["agent"]["uri"],
        "components": {name: str(value) for name, value in table["components"].items()},
        "weight": str(table["weight"]),
        "allowance": str(table["allowance"]),
        "until": format_instant(now_ms + ATTESTED_MS),
        "reason": table["reason"],
        "by": by,
        "at": format_instant(now_ms),
    }
