"""A capability from one function: its signature says what it takes and gives.

For example::

    @capability(cost="0.01", policy=("no_training",), retention_days=0, latency_ms=20)
    async def shout(text: str) -> str:
        '''Say it louder.'''
        return text.upper() + "!"

Parameters are read so:

* ``Url``, ``Markdown``, ``Text``: the value of the first input of that type;
  ``list[Url]`` takes all of them.
* one ``str`` and no other plain parameter: the first input of type text.
* any other plain parameters (``str``, ``int``, ``bool``, ``float``, ``Decimal``, ``list``,
  ``dict``, ``Literal[…]``): members of the first input of type json, by their names. Their
  schema goes into the manifest.
* ``Call``: the whole call, with ``intent`` and ``fetch``.

A parameter with a default may be absent. What is returned is one output: text for ``str``, markdown
for ``Markdown``, url for ``Url``, json for anything else; or a ``Result``, whose types
``outputs=`` names. Functions that do not wait run in a thread.

Read next: ``treaty.agent.summarize``, a real one; ``treaty.agent.signature``, the reading.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from treaty.agent.signature import Markdown, Shape, Text, Url, output_of, read_shape
from treaty.engine.capability import Call, Capability, Item, Perform, Result
from treaty.errors import TreatyError, UnavailableError
from treaty.wire.canonical import Json

__all__ = [
    "Call",
    "Capability",
    "Item",
    "Markdown",
    "Result",
    "Text",
    "Url",
    "capability",
]

ZERO: Final = Decimal(0)
HALF: Final = Decimal("0.5")


def capability(
    *,
    name: str | None = None,
    version: str = "0.1",
    inputs: tuple[str, ...] | None = None,
    outputs: tuple[str, ...] | None = None,
    cost: Decimal | str | int = ZERO,
    latency_ms: int | None = None,
    confidence: Decimal | str = HALF,
    policy: tuple[str, ...] = (),
    proofs: tuple[str, ...] = (),
    retention_days: int | None = None,
    training_use: str | None = None,
    residency: str | None = None,
    subprocessors: tuple[str, ...] = (),
    tags: tuple[str, ...] = (),
    constraints: Mapping[str, Json] | None = None,
    needs_agreement: bool = False,
    repeatable: bool = True,
    floor: Decimal | str | int | None = None,
    route_id: str | None = None,
) -> Callable[[Callable[..., Any]], Capability]:
    """Decorator: make a capability of a function; see the head of this module.

    ``name`` is by default the function's, its description the first line of its docstring.
    ``policy`` with ``no_training`` implies ``training_use`` "none". Raises ``MisuseError`` for a
    signature that cannot be read and statements nobody could.
    """

    def made(function: Callable[..., Any]) -> Capability:
        shape = read_shape(function)
        stated = dict(constraints or {})
        if shape.schema is not None:
            stated.setdefault("input_schema", shape.schema)
        return Capability(
            name=name or function.__name__,
            perform=contained(_performing(function, shape)),
            version=version,
            description=(inspect.getdoc(function) or "").partition("\n")[0],
            inputs=inputs or shape.inputs,
            outputs=outputs or shape.outputs,
            cost=Decimal(cost),
            latency_ms=latency_ms,
            confidence=Decimal(confidence),
            policy=policy,
            proofs=proofs,
            retention_days=retention_days,
            training_use=training_use or ("none" if "no_training" in policy else None),
            residency=residency,
            subprocessors=subprocessors,
            tags=tags,
            constraints=stated,
            needs_agreement=needs_agreement,
            repeatable=repeatable,
            floor=None if floor is None else Decimal(floor),
            route_id=route_id,
        )

    return made


def contained(perform: Perform) -> Perform:
    """Turn every error of foreign code into ``capability_failed``, its text left out."""

    async def performed(call: Call) -> Result:
        try:
            return await perform(call)
        except TreatyError:
            raise
        except Exception as error:
            kind = type(error).__name__
            raise UnavailableError(f"it failed with {kind}", "capability_failed") from error

    return performed


def _performing(function: Callable[..., Any], shape: Shape) -> Perform:
    is_async = inspect.iscoroutinefunction(function)

    async def perform(call: Call) -> Result:
        arguments = shape.arguments(call)
        if is_async:
            given = await function(**arguments)
        else:
            given = await asyncio.to_thread(function, **arguments)
        return given if isinstance(given, Result) else Result(outputs=(output_of(given, shape),))

    return perform
