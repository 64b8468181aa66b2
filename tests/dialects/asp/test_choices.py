"""The figures of the numbered decisions. Tests of what they do count with the names; here they are
written out, so that none of them changes unseen."""

from __future__ import annotations

import pytest

from treaty.core import dispute, levels, trust_state
from treaty.dialects.asp import choices

SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000


@pytest.mark.parametrize(
    ("name", "figure", "decision"),
    [
        ("FRESHNESS_MS", 60 * SECOND, "B6"),
        ("MISSED_MESSAGES_MAX", 16, "B7"),
        ("MISSED_BYTES_MAX", 64 * 1024, "B7"),
        ("HOLD_MS", 2 * SECOND, "B7"),
        ("MESSAGES_PER_SECOND", 10, "B7"),
        ("TURN_LEAST_MS", 5 * SECOND, "B10"),
        ("PARTICIPANTS_MAX", 16, "B14"),
        ("DELEGATES_MAX", 4, "B14"),
        ("BODY_BYTES_MAX", 256 * 1024, "B18"),
        ("MESSAGES_MAX", 10_000, "B18"),
        ("MESSAGES_KEPT", 32, "B18"),
        ("DEPTH_MAX", 32, "B3"),
    ],
)
def test_a_figure_is_the_one_decided(name: str, figure: int, decision: str) -> None:
    assert getattr(choices, name) == figure, decision


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("EVIDENCE_MS", DAY),
        ("VOTES_MS", 72 * HOUR),
        ("PERSON_MS", 7 * DAY),
        ("ARBITERS", 3),
        ("CANDIDATES_LEAST", 9),
        ("BOND_PERCENT", 5),
        ("SEVERITY_MAX", 5),
    ],
)
def test_a_figure_of_disputes_is_the_one_decided(name: str, figure: int) -> None:
    assert getattr(dispute, name) == figure, "B15"


def test_figures_of_trust_and_levels_are_those_decided() -> None:
    assert trust_state.ENDORSEMENTS_MAX == 50
    assert (levels.INBOX_MAX, levels.INBOX_PER_INVITER_MAX) == (64, 4), "B17"
