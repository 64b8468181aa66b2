"""What a party may answer: small values that strategies return and loops carry out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from treaty.wire.canonical import Json


@dataclass(frozen=True, slots=True)
class Accept:
    """Yes."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Counter:
    """No, but these terms."""

    terms: Mapping[str, Json]
    reason: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class Reject:
    """No."""

    reason: str
    code: str = "unspecified"


Answer = Accept | Counter | Reject
