"""Artifacts among the inputs become what they hold, when they hold what they were named as."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.engine.service_stage import Stage, stage, staged
from tests.http.mrp_world import shout
from treaty.engine.capability import Call, Capability, Item, Result
from treaty.engine.inputs import held_kind
from treaty.wire.digest import sha256_tag

TEXT = b"hello"


async def uploaded(here: Stage, data: bytes = TEXT, mime: str = "text/plain") -> dict[str, Any]:
    """An artifact of this node, as an input."""
    artifacts = here.services.artifacts
    one = await artifacts.announce("x", mime, len(data), sha256_tag(data), "from:a")
    await artifacts.store(one.id, data)
    uri = f"/mrp/artifacts/{one.id}"
    return {"type": "artifact", "uri": uri, "hash": one.hash, "size": len(data), "mime": mime}


async def answer(here: Stage, route: str, item: dict[str, Any]) -> Any:
    asked = here.asked("EXECUTE", {"route_id": route, "inputs": [item]})
    _, said = await here.services.ended(await here.services.execute(asked))
    return json.loads(said)["payload"]


@staged
async def test_an_uploaded_text_is_worked_on_as_text() -> None:
    here = await stage(shout)
    done = await answer(here, "route-shout", await uploaded(here))

    assert done["outputs"] == [{"type": "text", "value": "HELLO!"}]


@pytest.mark.parametrize(
    "change",
    [
        {"hash": sha256_tag(b"other")},
        {"hash": "sha256:deadbeef"},
        {"size": 4},
        {"uri": "/mrp/artifacts/nobody"},
        {"uri": "/mrp/artifacts/../../etc/passwd"},
        {"uri": "file:///etc/passwd"},
        {"uri": "https://elsewhere.example/x"},
    ],
)
def test_what_is_not_what_it_was_named_as_is_not_worked_on(change: dict[str, Any]) -> None:
    @staged
    async def scene() -> None:
        here = await stage(shout)
        done = await answer(here, "route-shout", {**await uploaded(here), **change})

        assert "outputs" not in done
        assert done["details"]["reason"] in ("input_unsupported", "not_found", "address_forbidden")

    scene()


@staged
async def test_bytes_that_are_no_text_are_not_worked_on() -> None:
    here = await stage(shout)
    done = await answer(here, "route-shout", await uploaded(here, b"\xff\xfe"))

    assert done["details"]["reason"] == "input_unsupported"


@staged
async def test_who_takes_artifacts_gets_them_as_they_are() -> None:
    async def perform(call: Call) -> Result:
        (item,) = call.inputs
        return Result(outputs=(Item(type="json", value=item.document()),))

    keeps = Capability(
        name="keep", perform=perform, inputs=("artifact",), outputs=("json",), route_id="route-keep"
    )
    here = await stage(keeps)
    item = await uploaded(here, b"\x00", "image/png")
    done = await answer(here, "route-keep", item)

    assert done["outputs"] == [{"type": "json", "value": item}]


@pytest.mark.parametrize(
    ("mime", "kind"),
    [
        ("text/plain; charset=utf-8", "text"),
        ("TEXT/MARKDOWN", "markdown"),
        ("application/json", "json"),
        ("text/html", None),
        (None, None),
    ],
)
def test_a_media_type_stands_for_a_type_of_item(mime: str | None, kind: str | None) -> None:
    assert held_kind(mime) == kind
