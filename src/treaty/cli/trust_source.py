"""Where a trust log and a stated score come from: a node, a node's database, or files.

Read next: ``trust_log``, the commands that use them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from treaty.core.deal import Roots
    from treaty.engine.trust_extract import Extract
    from treaty.wire.canonical import Json

ReadPage = Callable[[int, int, int | None], Awaitable[dict[str, "Json"]]]
"""(from, to, size of the log) -> a page of it."""


def taken_from(
    agent: str, extract: Path | None, node: str | None, db: Path | None
) -> tuple[Extract, dict[str, Json] | None]:
    """The log from a file, or from a node with what it says of the agent."""
    from treaty.cli.failures import Misused
    from treaty.cli.nodes import wait_for
    from treaty.engine.trust_extract import BYTES_MAX, read_extract
    from treaty.errors import WireError
    from treaty.wire.canonical import canonical

    if extract is None:
        made, view = wait_for(fetched(node, db, agent), "reading the trust log")
        return read_extract(canonical(made)), view
    try:
        return read_extract(_read(str(extract), BYTES_MAX)), None
    except WireError as error:
        advice = "give a file that `treaty trust log` wrote"
        raise Misused(f"{extract}: {error.detail}", code=error.code, advice=advice) from error


async def fetched(
    node: str | None, db: Path | None, agent: str | None
) -> tuple[dict[str, Json], dict[str, Json] | None]:
    """A node's whole log as an extract, and what it says of an agent, if one is named."""
    from treaty.app.deals import anchor_of, anchors_to_json
    from treaty.cli.nodes import at_node, node_file
    from treaty.wire import fields

    if db is not None:
        async with node_file(db) as opened:
            trust, own = opened.node.trust, opened.node.identity
            if own.signer.key != opened.card.key:
                raise _keyless(db)
            view = None if agent is None else trust.view(agent)
            taken = await paged(trust.extract, view)
            operator = anchor_of(own.operator_uri, opened.operator) if opened.operator else None
            node_key = anchor_of(own.uri, opened.card.key)
            listed = anchors_to_json(opened.node.outcomes.listed)
            return {**taken, "node": node_key, "clearings": listed, **_if(operator)}, view
    async with at_node(node) as client:
        described = await client.describe()
        view = None if agent is None else await client.trust(agent)
        taken = await paged(client.trust_log, view)
    names = ("uri", "keyId", "publicKey")
    stated = fields.obj(described, "operator")
    return {
        **taken,
        "node": {name: described.get(name) for name in names},
        "operator": {name: stated.get(name) for name in names},
        "clearings": described.get("clearings"),
    }, view


def _if(operator: dict[str, Json] | None) -> dict[str, Json]:
    return {} if operator is None else {"operator": operator}


def _keyless(db: Path) -> click.ClickException:
    from treaty.cli.failures import Failed

    return Failed(
        f"the node's key is not beside {db}, so its log has no signed head",
        advice="ask the running node with --node URL",
    )


async def paged(page: ReadPage, view: Mapping[str, Json] | None) -> dict[str, Json]:
    """The whole log, as of the size that a view of an agent rests on; one head for all of it."""
    from treaty.engine.trust_extract import RECORDS_MAX, TAG
    from treaty.errors import WireError
    from treaty.wire import fields

    size = None if view is None else fields.integer(view, "size")
    first = await page(0, 0, size)
    head = fields.obj(first, "head")
    size = fields.integer(head, "size")
    if size > RECORDS_MAX:
        raise WireError(f"the log has {size} records; {RECORDS_MAX} are read", "too_large")
    records: list[Json] = []
    while len(records) < size:
        found = fields.items(await page(len(records), size, size), "records", most=RECORDS_MAX)
        if not found:
            raise WireError("the node's log ends before its own head")
        # Under one root for the whole log each record's own proof says nothing more.
        records += [
            {name: one[name] for name in ("index", "kind", "record")}
            for one in found
            if isinstance(one, dict)
        ]
    return {"treaty": TAG, "head": head, "records": records}


def size_of(view: Mapping[str, Json], taken: Extract) -> int:
    """Of how many records a stated score was made."""
    size = view.get("size")
    return size if isinstance(size, int) else taken.size


def _read(name: str, most: int) -> bytes:
    from treaty.cli.failures import Misused

    with click.open_file(name, "rb") as file:
        raw: bytes = file.read(most + 1)
    if len(raw) > most:
        raise Misused(f"{name} has more than {most} bytes, the most that is read", code="too_large")
    return raw


def read_view(name: str) -> dict[str, Json]:
    """Read a stated score from a file."""
    from treaty.cli.failures import Misused
    from treaty.errors import WireError
    from treaty.wire import fields
    from treaty.wire.canonical import read_json

    advice = "give what `treaty trust show AGENT --json` prints"
    try:
        view = read_json(_read(name, 1_000_000))
        if not isinstance(view, dict):
            raise WireError("it is no object")
        fields.instant(view, "at")
        fields.agent(view, "agent")
        fields.obj(view, "components")
        fields.integer_or(view, "size")
    except WireError as error:
        raise Misused(f"{name}: {error.detail}", code=error.code, advice=advice) from error
    return view


def read_anchors(path: Path) -> Roots:
    """Read a roots file."""
    from treaty.cli.failures import Misused
    from treaty.core.deal import ROOTS_BYTES_MAX, read_roots
    from treaty.errors import WireError
    from treaty.wire.canonical import read_json

    try:
        return read_roots(read_json(_read(str(path), ROOTS_BYTES_MAX), size_max=ROOTS_BYTES_MAX))
    except WireError as error:
        advice = "give a file that `treaty roots export` wrote"
        raise Misused(f"{path}: {error.detail}", code=error.code, advice=advice) from error
