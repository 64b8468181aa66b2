"""Places: they agree with the law in ``slots``, and nothing of one that was given back is left."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.quote_stage import seed_policy
from treaty.dialects.actp.slots import Slot, admit
from treaty.engine.places import Places

TTL_MS = 300_000
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "give"]),
        st.integers(0, 30),
        st.sampled_from("ab"),
        st.integers(0, 90_000),
    ),
    max_size=60,
)


@settings(max_examples=150)
@given(STEPS, st.integers(1, 25))
def test_they_admit_whom_the_law_admits(steps: list[tuple[str, int, str, int]], most: int) -> None:
    policy = seed_policy(max_active=most)
    places = Places(most=most, per_signer=policy.signer_slots, ttl_ms=TTL_MS)
    slots: dict[str, Slot] = {}
    now_ms = 1_000_000
    for act, number, signer, pause_ms in steps:
        now_ms += pause_ms
        name = str(number)
        if act == "give":
            places.give(name)
            slots.pop(name, None)
            continue
        if places.holds(name):
            continue
        lawful = admit(policy, slots.values(), signer, now_ms)
        wait_ms = places.wait_ms(signer, now_ms)
        assert (wait_ms == 0) == lawful.is_admitted
        assert -(-wait_ms // 1_000) == lawful.retry_after_s
        if lawful.is_admitted:
            places.take(name, signer, now_ms)
            slots[name] = Slot(name, signer, now_ms)


def test_a_place_that_was_given_back_leaves_nothing() -> None:
    places = Places(most=10, per_signer=10, ttl_ms=TTL_MS)
    places.take("one", "a", 0)
    places.give("one")
    places.give("one")

    assert places.taken(0) == 0
    assert (places._signer_of, places._of_signers) == ({}, {})


def test_places_lapse_in_the_order_of_their_opening() -> None:
    places = Places(most=2, per_signer=2, ttl_ms=TTL_MS)
    places.take("one", "a", 0)
    places.take("two", "b", 1_000)

    assert places.wait_ms("c", 2_000) == TTL_MS - 2_000
    assert places.taken(TTL_MS) == 1
    assert places.wait_ms("c", TTL_MS) == 0
    assert not places.holds("one")
