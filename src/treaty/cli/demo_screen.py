"""What the demo shows: one line a message, the phases as headings, money and trust beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from treaty.cli.gist import gist, money
from treaty.cli.terminal import clean
from treaty.dialects.asp.codec import decode, decode_pre_session
from treaty.dialects.asp.messages import (
    Accept,
    Body,
    Close,
    Commit,
    Envelope,
    Escalate,
    Inform,
    Propose,
)
from treaty.wire.canonical import Json
from treaty.wire.instants import format_instant

PHASES: Final = {
    "DISCOVER": "the registry answers with a signed list",
    "INVITE": "a session is opened; its host gives every message a signed receipt",
    "INTRODUCE": "both show the card whose key they sign with",
    "CONVERSE": "they negotiate",
    "AGREE": "a commitment binds both, the money is reserved",
    "ESCALATE": "the session waits for a person",
    "EXECUTE": "the provider delivers and reports",
    "DISPUTE": "the slice is frozen until it is ruled, and a bond stands for the filer",
    "CLOSE": "both rate and close, the escrow is posted",
    "LEARN": "each remembers, privately",
}
NAMES: Final = {
    "IV": "identity verification",
    "CH": "communication history",
    "CF": "commitment fulfilment",
    "BC": "behavioural consistency",
    "RQ": "response quality",
    "SP": "security posture",
    "ER": "economic reliability",
    "PE": "peer endorsements",
}


def short(uri: str) -> str:
    """Last part of an agent URI, for a narrow column."""
    return uri.rsplit("/", 1)[-1]


def phase(body: Body, state: str) -> str:
    """The protocol's phase a message belongs to; ``state`` is the one after it ("" before)."""
    if not state:
        return "DISCOVER"
    if isinstance(body, Accept):
        return {"INVITED": "INVITE", "EXECUTING": "AGREE"}.get(state, "CONVERSE")
    if isinstance(body, Propose):
        return "INVITE" if body.is_invitation else "CONVERSE"
    if isinstance(body, Escalate) or (
        isinstance(body, Inform) and body.inform_type == "resolution"
    ):
        return "ESCALATE"
    if isinstance(body, Inform):
        return "INTRODUCE" if body.inform_type == "identity" else "EXECUTE"
    if isinstance(body, Commit):
        return "AGREE"
    return "CLOSE" if isinstance(body, Close) else "CONVERSE"


_SAID: Final = {
    "dispute": "{by} files {dispute}: {reason}, {says}",
    "evidence": "{by} shows: {says}",
    "ruling": "{by} rules: {amount} to the payee, severity {severity}; {reason}",
}


def _of_dispute(record: Mapping[str, Any]) -> dict[str, str]:
    """The words of a record about a dispute; it was written by strangers."""
    evidence, to_payee = record.get("evidence"), record.get("toPayee")
    says = evidence.get("statement") if isinstance(evidence, dict) else record.get("statement")
    amount = to_payee.get("amount") if isinstance(to_payee, dict) else ""
    words = {
        "by": short(str(record.get("filedBy") or record.get("by"))),
        "dispute": record.get("disputeId"),
        "reason": record.get("reason"),
        "says": says or "",
        "amount": amount,
        "severity": record.get("severity"),
    }
    return {name: clean(str(value)) for name, value in words.items()}


class Screen:
    """Draws events of the demo as they come."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._count = 0
        self._phase = ""
        self._before: dict[str, Mapping[str, Any]] = {}

    def show(self, event: Mapping[str, Any]) -> None:
        """Draw one event; unknown ones are passed over."""
        kind = event.get("event")
        if kind == "message":
            self._message(str(event["raw"]).encode(), str(event["state"]))
        elif kind == "fact":
            self._fact(event["record"])
        elif kind == "trust":
            self._trust(str(event["when"]), event["trust"])
        elif kind == "learn":
            self._learn(event["observation"])
        elif kind == "decision":
            self._decision(event["waiting"], event["decision"])
        elif kind == "provisioned":
            pids = ", ".join(str(pid) for pid in event["pids"])
            self._note(f"local processes {pids} run for this deal")
        elif kind == "released":
            pids = ", ".join(str(pid) for pid in event["pids"])
            self._note(f"local processes {pids} stopped")

    def heading(self, name: str) -> None:
        """Begin a phase, once."""
        if name != self._phase:
            self._phase = name
            line = Text(f"\n{name:<10}", style="bold cyan")
            line.append(PHASES.get(name, ""), style="dim")
            self._console.print(line)

    def say(self, text: str, style: str = "") -> None:
        """A line of plain text."""
        self._console.print(Text(text, style=style))

    def _note(self, text: str) -> None:
        self._console.print(Text(f"      {text}", style="dim"))

    def _message(self, raw: bytes, state: str) -> None:
        envelope = decode(raw) if state else decode_pre_session(raw)
        self.heading(phase(envelope.body, state))
        self._count += 1
        self._console.print(self._line(envelope, state))

    def _line(self, envelope: Envelope, state: str) -> Text:
        clock = format_instant(envelope.timestamp_ms)[11:23]
        to = short(envelope.recipient) if envelope.recipient else ""
        line = Text(f"{self._count:>3}  {clock}  ")
        line.append(f"{short(envelope.sender):>9}", style="bold")
        line.append(f" -> {to:<9} " if to else f"    {'':<9} ")
        line.append(f"{envelope.performative.value:<9}", style="green")
        line.append(f"{state or '-':<11}", style="magenta")
        line.append(f"{envelope.hash[7:15]}  ", style="dim")
        line.append(clean(gist(envelope.body)))
        return line

    def _fact(self, record: Mapping[str, Any]) -> None:
        data = record["data"]
        if record["fact"] == "escrow":
            self._escrow(data)
        elif record["fact"] in _SAID:
            self.heading("DISPUTE")
            self._note(_SAID[record["fact"]].format(**_of_dispute(data["record"])))
        elif record["fact"] == "timer":
            self._note(f"timer {data['name']} fired")

    def _decision(self, waiting: Mapping[str, Any], decision: Mapping[str, Any]) -> None:
        self._note(f"a person finds it with `treaty inbox`: {clean(str(waiting['says']))}")
        self._note(f"and signs `treaty inbox decide {waiting['id']} {decision['decision']}`")

    def _escrow(self, data: Mapping[str, Any]) -> None:
        payer, payee = short(data["payer"]), short(data["payee"])
        held = money(data["amount"]["amount"], data["amount"]["currency"])
        if data["movement"] == "reserve":
            what = "escrow" if not data.get("bond") else "bond"
            text = f"{what}: {held} of {payer} reserved for {payee}"
        else:
            posted = money(data["posted"]["amount"], data["posted"]["currency"])
            voided = money(data["voided"]["amount"], data["voided"]["currency"])
            what = "escrow" if not data.get("bond") else "bond"
            text = f"{what}: {posted} posted to {payee}, {voided} back to {payer}"
        self._console.print(Text(f"      {text}", style="yellow"))

    def _trust(self, when: str, trust: Mapping[str, Any]) -> None:
        agent = str(trust["agent"])
        if when == "before":
            self._before[agent] = trust
            return
        before = self._before.get(agent, trust)
        self.say(
            f"\nTrust of {agent}: {before['score']} -> {trust['score']} "
            f"(level {before['level']} -> {trust['level']})",
            "bold",
        )
        table = Table(box=None, pad_edge=False, padding=(0, 2))
        for name, justify in (("component", "left"), ("before", "right"), ("after", "right")):
            table.add_column(name, justify=justify)  # type: ignore[arg-type]
        for name, text in NAMES.items():
            table.add_row(
                f"  {text} ({name})",
                str(before["components"].get(name, 0)),
                str(trust["components"].get(name, 0)),
            )
        self._console.print(table)

    def _learn(self, observation: Mapping[str, Json]) -> None:
        self.heading("LEARN")
        data = observation.get("data")
        text = data.get("observation") if isinstance(data, dict) else ""
        self.say(f"      {observation.get('subject')}: {text}")
        self._note(
            f"confidence {observation.get('confidence')}, {observation.get('visibility')}: "
            "kept in the buyer's own store, never sent"
        )
