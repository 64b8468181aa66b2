"""What the currencies of a node are worth, and in which of them something may be open.

A currency without a rate is refused (B17). One that had a rate once is remembered with the last it
had: nothing new is bound in it, but what is still open in it goes on counting towards ceilings.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from treaty.core.levels import Rates
from treaty.core.rates import DOLLAR, UsdRates, check_rated, rate_text, rates_at, read_rate
from treaty.engine.ports import Store, Unit
from treaty.wire.canonical import Json, canonical, read_json

SETTING: Final = "usd-rates"


class Currencies:
    """The rates of one node.

    Raises ``Refused`` (``currency_unsupported``) for a currency that is unknown, or is the dollar.
    """

    def __init__(self, given: UsdRates) -> None:
        self.given: UsdRates = {check_rated(code): rate for code, rate in given.items()}
        """What may be agreed in now, besides dollars."""
        self._known: Mapping[str, Decimal] = dict(self.given)

    async def load(self, store: Store) -> None:
        """Take up what was known before, and write down what is known now."""
        kept = await store.setting(SETTING)
        body = {} if kept is None else read_json(kept)
        assert isinstance(body, dict)
        before = {code: read_rate(body[code]) for code in body}
        self._known = {**before, **self.given}
        if self._known != before:
            stated: dict[str, Json] = {code: rate_text(one) for code, one in self._known.items()}
            await store.commit(Unit(settings=((SETTING, canonical(stated)),)))

    def beside(self, asset: str, rates: Rates) -> Rates:
        """What a dollar buys of ``asset``, by ``rates``, and of each other one that may be open."""
        found = dict(rates)
        for code, rate in self._known.items():
            if code != asset:
                found[code] = rates_at(code, rate)[code]
        return found

    def others(self, asset: str) -> tuple[str, ...]:
        """Every other asset in which something may be open."""
        return tuple(code for code in (DOLLAR, *self._known) if code != asset)
