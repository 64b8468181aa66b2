"""``treaty agent``: keys and cards of this user's agents.

Read next: ``treaty.identity.cards`` for what a card is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from treaty.cli.agent_keys import MADE, prove, revoke, rotate
from treaty.cli.options import agent_argument, is_explicit, json_option, node_option

if TYPE_CHECKING:
    from pathlib import Path

    from treaty.agent.ports import NodeClient
    from treaty.cli.terminal import Cell
    from treaty.identity.cards import CardView
    from treaty.identity.keys import Ed25519Signer, PublicKey
    from treaty.wire.canonical import Json

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Said:
    """What was said about the card; None and empty is what was not."""

    name: str | None
    organization: str | None
    capabilities: tuple[str, ...]
    arbitrates: bool = False

    def __bool__(self) -> bool:
        return bool(self.name or self.organization or self.capabilities or self.arbitrates)


def card_options(function: F) -> F:
    """What a card says of its agent."""
    name = click.option("--name", metavar="TEXT", help="Its name on its card.")
    organization = click.option("--organization", metavar="TEXT", help="Its organisation.")
    capability = click.option(
        "--capability",
        "capabilities",
        multiple=True,
        metavar="NAME",
        help="What it offers, such as gpu.provision; may be repeated.",
    )
    arbitrates = click.option(
        "--arbitrates", is_flag=True, help="It may be drawn to judge disputes between others."
    )
    return name(organization(capability(arbitrates(function))))


@click.group()
def agent() -> None:
    """Make, register and show agents: a key in TREATY_HOME, a card at a node."""


@agent.command(short_help="Make the key of a new agent.")
@agent_argument
@card_options
@click.option(
    "--passphrase",
    "locked",
    is_flag=True,
    help="Lock the key file; asks for a passphrase unless TREATY_PASSPHRASE gives it.",
)
@node_option
@json_option
def new(
    agent: str,
    name: str | None,
    organization: str | None,
    capabilities: tuple[str, ...],
    arbitrates: bool,
    locked: bool,
    node: str | None,
    as_json: bool,
) -> None:
    """Make the key of a new agent, readable by you alone.

    With --node, or anything for its card, the agent is registered at the node at once. A key
    that exists is never overwritten.
    """
    from treaty import app
    from treaty.cli.failures import Misused

    path = app.agent_key_path(agent)
    if path.exists():
        raise Misused(f"{agent} has a key already: {path}", advice=f"treaty agent show {agent}")
    secret = app.passphrase()
    if locked and secret is None:
        prompt = f"Passphrase for {agent}"
        secret = click.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True)
    signer = app.signer_at(path, create=True, secret=secret)
    said = Said(name, organization, capabilities, arbitrates)
    card = _register(agent, signer, said, node) if said or is_explicit("node") else None
    _show(agent, signer.key, path, card, None, as_json)


@agent.command(short_help="Register an agent's card at a node.")
@agent_argument
@card_options
@node_option
@json_option
def register(
    agent: str,
    name: str | None,
    organization: str | None,
    capabilities: tuple[str, ...],
    arbitrates: bool,
    node: str | None,
    as_json: bool,
) -> None:
    """Register an agent's card at a node, or its next version where something changes.

    What is not said here stays as it is on the card in force.
    """
    from treaty import app
    from treaty.cli.nodes import signer_of

    signer = signer_of(agent)
    card = _register(agent, signer, Said(name, organization, capabilities, arbitrates), node)
    _show(agent, signer.key, app.agent_key_path(agent), card, None, as_json)


def _register(uri: str, signer: Ed25519Signer, said: Said, node: str | None) -> dict[str, Json]:
    from treaty.cli.nodes import at_node, wait_for

    async def work() -> dict[str, Json]:
        async with at_node(node, uri, signer) as client:
            return await _registered(client, uri, signer, said)

    return wait_for(work(), f"registering {uri}")


async def _registered(
    client: NodeClient, uri: str, signer: Ed25519Signer, said: Said
) -> dict[str, Json]:
    """Register what was said, on top of the card in force; nothing new changes nothing."""
    from treaty.errors import Refused
    from treaty.identity.cards import open_card
    from treaty.wire import fields

    url = fields.text(await client.describe(), "url")
    try:
        listed = await client.card(uri)
    except Refused as refusal:
        if refusal.code != "unknown_agent":
            raise
        return await client.register(_card(uri, signer, said, url, None, 1))
    current = open_card(listed)
    same = _card(uri, signer, said, url, current, current.version)
    if open_card(same).card_hash == current.card_hash:
        return listed
    return await client.register(_card(uri, signer, said, url, current, current.version + 1))


def _card(
    uri: str,
    signer: Ed25519Signer,
    said: Said,
    url: str,
    current: CardView | None,
    version: int,
) -> dict[str, Json]:
    from treaty.identity.cards import make_card

    host = uri.split("/")[2]
    before = current.card if current else {}
    committed = before.get("nextKeyHash")
    return make_card(
        signer,
        uri=uri,
        name=said.name or str(before.get("name") or uri.rsplit("/", 1)[-1]),
        organization=said.organization or str(before.get("organization") or host),
        org_id=current.org_id if current else host,
        capabilities=said.capabilities or (current.capabilities if current else ()),
        endpoints={"asp": f"{url}/v1/asp"},
        version=version,
        next_key_hash=committed if isinstance(committed, str) else None,
        extra={
            **{name: value for name, value in before.items() if name not in MADE},
            **({"arbitrates": True} if said.arbitrates else {}),
        },
    )


@agent.command(short_help="Show an agent's key, card and trust.")
@agent_argument
@node_option
@json_option
def show(agent: str, node: str | None, as_json: bool) -> None:
    """Show an agent: your key for it, and its card, listing and trust as the node has them."""
    from treaty import app
    from treaty.cli.failures import Failed
    from treaty.cli.nodes import OPTIONAL_MS, at_node, wait_for
    from treaty.cli.terminal import note
    from treaty.errors import Refused

    path = app.agent_key_path(agent)
    key = app.public_key_at(path)

    async def work() -> tuple[dict[str, Json], dict[str, Json]]:
        async with at_node(node, budget_ms=OPTIONAL_MS) as client:
            return await client.card(agent), await client.trust(agent)

    card = trust = None
    try:
        card, trust = wait_for(work(), f"asking the node about {agent}")
    except (Refused, Failed) as error:
        if key is None or is_explicit("node"):
            raise
        note(f"{error}; only the key is shown")
    _show(agent, key, path, card, trust, as_json)


def _show(
    uri: str,
    key: PublicKey | None,
    path: Path,
    card: dict[str, Json] | None,
    trust: dict[str, Json] | None,
    as_json: bool,
) -> None:
    from treaty.cli.terminal import show_facts, show_json

    file = str(path) if key is not None else None
    if as_json:
        own = {"keyId": key.key_id, "publicKey": key.text, "file": file} if key else None
        show_json({"agent": uri, "key": own, "card": card, "trust": trust})
        return
    facts: list[tuple[str, Cell]] = [("agent", (uri, "bold"))]
    if key is not None:
        facts += [("key", key.key_id), ("public key", key.text), ("file", str(file))]
    show_facts(facts + _card_facts(card, key) + _trust_facts(trust))


def _card_facts(card: dict[str, Json] | None, key: PublicKey | None) -> list[tuple[str, Cell]]:
    from treaty.identity.cards import open_card
    from treaty.wire.canonical import canonical

    if card is None:
        return []
    view = open_card(card)
    listing = card.get("listing")
    until = listing.get("expires") if isinstance(listing, dict) else None
    pricing = card.get("pricing")
    facts: list[tuple[str, Cell]] = [
        ("name", view.name),
        ("organisation", str(card.get("organization"))),
        ("capabilities", ", ".join(view.capabilities)),
        ("pricing", canonical(pricing).decode() if pricing else ""),
        ("card", f"version {view.version}, listed until {until}"),
    ]
    if key is None:
        facts.append(("key", f"{view.key.key_id} (not yours)"))
    elif key != view.key:
        facts.append(("warning", ("the card shows another key than yours", "bold red")))
    return facts


def _trust_facts(trust: dict[str, Json] | None) -> list[tuple[str, Cell]]:
    if trust is None:
        return []
    provisional = ", provisional" if trust.get("provisional") else ""
    return [("trust", f"{trust.get('score')}, level {trust.get('level')}{provisional}")]


for _command in (rotate, revoke, prove):
    agent.add_command(_command)
