"""``Verified[T]``: a value together with the key that vouched for it.

Laws:

1. Only the modules of this room make one, with the private token below, and only after the
   signature held. Whoever receives a ``Verified`` need not ask again, and whoever wants one
   has no other way to get it.
2. The value holds what was signed, and nothing beside it that was not.

Read next: ``records`` and ``envelopes``, which make them.
"""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from typing import Final, Generic, TypeVar

from treaty.errors import MisuseError
from treaty.identity.keys import PublicKey

T = TypeVar("T")

_TOKEN: Final = object()


@dataclass(frozen=True, slots=True)
class Verified(Generic[T]):
    """``value``, whose signature by ``key`` was checked in this process."""

    value: T
    key: PublicKey
    token: InitVar[object] = None

    def __post_init__(self, token: object) -> None:
        """Refuse every maker outside ``treaty.identity`` (MisuseError)."""
        if token is not _TOKEN:
            raise MisuseError(
                "a Verified value is made by treaty.identity alone, after it checked a signature"
            )


def _verified(value: T, key: PublicKey) -> Verified[T]:
    return Verified(value, key, _TOKEN)
