"""A program that speaks MCP over its standard streams as it is told: well, badly, not at all."""

from __future__ import annotations

import json
import os
import sys

MANNER = sys.argv[1]
TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
ECHO = {"name": "echo", "description": "Say it again.", "inputSchema": TEXT}


def write(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def say(message: dict) -> None:
    write(json.dumps({"jsonrpc": "2.0", **message}))


def answer(ident: int, method: str, parameters: dict) -> None:
    if method == "initialize":
        versions = {"old": "1999-01-01", "odd": [parameters["protocolVersion"]]}
        version = versions.get(MANNER, parameters["protocolVersion"])
        say({"id": ident, "result": {"protocolVersion": version, "capabilities": {}}})
    elif method == "tools/list" and "cursor" not in parameters:
        tools = [{"name": 5}] if MANNER == "nameless" else [ECHO]
        say({"id": ident, "result": {"tools": tools, "nextCursor": "2"}})
    elif method == "tools/list":
        say({"id": ident, "result": {"tools": [{"name": "second"}]}})
    else:
        call(ident, parameters)


def call(ident: int, parameters: dict) -> None:
    if MANNER == "dies":
        sys.exit(0)
    if MANNER == "long":
        write("x" * 5_000_000)
    if MANNER == "huge":
        say({"id": ident, "result": {"content": [], "structuredContent": {"n": 2**60}}})
    if MANNER == "silent":
        return
    if MANNER == "refuses":
        say({"id": ident, "error": {"code": -32602, "message": "no\nsuch tool"}})
    if MANNER == "noisy":
        write("not json\n[]\n5\n{}")
        say({"method": "notifications/message", "params": {}})
        say({"id": 7_000, "result": {"content": []}})
        say({"id": "p", "method": "ping"})
        assert json.loads(sys.stdin.readline()) == {"jsonrpc": "2.0", "id": "p", "result": {}}
        say({"id": "s", "method": "sampling/createMessage", "params": {}})
        assert json.loads(sys.stdin.readline())["error"]["code"] == -32_601
    text = parameters["arguments"].get("text", "") + os.environ.get("TREATY_PASSPHRASE", "")
    text += os.environ.get("GIVEN", "")
    say({"id": ident, "result": {"content": [{"type": "text", "text": text}]}})


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and "method" in message:
        answer(message["id"], message["method"], message.get("params", {}))
