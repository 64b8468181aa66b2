"""Entries of a registry: one form, whatever an operator or a manifest says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from treaty.dialects.mrp.listing import Publishing, make_entry, read_listed
from treaty.errors import WireError

PUBLISHING = Publishing()


def listed(*entries: Any) -> list[dict[str, Any]]:
    return read_listed(json.dumps(entries).encode())


def test_an_entry_has_everything_real_clients_want_and_nothing_null() -> None:
    (entry,) = listed({"provider": "service:x"})

    assert entry == {
        "id": "service:x",
        "provider": "service:x",
        "name": "service:x",
        "kind": "indexed",
        "capabilities": [],
        "policies": [],
        "proofs": [],
        "trust": {"level": "self_asserted", "proofs": []},
        "metadata": {},
    }


@pytest.mark.parametrize(
    "entry",
    [
        5,
        {},
        {"id": 5},
        {"id": "x", "name": 5},
        {"id": "x", "capabilities": "summarize"},
        {"id": "x", "capabilities": [5]},
        {"id": "x", "kind": "bank"},
        {"id": "x", "trust": {"score": 1.1}},
        {"id": "x", "trust": {"score": -0.1}},
        {"id": "x", "trust": {"score": "high"}},
        {"id": "x", "trust": {"level": "best"}},
        {"id": "x", "metadata": []},
    ],
)
def test_an_entry_that_would_empty_an_answer_is_not_taken(entry: Any) -> None:
    with pytest.raises(WireError, match="entry 2"):
        listed({"id": "fine"}, entry)


def test_what_is_no_list_is_no_registry() -> None:
    with pytest.raises(WireError):
        read_listed(b'{"results": []}')


def test_a_published_entry_says_what_its_manifest_says() -> None:
    manifest = {
        "capability": "echo",
        "constraints": {"policy": ["no_pii", 5]},
        "proofs_required": ["attestation"],
        "endpoints": {"discover": "/d", "execute": "/e"},
    }
    entry = PUBLISHING.entry(json.dumps(manifest).encode(), "https://x.example:8443/mrp/manifest")

    assert entry["id"] == "service:x.example:8443/echo"
    assert entry["policies"] == ["no_pii"]
    assert "score" not in entry["trust"], "nobody has scored it"


@pytest.mark.parametrize(
    ("capability", "policy", "fits"),
    [
        (None, None, True),
        ("a", None, True),
        ("A", None, False),
        (None, "p", True),
        ("a", "q", False),
    ],
)
def test_an_entry_fits_what_it_names(
    capability: str | None, policy: str | None, fits: bool
) -> None:
    entry = make_entry(
        ident="x", name="x", url="https://x/", capability="a", policies=["p"], proofs=[]
    )

    assert PUBLISHING.fits(entry, capability, policy) is fits


def test_keys_of_other_kinds_are_passed_over() -> None:
    foreign = b'{"keys": [{"kty": "RSA"}, 5, {"kty": "OKP", "crv": "X25519"}]}'

    assert PUBLISHING.keys(foreign, 0) == []
    with pytest.raises(WireError):
        PUBLISHING.keys(b"[]", 0)
