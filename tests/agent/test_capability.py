"""A capability from one function: what its signature says, and how a call becomes arguments."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Literal

import pytest

import treaty
from treaty.agent.capability import (
    Call,
    Capability,
    Item,
    Markdown,
    Result,
    Text,
    Url,
    capability,
)
from treaty.errors import MisuseError, Refused, UnavailableError

pytestmark = pytest.mark.anyio

Given = tuple[str, object]


async def ask(one: Capability, *given: Given, intent: str = "x") -> tuple[Given, ...]:
    inputs = tuple(Item(type=kind, value=value) for kind, value in given)
    result = await one.execute(Call(intent=intent, inputs=inputs, fetcher=None, at_ms=0))
    return tuple((item.type, item.value) for item in result.outputs)


@capability(cost="0.01", policy=("no_training",), retention_days=0, latency_ms=20)
async def shout(text: str) -> str:
    """Say it louder.

    And nothing else.
    """
    return text.upper() + "!"


@capability()
def price(hours: int, region: Literal["us", "eu"] = "us", discount: Decimal | None = None) -> dict:
    """Price some hours."""
    return {"total": str(hours * 2 - (discount or 0)), "region": region}


async def test_one_text_in_and_out() -> None:
    assert await ask(shout, ("text", "hello")) == (("text", "HELLO!"),)


def test_what_a_function_states() -> None:
    assert (shout.name, shout.description, shout.version) == ("shout", "Say it louder.", "0.1")
    assert (shout.inputs, shout.outputs) == (("text",), ("text",))
    assert (shout.cost, shout.latency_ms, shout.retention_days) == (Decimal("0.01"), 20, 0)
    assert (shout.policy, shout.training_use) == (("no_training",), "none")
    assert "input_schema" not in shout.constraints


def test_plain_parameters_are_members_with_a_schema() -> None:
    assert (price.inputs, price.outputs) == (("json",), ("json",))
    assert price.constraints["input_schema"] == {
        "type": "object",
        "properties": {
            "hours": {"type": "integer"},
            "region": {"enum": ["us", "eu"]},
            "discount": {"type": "number"},
        },
        "required": ["hours"],
        "additionalProperties": False,
    }


async def test_members_become_arguments() -> None:
    given = ("json", {"hours": 3, "discount": 0.5})

    assert await ask(price, given) == (("json", {"total": "5.5", "region": "us"}),)


@pytest.mark.parametrize(
    "given",
    [
        (),
        (("text", "3"),),
        (("json", [3]),),
        (("json", {}),),
        (("json", {"hours": "3"}),),
        (("json", {"hours": True}),),
        (("json", {"hours": 3.5}),),
        (("json", {"hours": None}),),
        (("json", {"hours": 3, "region": "mars"}),),
        (("json", {"hours": 3, "discount": "1"}),),
        (("json", {"hours": 3, "other": 1}),),
    ],
)
async def test_what_does_not_fit_the_signature_is_refused(given: tuple[Given, ...]) -> None:
    with pytest.raises(Refused) as caught:
        await ask(price, *given)
    assert caught.value.code == "input_unsupported"


async def test_marked_parameters_take_inputs_by_type() -> None:
    @capability()
    async def join(url: Url, others: list[Url], note: Text | None = None) -> Markdown:
        return Markdown(f"{url} of {len(others)}, {note}")

    assert (join.inputs, join.outputs) == (("url", "text"), ("markdown",))
    found = await ask(join, ("url", "a"), ("url", "b"), ("text", "n"))
    assert found == (("markdown", "a of 2, n"),)
    assert await ask(join, ("url", "a")) == (("markdown", "a of 1, None"),)


@pytest.mark.parametrize("given", [(), (("text", "x"),), (("url", 7),), (("url", None),)])
async def test_a_missing_or_odd_input_is_refused(given: tuple[Given, ...]) -> None:
    @capability()
    async def take(url: Url) -> str:
        return url

    with pytest.raises(Refused) as caught:
        await ask(take, *given)
    assert caught.value.code == "input_unsupported"


async def test_the_whole_call_and_a_whole_result() -> None:
    @capability(name="echo", inputs=("text", "url"), outputs=("text", "json"))
    async def echoed(call: Call) -> Result:
        return Result(outputs=(Item(type="text", value=call.intent), *call.inputs))

    assert (echoed.name, echoed.inputs) == ("echo", ("text", "url"))
    assert await ask(echoed, ("text", "b"), intent="a") == (("text", "a"), ("text", "b"))


async def test_a_function_that_does_not_wait_runs_in_a_thread() -> None:
    @capability()
    def where(text: str) -> str:
        return threading.current_thread().name

    ((_, name),) = await ask(where, ("text", "x"))
    assert name != threading.main_thread().name


async def test_an_error_of_foreign_code_stays_here() -> None:
    @capability()
    async def broken(text: str) -> str:
        raise KeyError("a secret")

    with pytest.raises(UnavailableError) as caught:
        await ask(broken, ("text", "x"))
    assert caught.value.code == "capability_failed"
    assert "secret" not in caught.value.detail


async def test_what_the_capability_refuses_is_refused() -> None:
    @capability()
    async def picky(text: str) -> str:
        raise Refused("not this", "input_unsupported")

    with pytest.raises(Refused, match="not this"):
        await ask(picky, ("text", "x"))


async def test_another_type_than_promised_is_a_failure() -> None:
    @capability()
    async def wrong(text: str) -> str:
        return 5

    with pytest.raises(UnavailableError) as caught:
        await ask(wrong, ("text", "x"))
    assert caught.value.code == "capability_failed"


def unmarked(thing):
    return thing


def exotic(thing: set) -> str:
    return str(thing)


def positional(thing: str, /) -> str:
    return thing


def several(*things: str) -> str:
    return "".join(things)


@pytest.mark.parametrize("function", [unmarked, exotic, positional, several])
def test_a_signature_that_cannot_be_read_is_misuse(function) -> None:
    with pytest.raises(MisuseError):
        capability()(function)


def test_it_is_named_at_the_front_door() -> None:
    assert treaty.capability is capability
