"""A provider of capabilities as a real process, and a web site of pages for it to read."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx

from tests.interop.daemons import running

CAPABILITIES = '''\
"""What the provider under test can do."""

import asyncio

from treaty.agent.capability import Call, Item, Result, Url, capability
from treaty.errors import UnavailableError
from treaty.wire.digest import sha256_tag


@capability(
    cost="0.01", policy=("no_training", "no_pii"), proofs=("attestation",), retention_days=0,
    latency_ms=300, confidence="0.9", outputs=("markdown",),
)
async def digest(url: Url, call: Call) -> Result:
    """Give back a page as it is."""
    page = await call.fetch(url)
    if not page.is_success:
        raise UnavailableError(f"the page is answered with {page.status}", "fetch_failed")
    return Result(
        outputs=(Item(type="markdown", value=page.body.decode()),),
        citations=(page.url,),
        source_hashes=(sha256_tag(page.body),),
    )


@capability()
async def slowly(url: Url, call: Call) -> str:
    """Give back a page once it is there."""
    while not (await call.fetch(url)).is_success:
        await asyncio.sleep(0.05)
    return "done"
'''
PRICING = b"<html><body><h1>Pricing</h1><p>Basic costs $10 &amp; Pro $20.</p></body></html>"


class Site:
    """Pages under a loopback address; what a test puts there is served at once."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.pages: dict[str, bytes] = {"/pricing.html": PRICING}
        self.asked: list[str] = []


@contextmanager
def site() -> Iterator[Site]:
    """Serve pages until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            page = served.pages.get(self.path)
            is_redirect = page is not None and page.startswith(b"->")
            self.send_response(302 if is_redirect else 404 if page is None else 200)
            if is_redirect and page is not None:
                self.send_header("location", page[2:].decode())
            self.end_headers()
            if page is not None and not is_redirect:
                self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Provider:
    """A running provider."""

    url: str
    told: Mapping[str, Any]
    """The line it said when it listened."""
    process: Popen[str]

    @property
    def manifest(self) -> str:
        """Where its manifest is."""
        return f"{self.url}/mrp/manifest"

    def post(self, endpoint: str, document: Mapping[str, Any]) -> httpx.Response:
        """Post a message."""
        headers = {"content-type": "application/mrp+json"}
        url = f"{self.url}/mrp/{endpoint}"
        return httpx.post(url, json=document, headers=headers, timeout=70, trust_env=False)

    def get(self, path: str) -> httpx.Response:
        """GET a path."""
        return httpx.get(self.url + path, timeout=70, trust_env=False)


@contextmanager
def provider(folder: Path, *options: str, port: int = 0) -> Iterator[Provider]:
    """Run ``treaty serve`` with the capabilities above until the block ends."""
    file = folder / "capabilities.py"
    file.write_text(CAPABILITIES)
    command = [sys.executable, "-c", "from treaty.cli import main; main()", "serve", "--json"]
    command += ["--port", str(port), "--allow-loopback", *options]
    for name in ("digest", "slowly"):
        command += ["--capability", f"{file}:{name}"]
    source = str(Path(__file__).parents[2] / "src")
    environment = {"PYTHONPATH": source, "PYTHONDONTWRITEBYTECODE": "1"}
    with running(command, environment, "listening") as (process, line):
        told = json.loads(line)
        yield Provider(told["url"], told, process)


def envelope(msg_type: str, payload: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    """A message of somebody."""
    return {
        "mrp_version": "0.1",
        "msg_id": "message-0001",
        "msg_type": msg_type,
        "timestamp": "2025-01-01T00:00:00Z",
        "sender": {"id": "agent:test/buyer"},
        "payload": dict(payload),
        **members,
    }
