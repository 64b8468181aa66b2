"""Two providers of one capability that promise different things: what `treaty demo` routes."""

import tomllib
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from treaty.agent.summarize import summarize

with Path(__file__).with_name("routing.toml").open("rb") as file:
    OFFERS = tomllib.load(file)["offers"]


def promising(figures):
    lists = {name: tuple(one) for name, one in figures.items() if isinstance(one, list)}
    numbers = {name: Decimal(figures[name]) for name in ("cost", "confidence")}
    return replace(summarize, **{**figures, **lists, **numbers})


fast = promising(OFFERS["fast"])
cheap = promising(OFFERS["cheap"])
