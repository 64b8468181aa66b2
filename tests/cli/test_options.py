"""Shared options: what is no agent, session or address is said before anything is done."""

from __future__ import annotations

import click
import pytest

from tests.cli.town import ALPHA, UNKNOWN, run
from treaty.cli.options import agent_uri, node_address, session_id


@pytest.mark.parametrize("text", [ALPHA, "agent://host", "agent://a.example/b/c-d_e~f.g"])
def test_an_agent_is_taken_as_it_is_written(text: str) -> None:
    assert agent_uri(text) == text


@pytest.mark.parametrize("text", ["alpha", "agent://", "agent://Acme.com/x", "agent://a b", ""])
def test_what_is_no_agent_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="agent://host/part/name"):
        agent_uri(text)


def test_a_session_is_lower_case() -> None:
    assert session_id(UNKNOWN.upper()) == UNKNOWN


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:8440", "http://127.0.0.1:8440"),
        ("https://node.example/", "https://node.example"),
        ("http://[::1]:8440", "http://[::1]:8440"),
    ],
)
def test_an_address_has_no_slash_at_its_end(text: str, address: str) -> None:
    assert node_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("127.0.0.1:8440", "ftp://node", "http://", "http://[::1", ""),
        *("http://node/?q=1", "http://node#a", "http://me:secret@node", "http://node\n"),
    ],
)
def test_what_is_no_address_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(click.BadParameter, match="http://host:port"):
        node_address(text)


def test_the_environment_is_checked_like_the_option() -> None:
    done = run("trust", "show", ALPHA, env={"TREATY_NODE": "nowhere"})

    assert done.exit_code == 2
    assert "'nowhere' is no address" in done.stderr
