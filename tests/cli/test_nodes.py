"""What a command acts with: nodes that may be away, keys that may be missing or locked."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.cli.town import ALPHA, STRANGER, Town, run
from treaty.cli import nodes
from treaty.cli.nodes import operator_signer, signer_of
from treaty.errors import MisuseError, Refused


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address where nobody listens, and little patience."""
    monkeypatch.setattr(nodes, "BUDGET_MS", 50)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize(
    "words",
    [
        ("trust", "show", ALPHA),
        ("discover",),
        ("roots", "export"),
    ],
)
def test_a_node_that_is_away_is_a_failure_with_advice(nowhere: str, words: tuple[str, ...]) -> None:
    done = run(*words, "--node", nowhere)
    error, advice = [line for line in done.stderr.splitlines() if "…" not in line]

    assert done.exit_code == 1
    assert nowhere in error
    assert error.endswith("(unavailable)")
    assert advice == "try: start one with `treaty serve`, or name another with --node URL"


def test_a_key_that_is_not_there_is_misuse(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TREATY_HOME", str(tmp_path))
    with pytest.raises(nodes.Misused, match="there is no key for"):
        signer_of(STRANGER)


def test_an_operator_names_a_key_that_exists(tmp_path: Path) -> None:
    with pytest.raises(nodes.Misused, match="only the node's operator"):
        operator_signer(None, None)
    with pytest.raises(nodes.Misused, match=r"no operator's key at .*node\.db\.operator\.key"):
        operator_signer(None, tmp_path / "node.db")


def test_another_key_than_the_operators_is_named(town: Town, tmp_path: Path) -> None:
    key = tmp_path / "other.key"
    nodes.app.signer_at(key, create=True)
    done = town.fail("ledger", "fund", ALPHA, "5", "USD", "--operator-key", key)

    assert done.exit_code == 1
    assert "is not that of this node's operator (signature_invalid)" in done.stderr


def test_a_locked_key_opens_with_its_passphrase(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TREATY_HOME", str(tmp_path))
    monkeypatch.setenv("TREATY_PASSPHRASE", "open sesame")
    made = run("agent", "new", STRANGER)
    assert made.exit_code == 0

    assert signer_of(STRANGER).key.key_id in made.stdout
    monkeypatch.setenv("TREATY_PASSPHRASE", "wrong")
    with pytest.raises(Refused, match="does not open"):
        signer_of(STRANGER)
    monkeypatch.delenv("TREATY_PASSPHRASE")
    with pytest.raises(MisuseError, match="give its passphrase"):
        signer_of(STRANGER)


def test_a_person_is_asked_for_the_passphrase(town: Town, tmp_path: Path, monkeypatch) -> None:
    env = {"TREATY_HOME": str(tmp_path)}
    uri = "agent://nodes.example/locked"
    town.run("agent", "new", uri, "--passphrase", env=env, input="secret\nsecret\n")
    town.fail("agent", "register", uri, env=env, input="secret\n")
    monkeypatch.setattr(nodes, "can_ask", lambda: True)
    done = town.run("agent", "register", uri, env=env, input="secret\n")
    wrong = town.fail("agent", "register", uri, env=env, input="wrong\n")

    assert "Passphrase of" in done.stderr
    assert "secret" not in done.output
    assert "(unauthorized)" in wrong.stderr
