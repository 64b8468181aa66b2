"""``treaty publish``: list a provider in a registry, by showing that its origin is yours.

Read next: ``treaty.app.publishing`` for the steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from treaty.cli.options import FILE, json_option, node_address

if TYPE_CHECKING:
    from treaty.app.publishing import Challenge
    from treaty.identity.keys import Ed25519Signer


@click.command()
@click.option(
    "--manifest-url", required=True, metavar="URL", help="The manifest, as others reach it."
)
@click.option("--registry", required=True, type=node_address, metavar="URL", help="Where to list.")
@click.option(
    "--node",
    type=node_address,
    metavar="URL",
    help="Your node, where it is not at the manifest's own origin.",
)
@click.option(
    "--operator-key",
    type=FILE,
    metavar="FILE",
    help="Key file of your node's operator; your node then serves the text by itself.",
)
@click.option("--db", type=FILE, metavar="FILE", help="Your node's database; the key beside it.")
@click.option(
    "--wait",
    "wait_s",
    type=click.IntRange(1, 86_400),
    default=300,
    show_default=True,
    metavar="S",
    help="Seconds to wait for the verification.",
)
@click.option(
    "--poll-seconds",
    "poll_s",
    type=click.FloatRange(1, 60),
    default=5,
    show_default=True,
    metavar="S",
    help="Seconds between two looks.",
)
@json_option
def publish(
    manifest_url: str,
    registry: str,
    node: str | None,
    operator_key: Path | None,
    db: Path | None,
    wait_s: int,
    poll_s: float,
    as_json: bool,
) -> None:
    """List a provider in a registry.

    The registry gives a text; it lists the manifest once that text is served at the manifest's
    origin. A treaty node serves it when it is asked by its operator: give --operator-key or --db.
    Without a key you are told what to serve where, and the command waits for it.
    """
    import asyncio

    from treaty.app.publishing import PublishPlan
    from treaty.app.publishing import publish as publish_there
    from treaty.cli.terminal import note, say, show_json
    from treaty.wire.hosts import read_url

    operator = _operator(operator_key, db)
    plan = PublishPlan(
        manifest_url=manifest_url,
        registry=registry,
        node=node or read_url(manifest_url).origin,
        operator=operator,
        wait_s=wait_s,
        poll_s=poll_s,
    )

    def challenged(challenge: Challenge) -> None:
        if operator is None:
            note(f"serve exactly this text at {challenge.url}")
            note(challenge.expected)

    entry = asyncio.run(publish_there(plan, challenged, lambda words: note(f"not yet: {words}")))
    if as_json:
        show_json({"entry": dict(entry)})
    else:
        say(f"listed as {entry.get('id')}", "bold")


def _operator(operator_key: Path | None, db: Path | None) -> Ed25519Signer | None:
    if operator_key is None and db is None:
        return None
    from treaty.cli.nodes import operator_signer

    return operator_signer(operator_key, db)
