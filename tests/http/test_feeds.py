"""What is streamed, to whom, and under which name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.http.nodes import (
    ALPHA,
    BETA,
    OTHER_SESSION,
    SESSION,
    Chain,
    inbox_stream,
    introduced,
    session_stream,
    world,
)
from tests.simulation.clock import simulated
from treaty.engine.ports import Entry
from treaty.http.feeds import ENTRIES_AT_ONCE, Pages, trust_updates
from treaty.http.sse import Event
from treaty.wire.canonical import canonical


def data(event: Event) -> Any:
    return json.loads(event.data)


@simulated
async def test_a_state_is_told_with_the_one_before() -> None:
    async with world() as here:
        chain, alpha, _ = await introduced(here)
        stream = session_stream(here, alpha)

        first = data(await stream.next("session_state"))
        await here.say(chain.said(chain.observation(alpha)))
        second = data(await stream.next("session_state"))

        assert (first["previous"], first["state"]) == (None, "INTRODUCED")
        assert (second["previous"], second["state"]) == ("INTRODUCED", "CONVERSING")
        assert second["timestamp"] == "2026-03-07T14:00:00.000Z"
        await stream.leave()


@simulated
async def test_a_state_is_told_after_the_message_that_led_there() -> None:
    async with world() as here:
        chain, alpha, _ = await introduced(here)
        stream = session_stream(here, alpha, query="after=4")
        await stream.next("session_state")
        await here.say(chain.said(chain.observation(alpha)))

        assert [one.name for one in await stream.several(2)] == ["message", "session_state"]
        await stream.leave()


@simulated
async def test_what_the_host_observes_is_a_fact() -> None:
    async with world() as here:
        chain, alpha, _ = await introduced(here)
        stream = session_stream(here, alpha, query="after=4")
        await stream.begun()
        here.clock.now_ms += 30 * 60_000
        await here.do_what_is_due()

        told = await stream.next("fact")

        assert told.id == "5"
        assert data(told)["fact"]["data"]["name"] == "idle"
        assert data(await stream.next("session_state"))["state"] == "FAILED"
        assert chain.count == 4
        await stream.leave()


def outcome(**members: Any) -> Entry:
    body = {"type": "fact", "fact": "outcome", "data": {"scores": {}}, **members}
    return Entry("session/x", 9, "fact", canonical(body), None)


def test_an_outcome_updates_the_trust_of_each() -> None:
    scores = {
        ALPHA: {"before": {"score": 49}, "after": {"score": 60.8}},
        BETA: {"before": {"score": 91}, "after": {"score": 91}},
    }

    assert trust_updates(outcome(data={"scores": scores})) == [
        {"agentId": ALPHA, "score": 60.8, "previous": 49},
        {"agentId": BETA, "score": 91, "previous": 91},
    ]


def test_other_facts_update_nobody() -> None:
    assert trust_updates(outcome(fact="timer")) == []
    assert trust_updates(outcome(data=None)) == []


@pytest.mark.parametrize(
    ("wanted", "granted", "ids"),
    [
        (True, True, ["1", "2", "3", "4", "5", "6", "7"]),
        (True, False, ["7"]),
        (False, True, ["7"]),
    ],
)
def test_a_late_guest_sees_what_both_let_it_see_and_nothing_after_leaving(
    wanted: bool, granted: bool, ids: list[str]
) -> None:
    check_visit(wanted, granted, ids)


@simulated
async def check_visit(wanted: bool, granted: bool, ids: list[str]) -> None:
    async with world() as here:
        chain, alpha, beta = await introduced(here)
        gamma = await here.agent("agent://lawyers.test/gamma")
        delegation = {
            "delegationId": "del_1",
            "targetAgent": gamma.uri,
            "scope": "advice",
            "authority": "advisory",
            "expiresAt": "2026-03-07T15:00:00.000Z",
            "protocol": "asp",
            "history": wanted,
        }
        await here.say(
            chain.said(chain.observation(alpha)),
            chain.next(alpha, "DELEGATE", delegation),
            chain.next(beta, "ACCEPT", {"referenceId": "del_1", "history": granted}),
        )
        stream = session_stream(here, gamma)
        assert await stream.begun() == 200

        await here.say(chain.next(alpha, "WITHDRAW", {"referenceId": "del_1"}))
        await stream.task

        assert [(await stream.next("message")).id for _ in ids] == ids
        assert "message" not in {(await stream.next()).name for _ in range(stream.waiting())}


@simulated
async def test_an_inbox_tells_of_invitations() -> None:
    async with world() as here:
        alpha, beta = await here.agent(ALPHA), await here.agent(BETA)
        stream = inbox_stream(here, beta)
        assert await stream.begun() == 200
        invitation = Chain(alpha, beta).invitation()

        await here.post("/v1/asp/sessions", invitation)

        told = await stream.next()
        assert (told.name, told.id) == ("invitation", "1")
        assert data(told)["raw"].encode() == invitation
        assert (data(told)["session"], data(told)["from"]) == (SESSION, ALPHA)
        assert data(told)["subject"] == "GPU compute"
        await stream.leave()


@simulated
async def test_an_inbox_resumes_and_leaves_out_what_only_makes_room() -> None:
    async with world() as here:
        _, alpha, beta = await introduced(here)
        await here.post("/v1/asp/sessions", Chain(alpha, beta, OTHER_SESSION).invitation())

        whole = inbox_stream(here, beta)
        resumed = inbox_stream(here, beta, last_event_id="1")

        assert [(one.name, one.id) for one in await whole.several(2)] == [
            ("invitation", "1"),
            ("invitation", "3"),
        ]
        assert (await resumed.next()).id == "3"
        for stream in (whole, resumed):
            await stream.leave()


@simulated
async def test_many_answers_in_a_row_do_not_end_an_inbox() -> None:
    async with world() as here:
        alpha, beta = await here.agent(ALPHA), await here.agent(BETA)
        stream = inbox_stream(here, beta)
        for number in range(40):
            chain = Chain(alpha, beta, f"019526a1-8e1a-7000-8000-0000000001{number:02d}")
            await here.post("/v1/asp/sessions", chain.invitation())
            reject = {"referenceId": "inv_1", "code": "unspecified", "reason": "no"}
            await here.say(chain.next(beta, "REJECT", reject))

        told = await stream.several(40)

        assert {one.name for one in told} == {"invitation"}
        await stream.leave()


@simulated
async def test_an_inbox_has_a_heartbeat() -> None:
    async with world() as here:
        beta = await here.agent(BETA)
        stream = inbox_stream(here, beta)

        assert list(data(await stream.next("heartbeat"))) == ["timestamp"]
        await stream.leave()


@pytest.mark.parametrize(
    ("uri", "status", "code"),
    [(BETA, 403, "unauthorized"), ("agent://nobody.test/n", 404, "unknown_agent")],
)
@simulated
async def test_an_inbox_is_its_owners(uri: str, status: int, code: str) -> None:
    async with world() as here:
        alpha = await here.agent(ALPHA)
        await here.agent(BETA)

        stream = inbox_stream(here, alpha, whose=uri)

        assert await stream.begun() == status
        assert json.loads(stream.body)["code"] == code


@simulated
async def test_a_key_that_was_replaced_reads_no_more() -> None:
    async with world() as here:
        alpha, beta = await here.agent(ALPHA), await here.agent(BETA)
        stream = inbox_stream(here, beta)
        await stream.begun()
        here.node.registry._keys[BETA] = here.node.registry._keys[ALPHA]

        await here.post("/v1/asp/sessions", Chain(alpha, beta).invitation())
        await stream.task

        assert stream.status == 200
        assert stream.waiting() == 0


@simulated
async def test_a_page_is_small_whatever_the_entries_weigh() -> None:
    log = [outcome(padding="x" * size) for size in [100] * 40 + [200_000] * 6 + [100] * 40]
    asked: list[int] = []

    async def read(after: int, most: int) -> list[Entry]:
        asked.append(min(most, len(log) - after))
        return log[after : after + most]

    pages, at, read_first = Pages(read), 0, []
    while page := await pages.behind(at):
        at += len(page)
        read_first.append([len(one.body) > 100_000 for one in page])

    # Nothing is left out, small ones come together, large ones one by one.
    assert at == len(log)
    assert read_first[0] == [False] * ENTRIES_AT_ONCE
    assert all(large[:-1].count(True) == 0 for large in read_first)
    # What does not fit is read again, but not over and over.
    assert sum(asked) < 2 * len(log)
