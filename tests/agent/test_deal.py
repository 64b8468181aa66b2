"""A deal from one side: the words of the protocol as methods, and what is so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA
from tests.agent.scene import TERMS, market, strike
from tests.agent.session import agreed, commit, committed, seen, session
from tests.simulation.clock import later, simulated
from treaty.agent import OvertakenError
from treaty.agent.copy import VerifiedCopy
from treaty.agent.terms import commit_body
from treaty.dialects.asp.messages import Close, Performative
from treaty.errors import MisuseError, Refused
from treaty.wire.money import Money


@simulated
async def test_each_party_sees_the_session_from_its_side() -> None:
    async with session() as (_, alpha, beta):
        assert (alpha.me, alpha.counterparty) == (ALPHA, BETA)
        assert (beta.me, beta.counterparty) == (BETA, ALPHA)
        assert alpha.id == beta.id
        assert alpha.state == beta.state == "INTRODUCED"
        assert [one.performative.value for one in alpha.messages] == [
            "PROPOSE", "ACCEPT", "INFORM", "INFORM",
        ]  # fmt: skip


@simulated
async def test_an_open_proposal_is_the_others_newest() -> None:
    async with session() as (_, alpha, beta):
        assert beta.open_proposal() is None
        await alpha.propose({"n": 1})
        await alpha.propose({"n": 2})
        await seen(beta, alpha)

        proposal = beta.open_proposal()
        assert proposal is not None
        assert proposal.terms == {"n": 2}
        assert alpha.open_proposal() is None


@simulated
async def test_a_counter_refuses_and_offers_in_one_breath() -> None:
    async with session() as (_, alpha, beta):
        await alpha.propose({"n": 1}, subject="GPUs")
        await seen(beta, alpha)
        await beta.counter({"n": 2}, reason="more", final=True)
        await seen(alpha, beta)

        proposal = alpha.open_proposal()
        assert proposal is not None
        assert (proposal.terms, proposal.final, proposal.subject) == (
            {"n": 2}, True, "Revised: GPUs",
        )  # fmt: skip
        await alpha.accept("fine")
        accepted = alpha.agreed()
        assert accepted is not None
        assert accepted.id == proposal.id


@simulated
async def test_there_is_no_answer_to_what_is_not_on_the_table() -> None:
    async with session() as (_, alpha, _beta):
        for move in (alpha.accept, lambda: alpha.reject("no"), lambda: alpha.counter({"n": 1})):
            with pytest.raises(OvertakenError):
                await move()
        for act in (alpha.fulfil, alpha.confirm, lambda: alpha.progress("x", 1)):
            with pytest.raises(Refused):
                await act()


@simulated
async def test_what_was_proposed_can_be_withdrawn_or_rejected() -> None:
    async with session() as (_, alpha, beta):
        await alpha.propose({"n": 1})
        (proposal,) = alpha.conversation.proposals
        await alpha.withdraw(proposal)
        assert alpha.conversation.proposals[proposal].state == "withdrawn"
        await alpha.propose({"n": 2})
        await seen(beta, alpha)
        await beta.reject("no", "budget_exceeded")
        assert list(beta.conversation.proposals.values())[-1].state == "rejected"


@simulated
async def test_a_commitment_is_accepted_performed_confirmed_and_paid() -> None:
    async with session() as (_, alpha, beta):
        await committed(alpha, beta)
        await beta.accept()
        await beta.progress("half", 50, "one of two", estimatedCompletion="soon")
        await beta.fulfil(instances=2)
        await seen(alpha, beta)
        await alpha.confirm()
        assert not alpha.over
        await alpha.close(rating=5)
        await seen(beta, alpha)
        await beta.close(rating=4)
        await later(1_000)

        assert alpha.over
        assert beta.over
        outcome = alpha.outcome()
        assert outcome is not None
        (commitment,) = alpha.conversation.settled
        assert commitment.posted_units == 18_000
        progress: Any = alpha.messages[-5].body
        assert progress.data["estimatedCompletion"] == "soon"


@simulated
async def test_a_close_states_head_and_count_and_confirms_what_is_bound() -> None:
    async with session() as (_, alpha, beta):
        await committed(alpha, beta)
        await beta.accept()
        await beta.fulfil()
        await seen(alpha, beta)
        head, count = alpha.conversation.head, alpha.conversation.messages
        envelope = await alpha.close(rating=5, summary="good")

        body = envelope.body
        assert isinstance(body, Close)
        assert (body.chain_head, body.message_count) == (head, count)
        assert body.commitments_fulfilled == tuple(alpha.conversation.commitments)
        document: Any = envelope.document
        assert document["content"]["body"]["outcome"]["totalTransactionValue"] == {
            "amount": "180.00", "currency": "USD",
        }  # fmt: skip


@simulated
async def test_an_offer_to_end_confirms_nothing() -> None:
    async with session() as (_, alpha, beta):
        await committed(alpha, beta)
        await beta.accept()
        await seen(alpha, beta)
        envelope = await alpha.close(reason="cancelled")

        body = envelope.body
        assert isinstance(body, Close)
        assert body.commitments_fulfilled == ()
        assert alpha.state == "EXECUTING"
        await seen(beta, alpha)
        await beta.close(reason="cancelled")
        await later(1_000)
        assert alpha.over
        assert alpha.outcome() is None


@simulated
async def test_a_deal_is_not_over_before_its_money_has_moved() -> None:
    async with market() as (_, alpha, _beta):
        deal = await strike(alpha)
        overs = []
        copy = VerifiedCopy(deal.line.copy.known)
        whole, deal.line.copy = deal.line.copy, copy
        for item in whole.items:
            copy.absorb(item)
            overs.append(deal.over)

        assert overs == [False] * 16 + [True]


@simulated
async def test_ids_are_new_each_time() -> None:
    async with session() as (_, alpha, _beta):
        assert len({alpha.new_id("x") for _ in range(100)}) == 100


@simulated
async def test_a_card_is_shown_without_what_is_hearsay() -> None:
    async with session() as (_, alpha, _beta):
        shown: Any = alpha.messages[2].body
        card = shown.data["agentCard"]
        assert card["uri"] == ALPHA
        assert "listing" not in card


@simulated
async def test_a_commit_holds_the_accepted_terms_the_total_and_both_duties() -> None:
    async with session() as (_, alpha, beta):
        await agreed(alpha, beta)
        proposal = alpha.agreed()
        assert proposal is not None
        body: Any = commit_body(
            commitment="cmt_1", proposal=proposal, payer=ALPHA, payee=BETA,
            total=Money(18_000, "USD"), at_ms=1_772_892_000_000, provide="Two GPUs",
        )  # fmt: skip

        assert body["proposalId"] == proposal.id
        assert body["terms"] == {
            **TERMS, "pricePerHour": 3.75, "totalCost": {"amount": "180.00", "currency": "USD"},
        }  # fmt: skip
        assert body["escrow"] == {
            "amount": "180.00", "currency": "USD", "releaseCondition": "obligation-met",
        }  # fmt: skip
        duties = body["obligations"]
        assert (duties["buyer"]["party"], duties["provider"]["party"]) == (ALPHA, BETA)
        assert duties["buyer"]["action"] == "Pay 180.00 USD"
        assert duties["buyer"]["deadline"] == "2026-03-08T14:00:00.000Z"
        assert duties["provider"]["action"] == "Two GPUs"
        assert duties["provider"]["deadline"] == "2026-03-07T15:00:00.000Z"
        await commit(alpha)
        assert alpha.state == "AGREEING"


BOSS = "agent://acme.com/people/boss"


@simulated
async def test_an_authority_that_both_have_called_says_which_question_it_decides() -> None:
    async with session() as (town, alpha, beta), town.agent("boss", BOSS) as boss:
        await alpha.line.send(Performative.OBSERVE, {"subject": "price", "data": {}})
        await alpha.escalate(BOSS, "Too dear?")
        await seen(beta, alpha)
        await beta.escalate(BOSS, "Too cheap?")
        deal = await boss.join(alpha.id, ALPHA)
        names = [one.id for one in deal.conversation.escalations.values()]
        with pytest.raises(MisuseError, match=names[1]):
            await deal.resolve("resume")
        await deal.resolve("resume", escalation=names[1])
        await seen(alpha, deal)
        assert list(alpha.conversation.escalations) == [ALPHA]
        assert alpha.state == "ESCALATED"
        await deal.resolve("resume")
        assert deal.state == "CONVERSING"
        with pytest.raises(Refused, match="nothing here waits"):
            await deal.resolve("resume")
