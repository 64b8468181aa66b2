"""``treaty trust report``: hand in what two copies of a deal prove against who signed them.

Read next: ``treaty.engine.violations`` for what proves itself.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treaty.cli.options import FILE_READ, json_option, node_option

if TYPE_CHECKING:
    from treaty.wire.canonical import Json


@click.command(short_help="Report what two copies of a deal prove against who signed them.")
@click.argument("one", type=FILE_READ, metavar="FILE")
@click.argument("other", type=FILE_READ, metavar="FILE")
@node_option
@json_option
def report(one: Path, other: Path, node: str | None, as_json: bool) -> None:
    """Compare two deal files of one session, and hand in what cannot both stand.

    Two entries that the host signed for one position, or two messages under one id: the node
    checks both signatures and puts the violation into its trust log. Exits with 1 when the files
    prove nothing.
    """
    from treaty.cli.failures import Failed
    from treaty.cli.nodes import at_node, wait_for
    from treaty.cli.terminal import say, show_json

    found = list(contradictions(_read(one), _read(other)))
    if not found:
        compare = shlex.join(("treaty", "verify", str(one), str(other)))
        raise Failed(
            "the two files prove nothing against anybody",
            advice=f"compare them claim by claim: {compare}",
        )

    async def work() -> list[dict[str, Json]]:
        async with at_node(node) as client:
            return [await client.post_violation(body) for body in found]

    answers = wait_for(work(), "reporting")
    if as_json:
        show_json({"violations": answers})
        return
    for answer in answers:
        say(f"{answer.get('agent')}: {answer.get('violation')} is on record")


def _read(path: Path) -> dict[str, Json]:
    from treaty.cli.failures import Misused
    from treaty.core.deal import DEAL_BYTES_MAX, DEAL_TAG, read_deal
    from treaty.errors import WireError

    advice = "give files that `treaty export` wrote"
    if path.stat().st_size > DEAL_BYTES_MAX:
        raise Misused(f"{path} is larger than any deal file", code="too_large", advice=advice)
    try:
        deal = read_deal(path.read_bytes())
    except WireError as error:
        raise Misused(f"{path}: {error.detail}", code=error.code, advice=advice) from error
    if not isinstance(deal, dict) or deal.get("treaty") != DEAL_TAG:
        raise Misused(f"{path} is no deal file", code="malformed", advice=advice)
    return deal


def contradictions(one: Mapping[str, Json], other: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
    """What two deal files hold of each signer that cannot both stand, as reports."""
    session = one.get("session")
    host = session.get("host") if isinstance(session, dict) else None
    uri = host.get("uri") if isinstance(host, dict) else None
    for mine, theirs in _different(_entries(one), _entries(other)):
        yield {"agent": uri, "entries": [mine, theirs]}
    for (sender, _, _), (mine, theirs) in _same_id(one, other):
        yield {"agent": sender, "messages": [mine, theirs]}


def _entries(deal: Mapping[str, Json]) -> dict[object, Json]:
    log = deal.get("log")
    found = [one for one in log if isinstance(one, dict)] if isinstance(log, list) else []
    return {(one.get("session"), one.get("position")): one for one in found}


def _different(
    mine: Mapping[object, Json], theirs: Mapping[object, Json]
) -> Iterator[tuple[Json, Json]]:
    for place, entry in mine.items():
        if place in theirs and theirs[place] != entry:
            yield entry, theirs[place]


def _same_id(
    one: Mapping[str, Json], other: Mapping[str, Json]
) -> Iterator[tuple[tuple[str, str, str], tuple[Json, Json]]]:
    mine, theirs = _messages(one), _messages(other)
    for name, (tag, raw) in mine.items():
        if name in theirs and theirs[name][0] != tag:
            yield name, (raw, theirs[name][1])


def _messages(deal: Mapping[str, Json]) -> dict[tuple[str, str, str], tuple[Json, Json]]:
    """(sender, session, id) -> (hash, text) of the messages that are not withheld."""
    documents, raws = deal.get("messages"), deal.get("raw")
    if not isinstance(documents, list) or not isinstance(raws, list):
        return {}
    found: dict[tuple[str, str, str], tuple[Json, Json]] = {}
    for document, raw in zip(documents, raws, strict=False):
        sender = document.get("sender") if isinstance(document, dict) else None
        integrity = document.get("integrity") if isinstance(document, dict) else None
        if not isinstance(document, dict) or not isinstance(raw, str | dict):
            continue
        if isinstance(sender, dict) and isinstance(integrity, dict):
            names = (sender.get("agentId"), document.get("sessionId"), document.get("messageId"))
            found[str(names[0]), str(names[1]), str(names[2])] = (integrity.get("hash"), raw)
    return found
