"""A dispute on the screen: what it is about, where it stands, what was said, how it was ruled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from treaty.cli.options import next_line
from treaty.cli.terminal import heading, show_facts, show_json, show_table

if TYPE_CHECKING:
    from treaty.wire.canonical import Json

STYLES: Final = {"RULED": "green", "PERSON": "yellow"}


def show_dispute(view: Mapping[str, Json], *, as_json: bool) -> None:
    """Print a dispute, for people or for programs."""
    if as_json:
        show_json(dict(view))
        return
    phase = str(view["phase"])
    facts: list[tuple[str, Any]] = [
        ("dispute", (str(view["disputeId"]), "bold")),
        ("phase", (phase, STYLES.get(phase, "bold"))),
        ("session", str(view["sessionId"])),
        ("commitment", _about(view)),
        ("filed by", f"{view['filedBy']}, {view['filedAt']}"),
        ("against", str(view["filedAgainst"])),
        ("reason", str(view["reason"])),
        ("amount", _amount(view["amount"])),
        ("bond", _amount(view["bond"])),
    ]
    if view.get("due"):
        facts.append(("until", str(view["due"])))
    if arbiters := view.get("arbiters"):
        facts.append(
            ("arbiters", ", ".join(map(str, arbiters)) if isinstance(arbiters, list) else "")
        )
    show_facts(facts)
    ruling = view.get("ruling")
    if isinstance(ruling, dict):
        heading("ruling")
        show_facts(_ruling(ruling))
    records = objects(view.get("records"))
    heading(f"records, {len(records)}")
    show_table(("at", "record", "by", "says"), [_record(one) for one in records], indent=2)


def next_step(view: Mapping[str, Json], agent: str) -> str:
    """What this agent has to do, as a command; empty when nothing waits for it."""
    name, phase = str(view["disputeId"]), view["phase"]
    if agent in (view["filedBy"], view["filedAgainst"]):
        if phase == "EVIDENCE" or (phase == "REVEAL" and not _is_among(agent, view, "revealed")):
            return (
                "who does not reveal in time loses; unless your provider's loop runs, let this: "
                + next_line("treaty", "dispute", "watch", "--as", agent)
            )
        return ""
    is_drawn = phase == "VOTES" and _is_among(agent, view, "arbiters")
    if not is_drawn or _is_among(agent, view, "voted"):
        return ""
    words = ("dispute", "vote", name, "--as", agent, "--to-payee", "AMOUNT")
    return f"you were drawn: {next_line('treaty', *words)}"


def _is_among(agent: str, view: Mapping[str, Json], member: str) -> bool:
    listed = view.get(member)
    return isinstance(listed, list) and agent in listed


def _about(view: Mapping[str, Json]) -> str:
    part = view.get("part")
    return f"{view['commitmentId']}" + (f", part {part}" if part else "")


def _ruling(ruling: Mapping[str, Json]) -> list[tuple[str, Any]]:
    return [
        ("by", f"{ruling['by']} ({ruling['why']}), {ruling['at']}"),
        ("to the payee", (_amount(ruling["toPayee"]), "bold green")),
        ("to the payer", (_amount(ruling["toPayer"]), "bold green")),
        ("severity", str(ruling["severity"])),
        ("bond to", str(ruling["bondTo"])),
    ]


def _record(one: Mapping[str, Json]) -> tuple[str, ...]:
    record = one.get("record")
    held = record if isinstance(record, dict) else {}
    says = held.get("statement") or held.get("reason") or ""
    evidence = held.get("evidence")
    if isinstance(evidence, dict) and evidence.get("statement"):
        says = f"{says}. {evidence['statement']}"
    to_payee = held.get("toPayee")
    if to_payee is not None:
        says = f"{_amount(to_payee)} to the payee. {says}"
    by = held.get("by") or held.get("filedBy") or ""
    return str(one.get("at")), str(one.get("kind")), str(by), str(says)[:80]


def objects(value: Json) -> list[dict[str, Json]]:
    """The objects of a list."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _amount(value: Json) -> str:
    return f"{value.get('amount')} {value.get('currency')}" if isinstance(value, dict) else ""
