"""The registry: cards, their successors, listings and signed discovery (B5, B8, B19)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, NODE, Roads, Town, signer_of
from tests.engine.speaker import CAROL, Speaker, bound, introduced, people, read
from tests.simulation.clock import later, now_ms, simulated
from treaty.core.matching import Need
from treaty.dialects.asp.choices import SIGNING_PREFIX
from treaty.dialects.asp.codec import decode_pre_session
from treaty.dialects.asp.discovery import compose_query
from treaty.engine.ports import Unit
from treaty.engine.registry import _prices
from treaty.errors import Refused, SignatureError, TreatyError, UnavailableError, WireError
from treaty.identity.cards import key_hash, make_card, make_rotation, open_card, open_listing
from treaty.identity.envelopes import open_envelope
from treaty.identity.keys import Ed25519Signer
from treaty.identity.revocations import make_revocation
from treaty.store.memory import MemoryStore
from treaty.wire.canonical import Json, canonical
from treaty.wire.instants import format_instant

DAY = 86_400_000


@simulated
async def test_a_card_is_registered_and_listed() -> None:
    async with Town() as town:
        alpha = Speaker(town, "alpha", ALPHA)
        listed, is_new = await town.at_home().registry.register(canonical(alpha.card()))

        assert is_new
        view = open_card(listed)
        listing = open_listing(listed["listing"], town.signer.key, view, now_ms())
        assert (listing.uri, listing.registry) == (ALPHA, NODE)
        assert (listing.trust_score, listing.trust_level) == (49, 1)
        assert listing.expires_ms - listing.at_ms == DAY


@simulated
async def test_registering_again_changes_nothing() -> None:
    async with Town() as town:
        alpha = Speaker(town, "alpha", ALPHA)
        await alpha.register()
        length = await town.inner.last("trust/log"), await town.inner.last(f"card/{ALPHA}")

        _, is_new = await town.at_home().registry.register(canonical(alpha.card()))

        assert not is_new
        now = await town.inner.last("trust/log"), await town.inner.last(f"card/{ALPHA}")
        assert now == length


@simulated
async def test_twenty_at_once_are_one_registration() -> None:
    async with Town() as town:
        alpha = Speaker(town, "alpha", ALPHA)
        raw = canonical(alpha.card())
        register = town.at_home().registry.register
        answers = await asyncio.gather(*(register(raw) for _ in range(20)))

        assert sum(is_new for _, is_new in answers) == 1
        assert await town.inner.last(f"card/{ALPHA}") == 1


@simulated
async def test_what_a_card_says_of_its_own_score_is_not_believed() -> None:
    async with Town() as town:
        alpha = Speaker(town, "alpha", ALPHA)
        boasting = {**alpha.card(), "trustScore": 99, "trustLevel": 4, "listing": {"at": "now"}}
        listed, _ = await town.at_home().registry.register(canonical(boasting))

        assert (listed["trustScore"], listed["trustLevel"]) == (49, 1)
        (entry,) = await town.inner.read(f"card/{ALPHA}")
        assert not {"trustScore", "trustLevel", "listing"} & set(read(entry.body))


@simulated
async def test_a_successor_takes_the_place_of_a_card() -> None:
    async with Town() as town:
        alpha = Speaker(town, "alpha", ALPHA)
        await alpha.register()
        listed = await alpha.register(2, description="better")

        assert listed["description"] == "better"
        assert (await town.at_home().registry.listed(ALPHA))["version"] == 2


@pytest.mark.parametrize(
    ("version", "who"), [(1, "alpha"), (3, "alpha"), (2, "mallory"), (1, "mallory")]
)
def test_another_card_is_a_conflict(version: int, who: str) -> None:
    """Another content for the same version, a version left out, another key."""

    @simulated
    async def check() -> None:
        async with Town() as town:
            await Speaker(town, "alpha", ALPHA).register()
            other = Speaker(town, who, ALPHA).card(version, description="other")
            with pytest.raises(Refused) as caught:
                await town.at_home().registry.register(canonical(other))

            assert caught.value.code == "card_conflict"
            card = town.at_home().registry.find(ALPHA)
            assert card is not None
            assert card.key == signer_of("alpha").key
            assert await town.inner.last(f"card/{ALPHA}") == 1

    check()


@simulated
async def test_a_rotation_that_was_announced_is_accepted_and_recorded() -> None:
    async with Town() as town:
        first, second = signer_of("alpha"), signer_of("alpha's next")
        card = make_card(
            first, uri=ALPHA, name="a", organization="o", org_id="o", capabilities=(),
            endpoints={}, next_key_hash=key_hash(second.key),
        )  # fmt: skip
        await town.at_home().registry.register(canonical(card))
        rotation = make_rotation(first, current=open_card(card), next_key=second.key)
        successor = make_card(
            second, uri=ALPHA, name="a", organization="o", org_id="o", capabilities=(),
            endpoints={}, version=2, extra={"rotation": rotation},
        )  # fmt: skip
        await town.at_home().registry.register(canonical(successor))

        entries = await town.inner.read("trust/log")
        proofs = [read(one.body)["proof"] for one in entries if ALPHA.encode() in one.body]
        assert proofs == ["key", "rotation"]
        card_now = town.at_home().registry.find(ALPHA)
        assert card_now is not None
        assert card_now.key == second.key


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda card: {**card, "name": "changed"}, SignatureError),
        (lambda card: {**card, "publicKey": signer_of("x").key.text}, TreatyError),
        (lambda card: {**card, "uri": "http://acme.com"}, TreatyError),
        (lambda card: [card], WireError),
        (lambda card: {}, TreatyError),
    ],
)
def test_a_card_that_does_not_hold_is_refused(change: Any, kind: type[TreatyError]) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            card = change(Speaker(town, "alpha", ALPHA).card())
            with pytest.raises(kind):
                await town.at_home().registry.register(canonical(card))
            assert town.at_home().registry.find(ALPHA) is None
            assert await town.inner.streams("card/") == [f"card/{NODE}"]

    check()


@simulated
async def test_the_directory_is_the_same_after_a_restart() -> None:
    async with Town() as town:
        alpha, _beta = await people(town)
        await alpha.register(2, description="better")
        before = [await town.at_home().registry.listed(uri) for uri in (ALPHA, BETA, NODE)]
        await town.stop()
        await town.wake()

        after = [await town.at_home().registry.listed(uri) for uri in (ALPHA, BETA, NODE)]
        assert after == before


@simulated
async def test_a_registration_whose_caller_gave_up_is_in_the_directory() -> None:
    async with Town() as town:
        raw = canonical(Speaker(town, "alpha", ALPHA).card())
        giving_up = asyncio.create_task(town.at_home().registry.register(raw))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        giving_up.cancel()
        await asyncio.gather(giving_up, return_exceptions=True)

        stored = await town.inner.last(f"card/{ALPHA}")
        assert (town.at_home().registry.find(ALPHA) is not None) == bool(stored)


@simulated
async def test_a_card_that_could_not_be_stored_is_not_in_the_directory() -> None:
    class Failing(MemoryStore):
        failing = False

        async def commit(self, unit: Unit) -> None:
            if self.failing:
                raise UnavailableError("no disk")
            await super().commit(unit)

    store = Failing()
    async with Town(store=store) as town:
        store.failing = True
        with pytest.raises(UnavailableError):
            await Speaker(town, "alpha", ALPHA).register()
        store.failing = False

        assert town.at_home().registry.find(ALPHA) is None
        assert town.at_home().trust.view(ALPHA)["score"] == 20


@simulated
async def test_the_node_lists_itself_and_registers_once() -> None:
    async with Town() as town:
        for _ in range(3):
            await town.stop()
            await town.wake()

        assert (await town.at_home().registry.listed(NODE))["publicKey"] == town.signer.key.text
        assert await town.inner.last(f"card/{NODE}") == 1


def question(
    speaker: Speaker, *, at_ms: int | None = None, signer: str = "", **filters: Json
) -> bytes:
    return compose_query(
        sender={"agentId": speaker.uri, "orgId": "o", "trustScore": 49},
        parameters=filters,
        subject="Who?",
        query_id="q1",
        signer=signer_of(signer or speaker.name),
        at_ms=now_ms() if at_ms is None else at_ms,
        entropy=speaker.town.chance.randbytes(32),
    )


@simulated
async def test_discovery_follows_the_log_at_once_and_the_clock_within_two_minutes() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        registry, trust = town.at_home().registry, town.at_home().trust

        def check() -> None:
            found = {one.uri: one for one in registry.search(Need()).found}
            assert found.keys() == {ALPHA, BETA, NODE}
            for agent, one in found.items():
                now = trust.standing(agent)
                assert (one.score, one.level) == (now.score, now.level)

        check()
        await town.attest(BETA, until=format_instant(now_ms() + 100_000))
        check()
        assert registry.search(Need(min_level=4)).total == 1
        session = await bound(alpha, beta)
        await beta.fulfil(session)
        await alpha.close(session, "completed", "cmt", rating=5)
        await beta.close(session, "completed", "cmt", rating=4)
        await later(1_000)
        check()
        assert registry.search(Need(min_level=2)).total == 2
        await later(220_000)
        assert not trust.score(BETA).attested
        check()


@simulated
async def test_the_answer_to_a_question_is_signed_and_linked_to_it() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await beta.register(2, pricing={"pricePerHour": 3.5, "currency": "USD"})
        await town.attest(BETA)
        asked = question(alpha, capability="negotiate.*", minTrustLevel=3, maxPricePerHour=5)
        answer = decode_pre_session(await town.at_home().registry.answer(asked))

        open_envelope(answer.document, town.signer.key, prefix=SIGNING_PREFIX)
        assert answer.previous_hash == decode_pre_session(asked).hash
        assert answer.sender == NODE
        data: Any = answer.body
        found = data.data["agents"]
        assert [(one["uri"], one["trustScore"], one["trustLevel"]) for one in found] == [
            (BETA, 91, 4)
        ]
        assert data.data["queryId"] == "q1"
        assert data.data["totalResults"] == 1


@simulated
async def test_scores_in_an_answer_are_those_of_now() -> None:
    async with Town() as town:
        alpha, _beta = await people(town)
        ask = town.at_home().registry.answer
        levels = []
        for _ in range(2):
            answer = decode_pre_session(await ask(question(alpha, minTrustLevel=4)))
            data: Any = answer.body
            levels.append(data.data["totalResults"])
            await town.attest(BETA)

        assert levels == [0, 1]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"signer": "mallory"}, "signature_invalid"),
        ({"at_ms": -61_000}, "proof_invalid"),
        ({"at_ms": 61_000}, "proof_invalid"),
    ],
)
def test_a_question_that_does_not_hold_is_not_answered(changes: dict[str, Any], code: str) -> None:
    @simulated
    async def check() -> None:
        async with Town(roads=Roads()) as town:
            alpha, _beta = await people(town)
            if "at_ms" in changes:
                changes["at_ms"] += now_ms()
            with pytest.raises(TreatyError) as caught:
                await town.at_home().registry.answer(question(alpha, **changes))
            assert caught.value.code == code

    check()


@simulated
async def test_a_stranger_is_told_to_register_first() -> None:
    async with Town() as town:
        with pytest.raises(TreatyError) as caught:
            await town.at_home().registry.answer(question(Speaker(town, "carol", CAROL)))
        assert caught.value.code == "unknown_agent"


@simulated
async def test_a_listing_is_made_anew_each_time() -> None:
    async with Town() as town:
        alpha, _beta = await people(town)
        await later(600_000)
        listed = await town.at_home().registry.listed(ALPHA)

        view = open_card(listed)
        assert open_listing(listed["listing"], town.signer.key, view, now_ms()).at_ms == now_ms()
        assert alpha.uri == ALPHA


@simulated
async def test_nobody_has_the_card_of_an_unknown_agent() -> None:
    async with Town() as town:
        with pytest.raises(Refused) as caught:
            await town.at_home().registry.listed(CAROL)
        assert caught.value.code == "unknown_agent"


def test_hostile_prices_are_passed_over() -> None:
    found = _prices({"pricePerHour": True, "pricePerDay": "3", "pricePerGB": 2.5, "currency": 7})
    assert [(str(one.amount), one.unit, one.currency) for one in found] == [("2.5", "gb", None)]


def made(signer: Ed25519Signer, uri: str = ALPHA, **changes: Any) -> bytes:
    card = make_card(
        signer, uri=uri, name="a", organization="o", org_id="o", capabilities=("a.b",),
        endpoints={}, **changes,
    )  # fmt: skip
    return canonical(card)


async def revoke(
    town: Town, by: str, *, of: str = "alpha", agent: str = ALPHA, ago_ms: int = 0
) -> Any:
    word = make_revocation(
        signer_of(by), uri=agent, key_id=signer_of(of).key.key_id, since_ms=now_ms() - ago_ms
    )
    return await town.at_home().registry.revoke(agent, canonical(word))


@simulated
async def test_a_revoked_key_is_not_heard_and_its_sessions_wait_for_the_successor() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        registry = town.at_home().registry
        second = signer_of("alpha's next")
        await alpha.register(2, nextKeyHash=key_hash(second.key))
        session = await introduced(alpha, beta)
        told, new = await revoke(town, "alpha's next")
        assert (new, [one["keyId"] for one in told["revoked"]]) == (True, [alpha.signer.key.key_id])

        # At once: nothing is heard by the old key, nobody finds the agent, no listing is made.
        for attempt in (
            alpha.propose(session, "p"),
            alpha.invite(beta),
            alpha.register(3),
            registry.answer(question(alpha)),
            registry.listed(ALPHA),
        ):
            with pytest.raises(SignatureError) as caught:
                await attempt
            assert caught.value.code == "key_revoked"
        assert ALPHA not in {one.uri for one in registry.search(Need()).found}
        # What the successor needs to take over is there for anybody.
        left: Any = told["card"]
        assert (left["version"], left["publicKey"]) == (2, alpha.signer.key.text)

        # In a moment the session knows; its host and its parties fold the same signed fact.
        await later(1_000)
        assert (await alpha.state(session)).participants[ALPHA].revoked
        entries = await town.inner.read(f"session/{session}")
        facts = [read(one.body) for one in entries if b'"revocation"' in one.body]
        assert [one["data"]["agent"] for one in facts] == [ALPHA]

        # The successor needs no introduction by the key that was lost.
        _, is_new = await registry.register(made(second, version=3))
        assert not is_new
        assert "card" not in await registry.notice(ALPHA)
        assert ALPHA in {one.uri for one in registry.search(Need()).found}
        card = {"uri": ALPHA, "publicKey": second.key.text}
        body = {"informType": "identity", "subject": "new key", "data": {"agentCard": card}}
        await alpha.say(session, "INFORM", body, signer=second)
        await alpha.say(session, "OBSERVE", {"subject": "x", "data": {}}, signer=second)


@simulated
async def test_a_revocation_twice_or_after_a_restart_is_the_same_revocation() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await alpha.register(2, nextKeyHash=key_hash(signer_of("next").key))
        session = await introduced(alpha, beta)
        await revoke(town, "next")
        _, new = await revoke(town, "next")
        assert not new
        await town.stop()
        await town.wake()
        await later(1_000)
        entries = await town.inner.read(f"session/{session}")
        assert sum(b'"fact":"revocation"' in one.body for one in entries) == 1
        assert town.at_home().registry.is_revoked(ALPHA, alpha.signer.key.key_id)
        assert not await town.inner.tasks("revocation")
        with pytest.raises(SignatureError):
            await town.at_home().registry.listed(ALPHA)


@simulated
async def test_only_the_committed_key_or_one_that_proved_the_domain_revokes() -> None:
    async with Town() as town:
        alpha, _beta = await people(town)
        await alpha.register(2, nextKeyHash=key_hash(signer_of("next").key))
        with pytest.raises(Refused) as caught:
            await revoke(town, "mallory")
        assert caught.value.code == "unauthorized"
        await town.at_home().registry.note_proof(ALPHA, signer_of("rescue").key)
        _, new = await revoke(town, "rescue")
        assert new


@simulated
async def test_a_name_nobody_proved_gives_way_to_its_domain_and_begins_anew() -> None:
    async with Town() as town:
        await people(town)
        await town.attest(ALPHA)
        registry, owner = town.at_home().registry, signer_of("owner")
        with pytest.raises(Refused) as caught:
            await registry.register(made(owner))
        assert caught.value.code == "card_conflict"

        await registry.note_proof(ALPHA, owner.key)
        await registry.register(made(owner))
        card = registry.find(ALPHA)
        assert card is not None
        assert card.key == owner.key
        assert (await registry.registered(ALPHA)).proven
        assert not town.at_home().trust.score(ALPHA).attested
        entries = await town.inner.read("trust/log")
        proofs = [read(one.body).get("proof") for one in entries if ALPHA.encode() in one.body]
        assert proofs == ["key", None, "displacement"]
