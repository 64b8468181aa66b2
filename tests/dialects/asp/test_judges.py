"""Who may be drawn, and whose word a vote or a ruling is (B15)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.asp.judged import DISPUTE, JUDGES, copy_of, judged, ruled, vote_of
from tests.dialects.asp.stage import CANDIDATES, URIS
from treaty.core.dispute import CANDIDATES_MAX, Candidate
from treaty.dialects.asp.judges import check_vote, operator_named, read_candidates
from treaty.errors import SignatureError, WireError

PARTIES = (URIS["alpha"], URIS["beta"])


def one(uri: str = "agent://judge.example/desk", **changes: Any) -> dict[str, Any]:
    return {"uri": uri, "organisation": "judge.example", "keyId": "k", **changes}


def test_candidates_are_read_with_their_keys() -> None:
    found = read_candidates({"candidates": CANDIDATES}, PARTIES)

    first = CANDIDATES[0]
    assert found[0] == Candidate(first["uri"], first["organisation"], first["keyId"])
    assert len(found) == len(CANDIDATES)
    assert read_candidates({"candidates": []}, PARTIES) == ()


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param([one(keyId=None)], id="no key"),
        pytest.param([one(uri="agent://judge.example/DESK desk")], id="no agent"),
        pytest.param([one(), one("agent://judge.example/other")], id="two of one organisation"),
        pytest.param([one(), one()], id="one twice"),
        pytest.param([one("agent://notjudge.example/desk")], id="of another organisation"),
        pytest.param([one("agent://acme.com/x", organisation="acme.com")], id="a party's own"),
        pytest.param(["agent://judge.example/desk"], id="no object"),
        pytest.param(
            [one(f"agent://j{n}.example/x", organisation=f"j{n}.example")
             for n in range(CANDIDATES_MAX + 1)],
            id="too many",
        ),
    ],
)  # fmt: skip
def test_what_is_no_list_of_candidates_is_refused(listed: Any) -> None:
    with pytest.raises(WireError):
        read_candidates({"candidates": listed}, PARTIES)


def test_an_arbiter_that_changed_its_key_is_not_heard() -> None:
    stage = judged()
    dispute = stage.conversation.disputes[DISPUTE]
    by, other = dispute.arbiters[:2]
    check_vote(dispute, by, vote_of(stage, by, 100))
    stage.signers[by] = stage.signers[other]

    with pytest.raises(SignatureError, match="another key than when the dispute was filed"):
        check_vote(dispute, by, vote_of(stage, by, 100))


def test_the_operator_is_the_one_the_invitation_names() -> None:
    assert operator_named(copy_of(ruled()).conversation) is not None
    assert operator_named(copy_of(ruled(names=False)).conversation) is None


def test_everybody_drawn_was_a_candidate() -> None:
    assert set(judged().conversation.disputes[DISPUTE].arbiters) <= set(JUDGES)
