"""Persistent maps behave as dicts that are never changed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treaty.core.persistent import PersistentMap


class Colliding:
    """A key whose hash is chosen, so that the depths of the tree are reached on purpose."""

    def __init__(self, name: int, hashed: int) -> None:
        self.name, self.hashed = name, hashed

    def __hash__(self) -> int:
        return self.hashed

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Colliding) and other.name == self.name


def filled(size: int) -> PersistentMap[int, int]:
    entries: PersistentMap[int, int] = PersistentMap()
    for number in range(size):
        entries = entries.put(number, number * number)
    return entries


@pytest.mark.parametrize("size", [0, 1, 31, 32, 33, 34, 256, 1_000])
def test_every_entry_is_found_at_every_size(size):
    entries = filled(size)
    assert len(entries) == size
    assert dict(entries.items()) == {number: number * number for number in range(size)}
    assert all(entries.get(number) == number * number for number in range(size))
    assert all(number in entries for number in range(size))


def test_what_is_not_there_is_none():
    assert filled(40).get(40) is None
    assert 40 not in filled(40)


def test_putting_leaves_the_map_it_started_from_as_it_was():
    before = filled(100)
    after = before.put(7, -1).put(1_000, -1)
    assert (before.get(7), before.get(1_000), len(before)) == (49, None, 100)
    assert (after.get(7), after.get(1_000), len(after)) == (-1, -1, 101)


def test_taking_away_leaves_the_map_it_started_from_as_it_was():
    before = filled(100)
    after = before.without(7)
    assert (before.get(7), len(before)) == (49, 100)
    assert (after.get(7), len(after)) == (None, 99)


def test_taking_away_what_is_not_there_is_the_same_map():
    before = filled(3)
    assert before.without(99) is before


def test_maps_are_equal_by_their_entries_whatever_their_history():
    # 100 entries down to 3 keep the shape of a large map; equality must not see it.
    shrunk = filled(100)
    for number in range(3, 100):
        shrunk = shrunk.without(number)
    assert shrunk == filled(3)
    assert shrunk != filled(4)
    assert shrunk != filled(3).put(0, 99)
    assert shrunk != {0: 0, 1: 1, 2: 4}


def test_keys_with_one_hash_are_kept_apart():
    # No bits of the hash tell them apart: the tree ends in one large leaf instead of splitting.
    keys = [Colliding(number, 5) for number in range(70)]
    entries: PersistentMap[Colliding, int] = PersistentMap()
    for key in keys:
        entries = entries.put(key, key.name)
    assert [entries.get(key) for key in keys] == list(range(70))
    assert len(entries.without(keys[3])) == 69


def test_negative_hashes_find_their_way():
    keys = [Colliding(number, -number - 2) for number in range(70)]
    entries: PersistentMap[Colliding, int] = PersistentMap()
    for key in keys:
        entries = entries.put(key, key.name)
    assert [entries.get(key) for key in keys] == list(range(70))


@settings(max_examples=100)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 99), st.integers()), max_size=300))
def test_it_does_what_a_dict_does(steps):
    entries: PersistentMap[int, int] = PersistentMap()
    model: dict[int, int] = {}
    for keep, key, value in steps:
        if keep:
            entries = entries.put(key, value)
            model[key] = value
        else:
            entries = entries.without(key)
            model.pop(key, None)
    assert dict(entries.items()) == model
    assert len(entries) == len(model)
