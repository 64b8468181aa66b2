"""Outcomes that other clearings report: who is believed, what is refused, what is remembered."""

from __future__ import annotations

from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, Town, signer_of
from tests.engine.reporting import (
    CLEARING,
    EARLIER,
    HEAD,
    LISTED,
    SESSION,
    anchor,
    body,
    hand_in,
    known,
    party,
    shown,
    take,
    trusting,
)
from tests.engine.speaker import CAROL, Speaker, bound, people
from tests.engine.test_sessions import everything
from tests.engine.test_trust import log
from tests.simulation.clock import jump, later, now_ms, simulated
from treaty.engine.outcomes import A_DAY_MAX, DAY_MS, LATE_MAX, day_stream
from treaty.engine.ports import Append, Entry, Unit
from treaty.errors import TreatyError
from treaty.identity.cards import key_hash, make_card, make_rotation, open_card
from treaty.identity.records import open_record, seal
from treaty.wire.canonical import canonical
from treaty.wire.digest import sha256_tag
from treaty.wire.instants import format_instant

ALICE, BOB = signer_of("alpha"), signer_of("beta")
MINUTE_MS = 60_000


async def check_refused(town: Town, record: Any, code: str) -> TreatyError:
    """The report is refused for this reason, and nothing has changed by it."""
    before = await everything(town)
    with pytest.raises(TreatyError) as caught:
        await take(town, record)
    assert caught.value.code == code, caught.value.detail
    assert await everything(town) == before
    return caught.value


def score(town: Town, agent: str) -> Any:
    return town.at_home().trust.view(agent)["score"]


@simulated
async def test_the_outcome_of_a_listed_clearing_counts_like_ones_own() -> None:
    """The seed's numbers: from 49 to 60.8 by one deal with Beta, wherever it was cleared."""
    async with trusting() as town:
        await known(town)
        answer, new = await hand_in(town)

        assert new is True
        assert (score(town, ALPHA), score(town, BETA)) == (60.8, 91)
        assert answer["scores"][ALPHA]["before"]["score"] == 49
        assert answer["scores"][ALPHA]["after"]["score"] == 60.8


@simulated
async def test_the_log_holds_the_report_whole_under_both_signatures() -> None:
    async with trusting() as town:
        await known(town)
        record = seal("outcome", body(town), LISTED)
        answer, _ = await take(town, record)

        entry = (await log(town))[-1]
        assert answer["record"] == entry
        assert answer["index"] == len(await log(town)) - 1
        assert open_record("outcome", entry, town.signer.key)
        assert open_record("outcome", entry["report"], LISTED.key)
        assert entry["report"] == record
        assert (entry["clearing"], entry["session"], entry["head"]) == (CLEARING, SESSION, HEAD)
        assert answer["trust"]["keyId"] == town.signer.key.key_id


@simulated
async def test_the_same_report_again_is_answered_as_it_was() -> None:
    async with trusting() as town:
        await known(town)
        record = seal("outcome", body(town), LISTED)
        first, _ = await take(town, record)
        before = await everything(town)
        await town.stop()
        jump(40 * 86_400_000)
        await town.wake()

        assert await take(town, record) == (first, False)
        assert await everything(town) == before


@simulated
async def test_another_outcome_of_the_same_commitment_is_refused() -> None:
    async with trusting() as town:
        await known(town)
        await hand_in(town)
        worse = [party(ALPHA, rating=4), party(BETA, result="breached", escrow="failed")]

        await check_refused(town, seal("outcome", body(town, parties=worse), LISTED), "duplicate")
        # Not even with a number that is new.
        more = [party(ALPHA, 2), party(BETA, 2)]
        await check_refused(town, seal("outcome", body(town, parties=more), LISTED), "duplicate")


@simulated
async def test_a_second_clearing_cannot_speak_about_the_first_ones_deal() -> None:
    other = signer_of("other clearing")
    uri = "agent://other.example/clearing"
    async with trusting(anchor(), anchor(other, uri)) as town:
        await known(town)
        await hand_in(town)

        record = seal("outcome", body(town, clearing=uri), other)
        await check_refused(town, record, "duplicate")


@simulated
async def test_a_session_that_is_hosted_here_is_cleared_here() -> None:
    async with trusting() as town:
        alpha, beta = await people(town)
        session = await bound(alpha, beta)

        record = seal("outcome", body(town, session=session), LISTED)
        await check_refused(town, record, "duplicate")


@simulated
async def test_a_clearing_that_is_not_listed_is_not_believed() -> None:
    async with Town() as town:
        await known(town)
        await check_refused(town, seal("outcome", body(town), LISTED), "clearing_unlisted")
    async with trusting(anchor(uri="agent://far.example/other")) as town:
        await known(town)
        await check_refused(town, seal("outcome", body(town), LISTED), "clearing_unlisted")


@simulated
async def test_a_listed_name_is_believed_with_its_listed_key_only() -> None:
    async with trusting() as town:
        await known(town)
        impostor = signer_of("impostor")
        await check_refused(town, seal("outcome", body(town), impostor), "signature_invalid")


@pytest.mark.parametrize(
    ("member", "value", "code"),
    [
        ("commitment", "other", "hash_mismatch"),
        ("parties", [party(ALPHA, rating=5), party(BETA, rating=5)], "hash_mismatch"),
        ("unknown", True, "hash_mismatch"),
        ("integrity", {}, "malformed"),
        ("integrity", None, "malformed"),
    ],
)
@simulated
async def test_what_was_changed_after_signing_is_refused(
    member: str, value: Any, code: str
) -> None:
    async with trusting() as town:
        await known(town)
        record = {**seal("outcome", body(town), LISTED), member: value}
        await check_refused(town, record, code)


@pytest.mark.parametrize("kind", ["endorsement", "receipt", "fact"])
@simulated
async def test_no_other_record_of_the_clearing_passes_as_a_report(kind: str) -> None:
    async with trusting() as town:
        await known(town)
        await check_refused(town, seal(kind, body(town), LISTED), "signature_invalid")


@pytest.mark.parametrize("record", [None, [], "x", 1, {}, {"clearing": CLEARING}, {"clearing": 3}])
@simulated
async def test_what_is_no_record_is_malformed(record: Any) -> None:
    async with trusting() as town:
        await check_refused(town, record, "malformed")


@simulated
async def test_a_report_has_a_limit() -> None:
    async with trusting() as town:
        await known(town)
        record = seal("outcome", body(town, note="x" * 20_000), LISTED)
        await check_refused(town, record, "too_large")


@pytest.mark.parametrize(
    "trust",
    [
        {"uri": "agent://elsewhere.example/node", "keyId": "its-own"},
        {"uri": "agent://node.example/treaty/node", "keyId": "another"},
    ],
)
@simulated
async def test_a_report_is_for_one_trust_node_and_one_key_of_it(trust: Any) -> None:
    """So nobody carries a report to a trust node that the parties did not choose."""
    async with trusting() as town:
        await known(town)
        await check_refused(
            town, seal("outcome", body(town, trust=trust), LISTED), "policy_violation"
        )


@simulated
async def test_a_report_is_not_from_the_future() -> None:
    async with trusting() as town:
        await known(town)
        ahead = format_instant(now_ms() + MINUTE_MS + 1)
        await check_refused(town, seal("outcome", body(town, at=ahead), LISTED), "proof_invalid")
        within = format_instant(now_ms() + MINUTE_MS)
        assert (await hand_in(town, at=within))[1]


@simulated
async def test_time_in_the_log_is_that_of_the_trust_node() -> None:
    """A deal that is said to be a year old counts as of today, so nobody backdates a breach."""
    async with trusting() as town:
        await known(town)
        old = format_instant(now_ms() - 365 * 86_400_000)
        await hand_in(town, at=old, openedAt=old)

        entry = (await log(town))[-1]
        assert entry["at"] == format_instant(now_ms())
        assert entry["report"]["at"] == old


@simulated
async def test_an_agent_without_a_card_here_is_not_spoken_of() -> None:
    async with trusting() as town:
        await Speaker(town, "beta", BETA).register()
        await check_refused(town, seal("outcome", body(town), LISTED), "unknown_agent")


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ([], "the head is none"),
        ([shown(BETA, BOB, HEAD)], "that agent://acme.com/procurement/alpha signed"),
        ([shown(ALPHA, ALICE, EARLIER), shown(BETA, BOB, EARLIER)], "the head is none"),
        ([shown(BETA, BOB, HEAD), shown(ALPHA, BOB, EARLIER)], "with a key it has here"),
        ([shown(BETA, BOB, HEAD), shown(ALPHA, signer_of("x"), EARLIER)], "with a key it has here"),
        (
            [shown(BETA, BOB, HEAD), {**shown(ALPHA, ALICE, EARLIER), "hash": HEAD}],
            "the message of agent://acme.com/procurement/alpha",
        ),
    ],
)
@simulated
async def test_a_deal_is_shown_by_its_head_and_a_word_of_each_party(
    messages: list[Any], why: str
) -> None:
    """A clearing cannot speak of agents that never signed anything it has seen."""
    async with trusting() as town:
        await known(town)
        record = seal("outcome", body(town, shown=messages), LISTED)
        assert why in (await check_refused(town, record, "outcome_unproven")).detail


@simulated
async def test_the_head_may_be_signed_by_a_third() -> None:
    async with trusting() as town:
        await known(town)
        messages = [
            shown(CAROL, signer_of("carol"), HEAD),
            shown(ALPHA, ALICE, EARLIER),
            shown(BETA, BOB, sha256_tag(b"hers")),
        ]
        assert (await hand_in(town, shown=messages))[1]


@simulated
async def test_who_has_a_new_key_is_still_known_by_the_old_one() -> None:
    """Nobody escapes what it signed by changing its key before the report is there."""
    async with trusting() as town:
        old, new = signer_of("alpha"), signer_of("alpha's next")
        alpha = Speaker(town, "alpha", ALPHA)
        card = await alpha.register(nextKeyHash=key_hash(new.key))
        await Speaker(town, "beta", BETA).register()
        await town.attest(BETA)
        rotation = make_rotation(old, current=open_card(card), next_key=new.key)
        following = make_card(
            new, uri=ALPHA, name="alpha", organization="Org", org_id="org_alpha",
            capabilities=(), endpoints={}, version=2, extra={"rotation": rotation},
        )  # fmt: skip
        await town.at_home().registry.register(canonical(following))

        assert (await hand_in(town))[1]


@simulated
async def test_so_many_outcomes_a_day_are_taken_of_one_clearing() -> None:
    async with trusting() as town:
        await known(town)
        day = day_stream(CLEARING, now_ms())
        for after in range(0, A_DAY_MAX, 1_000):
            places = range(after + 1, after + 1_001)
            heard = tuple(Entry(day, place, "heard", b"{}") for place in places)
            await town.inner.commit(Unit(appends=(Append(day, after, heard),)))
        record = seal("outcome", body(town), LISTED)
        refusal = await check_refused(town, record, "rate_limited")

        assert refusal.data["retryAfterMs"] == DAY_MS - now_ms() % DAY_MS
        await town.stop()
        jump(refusal.data["retryAfterMs"])
        await town.wake()
        assert (await take(town, record))[1]


# What is left out shows.


async def missing(town: Town) -> Any:
    return town.at_home().trust.view(ALPHA)["missing"]


def nth(number: int) -> dict[str, Any]:
    """The report of a deal of its own, with this number for both."""
    return {
        "commitment": f"cmt-{number}",
        "parties": [party(ALPHA, number), party(BETA, number)],
    }


@simulated
async def test_numbers_that_a_clearing_passes_over_show_until_they_come() -> None:
    async with trusting() as town:
        await known(town)
        counts = []
        for number in (1, 4, 3, 2, 5):
            await hand_in(town, **nth(number))
            counts.append(await missing(town))

        assert counts == [0, 2, 1, 0, 0]


@simulated
async def test_a_number_is_used_for_one_outcome() -> None:
    async with trusting() as town:
        await known(town)
        await hand_in(town, **nth(1))
        again = {**nth(1), "commitment": "another"}
        await check_refused(town, seal("outcome", body(town, **again), LISTED), "duplicate")


@simulated
async def test_what_was_passed_over_long_ago_does_not_come_any_more() -> None:
    async with trusting() as town:
        await known(town)
        await hand_in(town, **nth(LATE_MAX + 2))
        await check_refused(town, seal("outcome", body(town, **nth(1)), LISTED), "duplicate")
        assert (await hand_in(town, **nth(2)))[1]
        assert await missing(town) == LATE_MAX


@simulated
async def test_each_clearing_has_numbers_of_its_own() -> None:
    other, uri = signer_of("other clearing"), "agent://other.example/clearing"
    async with trusting(anchor(), anchor(other, uri)) as town:
        await known(town)
        await hand_in(town, **nth(1))
        second = {**nth(1), "session": SESSION.replace("c1", "c2"), "clearing": uri}
        await hand_in(town, other, **second)

        assert await missing(town) == 0
        assert [one["number"] for one in (await log(town))[-1]["parties"]] == [2, 2]


# Standings before the session.


@simulated
async def test_a_report_is_weighed_by_the_standings_of_when_its_session_opened() -> None:
    """Beta is vouched for while the session runs: that counts from the next one on."""
    async with trusting() as town:
        for name, uri in (("alpha", ALPHA), ("beta", BETA)):
            await Speaker(town, name, uri).register()
        opened = format_instant(now_ms())
        await later(MINUTE_MS)
        await town.attest(BETA)
        await hand_in(town, openedAt=opened, **nth(1))
        first = score(town, ALPHA)
        later_on = await hand_in(town, openedAt=format_instant(now_ms()), **nth(2))

        assert (first, later_on[0]["scores"][ALPHA]["after"]["score"]) == (49, 62)
        before = [one["before"] for one in (await log(town))[-2]["parties"]]
        assert {one["size"] for one in before} == {3}
        assert [one["at"] for one in before] == [opened, opened]


@simulated
async def test_what_a_clearing_says_of_standings_and_weights_is_passed_over() -> None:
    async with trusting() as town:
        await known(town)
        dreamt = {"q": "1", "w": "1", "organisation": "moon.example"}
        before = {"score": "100.0", "provisional": False}
        await hand_in(town, parties=[party(ALPHA), party(BETA, **dreamt, before=before)])

        entry = {one["agent"]: one for one in (await log(town))[-1]["parties"]}
        assert entry[BETA]["before"]["score"] == "91.0"
        assert (entry[BETA]["w"], entry[BETA]["organisation"]) == ("0", BETA)


@simulated
async def test_whom_a_node_lists_is_known_to_who_reads_its_store() -> None:
    async with trusting() as town:
        await known(town)
        await hand_in(town)
        await town.stop()
        town._clearings = None
        await town.wake()
        assert score(town, ALPHA) == 60.8

        # Listed no more, what it reported counts no more.
        await town.stop()
        town._clearings = ()
        await town.wake()
        assert score(town, ALPHA) == 49
