"""A capability's statements, and what of a call and its result is checked."""

from __future__ import annotations

from decimal import Decimal

import pytest

from treaty.engine.capability import (
    CITATIONS_MAX,
    FETCHES_MAX,
    INPUTS_MAX,
    Call,
    Capability,
    Item,
    Result,
)
from treaty.engine.fetching import Fetched
from treaty.errors import MisuseError, Refused, TreatyError

pytestmark = pytest.mark.anyio


class Echo:
    """A fetcher that remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    async def fetch(self, url: str, *, allowed_domains=(), **_limits) -> Fetched:
        self.asked.append((url, allowed_domains))
        return Fetched(status=200, headers={}, body=b"", url=url)


def call(*inputs: Item, **members) -> Call:
    return Call(intent="x", inputs=inputs, fetcher=Echo(), at_ms=0, **members)


def giving(result: object, **members) -> Capability:
    async def perform(_call: Call) -> Result:
        return result

    return Capability(name="sample", perform=perform, **members)


def test_an_item_has_no_absent_members() -> None:
    text = Item(type="text", value="x", mime="text/plain")
    artifact = Item(type="artifact", uri="/mrp/artifacts/1", hash="sha256:00", size=3)

    assert text.document() == {"type": "text", "value": "x", "mime": "text/plain"}
    assert Item(type="json").document() == {"type": "json", "value": None}
    assert artifact.document() == {
        "type": "artifact",
        "uri": "/mrp/artifacts/1",
        "hash": "sha256:00",
        "size": 3,
    }


def test_values_are_those_of_one_type_in_order() -> None:
    one = call(
        Item(type="url", value="a"), Item(type="text", value="b"), Item(type="url", value="c")
    )

    assert one.values("url") == ["a", "c"]


async def test_the_domains_agreed_on_go_with_every_fetch() -> None:
    one = call(allowed_domains=("example.com",))

    await one.fetch("https://example.com/")

    assert one.fetcher.asked == [("https://example.com/", ("example.com",))]


async def test_a_call_fetches_a_limited_number_of_times() -> None:
    one = call()
    for _ in range(FETCHES_MAX):
        await one.fetch("https://example.com/")

    with pytest.raises(Refused) as caught:
        await one.fetch("https://example.com/")
    assert caught.value.code == "input_unsupported"


@pytest.mark.parametrize(
    "stated",
    [
        {"name": ""},
        {"name": "../../x"},
        {"name": "a b"},
        {"name": "é"},
        {"name": "x" * 65},
        {"inputs": ("file",)},
        {"outputs": ("html",)},
        {"cost": Decimal(-1)},
        {"cost": Decimal("NaN")},
        {"confidence": Decimal("1.1")},
    ],
)
def test_statements_nobody_could_read_are_misuse(stated: dict) -> None:
    with pytest.raises(MisuseError):
        Capability(**{"name": "sample", "perform": giving(None).perform, **stated})


async def test_a_result_of_the_declared_types_comes_back() -> None:
    result = Result(outputs=(Item(type="markdown", value="# x"),))

    assert await giving(result, outputs=("markdown",)).execute(call()) == result


@pytest.mark.parametrize(
    "result",
    [
        None,
        "text",
        Result(outputs=(Item(type="markdown", value="x"),)),
        Result(outputs=(Item(type="text", value="x"),) * 65),
        Result(outputs=(), citations=("https://example.com/",) * (CITATIONS_MAX + 1)),
        Result(outputs=(Item(type="artifact", uri="/x"),)),
    ],
)
async def test_what_is_no_result_is_a_failure(result: object) -> None:
    with pytest.raises(TreatyError) as caught:
        await giving(result, outputs=("text", "artifact")).execute(call())
    assert caught.value.code == "capability_failed"


async def test_too_many_inputs_are_refused() -> None:
    inputs = (Item(type="text", value="x"),) * (INPUTS_MAX + 1)

    with pytest.raises(Refused) as caught:
        await giving(Result(outputs=())).execute(call(*inputs))
    assert caught.value.code == "input_unsupported"
