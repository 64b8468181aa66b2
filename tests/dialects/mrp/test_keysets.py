"""A key set: our own keys are read again, others are passed over, none takes another's name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dialects.mrp.made import AT_MS, raw
from treaty.dialects.mrp.keysets import KEYS_MAX, read_keys, write_keys
from treaty.errors import WireError
from treaty.identity.keys import Ed25519Signer

KEY = Ed25519Signer(b"\x01" * 32).key
OTHER = Ed25519Signer(b"\x02" * 32).key


def read(*keys: Any) -> dict[str, Any]:
    return dict(read_keys(raw({"keys": list(keys)}), AT_MS))


def test_what_is_written_is_read() -> None:
    assert read_keys(raw(write_keys([KEY, OTHER])), AT_MS) == {
        KEY.key_id: KEY,
        OTHER.key_id: OTHER,
    }


def test_a_key_has_its_own_name_and_its_thumbprint() -> None:
    assert read({**KEY.jwk(), "kid": "mine"}) == {"mine": KEY, KEY.key_id: KEY}


def test_a_later_key_does_not_take_a_name_over() -> None:
    found = read({**KEY.jwk(), "kid": "mine"}, {**OTHER.jwk(), "kid": "mine"})

    assert found["mine"] == KEY
    assert found[OTHER.key_id] == OTHER


@pytest.mark.parametrize(
    "bad",
    [
        5,
        {},
        {**KEY.jwk(), "use": "enc"},
        {**KEY.jwk(), "exp": AT_MS // 1_000},
        {**KEY.jwk(), "exp": "never"},
        {**KEY.jwk(), "crv": "X25519"},
        {**KEY.jwk(), "x": "AAAA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    ],
)
def test_what_is_no_key_of_ours_is_passed_over(bad: Any) -> None:
    assert read(bad, OTHER.jwk()) == {OTHER.key_id: OTHER}


def test_a_key_that_ends_later_is_good() -> None:
    assert read({**KEY.jwk(), "exp": AT_MS // 1_000 + 1}) == {KEY.key_id: KEY}


@pytest.mark.parametrize("body", [[], {}, {"keys": {}}, {"keys": None}])
def test_what_is_no_set_is_refused(body: Any) -> None:
    with pytest.raises(WireError):
        read_keys(raw(body), AT_MS)


def test_a_set_is_read_up_to_its_limit() -> None:
    assert read(*[{}] * KEYS_MAX, KEY.jwk()) == {}
