"""``treaty agent rotate``, ``revoke`` and ``prove``: the next key, and the domain (B5)."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result

from tests.cli.town import process, run, serving

NUMBERS = count()


@dataclass
class Desk:
    """A running node, and somebody with a key for an agent of its own."""

    url: str
    home: Path
    agent: str

    def run(self, *words: str) -> Result:
        return run(*words, env={"TREATY_HOME": str(self.home), "TREATY_NODE": self.url})

    def read(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("node")
    with serving(home, "--db", str(home / "node.db")) as node:
        yield node["url"]


@pytest.fixture
def desk(url: str, tmp_path: Path) -> Desk:
    here = Desk(url, tmp_path, f"agent://acme.com/procurement/{next(NUMBERS)}")
    here.read("agent", "new", here.agent, "--name", "Alpha", "--capability", "negotiate.compute")
    return here


def test_a_key_is_rotated_as_often_as_one_likes(desk: Desk) -> None:
    first = desk.read("agent", "show", desk.agent)
    seen = [first["key"]["keyId"]]
    for _ in range(2):
        told = desk.read("agent", "rotate", desk.agent)
        now = desk.read("agent", "show", desk.agent)
        # The file that is the agent's key now is the one the node knows.
        assert now["key"]["keyId"] == told["keyId"] == now["card"]["keys"][0]["keyId"]
        assert told["keyId"] not in seen
        seen.append(told["keyId"])
    assert now["card"]["name"] == "Alpha"
    assert now["card"]["capabilities"] == ["negotiate.compute"]
    assert now["trust"]["components"]["SP"] >= first["trust"]["components"]["SP"]
    assert Path(told["nextFile"]).stat().st_mode & 0o777 == 0o600
    # Whatever else is said about the card keeps the commitment.
    desk.read("agent", "register", desk.agent, "--name", "Alpha II")
    assert desk.read("agent", "rotate", desk.agent)["keyId"] not in seen


@contextmanager
def deadly_road(url: str, kill: Callable[[], None], number: int, when: str) -> Iterator[str]:
    """A road to the node on which whoever posts the so-manieth time is killed.

    ``before`` the node has heard of it, or ``after`` it has answered and before the answer comes.
    """
    posts = 0

    class Road(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.pass_on(None)

        def do_POST(self) -> None:
            nonlocal posts
            posts += 1
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if (posts, when) == (number, "before"):
                kill()
                return
            self.pass_on(body, is_last=posts == number)

        def pass_on(self, body: bytes | None, *, is_last: bool = False) -> None:
            kept = {"content-type": self.headers.get("Content-Type", "application/json")}
            answer = httpx.request(self.command, url + self.path, content=body, headers=kept)
            if is_last:
                kill()
                return
            self.send_response(answer.status_code)
            self.send_header("content-type", answer.headers["content-type"])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_words: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Road) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


def killed(desk: Desk, command: str, number: int, when: str) -> None:
    """Run ``treaty agent COMMAND`` until it is killed at one of its requests."""
    pids: list[int] = []

    def kill() -> None:
        os.kill(pids[0], signal.SIGKILL)

    with (
        deadly_road(desk.url, kill, number, when) as url,
        process(desk.home, "agent", command, desk.agent, "--node", url) as running,
    ):
        pids.append(running.pid)
        assert running.wait(60) == -signal.SIGKILL


CUTS = [(number, when) for number in (1, 2) for when in ("before", "after")]


@pytest.mark.parametrize(("number", "when"), CUTS)
def test_a_rotation_that_is_killed_is_finished_by_the_next_run(
    desk: Desk, number: int, when: str
) -> None:
    first = desk.read("agent", "show", desk.agent)["key"]["keyId"]
    killed(desk, "rotate", number, when)
    told = desk.read("agent", "rotate", desk.agent)
    now = desk.read("agent", "show", desk.agent)

    assert told["keyId"] == now["key"]["keyId"] == now["card"]["keys"][0]["keyId"] != first
    # It was one rotation: commitment, succession.
    assert told["version"] == 3
    assert desk.read("agent", "rotate", desk.agent)["version"] == 4


@pytest.mark.parametrize(("number", "when"), CUTS)
def test_a_revocation_that_is_killed_is_finished_by_the_next_run(
    desk: Desk, number: int, when: str
) -> None:
    before = desk.read("agent", "rotate", desk.agent)
    killed(desk, "revoke", number, when)
    if (number, when) in (CUTS[1], CUTS[2]):
        refused = desk.run("agent", "rotate", desk.agent)
        assert refused.exit_code == 2
        assert f"treaty agent revoke {desk.agent}" in refused.stderr
    told = desk.read("agent", "revoke", desk.agent)
    now = desk.read("agent", "show", desk.agent)

    assert told["revoked"] == before["keyId"]
    assert told["version"] == before["version"] + 1
    assert told["keyId"] == now["key"]["keyId"] == now["card"]["keys"][0]["keyId"]
    assert now["card"]["name"] == "Alpha"
    assert now["card"]["capabilities"] == ["negotiate.compute"]
    # The key after the next is where a further run expects it.
    assert desk.read("agent", "rotate", desk.agent)["version"] == told["version"] + 1


@pytest.mark.parametrize("command", ["rotate", "revoke"])
@pytest.mark.parametrize("moved", [0, 1, 2])
def test_files_that_were_not_all_moved_are_moved_by_the_next_run(
    desk: Desk, command: str, moved: int
) -> None:
    """The process may die before, between and after each of the three moves."""
    desk.read("agent", "rotate", desk.agent)
    told = desk.read("agent", command, desk.agent)
    key, following = Path(told["file"]), Path(told["nextFile"])
    following.replace(following.with_suffix(".after"))
    if moved < 2:
        key.replace(following)
    if moved < 1:
        Path(told["oldFile"]).replace(key)
    again = desk.read("agent", command, desk.agent)

    assert {**again, "oldFile": None} == {**told, "oldFile": None}
    assert desk.read("agent", "show", desk.agent)["key"]["keyId"] == told["keyId"]
    assert desk.read("agent", "rotate", desk.agent)["version"] == told["version"] + 1


def test_a_key_that_is_lost_cannot_rotate_and_is_told_what_can(desk: Desk) -> None:
    Path(desk.read("agent", "rotate", desk.agent)["file"]).unlink()
    done = desk.run("agent", "rotate", desk.agent)
    assert done.exit_code == 2
    assert f"treaty agent revoke {desk.agent}" in done.stderr


def test_a_lost_key_is_revoked_by_the_next_one_alone(desk: Desk) -> None:
    told = desk.read("agent", "rotate", desk.agent)
    key = Path(told["file"])
    lost = key.read_bytes()
    key.unlink()
    after = desk.read("agent", "revoke", desk.agent)
    assert after["revoked"] == told["keyId"]
    assert desk.read("agent", "show", desk.agent)["card"]["keys"][0]["keyId"] == after["keyId"]
    # Whoever has the old key can do nothing with it.
    key.replace(key.with_suffix(".mine"))
    key.write_bytes(lost)
    key.chmod(0o600)
    done = desk.run("agent", "register", desk.agent, "--name", "Mallory")
    assert done.exit_code == 1
    assert desk.read("agent", "show", desk.agent)["card"]["name"] == "Alpha"


def test_a_key_that_was_replaced_is_revoked_by_its_id_and_the_one_in_force_stays(
    desk: Desk,
) -> None:
    old = desk.read("agent", "show", desk.agent)["key"]["keyId"]
    now = desk.read("agent", "rotate", desk.agent)["keyId"]
    told = desk.read("agent", "revoke", desk.agent, "--key", old)
    assert told == {"agent": desk.agent, "keyId": now, "revoked": old}
    shown = desk.read("agent", "show", desk.agent)
    assert shown["key"]["keyId"] == shown["card"]["keys"][0]["keyId"] == now
    done = desk.run("agent", "revoke", desk.agent, "--key", "nothing")
    assert (done.exit_code, "nothing" in done.stderr) == (1, True)


def test_without_a_next_key_nothing_is_revoked(desk: Desk) -> None:
    done = desk.run("agent", "revoke", desk.agent)
    assert done.exit_code == 2
    assert f"treaty agent rotate {desk.agent}" in done.stderr


def test_a_domain_is_proven_in_two_steps(desk: Desk) -> None:
    told = desk.read("agent", "prove", desk.agent)
    key = desk.read("agent", "show", desk.agent)["key"]["keyId"]
    assert told["thumbprint"] == key
    assert told["url"] == f"https://acme.com/.well-known/treaty-challenge/{told['token']}"
    shown = desk.run("agent", "prove", desk.agent).stdout
    assert key in shown
    assert f"treaty agent prove {desk.agent} --token " in shown
    done = desk.run("agent", "prove", desk.agent, "--token", "none")
    assert done.exit_code == 1
    assert "domain_unproven" in done.stderr or "token" in done.stderr
