"""``treaty export``: a session of an agent's as a deal file that anybody can verify.

Read next: ``treaty.agent.export``, which gathers it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from treaty.cli.options import FILE, as_option, json_option, node_option, session_argument

F = TypeVar("F", bound=Callable[..., Any])

if TYPE_CHECKING:
    from treaty.agent.copies import Copies
    from treaty.wire.canonical import Json


def host_option(function: F) -> F:
    """``--node URL``, by default where the session is."""
    return node_option(function, help_text="The session's host; without it where it was.")


@click.command()
@session_argument
@as_option(required=True)
@click.option(
    "--share", is_flag=True, help="Leave out the discovery messages, which are your own affair."
)
@click.option("--out", type=FILE, metavar="FILE", help="Write here instead of standard output.")
@click.option("--offline", is_flag=True, help="Do not ask the node for newer entries and scores.")
@host_option
@json_option
def export(
    session: str,
    as_agent: str,
    share: bool,
    out: Path | None,
    offline: bool,
    node: str | None,
    as_json: bool,
) -> None:
    """Write a session as a deal file, from AGENT's own verified copy.

    The session's host adds what came last and the records its scores rest on, if it can be
    reached; without it the file is written all the same. Standard output is JSON in any case;
    --json leaves out the remarks on standard error.
    """
    from treaty.cli.nodes import wait_for
    from treaty.cli.output import PRIVATE, PUBLIC, write_json

    work = _export(session, as_agent, share, offline, node)
    deal = wait_for(work, "gathering the deal")
    write_json(deal, out, mode=PUBLIC if share else PRIVATE)
    if not as_json:
        _remark(deal, out, offline)


async def _export(
    session: str, uri: str, share: bool, offline: bool, node: str | None
) -> dict[str, Json]:
    from treaty.agent.export import export_copy
    from treaty.cli.nodes import own_copies
    from treaty.errors import Refused

    async with own_copies(uri) as copies:
        if copies is None:
            raise Refused(f"{uri} keeps no copy of that session", "unknown_session")
        if offline:
            return await export_copy(copies, None, session, share=share)
        return await _with_host(copies, session, uri, share, node)


async def _with_host(
    copies: Copies, session: str, uri: str, share: bool, node: str | None
) -> dict[str, Json]:
    from treaty import app
    from treaty.agent.export import export_copy
    from treaty.cli.nodes import OPTIONAL_MS, signer_of

    known = await copies.known(session)
    host = known.get("url") if known else None
    # The session's own host, and not the node of today, unless somebody says so.
    address = node or (host if isinstance(host, str) else None)
    client = app.connect(address, uri, signer_of(uri), budget_ms=OPTIONAL_MS)
    try:
        return await export_copy(copies, client, session, share=share)
    finally:
        await client.close()


def _remark(deal: dict[str, Json], out: Path | None, offline: bool) -> None:
    from treaty.cli.terminal import note

    messages, log = deal["messages"], deal["log"]
    assert isinstance(messages, list)
    assert isinstance(log, list)
    if deal["logHead"] is None and not offline:
        note("without trust records: the host did not answer, or has no outcome of this session")
    if out is not None:
        note(f"{out}: {len(messages)} messages, {len(log)} log entries")
        note(f"check it: treaty verify {out}")
