"""The acceptance test of a store: what ``engine.ports.Store`` promises, one function a promise.

Each ``check_`` function takes an empty store and asserts. A medium runs all of ``CHECKS``
against itself; see ``tests/store/test_memory.py`` for the shortest way to do so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from treaty.engine.ports import Append, Entry, Nonce, Store, Task, Unit
from treaty.errors import Conflict, MisuseError, Refused, UnavailableError
from treaty.store.units import NAME_CHARS_MAX, READ_ROWS_MAX, UNIT_BYTES_MAX, UNIT_ROWS_MAX


def entry(stream: str, position: int, body: bytes = b"{}", raw: bytes | None = None) -> Entry:
    return Entry(stream, position, "fact", body, raw)


def append(stream: str, after: int, count: int = 1) -> Append:
    places = range(after + 1, after + count + 1)
    return Append(stream, after, tuple(entry(stream, place) for place in places))


def unit(stream: str, after: int, count: int = 1, **rest: Any) -> Unit:
    return Unit(appends=(append(stream, after, count),), **rest)


def task(task_id: str, due_ms: int = 10, kind: str = "deliver", payload: bytes = b"p") -> Task:
    return Task(task_id, kind, due_ms, payload)


async def fill(store: Store, *names: str) -> None:
    await store.commit(Unit(appends=tuple(append(name, 0) for name in names)))


async def contents(store: Store) -> dict[str, Any]:
    """Everything a store can be asked for, to show that a refusal changed nothing."""
    names = await store.streams("")
    kinds = ("deliver", "timer")
    return {
        "streams": {name: await store.read(name) for name in names},
        "tasks": [row for kind in kinds for row in await store.tasks(kind)],
        "due": await store.due_tasks(2**62),
        "setting": await store.setting("heartbeat"),
        "nonces": [await store.nonce("dpop", key) for key in "abc"],
    }


async def check_an_empty_store_has_nothing(store: Store) -> None:
    assert await store.read("session/1") == []
    assert await store.last("session/1") == 0
    assert await store.streams("") == []
    assert await store.due_tasks(2**62) == []
    assert await store.tasks("deliver") == []
    assert await store.next_due_ms() is None
    assert await store.setting("heartbeat") is None
    assert await store.nonce("dpop", "a") is None


async def check_entries_come_back_as_they_were(store: Store) -> None:
    received = b'{"a": 1}\n\x00\xff'
    entries = (
        Entry("inbox/agent://é/ü", 1, "message", b'{"a":1}', received),
        Entry("inbox/agent://é/ü", 2, "fact", b"", None),
        Entry("inbox/agent://é/ü", 3, "card", b"\x00", b""),
    )
    await store.commit(Unit(appends=(Append("inbox/agent://é/ü", 0, entries),)))

    assert await store.read("inbox/agent://é/ü") == list(entries)


async def check_a_stream_grows_at_its_end(store: Store) -> None:
    await store.commit(unit("session/1", 0, 2))
    await store.commit(unit("session/1", 2, 1))

    assert [one.position for one in await store.read("session/1")] == [1, 2, 3]
    assert await store.last("session/1") == 3


async def check_reading_goes_on_behind_a_position(store: Store) -> None:
    await store.commit(unit("session/1", 0, 100))

    assert [one.position for one in await store.read("session/1", 97)] == [98, 99, 100]
    assert [one.position for one in await store.read("session/1", 10, 40)] == list(range(11, 51))
    assert await store.read("session/1", 100) == []
    assert await store.read("session/1", 2**62) == []


async def check_streams_do_not_mix(store: Store) -> None:
    await store.commit(Unit(appends=(append("session/1", 0, 2), append("session/2", 0, 3))))

    assert await store.last("session/1") == 2
    assert {one.stream for one in await store.read("session/2")} == {"session/2"}
    assert len(await store.read("session/2")) == 3


async def check_one_unit_may_append_to_a_stream_twice(store: Store) -> None:
    await store.commit(Unit(appends=(append("session/1", 0, 2), append("session/1", 2, 1))))

    assert await store.last("session/1") == 3


async def check_what_is_committed_can_be_read_at_once(store: Store) -> None:
    for position in range(20):
        await store.commit(unit("session/1", position))
        assert await store.last("session/1") == position + 1


async def check_an_empty_unit_changes_nothing(store: Store) -> None:
    await store.commit(Unit())

    assert (await contents(store))["streams"] == {}


async def check_a_taken_position_is_a_conflict(store: Store) -> None:
    await store.commit(unit("session/1", 0, 2))
    for believed in (0, 1, 3):
        with pytest.raises(Conflict) as lost:
            await store.commit(unit("session/1", believed))
        assert lost.value.data == {"stream": "session/1", "last": 2}

    assert await store.last("session/1") == 2


async def check_a_conflict_leaves_no_trace_of_the_unit(store: Store) -> None:
    await store.commit(
        unit("session/1", 0, put_tasks=(task("t1"),), settings=(("heartbeat", b"1"),))
    )
    before = await contents(store)
    with pytest.raises(Conflict):
        await store.commit(
            Unit(
                appends=(append("session/2", 0, 3), append("session/1", 0)),
                nonces=(Nonce("dpop", "a", 5),),
                put_tasks=(task("t2"),),
                drop_tasks=("t1",),
                settings=(("heartbeat", b"2"),),
            )
        )

    assert await contents(store) == before
    await store.commit(unit("session/2", 0))


async def check_an_append_without_entries_is_a_condition(store: Store) -> None:
    await store.commit(unit("session/1", 0, 2))
    holds = (Append("session/1", 2, ()), Append("session/2", 0, ()))
    await store.commit(Unit(appends=holds, put_tasks=(task("kept"),)))
    with pytest.raises(Conflict):
        await store.commit(Unit(appends=(Append("session/1", 1, ()),), put_tasks=(task("lost"),)))
    with pytest.raises(Conflict):
        await store.commit(Unit(appends=(Append("session/2", 1, ()),), put_tasks=(task("lost"),)))

    assert await store.tasks("deliver") == [task("kept")]
    assert await store.streams("") == ["session/1"]
    await store.commit(unit("session/2", 0))


async def check_one_of_many_racers_wins(store: Store) -> None:
    racers = [
        store.commit(
            Unit(
                appends=(Append("session/1", 0, (entry("session/1", 1, b"%d" % racer),)),),
                put_tasks=(task(f"{racer}"),),
            )
        )
        for racer in range(20)
    ]
    results = await asyncio.gather(*racers, return_exceptions=True)
    winners = [racer for racer, result in enumerate(results) if result is None]

    assert len(winners) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 19
    assert [one.body for one in await store.read("session/1")] == [b"%d" % winners[0]]
    assert [one.id for one in await store.tasks("deliver")] == [f"{winners[0]}"]


async def check_a_refused_unit_does_not_disturb_the_others(store: Store) -> None:
    await fill(store, "session/taken")
    units = [
        unit("session/1", 0, put_tasks=(task("t1"),)),
        unit("session/taken", 0, put_tasks=(task("t2"),)),
        unit("session/2", 0, put_tasks=(task("t3"),)),
        Unit(nonces=(Nonce("dpop", "a", 5), Nonce("dpop", "a", 5)), put_tasks=(task("t4"),)),
        unit("session/1", 1, nonces=(Nonce("dpop", "a", 5),)),
        unit("session/2", 1, nonces=(Nonce("dpop", "a", 5),)),
        unit("session/2", 1, 2),
    ]
    results = await asyncio.gather(*map(store.commit, units), return_exceptions=True)

    kinds = [type(result) for result in results]
    nothing = type(None)
    assert kinds == [nothing, Conflict, nothing, Refused, nothing, Refused, nothing]
    assert [one.id for one in await store.tasks("deliver")] == ["t1", "t3"]
    assert [await store.last(f"session/{name}") for name in ("1", "2", "taken")] == [2, 3, 1]


async def check_units_of_one_writer_keep_their_order(store: Store) -> None:
    waiting = [store.commit(unit("session/1", after)) for after in range(50)]
    await asyncio.gather(*waiting)

    assert await store.last("session/1") == 50


async def check_a_nonce_is_consumed_once(store: Store) -> None:
    await store.commit(Unit(nonces=(Nonce("dpop", "a", 100, b"answer"),)))
    with pytest.raises(Refused) as again:
        await store.commit(unit("session/1", 0, nonces=(Nonce("dpop", "a", 900, b"other"),)))

    assert again.value.code == "proof_replayed"
    assert await store.nonce("dpop", "a") == b"answer"
    assert await store.streams("") == []


async def check_a_nonce_belongs_to_its_scope(store: Store) -> None:
    await store.commit(Unit(nonces=(Nonce("dpop", "a", 100), Nonce("receipt", "a", 100, b"r"))))
    await store.commit(Unit(nonces=(Nonce("dpop", "b", 100),)))

    assert await store.nonce("dpop", "a") == b""
    assert await store.nonce("receipt", "a") == b"r"
    assert await store.nonce("receipt", "b") is None


async def check_a_nonce_twice_in_one_unit_is_a_replay(store: Store) -> None:
    with pytest.raises(Refused):
        await store.commit(Unit(nonces=(Nonce("dpop", "a", 5, b"1"), Nonce("dpop", "a", 5, b"2"))))

    assert await store.nonce("dpop", "a") is None


async def check_a_lost_race_is_told_before_a_replay(store: Store) -> None:
    await store.commit(unit("session/1", 0, nonces=(Nonce("dpop", "a", 5),)))
    with pytest.raises(Conflict):
        await store.commit(unit("session/1", 0, nonces=(Nonce("dpop", "a", 5),)))


async def check_purge_forgets_what_has_expired(store: Store) -> None:
    await store.commit(
        Unit(
            nonces=tuple(
                Nonce("dpop", key, due) for key, due in zip("abc", (9, 10, 11), strict=True)
            )
        )
    )
    await store.purge(10)

    assert [await store.nonce("dpop", key) for key in "abc"] == [None, b"", b""]
    await store.commit(Unit(nonces=(Nonce("dpop", "a", 20),)))


async def check_an_expired_nonce_counts_until_it_is_purged(store: Store) -> None:
    await store.commit(Unit(nonces=(Nonce("dpop", "a", 0),)))
    with pytest.raises(Refused):
        await store.commit(Unit(nonces=(Nonce("dpop", "a", 50),)))


async def check_purge_forgets_any_number(store: Store) -> None:
    for start in (0, 1500):
        many = tuple(Nonce("dpop", f"{n}", n % 2) for n in range(start, start + 1500))
        await store.commit(Unit(nonces=many))
    await store.purge(1)

    left = [await store.nonce("dpop", f"{n}") is not None for n in range(3000)]
    assert left == [n % 2 == 1 for n in range(3000)]


async def check_tasks_are_due_in_order(store: Store) -> None:
    rows = (task("c", 5), task("a", 7), task("b", 5), task("d", 8, "timer"))
    await store.commit(Unit(put_tasks=rows))

    assert [one.id for one in await store.due_tasks(7)] == ["b", "c", "a"]
    assert [one.id for one in await store.due_tasks(7, limit=2)] == ["b", "c"]
    assert await store.due_tasks(4) == []
    assert await store.due_tasks(8) == [rows[2], rows[0], rows[1], rows[3]]
    assert await store.next_due_ms() == 5


async def check_a_task_put_again_is_replaced(store: Store) -> None:
    await store.commit(Unit(put_tasks=(task("a", 5, payload=b"old"), task("b", 6))))
    await store.commit(Unit(put_tasks=(task("a", 9, "timer", b"new"),)))

    assert await store.due_tasks(10) == [task("b", 6), task("a", 9, "timer", b"new")]
    assert await store.tasks("deliver") == [task("b", 6)]
    assert await store.next_due_ms() == 6


async def check_dropped_tasks_are_gone(store: Store) -> None:
    await store.commit(Unit(put_tasks=(task("a"), task("b"), task("c"))))
    await store.commit(Unit(drop_tasks=("a", "c", "never put")))

    assert await store.tasks("deliver") == [task("b")]
    await store.commit(Unit(drop_tasks=("b",)))
    assert await store.next_due_ms() is None


async def check_a_unit_drops_before_it_puts(store: Store) -> None:
    await store.commit(Unit(put_tasks=(task("a", 5),)))
    await store.commit(Unit(put_tasks=(task("a", 6), task("a", 7)), drop_tasks=("a",)))

    assert await store.tasks("deliver") == [task("a", 7)]


async def check_task_changes_happen_in_the_order_of_units(store: Store) -> None:
    await asyncio.gather(
        store.commit(Unit(put_tasks=(task("a", 1), task("b", 1), task("c", 1)))),
        store.commit(Unit(drop_tasks=("a", "b"))),
        store.commit(Unit(put_tasks=(task("b", 2),), settings=(("heartbeat", b"1"),))),
        store.commit(Unit(put_tasks=(task("c", 3),), settings=(("heartbeat", b"2"),))),
    )

    assert await store.tasks("deliver") == [task("b", 2), task("c", 3)]
    assert await store.setting("heartbeat") == b"2"


async def check_tasks_of_a_kind_are_paged(store: Store) -> None:
    await store.commit(Unit(put_tasks=tuple(task(f"{n:02d}", 99 - n) for n in range(50))))
    await store.commit(Unit(put_tasks=(task("25x", kind="timer"),)))

    first = await store.tasks("deliver", limit=30)
    rest = await store.tasks("deliver", limit=30, after=first[-1].id)
    assert [one.id for one in first + rest] == [f"{n:02d}" for n in range(50)]


async def check_a_setting_is_overwritten(store: Store) -> None:
    await store.commit(Unit(settings=(("heartbeat", b"1"), ("other", b"x"))))
    await store.commit(Unit(settings=(("heartbeat", b"2"), ("heartbeat", b"\x00"))))

    assert await store.setting("heartbeat") == b"\x00"
    assert await store.setting("other") == b"x"


async def check_streams_are_listed_by_prefix(store: Store) -> None:
    await fill(store, "session/2", "session/10", "sessions", "session/1", "inbox/a", "session/1/x")

    assert await store.streams("session/") == [
        "session/1",
        "session/1/x",
        "session/10",
        "session/2",
    ]
    assert await store.streams("session/1") == ["session/1", "session/1/x", "session/10"]
    assert await store.streams("trust") == []
    assert len(await store.streams("")) == 6


async def check_streams_are_paged(store: Store) -> None:
    names = [f"session/{n:03d}" for n in range(100)]
    await fill(store, "a", *names, "z")
    paged: list[str] = []
    while page := await store.streams("session/", paged[-1] if paged else "", 33):
        paged += page

    assert paged == names
    assert await store.streams("session/", "z") == []
    assert await store.streams("session/", "session/05", 1) == ["session/050"]


async def check_names_are_ordered_by_code_point(store: Store) -> None:
    names = [
        "a",
        "a\ud7ff",
        "a\ue000",
        "a\uffff",
        "a\U0001f600",
        "a\U0010ffff",
        "a\U0010ffffb",
        "b",
        "é",
    ]
    await fill(store, *reversed(names))

    assert await store.streams("") == names
    assert await store.streams("a") == names[:7]
    assert await store.streams("a\ud7ff") == ["a\ud7ff"]
    assert await store.streams("a\U0010ffff") == names[5:7]
    assert await store.streams("\U0010ffff") == []
    assert await store.streams("", "a\uffff", 2) == ["a\U0001f600", "a\U0010ffff"]


async def check_names_are_not_patterns(store: Store) -> None:
    await fill(store, "a%b", "a_b", "axb", "A%B", "a'b")

    assert await store.streams("a%") == ["a%b"]
    assert await store.streams("a_") == ["a_b"]
    assert await store.streams("a'") == ["a'b"]
    assert await store.last("A%b") == 0


async def check_a_name_nobody_can_have_is_not_there(store: Store) -> None:
    for name in ("", "a\0", "\ud800", "x" * (NAME_CHARS_MAX + 1)):
        assert await store.read(name) == []
        assert await store.last(name) == 0
        assert await store.setting(name) is None
        assert await store.nonce(name, name) is None
        assert await store.tasks(name) == []
    assert await store.streams("\ud800") == []
    assert await store.streams("a\0") == []


async def check_a_unit_that_contradicts_itself_is_misuse(store: Store) -> None:
    wrong = (
        Append("session/1", 0, (entry("session/1", 2),)),
        Append("session/1", 0, (entry("session/2", 1),)),
        Append("session/1", 0, (entry("session/1", 1), entry("session/1", 1))),
        Append("session/1", -1, (entry("session/1", 0),)),
    )
    for one in wrong:
        with pytest.raises(MisuseError):
            await store.commit(Unit(appends=(one,)))

    assert await store.streams("") == []


async def check_names_and_numbers_no_medium_holds_are_misuse(store: Store) -> None:
    for name in ("", "a\0b", "\udc00", "x" * (NAME_CHARS_MAX + 1)):
        for bad in (
            unit(name, 0),
            Unit(appends=(Append("s", 0, (Entry("s", 1, name, b"", None),)),)),
            Unit(nonces=(Nonce(name, "k", 0),)),
            Unit(nonces=(Nonce("s", name, 0),)),
            Unit(put_tasks=(task(name),)),
            Unit(put_tasks=(task("t", kind=name),)),
            Unit(drop_tasks=(name,)),
            Unit(settings=((name, b""),)),
        ):
            with pytest.raises(MisuseError):
                await store.commit(bad)
    for number in (-1, 2**63):
        for bad in (
            Unit(nonces=(Nonce("s", "k", number),)),
            Unit(put_tasks=(task("t", number),)),
            Unit(appends=(Append("s", number, ()),)),
        ):
            with pytest.raises(MisuseError):
                await store.commit(bad)

    assert (await contents(store))["due"] == []


async def check_a_unit_over_the_limits_is_misuse(store: Store) -> None:
    too_many = Unit(drop_tasks=tuple(f"{n}" for n in range(UNIT_ROWS_MAX + 1)))
    too_large = Unit(put_tasks=(task("t", payload=bytes(UNIT_BYTES_MAX + 1)),))
    for bad in (too_many, too_large):
        with pytest.raises(MisuseError):
            await store.commit(bad)
    await store.commit(unit("session/1", 0, UNIT_ROWS_MAX - 1))

    assert await store.last("session/1") == UNIT_ROWS_MAX - 1


async def check_impossible_questions_are_misuse(store: Store) -> None:
    for limit in (-1, 0, READ_ROWS_MAX + 1):
        for question in (
            store.read("s", limit=limit),
            store.streams("s", limit=limit),
            store.due_tasks(0, limit=limit),
            store.tasks("s", limit=limit),
        ):
            with pytest.raises(MisuseError):
                await question
    for question in (
        store.read("s", after=-1),
        store.read("s", after=2**63),
        store.due_tasks(2**63),
        store.purge(2**63),
        store.streams("", after="\ud800"),
        store.tasks("deliver", after="\ud800"),
    ):
        with pytest.raises(MisuseError):
            await question


async def check_closing_finishes_what_waits(store: Store) -> None:
    waiting = [asyncio.ensure_future(store.commit(unit(f"s/{n}", 0))) for n in range(10)]
    await asyncio.sleep(0)
    await store.close()

    assert await asyncio.gather(*waiting) == [None] * 10


async def check_a_closed_store_answers_nothing(store: Store) -> None:
    await store.close()
    await store.close()
    for question in (
        store.commit(unit("session/1", 0)),
        store.read("session/1"),
        store.last("session/1"),
        store.streams(""),
        store.due_tasks(0),
        store.tasks("deliver"),
        store.next_due_ms(),
        store.setting("heartbeat"),
        store.nonce("dpop", "a"),
        store.purge(0),
    ):
        with pytest.raises(UnavailableError):
            await question


async def check_a_caller_that_gives_up_disturbs_nobody(store: Store) -> None:
    leaving = asyncio.ensure_future(store.commit(unit("session/1", 0)))
    staying = asyncio.ensure_future(store.commit(unit("session/2", 0)))
    await asyncio.sleep(0)
    leaving.cancel()
    await staying

    assert await store.last("session/2") == 1
    await store.commit(unit("session/1", await store.last("session/1")))


Check = Callable[[Store], Awaitable[None]]
CHECKS: tuple[Check, ...] = tuple(
    check for name, check in sorted(globals().items()) if name.startswith("check_")
)
