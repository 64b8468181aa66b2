"""What a command acts with: a connection to a node, keys, own copies, a node's store.

Each is opened for the length of a ``with`` block, and each failure to open it says what to do.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from treaty import app
from treaty.agent.copies import Copies
from treaty.cli.failures import Failed, Misused
from treaty.cli.terminal import progress
from treaty.errors import MisuseError, UnavailableError
from treaty.identity.keys import Ed25519Signer
from treaty.wire import fields

if TYPE_CHECKING:
    from treaty.http.client import HttpNode

T = TypeVar("T")

BUDGET_MS: Final = 3_000
"""How long a node may be away before a person is told."""
OPTIONAL_MS: Final = 1_000
"""The same where the command can do without the node."""


def wait_for(work: Coroutine[Any, Any, T], what: str) -> T:
    """Carry out what a command does; after a second it says on standard error what it is."""
    with progress(what):
        return asyncio.run(work)


@asynccontextmanager
async def reaching() -> AsyncIterator[None]:
    """Whatever is asked of a node in here: when it cannot be reached, say what to do."""
    try:
        yield
    except UnavailableError as error:
        if error.code != "unavailable":
            raise
        advice = "start one with `treaty serve`, or name another with --node URL"
        raise Failed(error.detail, code=error.code, advice=advice) from error


@asynccontextmanager
async def at_node(
    node: str | None,
    uri: str = "",
    signer: Ed25519Signer | None = None,
    *,
    budget_ms: int | None = None,
) -> AsyncIterator[HttpNode]:
    """A node, asked as ``uri`` with its key, or as nobody in particular.

    ``budget_ms`` is how long it may be away, ``BUDGET_MS`` if not stated.
    """
    client = app.connect(node, uri, signer, budget_ms=budget_ms or BUDGET_MS)
    try:
        async with reaching():
            yield client
    finally:
        await client.close()


@asynccontextmanager
async def as_operator(
    node: str | None, signer: Ed25519Signer
) -> AsyncIterator[tuple[HttpNode, str]]:
    """A node, and who its operator is; only for the operator's own key."""
    async with at_node(node, "", signer) as client:
        operator = fields.obj(await client.describe(), "operator")
        if operator.get("keyId") != signer.key.key_id:
            raise Failed(
                f"the key {signer.key.key_id} is not that of this node's operator",
                code="signature_invalid",
                advice="give the operator's key file, which `treaty serve` names when it starts",
            )
        yield client, fields.agent(operator, "uri")


def signer_of(uri: str) -> Ed25519Signer:
    """The key of one of this user's agents."""
    path = app.agent_key_path(uri)
    if not path.exists():
        raise Misused(
            f"there is no key for {uri} in {app.home()}", advice=f"treaty agent new {uri}"
        )
    return unlock(path)


def operator_signer(operator_key: Path | None, db: Path | None) -> Ed25519Signer:
    """The key of a node's operator: as named, else the one beside the database."""
    path = operator_key or (app.key_beside(db, "operator") if db else None)
    if path is None:
        raise Misused(
            "only the node's operator may do this", advice="name the key with --operator-key FILE"
        )
    if not path.exists():
        raise Misused(
            f"there is no operator's key at {path}",
            advice="give the key file that `treaty serve` names when it starts",
        )
    return unlock(path)


def unlock(path: Path) -> Ed25519Signer:
    """Load a key file; asks for the passphrase when it is locked and somebody can be asked."""
    try:
        return app.signer_at(path)
    except MisuseError:
        if app.passphrase() or not _is_locked(path) or not can_ask():
            raise
    secret = click.prompt(f"Passphrase of {path}", hide_input=True, err=True)
    return app.signer_at(path, secret=secret)


def can_ask() -> bool:
    """True when there is a person at a terminal."""
    return sys.stdin.isatty()


def _is_locked(path: Path) -> bool:
    try:
        return "locked" in json.loads(path.read_bytes())
    except (OSError, ValueError, TypeError):
        return False


@asynccontextmanager
async def own_copies(uri: str) -> AsyncIterator[Copies | None]:
    """What an agent keeps, only read; None when it has kept nothing yet."""
    if not app.agent_key_path(uri).exists():
        raise Misused(
            f"there is no key for {uri} in {app.home()}", advice=f"treaty agent new {uri}"
        )
    if not app.agent_store_path(uri).exists():
        yield None
        return
    async with app.own_copies(uri) as copies:
        yield copies


@asynccontextmanager
async def node_file(db: Path) -> AsyncIterator[app.NodeFile]:
    """A node's store, only read."""
    try:
        async with app.read_node(db) as opened:
            yield opened
    except UnavailableError as error:
        advice = "name the file that `treaty serve --db FILE` keeps"
        raise Failed(error.detail, code=error.code, advice=advice) from error
