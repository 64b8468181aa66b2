"""What a provider can do for anybody who asks: the capability, one call of it, and its result.

No dialect is named here. A provider's dialect makes a manifest and offers out of a capability's
facts, and a call out of what was agreed; a capability sees nothing else of the asker.

Laws:

1. What a call fetches it fetches through ``Call.fetch``, which adds the domains agreed on.
2. A result is checked before anybody sees it: types among those declared, sizes within limits.
3. ``perform`` raises treaty's errors alone. What makes one of foreign code turns every other
   error into ``capability_failed``, and its text stays on this machine.

Read next: ``treaty.agent.capability``, which makes one from a function.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from treaty.engine.fetching import FETCH_BYTES_MAX, FETCH_MS, Fetched, Fetcher
from treaty.errors import MisuseError, Refused, UnavailableError, shown
from treaty.wire.canonical import Json

TYPES: Final = ("text", "url", "json", "markdown", "artifact")
INPUTS_MAX: Final = 16
OUTPUTS_MAX: Final = 64
CITATIONS_MAX: Final = 256
FETCHES_MAX: Final = 16
"""Fetches one call may make."""

NOTHING: Final[Mapping[str, Json]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One input or output. An artifact has ``uri`` and ``hash`` and no value."""

    type: str
    value: Json = None
    uri: str | None = None
    hash: str | None = None
    size: int | None = None
    mime: str | None = None

    def document(self) -> dict[str, Json]:
        """The item as JSON, without absent members."""
        named = {
            "uri": self.uri,
            "hash": self.hash,
            "size": self.size,
            "mime": self.mime,
        }
        found: dict[str, Json] = {"type": self.type}
        if self.type != "artifact":
            found["value"] = self.value
        return found | {name: value for name, value in named.items() if value is not None}


@dataclass(slots=True, kw_only=True)
class Call:
    """One call: what is asked for, on what, and within which limits."""

    intent: str
    inputs: tuple[Item, ...]
    fetcher: Fetcher
    at_ms: int
    output_format: str | None = None
    allowed_domains: tuple[str, ...] = ()
    max_cost: Decimal | None = None
    deadline_ms: int = 55_000
    """How long the call may take from ``at_ms``."""
    _fetches: int = 0

    def values(self, kind: str) -> list[Json]:
        """The values of the inputs of a type, in their order."""
        return [one.value for one in self.inputs if one.type == kind]

    async def fetch(
        self, url: str, *, bytes_max: int = FETCH_BYTES_MAX, timeout_ms: int = FETCH_MS
    ) -> Fetched:
        """Fetch a page within the domains agreed on. Raises as ``Fetcher.fetch``."""
        self._fetches += 1
        if self._fetches > FETCHES_MAX:
            raise Refused(f"a call fetches at most {FETCHES_MAX} times", "input_unsupported")
        return await self.fetcher.fetch(
            url,
            bytes_max=bytes_max,
            timeout_ms=timeout_ms,
            allowed_domains=self.allowed_domains,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a call brought, and where it comes from."""

    outputs: tuple[Item, ...]
    citations: tuple[str, ...] = ()
    """URLs the outputs rest on."""
    source_hashes: tuple[str, ...] = ()
    """``sha256:`` and hex of the bytes of each citation, in the same order."""
    usage: Mapping[str, Json] = field(default_factory=lambda: NOTHING)


Perform = Callable[[Call], Awaitable[Result]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """A thing a provider does, what it states about it, and the function that does it.

    Statements about cost, latency and confidence are estimates the provider declares; those
    about policy, retention and training are promises.
    """

    name: str
    perform: Perform
    version: str = "0.1"
    description: str = ""
    inputs: tuple[str, ...] = ("text",)
    """Types taken, each of ``TYPES``."""
    outputs: tuple[str, ...] = ("text",)
    cost: Decimal = Decimal(0)
    """Estimate for one call, in ``cost_unit``."""
    cost_unit: str = "usd"
    latency_ms: int | None = None
    """Median a caller may expect, in milliseconds."""
    confidence: Decimal = Decimal("0.5")
    policy: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ()
    retention_days: int | None = None
    training_use: str | None = None
    residency: str | None = None
    subprocessors: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    constraints: Mapping[str, Json] = field(default_factory=lambda: NOTHING)
    """Further statements for the manifest, such as ``input_schema``."""
    needs_agreement: bool = False
    """True: only after a negotiation."""
    repeatable: bool = True
    """False: for what must not happen twice; work that a stop interrupts ends as failed."""
    floor: Decimal | None = None
    """Private: the lowest price agreed to when somebody negotiates; None for ``cost`` alone."""
    route_id: str | None = None
    """The name of its route; None for one made of provider, name and version."""

    def __post_init__(self) -> None:
        """Raises ``MisuseError`` for statements nobody could read."""
        if not _is_name(self.name):
            raise MisuseError(f"no name of a capability: {shown(self.name)}")
        for kind in (*self.inputs, *self.outputs):
            if kind not in TYPES:
                raise MisuseError(f"items are of {', '.join(TYPES)}, not {shown(kind)}")
        if not self.cost.is_finite() or self.cost < 0 or not 0 <= self.confidence <= 1:
            raise MisuseError("a cost is not negative, a confidence between 0 and 1")

    async def execute(self, call: Call) -> Result:
        """Perform a call and check what it brought.

        Raises what the capability refuses with (``input_unsupported`` ...), and
        ``UnavailableError`` (``capability_failed``) when what it brought is no result.
        """
        if len(call.inputs) > INPUTS_MAX:
            raise Refused(f"at most {INPUTS_MAX} inputs are taken", "input_unsupported")
        return self._checked(await self.perform(call))

    def _checked(self, result: object) -> Result:
        if not isinstance(result, Result):
            raise self._failed("it gave back no result")
        if len(result.outputs) > OUTPUTS_MAX or len(result.citations) > CITATIONS_MAX:
            raise self._failed("it gave back more than is carried")
        for one in result.outputs:
            if one.type not in self.outputs:
                raise self._failed(f"it gave back {shown(one.type)}, which it does not declare")
            if one.type == "artifact" and not (one.uri and one.hash):
                raise self._failed("an artifact has an address and a hash")
        return result

    def _failed(self, why: str) -> UnavailableError:
        return UnavailableError(f"{self.name} failed: {why}", "capability_failed")


def _is_name(text: str) -> bool:
    """True for what may stand in a route id and an address: letters, digits, ``._-``."""
    return (
        0 < len(text) <= 64
        and text.isascii()
        and text[0].isalnum()
        and all(one.isalnum() or one in "._-" for one in text)
    )
