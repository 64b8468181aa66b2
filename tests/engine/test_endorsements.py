"""Endorsements: what is taken in, what it counts, and what a farm of them gains (B16)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, Town, signer_of
from tests.engine.speaker import CAROL, Speaker, people, read
from tests.engine.test_sessions import everything
from tests.engine.test_trust import kept, log
from tests.simulation.clock import later, now_ms, simulated
from treaty.engine.endorsements import A_DAY_MAX, DAY_MS
from treaty.errors import Refused, SignatureError, TreatyError
from treaty.identity.records import open_record, seal
from treaty.wire.instants import format_instant

SIBLING = "agent://cloudprime.io/storage"


def word(endorser: str = BETA, agent: str = ALPHA, signer: str = "beta", **changes: Any) -> Any:
    """A signed endorsement."""
    at = format_instant(now_ms() + changes.pop("late_ms", 0))
    body = {"endorser": endorser, "agent": agent, "at": at, **changes}
    return seal("endorsement", body, signer_of(signer))


async def endorse(town: Town, record: Any) -> Any:
    return await town.at_home().endorsements.endorse(record)


def view(town: Town, agent: str = ALPHA) -> Any:
    return town.at_home().trust.view(agent)


@simulated
async def test_an_endorsement_stands_in_the_log_as_its_author_signed_it() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        await kept(town, alpha, beta)
        record = word()
        answer = await endorse(town, record)

        assert (await log(town))[answer["index"]] == record
        assert open_record("endorsement", record, beta.signer.key)
        assert (answer["q"], answer["counts"], answer["withdrawn"]) == ("1", True, False)
        assert view(town)["components"]["PE"] == 4
        assert view(town)["endorsements"] == [{"endorser": BETA, "q": "1", "counts": True}]


@simulated
async def test_it_counts_nothing_until_the_two_have_dealt() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        answer = await endorse(town, word())
        assert (answer["counts"], view(town)["components"]["PE"]) == (False, 0)

        await kept(town, alpha, beta)
        assert view(town)["components"]["PE"] == 4


@simulated
async def test_a_word_can_be_taken_back() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        await kept(town, alpha, beta)
        await endorse(town, word())
        answer = await endorse(town, word(withdrawn=True))

        assert (answer["q"], answer["counts"], answer["withdrawn"]) == ("0", False, True)
        assert (view(town)["components"]["PE"], view(town)["endorsements"]) == (0, [])


@simulated
async def test_the_same_record_again_is_answered_alike_and_recorded_once() -> None:
    async with Town() as town:
        await people(town)
        await town.attest(BETA)
        record = word()
        first = await endorse(town, record)
        await later(3_600_000)

        assert await endorse(town, record) == first
        assert sum("endorser" in one for one in await log(town)) == 1


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (lambda: word(signer="alpha"), "signature_invalid"),
        (lambda: {**word(), "agent": CAROL}, "hash_mismatch"),
        (lambda: word(endorser=CAROL, signer="carol"), "unknown_agent"),
        (lambda: word(agent=CAROL), "unknown_agent"),
        (lambda: word(agent=BETA), "policy_violation"),
        (lambda: word(agent=SIBLING), "policy_violation"),
        (lambda: word(late_ms=-60_001), "proof_invalid"),
        (lambda: word(late_ms=60_001), "proof_invalid"),
        (lambda: word(ALPHA, BETA, "alpha"), "insufficient_trust_score"),
        (lambda: word(withdrawn="no"), "malformed"),
        (lambda: word(agent="nobody"), "malformed"),
        (lambda: seal("attestation", word(), signer_of("beta")), "signature_invalid"),
        (lambda: "a word", "malformed"),
        (dict, "malformed"),
    ],
)
def test_an_endorsement_that_does_not_hold_changes_nothing(record: Any, code: str) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            await people(town)
            await Speaker(town, "beta", SIBLING).register()
            await town.attest(BETA)
            before = await everything(town)
            with pytest.raises(TreatyError) as caught:
                await endorse(town, record())
            assert caught.value.code == code
            assert await everything(town) == before

    check()


@simulated
async def test_a_standing_that_the_endorser_states_itself_is_not_believed() -> None:
    """A newcomer that signs for itself a score of 100 still confers nothing."""
    async with Town() as town:
        await people(town)
        boast = {"score": "100.0", "provisional": False}
        with pytest.raises(Refused) as caught:
            await endorse(town, word(ALPHA, BETA, "alpha", before=boast, q="1"))
        assert caught.value.code == "insufficient_trust_score"


@simulated
async def test_a_farm_of_newcomers_cannot_even_put_its_words_down() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        await kept(town, alpha, beta)
        before = view(town)
        for number in range(12):
            farmer = Speaker(town, f"farmer{number}", f"agent://farm{number}.example/agent")
            await farmer.register()
            with pytest.raises(Refused) as caught:
                await endorse(town, word(farmer.uri, ALPHA, farmer.name))
            assert caught.value.code == "insufficient_trust_score"

        assert view(town)["components"] == before["components"]


@simulated
async def test_an_agent_endorses_fifty_times_a_day() -> None:
    async with Town() as town:
        await people(town)
        await town.attest(BETA)
        for _ in range(A_DAY_MAX):
            await later(1)
            await endorse(town, word())
        await later(1)
        with pytest.raises(Refused) as caught:
            await endorse(town, word())
        assert caught.value.code == "rate_limited"
        assert caught.value.data["retryAfterMs"] == DAY_MS - now_ms() % DAY_MS

        await later(DAY_MS)
        assert (await endorse(town, word()))["q"] == "1"


@simulated
async def test_only_the_registered_key_speaks_and_the_log_says_which_it_is() -> None:
    async with Town() as town:
        await people(town)
        await town.attest(BETA)
        with pytest.raises(SignatureError):
            await endorse(town, word(signer="beta2"))
        keys = [one.get("key") for one in await log(town) if one.get("agent") == BETA]
        assert keys == [signer_of("beta").key.text, None]


@simulated
async def test_endorsements_are_the_same_after_a_restart() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        await town.attest(BETA)
        await kept(town, alpha, beta)
        await endorse(town, word())
        before = view(town)
        await town.stop()
        await town.wake()

        assert view(town) == {**before, "at": view(town)["at"]}
        assert read((await town.inner.read("trust/log", 0, 100))[-1].body)["endorser"] == BETA
