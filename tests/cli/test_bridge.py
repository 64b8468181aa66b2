"""``treaty bridge``: real processes that offer a real HTTP service and a real MCP server."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import click
import pytest

from tests.cli.town import process, run
from treaty.cli.bridge import header, price

MCP = Path(__file__).parents[1] / "bridges" / "mcp_server.py"

SPEC = """
openapi: 3.0.3
info: {{title: Pets, version: "1"}}
servers: [{{url: "{url}/v1"}}]
paths:
  /pets/{{id}}:
    get:
      operationId: ../../getPet
      summary: One pet
      parameters: [{{name: id, in: path, required: true}}]
  /cookie:
    get:
      parameters: [{{name: c, in: cookie, required: true}}]
"""


class Backend(BaseHTTPRequestHandler):
    """Knows the pet 7 and says what it was asked."""

    def do_GET(self) -> None:
        if self.path == "/openapi.yaml":
            raw, status = SPEC.format(url="").encode(), 200
        else:
            told = {"path": self.path, "key": self.headers.get("X-Api-Key")}
            raw, status = json.dumps(told).encode(), 200 if self.path == "/v1/pets/7" else 404
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture(scope="module")
def backend() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def spec(backend: str, tmp_path: Path) -> Path:
    path = tmp_path / "spec.yaml"
    path.write_text(SPEC.format(url=backend))
    return path


@contextmanager
def bridged(home: Path, *words: object) -> Iterator[dict[str, Any]]:
    with process(home, "bridge", words[0], "--port", 0, "--json", *words[1:]) as running:
        assert running.stdout is not None
        line = running.stdout.readline()
        assert line, running.stderr.read() if running.stderr else "no line"
        yield json.loads(line)


def bought(home: Path, listening: dict[str, Any], name: str, *words: object) -> Any:
    manifest = f"{listening['url']}/mrp/manifest/{name}"
    options = ("--manifest", manifest, "--capability", name, "--db", home / "buyer.db", "--json")
    return run("run", "do it", *options, *words)


def outputs(done: Any) -> list[Any]:
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    return found["evidence"]["outputs"]


@pytest.mark.slow
def test_operations_are_offered_and_carried_out(
    backend: str, spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PETS_KEY", "private")
    words = ("openapi", "--header", "X-Api-Key=PETS_KEY", "--cost", "0.01", spec)
    with bridged(tmp_path, *words) as listening:
        assert listening["capabilities"] == ["getPet"]
        found = bought(tmp_path, listening, "getPet", "--input", 'json={"path_params": {"id": 7}}')
        missing = bought(
            tmp_path, listening, "getPet", "--input", 'json={"path_params": {"id": 8}}'
        )
        unfilled = bought(tmp_path, listening, "getPet", "--input", "json={}")

    told = {"path": "/v1/pets/7", "key": "private"}
    assert outputs(found) == [{"type": "json", "value": told}]
    assert (missing.exit_code, unfilled.exit_code) == (1, 1)
    assert "404" in missing.output
    assert "path_params lacks" in unfilled.output
    assert not list(tmp_path.parent.rglob("*getPet*")), "a foreign name became a path"


@pytest.mark.slow
def test_tools_are_offered_and_called(tmp_path: Path) -> None:
    words = ("mcp", "--policy", "no_training", sys.executable, MCP, "well")
    with bridged(tmp_path, *words) as listening:
        assert listening["capabilities"] == ["echo", "second"]
        by_json = bought(tmp_path, listening, "echo", "--input", 'json={"text": "hello"}')
        by_text = bought(
            tmp_path, listening, "echo", "--input", "text=hi", "--policy", "no_training"
        )

    assert outputs(by_json) == [{"type": "text", "value": "hello"}]
    assert outputs(by_text) == [{"type": "text", "value": "hi"}]


def test_what_would_be_offered_is_listed(backend: str, spec: Path) -> None:
    done = run("bridge", "openapi", "--list", "--json", "--prefix", "pets.", spec)

    found = json.loads(done.stdout)
    assert found["source"] == f"Pets at {backend}/v1"
    assert [one["name"] for one in found["capabilities"]] == ["pets.getPet"]
    assert found["capabilities"][0]["input_schema"]["required"] == ["path_params"]
    assert "the cookie 'c' is required" in found["left_out"][0]
    told = run("bridge", "openapi", "--list", spec)
    assert "getPet" in told.stdout


def test_a_description_may_be_fetched(backend: str) -> None:
    done = run("bridge", "openapi", "--list", "--json", f"{backend}/openapi.yaml")

    assert json.loads(done.stdout)["source"] == f"Pets at {backend}/v1"


def test_a_description_made_to_run_code_runs_none(tmp_path: Path) -> None:
    """What is put into a generated program elsewhere: here it is a key, or no address."""
    witness = tmp_path / "witness"
    code = f"__import__('pathlib').Path('{witness}').touch()"
    server = {"url": f'http://127.0.0.1:1"; {code} #'}
    operation = {"operationId": f'x"; {code} #', "summary": f'"""; {code}'}
    own = tmp_path / "spec.json"
    paths = {"/a": {"get": operation}}
    own.write_text(json.dumps({"openapi": "3.1.0", "servers": [server], "paths": paths}))

    refused = run("bridge", "openapi", "--list", own)
    listed = run("bridge", "openapi", "--list", "--json", "--backend", "http://127.0.0.1:1", own)

    assert (refused.exit_code, "no address" in refused.output) == (2, True)
    (one,) = json.loads(listed.stdout)["capabilities"]
    assert re.fullmatch(r"x[A-Za-z0-9._-]{,63}", one["name"])
    assert not witness.exists()


def test_tools_are_listed() -> None:
    done = run("bridge", "mcp", "--list", "--json", sys.executable, MCP, "well")

    assert [one["name"] for one in json.loads(done.stdout)["capabilities"]] == ["echo", "second"]


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("openapi", "missing.yaml"), 2, "cannot read"),
        (("openapi", MCP), 2, "description"),
        (("openapi", "--header", "X-Api-Key=NO_SUCH_VARIABLE", MCP), 2, "NO_SUCH_VARIABLE"),
        (("openapi", "http://10.0.0.1:1/\x00"), 1, "not fetched"),
        (("mcp",), 2, "COMMAND"),
        (("mcp", "--prot", "1", "x"), 2, "--prot"),
        (("mcp", "--env", "NO_SUCH_VARIABLE", "x"), 2, "NO_SUCH_VARIABLE"),
        (("mcp", "--list", "/no/such/program"), 1, "cannot be started"),
        (("mcp", "--list", "--only", "other", sys.executable, MCP, "well"), 2, "echo, second"),
    ],
)
def test_what_cannot_be_bridged_is_said(words: tuple[object, ...], code: int, why: str) -> None:
    done = run("bridge", *words)

    assert done.exit_code == code
    assert why in done.output


def test_a_fetched_description_is_not_trusted_beyond_its_origin(
    backend: str, tmp_path: Path
) -> None:
    """A file on this machine is the operator's word; what came from elsewhere is not."""
    import asyncio

    from treaty.app.bridging import bridge_openapi
    from treaty.bridges.stated import Stated

    own = tmp_path / "own.yaml"
    own.write_text(SPEC.format(url="http://10.9.8.7"))

    def trusted(spec: object, address: str | None = None) -> tuple[str, ...]:
        made = bridge_openapi(str(spec), Stated(), backend=address, headers={})
        return asyncio.run(made).trusted

    assert trusted(own) == ("http://10.9.8.7",)
    assert trusted(f"{backend}/openapi.yaml") == (backend,)
    assert trusted(own, "http://10.1.1.1/api") == ("http://10.1.1.1",)


@pytest.mark.parametrize(
    ("backend_given", "base"),
    [
        ("http://10.0.0.1:81", "http://10.0.0.1:81/v1"),
        ("http://10.0.0.1:81/api", "http://10.0.0.1:81/api"),
    ],
)
def test_a_path_alone_is_one_at_the_backend(tmp_path: Path, backend_given: str, base: str) -> None:
    own = tmp_path / "own.yaml"
    own.write_text(SPEC.format(url=""))
    done = run("bridge", "openapi", "--list", "--json", "--backend", backend_given, own)

    assert json.loads(done.stdout)["source"] == f"Pets at {base}"
    without = run("bridge", "openapi", "--list", own)
    assert (without.exit_code, "--backend URL" in without.output) == (2, True)


@pytest.mark.parametrize("text", ["-1", "x", "NaN", "1e9", "Infinity"])
def test_a_price_is_a_number_of_dollars(text: str) -> None:
    with pytest.raises(click.BadParameter):
        price(text)


@pytest.mark.parametrize("text", ["X-Key", "=A", "X-Key="])
def test_a_header_names_a_variable(text: str) -> None:
    with pytest.raises(click.BadParameter):
        header(text)
