"""Who may be drawn as an arbiter between two parties (ASP decision B15).

Candidates have a card that says ``arbitrates``, a score of 70 or more, and no deal with either
party in a year; of each organisation the best one stands, and none of the parties' own. They are
written down when a dispute is filed, each with the key it will vote with, before anybody has
shown a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from treaty.core.arbiters import SCORE_LEAST, have_dealt
from treaty.core.dispute import CANDIDATES_MAX
from treaty.core.trust_state import TrustState, domain_of
from treaty.engine.dialect import Standing
from treaty.wire.canonical import Json


def candidates(
    willing: Iterable[str],
    parties: tuple[str, str],
    *,
    standing: Callable[[str], Standing],
    key_id: Callable[[str], str],
    state: TrustState,
    now_ms: int,
) -> list[Mapping[str, Json]]:
    """Candidates in the order of their URIs, at most ``CANDIDATES_MAX``.

    ``key_id`` tells the key that an agent's card shows.
    """
    own = {domain_of(party) for party in parties}
    best: dict[str, tuple[Decimal, str]] = {}
    for uri in willing:
        organisation, score = domain_of(uri), standing(uri).score
        if organisation in own or score < SCORE_LEAST:
            continue
        if any(have_dealt(state, uri, party, now_ms) for party in parties):
            continue
        known = best.get(organisation)
        # Of equals the first by URI, so that nobody's order of registration matters.
        if known is None or (-score, uri) < (-known[0], known[1]):
            best[organisation] = (score, uri)
    found = sorted((uri, organisation) for organisation, (_, uri) in best.items())
    return [
        {"uri": uri, "organisation": name, "keyId": key_id(uri)}
        for uri, name in found[:CANDIDATES_MAX]
    ]
