"""Agents, records and time for the trust tests: the cast of the seed, and how to write a row."""

from __future__ import annotations

from decimal import Decimal

from treaty.core.trust_fold import fold
from treaty.core.trust_records import Attestation, Before, Identity, Outcome, Party
from treaty.core.trust_state import Roots, TrustState

DAY = 86_400_000
T0 = 1_772_892_000_000
"""2026-03-07T14:00:00Z, when the seed begins."""

CLEARING = "agent://npayload.com/clearing"
OPERATOR = "agent://npayload.com/operator"
ROOTS = Roots(frozenset({CLEARING}), frozenset({OPERATOR}))

ALPHA = "agent://acme.com/procurement/alpha"
BETA = "agent://cloudprime.io/gpu/beta"
"""The seed's two agents."""

BETA_COMPONENTS = {
    "IV": "100", "CH": "90", "CF": "95", "BC": "90", "RQ": "92", "SP": "75", "ER": "94", "PE": "68",
}  # fmt: skip
"""What the operator attests of Beta: 0.20·100 + 0.15·90 + 0.20·95 + 0.10·(90+92+75+94) + 0.05·68
= 20 + 13.5 + 19 + 35.1 + 3.4 = 91.0."""

STRONG = Before(Decimal("91.0"), provisional=False)
NEW = Before(Decimal("49.0"), provisional=True)


def folded(*records, start=None):
    state = start or TrustState(ROOTS)
    for record in records:
        state = fold(state, record)
    return state


def key(agent, at=T0):
    return Identity(agent, "key", at)


def domain(agent, at=T0):
    return Identity(agent, "domain", at)


def attest(
    agent, *, at=T0, days=3_650, weight="200", components=None, allowance="100", by=OPERATOR
):
    values = BETA_COMPONENTS if components is None else components
    return Attestation(
        agent=agent,
        components={name: Decimal(value) for name, value in values.items()},
        weight=Decimal(weight),
        until_ms=at + days * DAY,
        by=by,
        at_ms=at,
        allowance=Decimal(allowance),
        reason="a row of a table",
    )


def side(agent, *, kept=True, v="1", rating=None, before=None, **more):
    return Party(agent, kept, Decimal(v), more.pop("escrow", kept), rating, before=before, **more)


def outcome(one, other, *, at=T0, clearing=CLEARING, disputed=False, severity=None):
    return Outcome(
        "019526a1-8e1a-7000-8000-000000000001",
        "sha256:" + "00" * 32,
        "cmt_001",
        clearing,
        (one, other),
        at,
        disputed,
        severity,
    )


def deal(agent, other, *, at=T0, kept=True, v="1", rating=None, escrow=None, **more):
    """A settled deal as ``agent`` sees it; ``other`` was strong before and kept its part.

    ``agent`` counts as new before, so that it confers nothing back.
    """
    mine = side(
        agent, kept=kept, v=v, rating=rating, before=NEW, escrow=kept if escrow is None else escrow
    )
    return outcome(mine, side(other, v=v, before=STRONG), at=at, **more)


HALF = dict.fromkeys(BETA_COMPONENTS, "60")
"""Attested, they make a score of 60.0: q = (60 - 30)/60 = 0.5."""


def partner(number):
    """An attested agent of an organisation of its own: its word counts in full."""
    return f"agent://partner{number}.com/agent"


def partners(count, **more):
    return [attest(partner(number), **more) for number in range(count)]


def deals(agent, count, **more):
    """Deals of full weight with ``count`` partners of different organisations: Σw = count."""
    return [deal(agent, partner(number), **more) for number in range(count)]
