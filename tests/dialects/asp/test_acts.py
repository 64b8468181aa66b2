"""The act of a message, and what its sender is to it."""

from __future__ import annotations

import pytest

from tests.dialects.asp.scenes import scene
from tests.dialects.asp.stage import URIS, Actor, Stage
from treaty.dialects.asp.acts import act_of, kind_of_id, new_id, seen_from, standing
from treaty.dialects.asp.codec import decode
from treaty.dialects.asp.messages import Envelope


def said(actor: Actor, performative: str, **body: object) -> Envelope:
    """A message that is only written, not sent."""
    return decode(actor.write(performative, body))


@pytest.mark.parametrize(
    ("reference", "kind"),
    [
        ("inv", "invitation"),
        ("pa", "proposal"),
        ("cmt", "commitment"),
        ("da", "delegation"),
        ("nothing", None),
    ],
)
def test_an_id_names_one_thing(reference: str, kind: str | None) -> None:
    assert kind_of_id(scene("executing").conversation, reference) == kind


def test_a_counter_invitation_is_told_from_the_invitation() -> None:
    stage = scene("invited_countered")
    raw = said(stage.alpha, "ACCEPT", referenceId="inv2")

    assert kind_of_id(stage.conversation, "inv2") == "invitation-counter"
    assert act_of(stage.conversation, raw) == "ACCEPT/invitation-counter"


@pytest.mark.parametrize(
    ("scene_name", "who", "reason", "act"),
    [
        ("in_company", "alpha", "completed", "CLOSE"),
        ("in_company", "alpha", "cancelled", "CLOSE"),
        ("executing", "alpha", "completed", "CLOSE"),
        ("executing", "alpha", "cancelled", "CLOSE/offer"),
        ("executing", "alpha", "failed", "CLOSE/offer"),
        ("executing_offered", "alpha", "cancelled", "CLOSE/offer"),
        ("executing_offered", "beta", "cancelled", "CLOSE/consent"),
        ("executing_offered", "beta", "failed", "CLOSE/offer"),
        ("executing_offered", "beta", "completed", "CLOSE"),
        ("closed_silent", "beta", "completed", "CLOSE/late"),
        ("closed", "beta", "completed", "CLOSE"),
    ],
)
def test_a_close_is_an_end_an_offer_a_consent_or_late(
    scene_name: str, who: str, reason: str, act: str
) -> None:
    stage = scene(scene_name)

    assert act_of(stage.conversation, said(getattr(stage, who), "CLOSE", reason=reason)) == act


@pytest.mark.parametrize(
    ("scene_name", "data", "act"),
    [
        ("executing", {"commitmentId": "cmt", "status": "fulfilled"}, "INFORM/claim"),
        ("executing", {"commitmentId": "cmt", "status": "confirmed"}, "INFORM/claim"),
        ("executing", {"commitmentId": "cmt", "status": "running"}, "INFORM"),
        ("executing", {"commitmentId": 5, "status": "fulfilled"}, "INFORM"),
        ("executing", {"commitmentId": "cmt", "status": ["fulfilled"]}, "INFORM"),
        ("executing", {}, "INFORM"),
        ("in_company", {"commitmentId": "cmt", "status": "fulfilled"}, "INFORM"),
        ("escalated", {}, "INFORM/report"),
    ],
)
def test_a_result_is_a_claim_when_it_names_a_commitment_and_its_end(
    scene_name: str, data: dict[str, object], act: str
) -> None:
    stage = scene(scene_name)

    assert (
        act_of(stage.conversation, said(stage.beta, "INFORM", informType="result", data=data))
        == act
    )


def test_standing_is_what_is_true_of_the_sender() -> None:
    stage = scene("in_company")
    words = {}
    for name in ("alpha", "beta", "gamma", "delta", "stranger"):
        message = said(getattr(stage, name), "ACCEPT", referenceId="pa")
        words[name] = set(standing(stage.conversation, message, "ACCEPT/proposal"))

    assert words == {
        "alpha": {"inviter", "principal", "party", "author"},
        "beta": {"invitee", "principal", "party", "other"},
        "gamma": {"advisory", "delegate"},
        "delta": {"party", "delegate", "other"},
        "stranger": set(),
    }


def test_an_authority_is_one_only_while_its_escalation_runs() -> None:
    stage = scene("escalated")
    stage.umpire.resolve("resume")
    stage.beta.escalate("second", to="boss")
    data = {"escalationId": "second", "decision": "resume"}
    found = {
        name: standing(
            stage.conversation,
            said(getattr(stage, name), "INFORM", informType="resolution", data=data),
            "INFORM/resume",
        )
        for name in ("umpire", "boss")
    }

    assert found == {"umpire": frozenset(), "boss": frozenset({"authority"})}


def test_a_revoked_party_is_nothing_else() -> None:
    stage = scene("in_company").with_revoked("alpha")
    message = said(stage.alpha, "ACCEPT", referenceId="pb")

    assert standing(stage.conversation, message, "ACCEPT/proposal") == {"revoked"}


@pytest.mark.parametrize(
    ("who", "state"),
    [("alpha", "ESCALATED"), ("gamma", "ESCALATED"), ("boss", "ESCALATED"),
     ("beta", "CONVERSING"), ("delta", "CONVERSING")],
)  # fmt: skip
def test_a_one_sided_escalation_is_seen_from_its_own_side_only(who: str, state: str) -> None:
    conversation = scene("escalated_one_sided").conversation

    assert seen_from(conversation, URIS[who]).state == state


@pytest.mark.parametrize("who", ["alpha", "beta", "gamma", "delta", "umpire"])
def test_a_common_escalation_is_seen_by_everybody(who: str) -> None:
    conversation = scene("escalated").conversation

    assert seen_from(conversation, URIS[who]) is conversation


def test_only_some_messages_bring_a_new_name() -> None:
    stage = Stage()
    named = {
        "PROPOSE": {"proposalId": "n", "type": "t", "subject": "s", "terms": {}},
        "COUNTER": {"referenceId": "r", "counterProposalId": "n", "terms": {}},
        "QUERY": {"queryId": "n", "queryType": "t"},
        "COMMIT": stage.commitment("n"),
        "DELEGATE": stage.delegation("n", "gamma"),
        "ESCALATE": {"escalationId": "n", "reason": "r", "authority": URIS["umpire"]},
    }
    nameless = {
        "ACCEPT": {"referenceId": "r"},
        "WITHDRAW": {"referenceId": "r"},
        "OBSERVE": {"subject": "s", "data": {}},
        "CLOSE": {"reason": "completed"},
    }

    for performative, body in named.items():
        assert new_id(said(stage.alpha, performative, **body).body) == "n"
    for performative, body in nameless.items():
        assert new_id(said(stage.alpha, performative, **body).body) is None
