"""Places for negotiations: not final, younger than the ttl, and shared fairly."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from treaty.dialects.actp.policy import ProviderPolicy
from treaty.dialects.actp.slots import Admission, Slot, active, admit

POLICY = ProviderPolicy(500_000, 1_000_000, max_active=20, session_ttl_s=300, quote_ttl_s=300)


def slots(count, signer="0xaa", at_ms=0):
    return [Slot(f"{signer}-{number}", signer, at_ms + number) for number in range(count)]


def test_a_negotiation_is_active_until_it_is_final_or_as_old_as_the_ttl():
    young, final = Slot("a", "0xaa", 1), Slot("b", "0xaa", 1, is_final=True)

    assert active([young, final], 300_000, 300) == (young,)
    assert active([young, final], 300_001, 300) == ()


def test_a_free_place_is_given():
    assert admit(POLICY, [], "0xaa", 0) == Admission(is_admitted=True)
    assert admit(POLICY, slots(1), "0xaa", 0).is_admitted


def test_one_signer_has_a_tenth_of_the_places_and_others_are_not_touched():
    taken = slots(2)

    assert admit(POLICY, taken, "0xaa", 5) == Admission(is_admitted=False, retry_after_s=300)
    assert admit(POLICY, taken, "0xbb", 5).is_admitted


def test_a_full_house_says_when_a_place_becomes_free():
    taken = [Slot(str(number), f"0x{number}", 1_000 * number) for number in range(20)]

    assert admit(POLICY, taken, "0xnew", 20_000) == Admission(False, retry_after_s=280)
    assert admit(POLICY, taken, "0xnew", 299_999).retry_after_s == 1
    assert admit(POLICY, taken, "0xnew", 300_000).is_admitted


def test_a_negotiation_that_ended_gives_its_place_back_at_once():
    taken = [Slot(str(number), f"0x{number}", 0) for number in range(20)]
    ended = [replace(taken[0], is_final=True), *taken[1:]]

    assert not admit(POLICY, taken, "0xnew", 1).is_admitted
    assert admit(POLICY, ended, "0xnew", 1).is_admitted


def test_a_single_place_is_still_a_place():
    policy = replace(POLICY, max_active=1)

    assert admit(policy, [], "0xaa", 0).is_admitted
    assert not admit(policy, slots(1), "0xbb", 0).is_admitted


@given(st.lists(st.tuples(st.sampled_from("abcdefghijklm"), st.integers(0, 900)), max_size=120))
def test_the_limits_hold_whoever_comes_whenever(arrivals):
    taken: list[Slot] = []
    for number, (signer, after_s) in enumerate(sorted(arrivals, key=lambda one: one[1])):
        at_ms = after_s * 1_000
        admission = admit(POLICY, taken, signer, at_ms)
        if admission.is_admitted:
            taken.append(Slot(str(number), signer, at_ms))
        else:
            assert 1 <= admission.retry_after_s <= 300
        now = active(taken, at_ms, 300)
        assert len(now) <= 20
        assert sum(slot.signer == signer for slot in now) <= 2
