"""Options and arguments that several commands share, and how their values are read.

Read next: ``nodes`` for what becomes of ``--node`` and ``--as``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from treaty.errors import WireError

F = TypeVar("F", bound=Callable[..., Any])


_RATE: Final = re.compile(r"([1-9][0-9]{0,6})(?:/min)?")


def agent_uri(value: str) -> str:
    """Read an agent URI; the text stays as it is."""
    from treaty.wire.ids import parse_agent_uri

    try:
        return parse_agent_uri(value).text
    except WireError as error:
        raise click.BadParameter(f"{error.detail}; write it as agent://host/part/name") from error


def session_id(value: str) -> str:
    """Read the id of a session."""
    from treaty.wire.ids import is_uuid

    if not is_uuid(value):
        raise click.BadParameter(f"{value!r} is no session id, which is a UUID")
    return value.lower()


def node_address(value: str) -> str:
    """Read the address of a node."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(value)
        # Paths are put behind it, so it ends where they begin.
        more = "@" in parts.netloc or "?" in value or "#" in value or not value.isprintable()
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and not more
    except ValueError:
        sound = False
    if not sound:
        raise click.BadParameter(f"{value!r} is no address; write it as http://host:port")
    return value.rstrip("/")


def rate(value: str) -> int:
    """Read ``600/min``."""
    match = _RATE.fullmatch(value)
    if match is None:
        raise click.BadParameter(f"{value!r} is no rate; write it as 600/min")
    return int(match[1])


def instant(value: str) -> int:
    """Read a day or an RFC 3339 instant, as milliseconds since 1970."""
    from treaty.errors import WireError
    from treaty.wire.instants import parse_instant

    try:
        return parse_instant(value if "T" in value else f"{value}T00:00:00Z")
    except WireError as error:
        raise click.BadParameter(
            f"{value!r} is no day; write it as 2027-01-31 or 2027-01-31T12:00:00Z"
        ) from error


FILE: Final = click.Path(dir_okay=False, path_type=Path)
FILE_READ: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


def agent_argument(function: F) -> F:
    """The argument AGENT."""
    return click.argument("agent", type=agent_uri, metavar="AGENT")(function)


def session_argument(function: F) -> F:
    """The argument SESSION."""
    return click.argument("session", type=session_id, metavar="SESSION")(function)


def node_option(
    function: F, *, help_text: str = "The node to talk to; without it http://127.0.0.1:8440."
) -> F:
    """``--node URL``."""
    option = click.option(
        "--node",
        type=node_address,
        metavar="URL",
        envvar="TREATY_NODE",
        show_envvar=True,
        help=help_text,
    )
    return option(function)


def as_option(*, required: bool) -> Callable[[F], F]:
    """``--as AGENT``."""
    return click.option(
        "--as",
        "as_agent",
        type=agent_uri,
        metavar="AGENT",
        required=required,
        help="Act as this agent, with its key and copies in TREATY_HOME.",
    )


def db_option(function: F) -> F:
    """``--db FILE``, to read a node's store directly."""
    option = click.option(
        "--db",
        type=FILE_READ,
        metavar="FILE",
        help="Read a node's database directly instead of asking the node.",
    )
    return option(function)


def operator_key_option(function: F) -> F:
    """``--operator-key FILE``."""
    option = click.option(
        "--operator-key",
        type=FILE_READ,
        metavar="FILE",
        help="Key file of the node's operator.",
    )
    return option(function)


def operator_options(function: F) -> F:
    """``--operator-key FILE``, or ``--db FILE`` to find it."""
    db = click.option(
        "--db",
        type=FILE,
        metavar="FILE",
        help="The node's database; the operator's key is FILE.operator.key.",
    )
    return operator_key_option(db(function))


def json_option(function: F) -> F:
    """``--json``."""
    option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    return option(function)


def is_explicit(name: str) -> bool:
    """True when an option was given on the command line, not by the environment."""
    source = click.get_current_context().get_parameter_source(name)
    return source is click.core.ParameterSource.COMMANDLINE


def next_line(*words: str) -> str:
    """A command to run next, as it can be pasted: of the same node, where one was named here."""
    line = shlex.join(words)
    context = click.get_current_context(silent=True)
    while context is not None:
        if context.get_parameter_source("node") is click.core.ParameterSource.COMMANDLINE:
            return f"{line} --node {shlex.quote(str(context.params['node']))}"
        context = context.parent
    return line
