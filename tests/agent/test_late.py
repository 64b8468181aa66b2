"""A delegate without history verifies a session from its joining on, and says what it could not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, NODE, Town, log_item
from tests.agent.scene import TERMS
from tests.agent.session import commit, seen, session
from tests.agent.test_copy import ITEMS
from tests.agent.test_copy import copy_of as settled_copy
from tests.dialects.asp.judged import copy_of as judged_copy
from tests.dialects.asp.judged import judged, ruled
from tests.simulation.clock import later, now_ms, simulated
from treaty.agent import Agent, Deal
from treaty.agent.copy import HostLiesError, VerifiedCopy
from treaty.agent.export import export_deal
from treaty.agent.late import LateCopy, stated
from treaty.agent.ports import LogItem
from treaty.dialects.asp.messages import Performative
from treaty.dialects.asp.views import session_view
from treaty.errors import Refused, WireError
from treaty.identity.records import seal
from treaty.wire.canonical import Json, canonical
from treaty.wire.instants import format_instant

GAMMA = "agent://advice.example/gamma"
WEEK_MS = 7 * 86_400_000


@dataclass
class Company:
    """Alpha and Beta talk; Gamma has joined on Alpha's side and follows."""

    town: Town
    alpha: Deal
    beta: Deal
    agent: Agent
    gamma: Deal

    @property
    def copy(self) -> LateCopy:
        """Gamma's."""
        copy = self.gamma.line.copy
        assert isinstance(copy, LateCopy)
        return copy

    def verdicts(self) -> dict[str, str]:
        """What it claims of itself."""
        return {one.name: str(one.verdict) for one in self.copy.claims()}


async def observe(deal: Deal, subject: str = "sky") -> None:
    await deal.line.send(Performative.OBSERVE, {"subject": subject, "data": {}})


@asynccontextmanager
async def company(authority: str = "advisory", *, history: bool = False) -> AsyncIterator[Company]:
    """A session in which something was proposed before Gamma came."""
    async with session() as (town, alpha, beta), town.agent("gamma", GAMMA) as agent:
        await alpha.propose({**TERMS, "pricePerHour": 3.5})
        await alpha.delegate(
            GAMMA, "Look", expires_ms=now_ms() + WEEK_MS, authority=authority, history=history
        )
        await seen(beta, alpha)
        (name,) = beta.conversation.delegations
        await beta.admit(name, history=history)
        await seen(alpha, beta)
        gamma = await agent.join(alpha.id, ALPHA)
        yield Company(town, alpha, beta, agent, gamma)


def told(deal: Deal) -> list[str]:
    return [str(one.content.get("subject", one.performative.value)) for one in deal.messages]


@simulated
async def test_a_guest_that_joined_late_follows_and_speaks_from_there_on() -> None:
    async with company() as here:
        first = here.copy.items[0]
        assert (first.position, here.copy.since) == (first.position, first.position - 1)
        assert first.position > 1
        await observe(here.alpha, "sea")
        await seen(here.gamma, here.alpha)
        await here.gamma.introduce(here.agent.card)
        await observe(here.gamma, "land")
        await observe(here.gamma, "air")
        await seen(here.beta, here.gamma)

        assert told(here.gamma)[1:] == told(here.beta)[-4:]
        assert here.beta.messages[-1].sender == GAMMA
        for member in ("head", "entry", "position", "state", "messages"):
            mine, theirs = (getattr(one.conversation, member) for one in (here.gamma, here.beta))
            assert mine == theirs, member


@simulated
async def test_with_history_nothing_is_late() -> None:
    async with company(history=True) as here:
        assert not isinstance(here.gamma.line.copy, LateCopy)
        assert here.gamma.line.copy.items[0].position == 1


@simulated
async def test_what_could_not_be_checked_is_said() -> None:
    async with company() as here:
        await observe(here.alpha)
        await seen(here.gamma, here.alpha)
        assert here.verdicts() == {
            "log": "verified",
            "messages": "verified",
            "keys": "verified",
            # Its own admission answers a DELEGATE that it has not seen.
            "moves": "not checkable",
            "state": "not checkable",
            "before": "not checkable",
        }
        assert here.copy.unjudged == 1
        # Alpha accepts nothing that Gamma has seen on the table.
        await here.beta.accept()
        await seen(here.gamma, here.beta)
        assert here.copy.unjudged == 2
        await here.alpha.propose({**TERMS, "pricePerHour": 3.6})
        await seen(here.gamma, here.alpha)
        assert here.copy.unjudged == 2


@simulated
async def test_its_copy_is_kept_and_opened_again() -> None:
    async with company() as here:
        await observe(here.alpha)
        await seen(here.gamma, here.alpha)
        await observe(here.gamma)
        await seen(here.alpha, here.gamma)
        await here.agent.copies.flush()
        again = await here.agent.peruse(here.alpha.id)
        assert isinstance(again.line.copy, LateCopy)
        assert again.line.copy.items == here.copy.items
        assert again.conversation.messages == here.alpha.conversation.messages
        assert again.line.copy.claims() == here.copy.claims()

        await here.agent.forget(here.gamma)
        await observe(here.beta, "rain")
        deal = await here.agent.join(here.alpha.id, ALPHA)
        assert told(deal)[-1] == "rain"
        await observe(deal, "sun")
        await seen(here.alpha, deal)
        assert told(here.alpha)[-1] == "sun"


@simulated
async def test_a_binding_guest_answers_what_it_has_seen_on_the_table() -> None:
    async with company("binding") as here:
        assert here.gamma.counterparty == BETA
        await here.beta.propose({**TERMS, "pricePerHour": 3.75})
        await seen(here.gamma, here.beta)
        await here.gamma.accept("fine")
        await seen(here.alpha, here.gamma)
        agreed = here.alpha.agreed()
        assert agreed is not None
        assert agreed.terms["pricePerHour"] == 3.75
        await commit(here.alpha)
        await seen(here.beta, here.alpha)
        await here.beta.accept()
        await seen(here.gamma, here.beta)
        assert here.gamma.state == "EXECUTING"
        await here.beta.fulfil()
        await seen(here.alpha, here.beta)
        await here.alpha.close(rating=5)
        await seen(here.beta, here.alpha)
        await here.beta.close(rating=4)
        await later(1_000)
        assert here.gamma.state == "CLOSED"
        assert here.gamma.over
        # Its own admission, and nothing else.
        assert here.copy.unjudged == 1


@simulated
async def test_a_host_that_tells_the_guest_another_story_is_convicted() -> None:
    async with company() as here:
        await observe(here.alpha)
        await seen(here.gamma, here.alpha)
        honest = here.copy.items[-1]
        forged = seal("receipt", {**honest.record, "performative": "REJECT"}, here.town.signer)
        with pytest.raises(HostLiesError) as caught:
            here.copy.absorb(replace(honest, record=forged))
        assert caught.value.data == {"ours": dict(honest.record), "theirs": forged}
        # Both are signed by the host: whoever hears of them can tell.
        proof: Any = caught.value.data
        told = {"agent": NODE, "entries": [proof["ours"], proof["theirs"]]}
        answer = await here.town.at_home().violations.report(told)
        assert answer["violation"] == "two-entries"
        # The very first that was shown is a proof as well; what was before is not.
        first = here.copy.items[0]
        forged = seal("receipt", {**first.record, "performative": "REJECT"}, here.town.signer)
        with pytest.raises(HostLiesError):
            here.copy.absorb(replace(first, record=forged))
        with pytest.raises(WireError):
            here.copy.absorb(replace(first, position=first.position - 1))


FORGERIES: list[dict[str, Json]] = [
    {"previousEntry": "sha256:" + "5" * 64},
    {"rawDigest": "sha256:" + "5" * 64},
    {"session": "019526a1-8e1a-7000-8000-000000000009"},
    {"receivedAt": "2020-01-01T00:00:00.000Z"},
    {"previousHash": "sha256:" + "5" * 64},
    {"sender": BETA},
]


@pytest.mark.parametrize("change", FORGERIES, ids=lambda one: next(iter(one)))
def test_every_entry_is_checked_as_in_any_copy(change: dict[str, Json]) -> None:
    @simulated
    async def check() -> None:
        async with company() as here:
            copy = LateCopy(here.copy.known, view=here.copy.view, since=here.copy.since)
            copy.absorb(here.copy.items[0])
            await observe(here.alpha)
            item = log_item((await here.town.log_of(here.alpha.id))[-1])
            forged = seal("receipt", {**item.record, **change}, here.town.signer)
            with pytest.raises((WireError, HostLiesError)):
                copy.absorb(replace(item, record=forged))
            assert copy.absorb(item)

    check()


@simulated
async def test_a_fact_about_no_name_at_all_is_not_judged() -> None:
    async with company() as here:
        copy = here.copy
        before = copy.unjudged
        fact = {
            "type": "fact", "session": here.alpha.id, "position": copy.position + 1,
            "at": format_instant(now_ms()), "previousEntry": copy.conversation.entry,
            "fact": "timer", "data": {"commitmentId": [], "disputeId": {}},
        }  # fmt: skip
        item = LogItem(copy.position + 1, seal("fact", fact, here.town.signer), None)

        assert copy.absorb(item)
        assert copy.unjudged == before + 1


@simulated
async def test_the_numbers_of_a_sender_go_on_from_the_first_one_shown() -> None:
    async with company() as here:
        await observe(here.alpha)
        await observe(here.alpha)
        copy = LateCopy(here.copy.known, view=here.copy.view, since=here.copy.since)
        items = [log_item(one) for one in await here.town.log_of(here.alpha.id)][copy.since :]
        copy.absorb(items[0])
        # The host leaves one out and numbers the entries anew: the messages tell.
        later_one = dict(items[2].record)
        later_one |= {"position": items[1].position, "previousEntry": copy.conversation.entry}
        forged = seal("receipt", later_one, here.town.signer)
        with pytest.raises(HostLiesError) as caught:
            copy.absorb(replace(items[2], position=items[1].position, record=forged))
        assert caught.value.data == {"ours": dict(items[0].record), "theirs": forged}


@simulated
async def test_a_key_that_no_card_lists_is_the_hosts_word_and_called_so() -> None:
    async with company() as here:
        known = replace(here.copy.known, agents={ALPHA: here.copy.known.agents[ALPHA]})
        copy = LateCopy(known, view=here.copy.view, since=here.copy.since)
        for item in here.copy.items:
            copy.absorb(item)
        (keys,) = [one for one in copy.claims() if one.name == "keys"]
        assert str(keys.verdict) == "not checkable"
        assert BETA in keys.detail


@simulated
async def test_a_guest_without_history_exports_no_deal_file() -> None:
    async with company() as here:
        with pytest.raises(Refused) as caught:
            await export_deal(here.agent, here.alpha.id)
        assert caught.value.code == "policy_violation"


@pytest.mark.parametrize(
    ("member", "value"),
    [("inviter", 7), ("participants", "x"), ("phase", "NOWHERE"),
     ("delegations", [{}]), ("escalations", [{}]), ("participants", [{"uri": "x"}])],
)  # fmt: skip
def test_a_view_that_is_none_is_refused(member: str, value: Any) -> None:
    @simulated
    async def check() -> None:
        async with company() as here:
            assert stated(here.copy.view, 3).position == 3
            with pytest.raises(WireError):
                stated({**here.copy.view, member: value}, 3)

    check()


@simulated
async def test_nothing_of_before_is_in_what_it_keeps() -> None:
    async with company() as here:
        await here.agent.copies.flush()
        kept = await here.town.store_of(GAMMA).read(f"log/{here.alpha.id}", 0, 100)
        assert [one.position for one in kept] == list(range(1, len(kept) + 1))
        known = await here.agent.copies.known(here.alpha.id)
        everything = b"".join(one.raw or b"" for one in kept) + canonical(known)
        (proposal,) = here.alpha.conversation.proposals
        assert proposal.encode() in b"".join(one.raw for one in here.alpha.messages)
        assert proposal.encode() not in everything


LOGS: dict[str, Callable[[], VerifiedCopy]] = {
    "settled": lambda: settled_copy(ITEMS),
    "judged": lambda: judged_copy(judged()),
    "ruled": lambda: judged_copy(ruled()),
}


@pytest.mark.parametrize("name", LOGS)
def test_wherever_one_joins_one_follows_to_the_end(name: str) -> None:
    """From each position on, with the host's word of the first entry shown, or of the last."""
    whole = LOGS[name]()
    states: list[dict[str, Json]] = []
    growing = VerifiedCopy(whole.known)
    for item in whole.items:
        growing.absorb(item)
        states.append(session_view(growing.conversation))
    for since in range(1, len(whole.items)):
        for view in (states[since], states[-1]):
            copy = LateCopy(whole.known, view=view, since=since)
            for item in whole.items[since:]:
                assert copy.absorb(item)
            now, then = copy.conversation, whole.conversation
            assert (now.head, now.entry, now.position) == (then.head, then.entry, then.position)
            assert now.messages == then.messages
            assert copy.unjudged <= len(copy.items)
            if view is states[-1]:
                assert now.state == then.state
