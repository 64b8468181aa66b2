"""``treaty serve``: a node that says where it is, keeps what it is told, and stops when asked."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import click
import pytest

from tests.cli.town import ALPHA, Town, environment, process, run, serving
from treaty import app
from treaty.cli.options import rate
from treaty.cli.serve import serve


def test_it_tells_programs_where_it_is(tmp_path: Path) -> None:
    db = tmp_path / "node.db"
    with serving(tmp_path, "--db", db, "--public-url", "https://node.example/") as listening:
        assert listening["event"] == "listening"
        assert listening["url"] == "https://node.example"
        assert listening["uri"] == app.DEFAULT_NODE_URI
        assert listening["pid"] == listening["process"].pid
        assert Path(listening["operatorKey"]) == app.key_beside(db, "operator")
        key = app.public_key_at(app.key_beside(db, "node"))
        assert key is not None
        assert (listening["keyId"], listening["publicKey"]) == (key.key_id, key.text)
        for name in ("node", "operator"):
            assert app.key_beside(db, name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_when_asked_and_that_is_no_failure(tmp_path: Path, number: int) -> None:
    with process(tmp_path, "serve", "--port", 0) as running:
        assert running.stdout is not None
        first = running.stdout.readline()
        running.send_signal(number)
        rest, errors = running.communicate(timeout=20)

    assert running.returncode == 0
    assert first.startswith(f"treaty node {app.DEFAULT_NODE_URI} listens at http://127.0.0.1:")
    assert "nothing is kept when it stops; --db FILE keeps it" in rest
    assert "--operator-key FILE" in rest
    assert errors.splitlines() == ["Ctrl-C stops it"]


def test_what_it_was_told_is_there_after_a_restart(tmp_path: Path) -> None:
    db = tmp_path / "node.db"
    ids = []
    for expected in ("5.00", "10.00"):
        with serving(tmp_path, "--db", db) as listening:
            env = {"TREATY_NODE": listening["url"]}
            done = run("ledger", "fund", ALPHA, "5", "USD", "--db", db, "--json", env=env)
            assert json.loads(done.stdout)["account"]["available"]["amount"] == expected
            ids.append(listening["keyId"])

    assert ids[0] == ids[1]


def test_a_port_in_use_is_a_failure_with_advice(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", port, env=environment(tmp_path))

    assert done.exit_code == 1
    error, advice = done.stderr.splitlines()
    assert f"port {port}" in error
    assert advice == "try: take another --port or --db, or stop what uses this one"


def test_a_database_in_use_is_a_failure_with_its_owner(town: Town) -> None:
    done = run("serve", "--port", 0, "--db", town.db, env=environment(town.home))

    assert done.exit_code == 1
    assert f"in use by process {town.pid}" in done.stderr


def test_the_defaults_are_those_of_the_composition_root() -> None:
    context = click.Context(serve)
    defaults = {option.name: option.get_default(context) for option in serve.params}
    plan = app.NodePlan(None)

    assert (defaults["host"], defaults["port"]) == (plan.host, plan.port)
    assert defaults["uri"] == plan.uri == app.DEFAULT_NODE_URI


@pytest.mark.parametrize(("text", "per_minute"), [("600/min", 600), ("5", 5)])
def test_a_rate_is_a_number_a_minute(text: str, per_minute: int) -> None:
    assert rate(text) == per_minute


@pytest.mark.parametrize("text", ["", "0/min", "-1", "10/s", "many", "600/min/min"])
def test_what_is_no_rate_is_misuse(text: str) -> None:
    with pytest.raises(click.BadParameter, match="600/min"):
        rate(text)


def test_a_rate_holds_on_loopback_too(tmp_path: Path) -> None:
    with serving(tmp_path, "--rate", "3/min") as listening:
        env = {"TREATY_NODE": listening["url"], "TREATY_HOME": str(tmp_path)}
        codes = [run("trust", "show", ALPHA, env=env) for _ in range(5)]

    assert [done.exit_code for done in codes][:3] == [0, 0, 0]
    assert "(rate_limited)" in codes[-1].stderr
