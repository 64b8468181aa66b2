"""Nobody outside the identity room can claim that something was verified."""

from __future__ import annotations

import dataclasses

import pytest

from tests.identity.signers import ALPHA, BETA
from treaty.errors import MisuseError
from treaty.identity.records import open_record, seal
from treaty.identity.verified import Verified


@pytest.mark.parametrize("token", [(), (None,), (object(),), (True,)])
def test_only_the_identity_room_makes_a_verified_value(token: tuple[object, ...]) -> None:
    with pytest.raises(MisuseError, match="identity"):
        Verified("anything", ALPHA.key, *token)


def test_a_verified_value_cannot_be_changed_into_another() -> None:
    verified = open_record("fact", seal("fact", {"a": 1}, ALPHA), ALPHA.key)

    with pytest.raises(dataclasses.FrozenInstanceError):
        verified.key = BETA.key  # type: ignore[misc]
    with pytest.raises(MisuseError):
        dataclasses.replace(verified, key=BETA.key)
    assert verified.key == ALPHA.key
