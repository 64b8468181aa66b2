"""Paths are matched as they were sent."""

from __future__ import annotations

import pytest
from starlette.responses import Response

from tests.simulation.clock import simulated
from treaty.errors import Refused
from treaty.http.routing import Router


async def first(_ask) -> Response:
    return Response("first")


async def second(_ask) -> Response:
    return Response("second")


ROUTER = Router({"/a/{name}": {"GET": first, "POST": second}}, {"/b": {"GET": second}})


def test_a_segment_keeps_its_encoding() -> None:
    assert ROUTER.find("GET", "/a/x%2Fy%20z") == (first, {"name": "x%2Fy%20z"})


def test_the_method_chooses_the_handler() -> None:
    assert ROUTER.find("POST", "/a/x")[0] is second


@pytest.mark.parametrize("path", ["/a", "/a/", "/a/x/y", "/a/x/", "/A/x", "//a/x", "", "/b?x=1"])
def test_another_path_is_not_found(path: str) -> None:
    with pytest.raises(Refused) as refused:
        ROUTER.find("GET", path)

    assert refused.value.code == "not_found"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "get", "BREW"])
def test_another_method_is_told_which_ones_there_are(method: str) -> None:
    with pytest.raises(Refused) as refused:
        ROUTER.find(method, "/a/x")

    assert refused.value.code == "method_not_allowed"
    assert refused.value.data["allow"] == ["GET", "POST", "OPTIONS"]


@simulated
async def test_options_lists_the_methods() -> None:
    handler, _ = ROUTER.find("OPTIONS", "/b")

    answer = await handler(None)

    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, OPTIONS")
