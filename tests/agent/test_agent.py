"""The agent: its card, whom it finds, whom it invites, and what it takes up again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, NODE, Town, signer_of
from tests.agent.scene import PRICING, alpha_of, beta_of, end, market, strike
from tests.agent.session import answer, session
from tests.simulation.clock import later, now_ms, simulated
from treaty.agent import Agent, Profile
from treaty.dialects.asp.codec import decode_pre_session
from treaty.dialects.asp.discovery import answer_query, read_query
from treaty.errors import Refused, SignatureError, TreatyError, UnavailableError, WireError
from treaty.identity.cards import make_card
from treaty.store.memory import MemoryStore


@simulated
async def test_entering_registers_the_card() -> None:
    async with Town() as town, beta_of(town) as beta:
        assert beta.card["uri"] == BETA
        assert beta.card["pricing"] == dict(PRICING)
        assert beta.card["trustScore"] == 49
        assert beta.host == town.signer.key


@simulated
async def test_entering_again_with_the_same_card_changes_nothing() -> None:
    async with Town() as town:
        for _ in range(3):
            async with beta_of(town) as beta:
                assert beta.card["version"] == 1


@simulated
async def test_a_changed_profile_is_the_next_version() -> None:
    async with Town() as town:
        versions = []
        for name in ("one", "two", "two", "three"):
            async with town.agent("beta", BETA, organization=name) as beta:
                versions.append(beta.card["version"])
        assert versions == [1, 2, 2, 3]


@simulated
async def test_an_agent_that_says_nothing_about_itself_keeps_its_card() -> None:
    async with Town() as town:
        async with beta_of(town):
            pass
        plain = town.agent("beta", BETA)
        plain.profile = Profile()
        async with plain as beta:
            assert beta.card["capabilities"] == ["provision.cloud"]


@simulated
async def test_a_name_that_belongs_to_somebody_else_is_not_taken() -> None:
    async with Town() as town, beta_of(town):
        thief = town.agent("mallory", BETA, organization="thieves")
        with pytest.raises(Refused) as caught:
            await thief.__aenter__()
        assert caught.value.code == "card_conflict"


@simulated
async def test_what_fails_at_the_door_is_closed_again() -> None:
    async with Town() as town:
        alpha = alpha_of(town)
        closed: list[str] = []

        async def close() -> None:
            closed.append("client")

        alpha.client.close = close  # type: ignore[method-assign]
        await town.stop()
        with pytest.raises(UnavailableError):
            await alpha.__aenter__()
        assert closed == ["client"]


@simulated
async def test_discovery_finds_who_fits_best_first() -> None:
    async with market() as (town, alpha, _beta):
        async with town.agent(
            "cheap", "agent://cheap.example/gpu", capabilities=("provision.cloud",),
            extra={"pricing": {**PRICING, "pricePerHour": 1}},
        ):  # fmt: skip
            found = await alpha.discover("provision.*", maxPricePerHour=5)
            trusted = await alpha.discover("provision.cloud", minTrustLevel=3)

        assert [one.uri for one in found] == [BETA, "agent://cheap.example/gpu"]
        assert [(one.uri, one.trust_score, one.trust_level) for one in trusted] == [(BETA, 91, 4)]
        assert trusted[0].pricing == dict(PRICING)


class Registry:
    """A node that answers discovery with what it is told to."""

    def __init__(self, honest: Any, forge: Any) -> None:
        self._honest = honest
        self._forge = forge

    def __getattr__(self, name: str) -> Any:
        return getattr(self._honest, name)

    async def discover(self, raw: bytes) -> bytes:
        forged: bytes = self._forge(raw, await self._honest.discover(raw))
        return forged


def signed_by_mallory(question: bytes, _answer: bytes) -> bytes:
    from treaty.core.matching import search

    message, need = read_query(question)
    return answer_query(
        message, search((), need), signer=signer_of("mallory"), uri=NODE, at_ms=now_ms(),
        entropy=b"\x01" * 32,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("forge", "kind"),
    [
        (signed_by_mallory, SignatureError),
        (
            lambda _question, answer: answer.replace(b'"trustScore":91', b'"trustScore":92'),
            TreatyError,
        ),
        (lambda question, _answer: question, TreatyError),
        (lambda _question, _answer: b"{}", WireError),
        (lambda _question, _answer: b"", WireError),
    ],
)
def test_an_answer_the_registry_did_not_give_is_not_believed(
    forge: Any, kind: type[TreatyError]
) -> None:
    @simulated
    async def check() -> None:
        async with market() as (_, alpha, _beta):
            alpha.client = Registry(alpha.client, forge)
            with pytest.raises(kind):
                await alpha.discover("provision.cloud")

    check()


@simulated
async def test_an_answer_to_another_question_is_not_believed() -> None:
    async with market() as (_, alpha, _beta):
        (found,) = await alpha.discover("provision.cloud")
        assert found.discovery is not None
        old = found.discovery[1]
        alpha.client = Registry(alpha.client, lambda _question, _answer: old)
        with pytest.raises(WireError, match="another question"):
            await alpha.discover("provision.cloud")


@simulated
async def test_the_invitation_names_the_answer_it_came_from() -> None:
    async with market() as (_, alpha, _beta):
        (found,) = await alpha.discover("provision.cloud")
        deal = await alpha.invite(found)
        assert found.discovery is not None
        assert deal.discovery == found.discovery
        terms: Any = deal.messages[0].body
        assert terms.terms["discovery"] == decode_pre_session(found.discovery[1]).hash


def forged_card(card: dict[str, Any], how: str) -> dict[str, Any]:
    if how == "another agent's":
        return {**make_card(
            signer_of("x"), uri="agent://x.example/x", name="x", organization="x", org_id="x",
            capabilities=(), endpoints={},
        ), "listing": card["listing"]}  # fmt: skip
    if how == "another key":
        return {**make_card(
            signer_of("x"), uri=BETA, name="x", organization="x", org_id="x",
            capabilities=(), endpoints={},
        ), "listing": card["listing"]}  # fmt: skip
    if how == "without listing":
        return {name: value for name, value in card.items() if name != "listing"}
    return {**card, "listing": {**card["listing"], "trustScore": 100}}


@pytest.mark.parametrize(
    "how", ["another agent's", "another key", "without listing", "another listing"]
)
def test_a_card_the_registry_did_not_list_is_not_believed(how: str) -> None:
    @simulated
    async def check() -> None:
        async with market() as (_, alpha, _beta):
            client: Any = alpha.client
            card = client.card

            async def lie(uri: str) -> dict[str, Any]:
                return forged_card(await card(uri), how)

            client.card = lie
            with pytest.raises(TreatyError):
                await alpha.find(BETA)

    check()


@simulated
async def test_an_unanswered_invitation_is_a_timeout() -> None:
    async with Town() as town, beta_of(town), alpha_of(town) as alpha:
        began_ms = now_ms()
        with pytest.raises(Refused) as caught:
            await alpha.invite(BETA, timeout_ms=8_000)

        assert caught.value.code == "timeout"
        assert 8_000 <= now_ms() - began_ms < 9_000


@simulated
async def test_a_refused_invitation_is_raised_as_it_was_refused() -> None:
    async with Town() as town, beta_of(town), alpha_of(town) as alpha:
        for _ in range(4):
            inviting = asyncio.create_task(alpha.invite(BETA))
            await later(100)
            inviting.cancel()
            await asyncio.gather(inviting, return_exceptions=True)
        with pytest.raises(Refused) as caught:
            await alpha.invite(BETA)
        assert caught.value.code == "inbox_full"
        with pytest.raises(Refused) as caught:
            await alpha.invite("agent://nobody.example/x")
        assert caught.value.code == "unknown_agent"


@simulated
async def test_a_deal_is_taken_up_from_the_own_copy() -> None:
    """What the copy holds is verified again, the rest is fetched; then it goes on."""
    async with session() as (town, alpha_deal, beta_deal):
        await alpha_deal.propose({"pricePerHour": 3})
        await later(1_000)
        alpha = alpha_of(town)
        async with alpha:
            deal = await alpha.resume(alpha_deal.id)
            assert deal.conversation == alpha_deal.conversation
            assert await alpha.resume(deal.id) is deal
            await deal.propose({"pricePerHour": 2})
            await beta_deal.until(lambda now: now.messages == 6)


@simulated
async def test_a_copy_that_was_tampered_with_is_not_taken_up() -> None:
    async with market() as (town, alpha, _beta):
        deal = await strike(alpha)
        await alpha.copies.flush()
        store = town.store_of(ALPHA)
        entries = store._streams[f"log/{deal.id}"]
        raw = entries[4].raw
        assert raw is not None
        entries[4] = type(entries[4])(
            entries[4].stream, 5, entries[4].kind, entries[4].body, raw.replace(b"3.5", b"2.5")
        )
        async with alpha_of(town) as again:
            with pytest.raises(TreatyError):
                await again.resume(deal.id)


@simulated
async def test_nothing_is_taken_up_that_was_never_begun() -> None:
    async with Town() as town, alpha_of(town) as alpha:
        with pytest.raises(Refused) as caught:
            await alpha.resume("019526a1-8e1a-7000-8000-000000000001")
        assert caught.value.code == "unknown_session"


@simulated
async def test_a_session_can_be_looked_at_without_a_node() -> None:
    async with market() as (town, alpha, _beta):
        deal = await strike(alpha)
        await later(1_000)
        await alpha.copies.flush()
        await town.stop()
        seen = await alpha.peruse(deal.id)

        assert seen.conversation == deal.conversation
        assert not alpha.is_following("x")


@simulated
async def test_watchers_are_told_of_every_verified_entry() -> None:
    async with market() as (_, alpha, beta):
        told: dict[str, list[int]] = {"alpha": [], "beta": []}
        alpha.watchers.append(lambda _session, item: told["alpha"].append(item.position))
        beta.watchers.append(lambda _session, item: told["beta"].append(item.position))
        await strike(alpha)
        await later(1_000)

        assert told == {"alpha": list(range(1, 18)), "beta": list(range(1, 18))}


@simulated
async def test_joining_twice_is_one_deal() -> None:
    async with Town() as town, beta_of(town) as beta, alpha_of(town) as alpha:
        answering = asyncio.create_task(answer(beta))
        deal = await alpha.invite(BETA)
        joined = await answering
        assert await beta.join(deal.id, ALPHA) is joined


@simulated
async def test_leaving_stops_everything_even_when_the_store_fails() -> None:
    class Broken(MemoryStore):
        async def commit(self, unit: Any) -> None:
            if unit.appends and unit.appends[0].stream.startswith("log/"):
                raise UnavailableError("the disk is full")
            await super().commit(unit)

    async with market() as (town, _alpha, _beta):
        closed: list[str] = []
        store = Broken()

        async def open_store() -> Any:
            return store

        carol = Agent(
            "agent://carol.example/c", client=town.client("carol", "agent://carol.example/c"),
            signer=signer_of("carol"), open_store=open_store, clock=now_ms,
            entropy=town.chance.randbytes,
        )  # fmt: skip

        async def close() -> None:
            closed.append("client")

        carol.client.close = close  # type: ignore[method-assign]
        await carol.__aenter__()
        deal = await carol.invite(BETA)
        assert deal.state == "INTRODUCED"
        with pytest.raises(UnavailableError):
            await carol.__aexit__(None, None, None)
        assert closed == ["client"]
        assert not store._open
        await end(asyncio.create_task(later(1)))


@simulated
async def test_an_agent_gives_its_word_for_another_and_takes_it_back() -> None:
    async with market() as (town, alpha, beta):
        await town.attest(BETA)
        given = await beta.endorse(ALPHA)
        assert (given["endorser"], given["q"], given["withdrawn"]) == (BETA, "1", False)
        assert (await alpha.trust())["endorsements"]
        await beta.endorse(ALPHA, withdraw=True)
        assert (await alpha.trust())["endorsements"] == []


@simulated
async def test_balance_and_trust_can_be_asked_for() -> None:
    async with market() as (_, alpha, _beta):
        balance: Any = await alpha.balance()
        trust = await alpha.trust()

        assert balance["accounts"][0]["available"]["amount"] == "500.00"
        assert trust["score"] == 49
