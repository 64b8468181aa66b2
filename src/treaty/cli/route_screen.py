"""A decision for people: who won and why, why each other lost, and what came of the work.

Everything a provider wrote is escaped on its way to the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from treaty.cli.terminal import heading, say, show_facts, show_json, show_table

MARKS: Final = {"verified": "green", "failed": "bold red", "not checkable": "yellow"}
STYLES: Final = {"won": "bold green", "rejected": "red", "outranked": "yellow"}
ENDS: Final = {"done": "bold", "stopped": "bold yellow", "failed": "bold red"}
SHOWN_MAX: Final = 20
"""Offers that are shown; all of them are in --json."""


def show_decision(record: Mapping[str, Any]) -> None:
    """Show a decision, as far as it has come."""
    winner = record["winner"]
    if winner is None:
        say("no offer is acceptable", "bold red")
    else:
        say(f"{winner['route_id']} of {winner['provider']} wins", "bold green")
        for line in record["why_won"]:
            say(f"  - {line}")
    _show_losers(record)
    _show_silent(record)
    show_facts(
        [("decision", record["decision_id"]), ("at", record["at"]), ("intent", record["intent"])]
    )
    _show_work(record)


def _show_losers(record: Mapping[str, Any]) -> None:
    considered = record["considered"]
    for one in considered[:SHOWN_MAX]:
        if one["verdict"] != "won":
            name = one["route_id"] or "an offer"
            say(f"{name} of {one['provider']}: {one['verdict']}", STYLES.get(one["verdict"], ""))
            for reason in one["reasons"]:
                say(f"  - {reason['text']} ({reason['code']})")
        for warning in one["warnings"]:
            say(f"  - note: {warning['text']}", "dim")
    more = len(considered) - SHOWN_MAX
    if more > 0:
        say(f"and {more} more offers; --json has them all", "dim")


def _show_silent(record: Mapping[str, Any]) -> None:
    for one in record["unanswered"]:
        say(f"{one['provider']}: no offer", "yellow")
        say(f"  - {one['detail']}", "dim")
        if one["code"] == "address_forbidden":
            say("  - --allow-loopback lets it name this machine", "dim")
    for one in record["passed_over"]:
        say(f"{one['id'] or 'an entry'} was passed over: {one['detail']}", "dim")


def _show_work(record: Mapping[str, Any]) -> None:
    negotiation = record.get("negotiation")
    if negotiation is not None:
        terms = f"{negotiation['status']}: {negotiation['detail']}"
        price = negotiation.get("price")
        agreed = [("agreement", negotiation.get("agreement", ""))]
        agreed += [("price", f"{price} usd")] if price else []
        show_facts([("negotiation", terms), *agreed])
    if record["status"] not in ("decided", "no_winner"):
        say(f"{record['status']}: {record.get('detail', '')}", ENDS.get(record["status"], ""))
    claims = record.get("claims")
    if claims:
        rows = [
            ((one["verdict"], MARKS[one["verdict"]]), one["name"], one["detail"]) for one in claims
        ]
        show_table(("verdict", "claim", "detail"), rows, indent=2)


def show_outputs(document: Mapping[str, Any]) -> None:
    """Show what was delivered, where something was."""
    evidence = document.get("evidence")
    if evidence is not None:
        show_items(evidence.get("outputs"), document["winner"]["provider"])


def show_items(items: object, provider: str) -> None:
    """Show outputs as they came; what is none is passed over."""
    for item in items if isinstance(items, list) else ():
        if not isinstance(item, dict):
            continue
        heading(f"{item.get('type')} from {provider}")
        value = item.get("value")
        if isinstance(value, str):
            for line in value.splitlines():
                say(line)
        elif "uri" in item:
            say(str(item["uri"]))
        else:
            show_json(value)
