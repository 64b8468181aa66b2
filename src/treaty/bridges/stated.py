"""What an operator states of bridged capabilities, and the names they get.

A foreign name is made of the characters a capability's name may have; where two become one, the
later gets a number. What the name was is kept as a key and sent back to its owner, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from treaty.bridges.schemas import carried
from treaty.engine.capability import NOTHING, Capability, Perform
from treaty.errors import MisuseError, shown
from treaty.wire.canonical import Json

NAME_CHARS_MAX: Final = 64
DESCRIPTION_CHARS_MAX: Final = 300
BRIDGED_MAX: Final = 500
"""Capabilities of one bridge."""

_FOREIGN: Final = re.compile(r"[^A-Za-z0-9._-]+")
_EDGES: Final = re.compile(r"\A[^A-Za-z0-9]+|[^A-Za-z0-9]+\Z")
_PREFIX: Final = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._-]{0,31})?")
_SPACES: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """The same statements for each capability of a bridge."""

    prefix: str = ""
    cost: Decimal = Decimal(0)
    latency_ms: int | None = None
    policy: tuple[str, ...] = ()
    proofs: tuple[str, ...] = ("attestation",)
    retention_days: int | None = None
    residency: str | None = None

    def __post_init__(self) -> None:
        """Raises ``MisuseError``."""
        if not _PREFIX.fullmatch(self.prefix):
            raise MisuseError(f"a prefix has letters, digits and ._-, not {shown(self.prefix)}")

    def capability(
        self,
        name: str,
        perform: Perform,
        *,
        description: str = "",
        inputs: tuple[str, ...] = ("json",),
        outputs: tuple[str, ...] = ("json", "text"),
        tags: tuple[str, ...] = (),
        constraints: Mapping[str, Json] = NOTHING,
    ) -> Capability:
        """A capability with these statements."""
        return Capability(
            name=name,
            perform=perform,
            description=carried(_SPACES.sub(" ", description).strip(), DESCRIPTION_CHARS_MAX),
            inputs=inputs,
            outputs=outputs,
            cost=self.cost,
            latency_ms=self.latency_ms,
            policy=self.policy,
            proofs=self.proofs,
            retention_days=self.retention_days,
            training_use="none" if "no_training" in self.policy else None,
            residency=self.residency,
            tags=tags,
            constraints=constraints,
            # What somebody else's service does need not bear being done twice.
            repeatable=False,
        )


@dataclass(slots=True)
class Names:
    """Gives each foreign name one of ours, once."""

    prefix: str = ""
    _taken: set[str] = field(default_factory=set)

    def give(self, foreign: str) -> str:
        """A name of a capability for a foreign one; never the same twice."""
        bare = _EDGES.sub("", _FOREIGN.sub("_", foreign[:256])) or "unnamed"
        plain = f"{self.prefix}{bare}"[:NAME_CHARS_MAX]
        name, number = plain, 1
        while name.lower() in self._taken:
            number += 1
            tail = f"_{number}"
            name = plain[: NAME_CHARS_MAX - len(tail)] + tail
        self._taken.add(name.lower())
        return name


def object_schema(schema: Json) -> dict[str, Json]:
    """A schema for the manifest, or that of any object when there is none."""
    return schema if isinstance(schema, dict) else {"type": "object"}
