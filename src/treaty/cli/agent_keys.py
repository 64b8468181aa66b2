"""``treaty agent rotate``, ``revoke`` and ``prove``: an agent's next key, and its domain (B5).

The next key lies beside the agent's own, as ``….next.key``. A card commits to it by its hash, so
whoever steals the key in force cannot take the name; and it alone can revoke that key.

Both commands ask the node for two things and then move files. A run that is cut short anywhere is
finished by the next one: the node says how far it came, and each key is on disk before it is named.

Read next: ``treaty.engine.registered``, what a registry makes of all this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from treaty.cli.options import agent_argument, json_option, next_line, node_option

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from treaty.http.client import HttpNode
    from treaty.identity.cards import CardView
    from treaty.identity.keys import Ed25519Signer
    from treaty.wire.canonical import Json

MADE: Final = frozenset(
    (
        *("uri", "name", "organization", "orgId", "version", "capabilities", "publicKey", "keys"),
        *("nextKeyHash", "endpoints", "integrity", "listing", "trustScore", "trustLevel"),
    )
)
"""Members of a card that each version makes anew; all others are taken over."""


def next_key_path(uri: str) -> Path:
    """Where the key lies that an agent's card commits to."""
    from treaty import app

    return app.agent_key_path(uri).with_suffix(".next.key")


def _after_path(uri: str) -> Path:
    """Where the key after the next one lies, while the next one is put in force."""
    return next_key_path(uri).with_suffix(".after")


@click.command(short_help="Give an agent its next key.")
@agent_argument
@node_option
@json_option
def rotate(agent: str, node: str | None, as_json: bool) -> None:
    """Put an agent's next key in force, and commit to the one after it.

    Where the card commits to no key yet, it does so first. The old key is kept as a file that
    ends in .old.key; sessions that are open go on with it to their end.
    """
    from treaty.cli.nodes import at_node, wait_for

    signer = _signer_at_hand(agent)

    async def work() -> dict[str, Json]:
        async with at_node(node, agent, signer) as client:
            return await _finished(client, agent) or await _rotate(client, agent, signer)

    _tell(wait_for(work(), f"rotating the key of {agent}"), as_json)


@click.command(short_help="Revoke an agent's key, by its next key.")
@agent_argument
@click.option(
    "--key", metavar="KEYID", help="Revoke this key, which was replaced before, and no other."
)
@node_option
@json_option
def revoke(agent: str, key: str | None, node: str | None, as_json: bool) -> None:
    """Revoke the key in force, and put the next one in its place.

    From then on the node hears the old key no more, and the agent's open sessions wait until it
    shows its new card in them. Works with the next key alone, when the other one is lost.

    Open sessions go on with the key they began with. With --key one that was replaced since is
    heard no more in them either; the key in force says so, and stays.
    """
    from treaty.cli.nodes import at_node, wait_for

    if key is not None:
        _tell(wait_for(_revoke_former(agent, key, node), f"revoking a key of {agent}"), as_json)
        return
    next_signer = _next_signer(agent) if next_key_path(agent).exists() else None
    signer = next_signer or _signer_at_hand(agent)

    async def work() -> dict[str, Json]:
        async with at_node(node, agent, signer) as client:
            told = await _finished(client, agent) or await _revoke(client, agent, next_signer)
            return {**told, "revoked": _last_revoked(await client.proofs(agent))}

    _tell(wait_for(work(), f"revoking the key of {agent}"), as_json)


@click.command(short_help="Prove that an agent's domain is its own.")
@agent_argument
@click.option(
    "--token", metavar="TOKEN", help="Have this challenge checked, now that it is served."
)
@node_option
@json_option
def prove(agent: str, token: str | None, node: str | None, as_json: bool) -> None:
    """Prove that the domain of an agent's URI is its owner's.

    Without --token the node names a page to serve, and what to put there; with it the node
    fetches the page and remembers the domain as proven.
    """
    from treaty.cli.nodes import at_node, signer_of, wait_for

    signer = signer_of(agent)

    async def work() -> dict[str, Json]:
        async with at_node(node, agent, signer) as client:
            return await client.prove(agent, token)

    told = wait_for(work(), f"proving the domain of {agent}")
    if token is None and not as_json:
        from treaty.cli.terminal import say

        say(f"serve exactly this text:  {told['thumbprint']}")
        say(f"at                        {told['url']}")
        say(f"before {told['expires']}, then run")
        words = ("agent", "prove", agent, "--token", str(told["token"]))
        say(f"  {next_line('treaty', *words)}", "bold")
        return
    _tell(told, as_json)


def _tell(told: dict[str, Json], as_json: bool) -> None:
    from treaty.cli.terminal import show_facts, show_json

    if as_json:
        show_json(told)
    else:
        show_facts([(name, str(value)) for name, value in told.items()])


def _signer_at_hand(uri: str) -> Ed25519Signer:
    """The agent's key, or its next one where a run was cut short while it moved the files."""
    from treaty import app
    from treaty.cli.nodes import signer_of

    if next_key_path(uri).exists() and not app.agent_key_path(uri).exists():
        return _next_signer(uri)
    return signer_of(uri)


def _next_signer(uri: str) -> Ed25519Signer:
    """The next key, made where there is none."""
    from treaty import app
    from treaty.cli.nodes import unlock

    path = next_key_path(uri)
    return unlock(path) if path.exists() else app.signer_at(path, create=True)


async def _finished(client: HttpNode, uri: str) -> dict[str, Json] | None:
    """Finish a run that was cut short after the node had agreed; None where there is none."""
    from treaty import app
    from treaty.identity.cards import key_hash, open_card

    next_key = app.public_key_at(next_key_path(uri))
    after = app.public_key_at(_after_path(uri))
    if after is None:
        return None
    if "card" in await client.proofs(uri):
        # Revoked, and the successor has not been heard of.
        return None
    current = open_card(await client.card(uri))
    commits = current.card.get("nextKeyHash") == key_hash(after)
    if commits and current.key in (next_key, app.public_key_at(app.agent_key_path(uri))):
        return _moved(uri, current)
    return None


async def _rotate(client: HttpNode, uri: str, signer: Ed25519Signer) -> dict[str, Json]:
    from treaty.cli.failures import Misused
    from treaty.identity.cards import key_hash, make_rotation, open_card

    if "card" in await client.proofs(uri):
        raise Misused(
            f"the key of {uri} is revoked", advice=next_line("treaty", "agent", "revoke", uri)
        )
    next_signer = _next_signer(uri)
    if signer.key == next_signer.key:
        raise Misused(
            f"the key of {uri} is not here", advice=next_line("treaty", "agent", "revoke", uri)
        )
    current = open_card(await client.card(uri))
    if current.card.get("nextKeyHash") != key_hash(next_signer.key):
        await client.register(_card(current, signer, key_hash(next_signer.key), {}))
        current = open_card(await client.card(uri))
    rotation = make_rotation(signer, current=current, next_key=next_signer.key)
    return await _succeed(client, uri, current, next_signer, {"rotation": rotation})


async def _revoke(client: HttpNode, uri: str, next_signer: Ed25519Signer | None) -> dict[str, Json]:
    from treaty import app
    from treaty.cli.failures import Misused
    from treaty.identity.cards import open_card
    from treaty.identity.revocations import make_revocation

    if next_signer is None:
        raise Misused(
            f"there is no next key of {uri}", advice=next_line("treaty", "agent", "rotate", uri)
        )
    revoked = (await client.proofs(uri)).get("card")
    if isinstance(revoked, dict):
        # A run before this one was cut short after the revocation; the name waits for its key.
        return await _succeed(client, uri, open_card(revoked), next_signer, {})
    current = open_card(await client.card(uri))
    word = make_revocation(next_signer, uri=uri, key_id=current.key.key_id, since_ms=app.now_ms())
    await client.revoke(uri, word)
    return await _succeed(client, uri, current, next_signer, {})


async def _revoke_former(uri: str, key_id: str, node: str | None) -> dict[str, Json]:
    from treaty import app
    from treaty.cli.nodes import at_node, signer_of
    from treaty.identity.revocations import make_revocation

    signer = signer_of(uri)
    async with at_node(node, uri, signer) as client:
        word = make_revocation(signer, uri=uri, key_id=key_id, since_ms=app.now_ms())
        await client.revoke(uri, word)
    return {"agent": uri, "keyId": signer.key.key_id, "revoked": key_id}


def _last_revoked(known: Mapping[str, Json]) -> Json:
    """The key that was revoked last, of all that a node knows of an agent."""
    from treaty.wire import fields

    revoked = [one for one in fields.items(known, "revoked") if isinstance(one, dict)]
    return max(revoked, key=lambda one: fields.instant(one, "since"))["keyId"]


async def _succeed(
    client: HttpNode,
    uri: str,
    current: CardView,
    next_signer: Ed25519Signer,
    extra: dict[str, Json],
) -> dict[str, Json]:
    """Register the card of the next key, which commits to the one after it."""
    from treaty import app
    from treaty.identity.cards import key_hash, open_card

    after = app.signer_at(_after_path(uri), create=True)
    card = _card(current, next_signer, key_hash(after.key), extra)
    return _moved(uri, open_card(await client.register(card)))


def _card(
    current: CardView, signer: Ed25519Signer, next_hash: str, extra: dict[str, Json]
) -> dict[str, Json]:
    """The next version of a card: the same but for its key, and what it commits to."""
    from treaty.identity.cards import make_card
    from treaty.wire import fields

    kept = {name: value for name, value in current.card.items() if name not in MADE}
    kept.pop("rotation", None)
    return make_card(
        signer,
        uri=current.uri.text,
        name=current.name,
        organization=fields.text(current.card, "organization"),
        org_id=current.org_id,
        capabilities=current.capabilities,
        endpoints={name: str(url) for name, url in fields.obj(current.card, "endpoints").items()},
        version=current.version + 1,
        next_key_hash=next_hash,
        extra={**kept, **extra},
    )


def _moved(uri: str, now: CardView) -> dict[str, Json]:
    """Put the key files where the node believes them to be, and tell what is in force."""
    from treaty import app

    path, after = app.agent_key_path(uri), _after_path(uri)
    old = path.with_suffix(".old.key")
    # In this order, and only where the file is there still: a run may be cut short in between.
    if next_key_path(uri).exists():
        if path.exists():
            path.replace(old)
        next_key_path(uri).replace(path)
    after.replace(next_key_path(uri))
    return {
        "agent": uri,
        "keyId": now.key.key_id,
        "version": now.version,
        "file": str(path),
        "oldFile": str(old) if old.exists() else None,
        "nextFile": str(next_key_path(uri)),
    }
