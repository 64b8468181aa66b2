"""Seats, names and texts: refusals that a row of ``asp_refusals.txt`` cannot show."""

from __future__ import annotations

import pytest

from tests.dialects.asp.scenes import CALM, scene
from tests.dialects.asp.stage import DAY, SECOND, SIGNERS, URIS, Stage, check_refused
from treaty.core.commitment import CLAIMS_CHECKED_MAX
from treaty.dialects.asp.choices import PARTICIPANTS_MAX
from treaty.dialects.asp.codec import decode
from treaty.errors import TreatyError
from treaty.identity.records import seal


def seated(count: int) -> Stage:
    """A session with so many participants: the principals, and authorities that never answered."""
    stage = Stage()
    stage.alpha.invite(terms={**CALM, "timeouts": {"escalatedMs": 10 * SECOND}})
    stage.beta.accept("inv")
    stage.alpha.identify()
    stage.beta.identify()
    stage.alpha.observe()
    for number in range(count - 2):
        body = {"escalationId": f"call{number}", "reason": "r"}
        stage.beta.say("ESCALATE", {**body, "authority": f"agent://desk.example/{number}"})
        stage.wait(10 * SECOND)
    assert stage.state == "CONVERSING"
    assert len(stage.conversation.participants) == count
    return stage


def test_a_session_seats_sixteen() -> None:
    stage = seated(PARTICIPANTS_MAX)
    with check_refused(stage, "session_full"):
        stage.alpha.delegate("d1", "gamma")
    with check_refused(stage, "session_full"):
        stage.alpha.escalate("esc", to="umpire")

    assert seated(PARTICIPANTS_MAX - 1).alpha.escalate("esc", to="umpire") == "ESCALATE"


def test_a_seat_is_asked_for_again_when_the_delegate_comes() -> None:
    stage = seated(PARTICIPANTS_MAX - 1)
    stage.alpha.delegate("d1", "gamma")
    stage.alpha.delegate("d2", "delta")
    stage.beta.accept("d1")
    with check_refused(stage, "session_full"):
        stage.beta.accept("d2")


def test_an_authority_that_is_seated_already_needs_no_seat() -> None:
    stage = seated(PARTICIPANTS_MAX - 1)
    stage.alpha.escalate("first", to="umpire")
    stage.umpire.resolve("resume", "first")

    assert stage.beta.escalate("second", to="umpire") == "ESCALATE"
    assert len(stage.conversation.participants) == PARTICIPANTS_MAX


def test_a_seat_that_was_left_can_be_taken() -> None:
    stage = seated(PARTICIPANTS_MAX - 1)
    stage.alpha.delegate("d1", "gamma")
    stage.beta.accept("d1")
    stage.alpha.withdraw("d1")
    stage.alpha.delegate("d2", "delta")

    assert stage.beta.accept("d2") == "ACCEPT/delegation"


@pytest.mark.parametrize("missing", ["escalationId", "decision"])
def test_a_resolution_says_what_it_decides(missing: str) -> None:
    stage = scene("escalated")
    data = {"escalationId": "esc", "decision": "resume"}
    del data[missing]
    with check_refused(stage, "malformed"):
        stage.umpire.inform("resolution", data)


@pytest.mark.parametrize("card", [None, "card", [], {}, {"uri": URIS["alpha"]}])
def test_an_identity_shows_a_card_with_uri_and_key(card: object) -> None:
    stage = scene("invited_accepted")
    with check_refused(stage, "malformed"):
        stage.alpha.inform("identity", {"agentCard": card})


def test_judging_alone_still_compares_the_shown_key_with_the_pinned_one() -> None:
    """Whoever judges a message has authenticated it; the two do not lean on one another."""
    stage = scene("invited_accepted")
    card = stage.alpha.card(key=SIGNERS["beta"].key)
    raw = stage.alpha.write("INFORM", {"informType": "identity", "data": {"agentCard": card}})
    with check_refused(stage, "unauthorized"):
        stage.accept_message(decode(raw), None)


def test_a_recipient_is_named_in_an_invitation() -> None:
    stage = Stage()
    body = {"proposalId": "inv", "type": "session-invitation", "subject": "s", "terms": {}}
    with check_refused(stage, "malformed"):
        stage.alpha.say("PROPOSE", body)


def test_error_texts_quote_and_cut_what_a_stranger_wrote() -> None:
    stage = scene("in_company")
    with pytest.raises(TreatyError) as caught:
        stage.alpha.close("x" * 100)

    assert "'xxx" in str(caught.value)
    assert "x" * 81 not in str(caught.value)


def test_a_refusal_of_a_move_says_where_the_session_stands() -> None:
    stage = scene("closing")
    with pytest.raises(TreatyError) as caught:
        stage.beta.propose("p9")

    assert caught.value.data["state"] == "CONVERSING"


PROVEN = {"verificationMethod": "evidence", "verification": {}}


def evidence(name: str = "beta", **members: str) -> dict[str, object]:
    return seal("evidence", {"commitmentId": "cmt", **members}, SIGNERS[name])


def test_a_claim_by_evidence_carries_it() -> None:
    stage = scene("in_company")
    stage.alpha.commit(provider=PROVEN)
    stage.beta.accept("cmt")
    with check_refused(stage, "malformed"):
        stage.beta.fulfil("cmt")
    with check_refused(stage, "signature_invalid"):
        stage.beta.fulfil("cmt", evidence=evidence("alpha"))
    with check_refused(stage, "policy_violation"):
        stage.beta.fulfil("cmt", evidence=evidence(commitmentId="another"))
    with check_refused(stage, "policy_violation"):
        stage.beta.fulfil("cmt", evidence=evidence(sessionId="another"))
    stage.beta.fulfil("cmt", evidence=evidence(sessionId=stage.conversation.id.upper()))

    assert stage.duty("provider").passed
    stage.wait(DAY)
    assert stage.commitment_of().state == "FULFILLED"


def test_evidence_by_the_key_that_was_agreed() -> None:
    stage = scene("in_company")
    agreed = {**PROVEN, "verification": {"key": SIGNERS["umpire"].key.text}}
    stage.alpha.commit(provider=agreed)
    stage.beta.accept("cmt")
    with check_refused(stage, "signature_invalid"):
        stage.beta.fulfil("cmt", evidence=evidence("beta"))

    stage.beta.fulfil("cmt", evidence=evidence("umpire"))
    assert stage.duty("provider").state == "CLAIMED"


def test_a_claim_is_not_checked_for_ever() -> None:
    stage = scene("in_company")
    check = {"url": "https://m.example/"}
    stage.alpha.commit(
        provider={"verificationMethod": "health-check-endpoint", "verification": check}
    )
    stage.beta.accept("cmt")
    for _ in range(CLAIMS_CHECKED_MAX):
        stage.beta.fulfil("cmt")
        stage.answer("provider", 500)

    with check_refused(stage, "policy_violation"):
        stage.beta.fulfil("cmt")
