"""The figures in what a trust node states of an agent, beside those computed from its log (B16).

Read next: ``trust_extract``, which compares them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from treaty.core.trust import COMPONENTS, Score, decimal_text
from treaty.errors import shown
from treaty.wire import fields
from treaty.wire.canonical import Json


def stated_numbers(view: Mapping[str, Json], right: Score) -> Iterator[tuple[str, object, object]]:
    """(name, as stated, as computed) of everything a view says in figures."""
    parts = fields.obj(view, "components")
    yield "score", _exact(view.get("score")), decimal_text(right.score)
    yield "level", view.get("level"), right.level
    for name in COMPONENTS:
        yield name, _exact(parts.get(name)), decimal_text(right.components[name])
    yield "provisional", view.get("provisional"), right.provisional
    for name, value in (("evidence", right.evidence), ("breaches", right.breaches)):
        if name in view:
            yield name, view.get(name), str(value)


def _exact(value: Json) -> str:
    """A number of the JSON in the digits everybody reads; RFC 8785 writes those of ``repr``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return shown(value)
    return decimal_text(Decimal(repr(value)))
