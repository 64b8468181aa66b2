"""Agreements: open until used or lapsed, found again after a restart, and few for one principal."""

from __future__ import annotations

import json

import pytest

from tests.engine.service_stage import Stage, stage, staged
from tests.http.mrp_world import shout
from treaty.engine.agreements import OPEN_EACH_MAX, TASK, is_agreement_id
from treaty.errors import Refused
from treaty.store.memory import MemoryStore


def terms(word: str) -> dict[str, object]:
    """Terms about some text."""
    return {"route_id": "route-shout", "inputs": [{"type": "text", "value": word}]}


async def agreed(here: Stage, word: str, principal: str = "from:here/agent:x") -> str:
    asked = here.asked("NEGOTIATE", terms(word), principal=principal)
    return str(json.loads(await here.services.negotiate(asked))["msg_id"])


def only(here: Stage, word: str) -> str | None:
    """The agreement somebody uses who names none."""
    binding = here.services.dialect.binding(here.asked("EXECUTE", terms(word)))
    return here.services.agreements.only(binding)


@staged
async def test_what_was_open_is_open_after_a_restart() -> None:
    store = MemoryStore()
    here = await stage(shout, store=store)
    first, second = await agreed(here, "a"), await agreed(here, "b")
    await here.services.execute(here.asked("EXECUTE", terms("b")))
    again = await stage(shout, store=store, clock=here.clock)

    assert (only(again, "a"), only(again, "b")) == (first, None)
    assert (await again.services.agreements.find(second)).used_by is not None


@staged
async def test_two_about_the_same_are_none_and_one_is_again() -> None:
    here = await stage(shout)
    first, second = await agreed(here, "a"), await agreed(here, "a")
    both = only(here, "a")
    await here.services.execute(here.asked("EXECUTE", terms("a"), in_reply_to=first))

    assert (both, only(here, "a")) == (None, second)


@staged
async def test_terms_without_inputs_are_found_by_name_alone() -> None:
    here = await stage(shout)
    asked = here.asked("NEGOTIATE", {"route_id": "route-shout"})
    ident = json.loads(await here.services.negotiate(asked))["msg_id"]
    job = await here.services.execute(here.asked("EXECUTE", terms("any"), in_reply_to=ident))

    assert here.services.dialect.binding(asked) is None
    assert (await here.services.agreements.find(ident)).used_by == job.key


@staged
async def test_one_address_cannot_take_all_places_under_many_names() -> None:
    here = await stage(shout)
    for number in range(OPEN_EACH_MAX):
        await agreed(here, f"text {number}")
    with pytest.raises(Refused) as refused:
        await agreed(here, "one more", "from:here/agent:y")

    assert refused.value.code == "capacity_unavailable"
    assert await agreed(here, "another's", "from:there/agent:x")
    assert await agreed(here, "a known one's", "key:of-somebody")


@staged
async def test_what_has_lapsed_leaves_no_task() -> None:
    here = await stage(shout)
    await agreed(here, "a")
    (task,) = await here.desk.store.tasks(TASK)
    await here.services.agreements.expire(task)

    assert await here.desk.store.tasks(TASK) == []
    assert only(here, "a") is None


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("019526a1-8e1a-7000-8000-000000000001", True),
        ("019526A1-8E1A-7000-8000-000000000001", False),
        ("../../x", False),
        ("", False),
        ("x" * 5_000, False),
    ],
)
def test_only_what_can_be_an_id_is_looked_up(text: str, is_one: bool) -> None:
    assert is_agreement_id(text) is is_one
