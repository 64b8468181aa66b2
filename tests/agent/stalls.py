"""Providers of MRP on real sockets that say what a test wants, for buyers to deal with.

A ``Stall`` answers like a small provider: its manifest, its offers, an answer to NEGOTIATE and one
to EXECUTE. Each may be replaced by bytes, a status, or silence; what came is kept.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Final

from tests.dialects.mrp.made import SEED

OFFERS: Final = {name: SEED[f"offer_{name}"]["payload"]["offers"][0] for name in "ab"}
EVIDENCE: Final = SEED["evidence"]["payload"]
_NUMBERS = count(1)


@dataclass
class Reply:
    """An answer of HTTP, whatever is in it."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Stall:
    """What one provider says. A callable gets the request's envelope and gives the answer."""

    sender: str = "service:stall"
    offers: list[Any] = field(default_factory=list)
    manifest: dict[str, Any] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    """Path -> payload, ``Reply``, or a callable; a payload goes out in a lawful envelope."""
    came: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""
    gate: threading.Event = field(default_factory=threading.Event)
    """Opened at the end; a callable that waits for it is a provider that never answers."""

    @property
    def manifest_url(self) -> str:
        """Where its manifest is."""
        return f"{self.url}/mrp/manifest"

    def said(self, msg_type: str) -> list[dict[str, Any]]:
        """The messages of one type that came."""
        return [one for _, one in self.came if one.get("msg_type") == msg_type]


def seed_stall(name: str, **members: Any) -> Stall:
    """A provider with the offer ``a`` or ``b`` of the seed, verbatim."""
    return Stall(sender=f"service:{name}", offers=[deepcopy(OFFERS[name])], **members)


def reply_to(stall: Stall, request: dict[str, Any], msg_type: str, payload: Any) -> dict[str, Any]:
    """A lawful envelope that answers a request."""
    return {
        "mrp_version": "0.1",
        "msg_id": f"stall-msg-{next(_NUMBERS)}",
        "msg_type": msg_type,
        "timestamp": "2026-01-01T00:00:00Z",
        "sender": {"id": stall.sender},
        "receiver": {"id": request["sender"]["id"]},
        "in_reply_to": request["msg_id"],
        "payload": payload,
    }


def evidence(request: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The seed's evidence for an EXECUTE: of its route, job and url."""
    asked = request["payload"]
    urls = [one["value"] for one in asked["inputs"] if one["type"] == "url"]
    made: dict[str, Any] = deepcopy(EVIDENCE)
    made["route_id"] = asked["route_id"]
    made["job_id"] = asked["job"]["id"]
    made["provenance"]["citations"] = urls
    return {**made, **changes}


@contextmanager
def open_stalls(*stalls: Stall) -> Iterator[None]:
    """Serve stalls, each on a port of its own, until the block ends."""
    servers = []
    for stall in stalls:
        server = _Server(("127.0.0.1", 0), _handler(stall))
        stall.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
    try:
        yield
    finally:
        for stall, server in zip(stalls, servers, strict=True):
            stall.gate.set()
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A buyer may hang up; that is no fault of the stall's."""


def _handler(stall: Stall) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path == "/mrp/manifest" and "/mrp/manifest" not in stall.answers:
                self._send(Reply(json.dumps(_manifest(stall)).encode()))
            else:
                self._answer(self.path, {})

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            request = json.loads(raw)
            stall.came.append((self.path, request))
            self._answer(self.path, request)

        def _answer(self, path: str, request: dict[str, Any]) -> None:
            answer = stall.answers.get(path, _DEFAULTS.get(path))
            made = answer(stall, request) if callable(answer) else answer
            if made is None:
                self._send(Reply(b'{"detail":"Not Found"}', 404))
            elif isinstance(made, Reply):
                self._send(made)
            elif "msg_type" in made:
                self._send(Reply(json.dumps(made).encode()))
            else:
                whole = reply_to(stall, request, _TYPES[path], made)
                self._send(Reply(json.dumps(whole).encode()))

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler


def _manifest(stall: Stall) -> dict[str, Any]:
    return {
        "capability_id": "capability:test/summarize",
        "capability": "summarize",
        "version": "0.1",
        "inputs": [{"type": "url"}],
        "outputs": [{"type": "markdown"}],
        "endpoints": {
            "discover": "/mrp/discover",
            "negotiate": "/mrp/negotiate",
            "execute": "/mrp/execute",
        },
        **stall.manifest,
    }


def _negotiated(_stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
    asked = request["payload"]
    agreement = {"status": "accepted", "id": "agreement-1", "price": 0.018}
    return {
        "route_id": asked["route_id"],
        "constraints": {**asked["constraints"], "agreement": agreement},
    }


_TYPES: Final = {
    "/mrp/discover": "OFFER",
    "/mrp/negotiate": "NEGOTIATE",
    "/mrp/execute": "EVIDENCE",
}
_DEFAULTS: Final[dict[str, Callable[[Stall, dict[str, Any]], Any]]] = {
    "/mrp/discover": lambda stall, _: {"offers": stall.offers},
    "/mrp/negotiate": _negotiated,
    "/mrp/execute": lambda _, request: evidence(request),
}
