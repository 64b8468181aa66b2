"""A card is its key's own word, a listing a registry's, and neither can be bent (ASP B5)."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.identity.signers import ALPHA, BETA, REGISTRY
from treaty.errors import MisuseError, Refused, SignatureError, WireError
from treaty.identity.cards import (
    UNSIGNED,
    CardView,
    accepts_successor,
    key_hash,
    make_card,
    make_listing,
    make_rotation,
    open_card,
    open_listing,
    stored_card,
)
from treaty.identity.keys import Ed25519Signer, Signer
from treaty.identity.records import KINDS, seal
from treaty.wire.canonical import canonical, read_json
from treaty.wire.encoding import b64url_decode

URI = "agent://acme.com/procurement/alpha"
REGISTRY_URI = "agent://npayload.com/registry/discovery"
NEXT = Ed25519Signer(b"\x04" * 32)
THIRD = Ed25519Signer(b"\x05" * 32)
AT_MS = 1_772_892_060_000
DAY_MS = 86_400_000

P256 = {
    "kty": "EC",
    "crv": "P-256",
    "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
    "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
}


def card_of(signer: Signer = ALPHA, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "uri": URI,
        "name": "Alpha Procurement Agent",
        "organization": "Acme Industries",
        "org_id": "org_acme",
        "capabilities": ["negotiate.compute", "budget.management"],
        "endpoints": {"asp": "https://node.example/v1/asp"},
    }
    return make_card(signer, **{**fields, **changes})


def sealed(**changes: Any) -> dict[str, Any]:
    """A card signed rightly, whatever its members say; None leaves one out."""
    body = {name: v for name, v in card_of().items() if name != "integrity"}
    kept = {name: v for name, v in {**body, **changes}.items() if v is not None}
    return seal("card", kept, ALPHA, unsigned=UNSIGNED)


# --- cards ---


def test_a_card_has_the_members_of_b5_and_reads_back() -> None:
    card = card_of(next_key_hash=key_hash(NEXT.key), extra={"pricing": {"model": "hourly"}})
    view = open_card(card)

    assert card.keys() == {
        *("uri", "name", "organization", "orgId", "version", "capabilities", "publicKey"),
        *("keys", "nextKeyHash", "endpoints", "accounts", "integrity", "pricing"),
    }
    assert (view.uri.text, view.uri.host) == (URI, "acme.com")
    assert (view.key, view.proof_key) == (ALPHA.key, ALPHA.key)
    assert (view.version, view.org_id, view.name) == (1, "org_acme", "Alpha Procurement Agent")
    assert view.capabilities == ("negotiate.compute", "budget.management")
    assert view.card_hash == card["integrity"]["hash"]
    assert view.card == card


def test_next_key_hash_is_the_thumbprint_as_a_tag() -> None:
    assert key_hash(NEXT.key) == "sha256:" + b64url_decode(NEXT.key.key_id).hex()


def test_a_card_by_the_letter_of_b5_has_no_key_id_and_is_taken() -> None:
    card = card_of()
    del card["integrity"]["keyId"]
    for name in ("keys", "endpoints", "accounts"):
        assert open_card(sealed(**{name: None})).key == ALPHA.key

    assert open_card(card).key == ALPHA.key


def test_public_key_may_be_a_jwk_object() -> None:
    assert open_card(sealed(publicKey=ALPHA.key.jwk())).key == ALPHA.key


def test_a_p256_key_for_proofs_is_taken_from_the_card() -> None:
    view = open_card(card_of(extra={"dpopPublicKey": P256}))

    assert view.key == ALPHA.key
    assert view.proof_key.jwk() == P256
    with pytest.raises(WireError):
        card_of(extra={"dpopPublicKey": {**P256, "y": P256["x"]}})


def test_scores_and_listing_are_outside_the_signature() -> None:
    card = card_of()
    told = {**card, "trustScore": 100, "trustLevel": 4, "listing": {"any": "thing"}}

    assert open_card(told).card_hash == open_card(card).card_hash
    assert open_card(told).card == told


SIGNED = [name for name in card_of(next_key_hash=key_hash(NEXT.key)) if name != "integrity"]


@pytest.mark.parametrize("name", SIGNED)
def test_every_member_is_guarded_against_change_and_loss(name: str) -> None:
    card = card_of(next_key_hash=key_hash(NEXT.key))
    value = BETA.key.text if name == "publicKey" else 2 if name == "version" else "other"
    with pytest.raises(SignatureError) as caught:
        open_card({**card, name: value})
    assert caught.value.code == "hash_mismatch"

    without = {key: v for key, v in card.items() if key != name}
    with pytest.raises((SignatureError, WireError)):
        open_card(without)


@pytest.mark.parametrize("name", ["hash", "signature", "keyId"])
def test_every_member_of_integrity_is_guarded(name: str) -> None:
    card, other = card_of(), card_of(BETA)
    card["integrity"][name] = other["integrity"][name]

    with pytest.raises(SignatureError):
        open_card(card)


def test_an_added_member_is_noticed() -> None:
    with pytest.raises(SignatureError):
        open_card({**card_of(), "arbitrates": True})


def test_a_card_signed_by_another_than_its_own_key_is_refused() -> None:
    body = {name: v for name, v in card_of().items() if name != "integrity"}
    forged: Any = seal("card", body, BETA)
    with pytest.raises(SignatureError):
        open_card(forged)
    del forged["integrity"]["keyId"]
    with pytest.raises(SignatureError):
        open_card(forged)


@pytest.mark.parametrize("kind", sorted(KINDS - {"card"}))
def test_no_other_record_passes_as_a_card(kind: str) -> None:
    body = {name: v for name, v in card_of().items() if name != "integrity"}

    with pytest.raises(SignatureError):
        open_card(seal(kind, body, ALPHA))


@pytest.mark.parametrize(
    "changes",
    [
        {"uri": None},
        {"uri": "https://acme.com"},
        {"uri": "agent://ACME.com/x"},
        {"uri": "agent://acme.com/" + "x" * 255},
        {"name": None},
        {"name": ""},
        {"name": "x" * 201},
        {"organization": None},
        {"orgId": 7},
        {"orgId": "x" * 201},
        {"version": None},
        {"version": 0},
        {"version": True},
        {"version": 1.5},
        {"version": "1"},
        {"capabilities": None},
        {"capabilities": "negotiate"},
        {"capabilities": [f"c{n}" for n in range(65)]},
        {"capabilities": [""]},
        {"capabilities": ["negotiate.*"]},
        {"capabilities": ["x" * 129]},
        {"capabilities": [["x"]]},
        {"endpoints": []},
        {"endpoints": {f"e{n}": "https://a.example" for n in range(17)}},
        {"endpoints": {"asp": "https://a.example/" + "x" * 2048}},
        {"endpoints": {"asp": 1}},
        {"keys": {}},
        {"keys": ["x"]},
        {"keys": [{"keyId": BETA.key.key_id}]},
        {"keys": [{"keyId": ALPHA.key.key_id}] * 17},
        {"accounts": "none"},
        {"accounts": [{}] * 17},
        {"nextKeyHash": "sha256:short"},
        {"nextKeyHash": 1},
        {"dpopPublicKey": "text"},
        {"dpopPublicKey": ALPHA.key.jwk()},
    ],
)
def test_a_card_out_of_bounds_is_refused_though_rightly_signed(changes: dict[str, Any]) -> None:
    open_card(sealed())
    with pytest.raises(WireError):
        open_card(sealed(**changes))


def test_a_card_of_more_than_32_kib_is_too_large() -> None:
    with pytest.raises(WireError) as caught:
        open_card(sealed(note="x" * 33_000))
    assert caught.value.code == "too_large"
    # What is not signed counts too: it is sent and stored all the same.
    with pytest.raises(WireError):
        open_card({**card_of(), "listing": "x" * 33_000})


def test_sixty_four_capabilities_are_within_bounds() -> None:
    assert len(open_card(sealed(capabilities=[f"c{n}" for n in range(64)])).capabilities) == 64


def test_our_own_card_is_never_one_that_others_refuse() -> None:
    with pytest.raises(WireError):
        card_of(capabilities=["two words"])
    with pytest.raises(WireError):
        card_of(extra={"publicKey": "nonsense"})


def test_opening_leaves_the_card_alone_and_keeps_its_own_copy() -> None:
    card = card_of()
    before = copy.deepcopy(card)
    view = open_card(card)
    assert card == before

    card["name"] = "changed afterwards"
    assert view.card == before


@given(
    st.recursive(
        st.none() | st.integers(-9, 9) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    ),
    st.sampled_from(["uri", "publicKey", "integrity", "keys", "capabilities", "listing"]),
)
def test_any_json_is_a_card_or_an_error_of_ours(value: Any, name: str) -> None:
    with pytest.raises((WireError, SignatureError)):
        open_card(value)
    try:
        assert open_card({**card_of(), name: value}).key == ALPHA.key
    except (WireError, SignatureError):
        assert name != "listing"


# --- successors ---


def rotated(current: CardView, **changes: Any) -> dict[str, Any]:
    rotation = make_rotation(ALPHA, current=current, next_key=NEXT.key)
    fields: dict[str, Any] = {"version": current.version + 1, "extra": {"rotation": rotation}}
    return card_of(NEXT, **{**fields, **changes})


def check_accepted(current: CardView, card: dict[str, Any]) -> None:
    """Acceptance is silence; a refusal would be raised here."""
    accepts_successor(current, open_card(card))


def conflicts(current: CardView, card: dict[str, Any]) -> str:
    with pytest.raises(Refused) as caught:
        accepts_successor(current, open_card(card))
    assert caught.value.code == "card_conflict"
    return caught.value.detail


def committed() -> CardView:
    return open_card(card_of(next_key_hash=key_hash(NEXT.key)))


def test_the_identical_card_and_the_next_version_are_accepted() -> None:
    current = open_card(card_of(version=3))
    check_accepted(current, card_of(version=3))
    check_accepted(current, {**card_of(version=3), "trustScore": 1})
    check_accepted(current, card_of(version=4, capabilities=["other"]))


@pytest.mark.parametrize("version", [1, 2, 3, 5, 9])
def test_another_card_of_any_other_version_is_a_conflict(version: int) -> None:
    current = open_card(card_of(version=3))

    assert "version" in conflicts(current, card_of(version=version, name="Other"))


def test_a_card_for_another_uri_is_a_conflict() -> None:
    assert "agent://acme.com/other" in conflicts(
        open_card(card_of()), card_of(version=2, uri="agent://acme.com/other")
    )


def test_the_committed_key_introduced_by_the_current_one_is_accepted() -> None:
    current = committed()
    check_accepted(current, rotated(current))


def test_another_key_is_a_conflict_without_commitment() -> None:
    current = open_card(card_of())

    assert "committed" in conflicts(current, rotated(current))


def test_a_key_other_than_the_committed_one_is_a_conflict() -> None:
    current = open_card(card_of(next_key_hash=key_hash(THIRD.key)))

    assert "committed" in conflicts(current, rotated(current))


@pytest.mark.parametrize("rotation", [None, {}, "text", [], {"integrity": {}}])
def test_the_committed_key_alone_is_a_conflict(rotation: Any) -> None:
    extra = {} if rotation is None else {"rotation": rotation}

    assert "introduce" in conflicts(committed(), card_of(NEXT, version=2, extra=extra))


def test_a_rotation_by_another_key_than_the_current_is_a_conflict() -> None:
    current = committed()
    for signer in (NEXT, THIRD):
        rotation = make_rotation(signer, current=current, next_key=NEXT.key)
        assert "introduce" in conflicts(current, rotated(current, extra={"rotation": rotation}))


@pytest.mark.parametrize(
    "change",
    [
        {"uri": "agent://acme.com/other"},
        {"version": 3},
        {"version": True},
        {"cardHash": "sha256:" + "0" * 64},
        {"publicKey": THIRD.key.text},
    ],
)
def test_a_rotation_for_another_step_is_a_conflict(change: dict[str, Any]) -> None:
    current = committed()
    body = {
        "uri": URI,
        "version": 2,
        "cardHash": current.card_hash,
        "publicKey": NEXT.key.text,
    }
    right = seal("rotation", body, ALPHA)
    check_accepted(current, rotated(current, extra={"rotation": right}))

    wrong = seal("rotation", {**body, **change}, ALPHA)
    assert "step" in conflicts(current, rotated(current, extra={"rotation": wrong}))


def test_another_kind_of_record_is_no_rotation() -> None:
    current = committed()
    rotation = make_rotation(ALPHA, current=current, next_key=NEXT.key)
    forged = seal("fact", rotation, ALPHA)

    assert "introduce" in conflicts(current, rotated(current, extra={"rotation": forged}))


# --- listings ---


def listing_of(view: CardView, signer: Signer = REGISTRY, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "card_hash": view.card_hash,
        "uri": view.uri.text,
        "registry": REGISTRY_URI,
        "at_ms": AT_MS,
        "expires_ms": AT_MS + DAY_MS,
        "trust_score": 60.8,
        "trust_level": 2,
    }
    return make_listing(signer, **{**fields, **changes})


def test_a_listing_has_the_members_of_b4_and_reads_back() -> None:
    view = open_card(card_of())
    listing = listing_of(view)
    opened = open_listing(listing, REGISTRY.key, view, AT_MS)

    assert listing.keys() == {
        *("cardHash", "uri", "registry", "at", "expires", "trustScore", "trustLevel"),
        "integrity",
    }
    assert (opened.card_hash, opened.uri, opened.registry) == (view.card_hash, URI, REGISTRY_URI)
    assert (opened.at_ms, opened.expires_ms) == (AT_MS, AT_MS + DAY_MS)
    assert (opened.trust_score, opened.trust_level) == (60.8, 2)


@pytest.mark.parametrize(
    "name", ["cardHash", "uri", "registry", "at", "expires", "trustScore", "trustLevel"]
)
def test_every_member_of_a_listing_is_guarded(name: str) -> None:
    view = open_card(card_of())
    with pytest.raises(SignatureError) as caught:
        open_listing({**listing_of(view), name: 99}, REGISTRY.key, view, AT_MS)
    assert caught.value.code == "hash_mismatch"


def test_a_listing_is_for_one_card_only() -> None:
    view, newer = open_card(card_of()), open_card(card_of(version=2))
    listing = listing_of(view)
    with pytest.raises(SignatureError) as caught:
        open_listing(listing, REGISTRY.key, newer, AT_MS)
    assert caught.value.code == "hash_mismatch"

    other_name = listing_of(view, uri="agent://acme.com/other")
    with pytest.raises(SignatureError):
        open_listing(other_name, REGISTRY.key, view, AT_MS)


def test_a_listing_is_the_registrys_word_and_no_other_record() -> None:
    view = open_card(card_of())
    with pytest.raises(SignatureError):
        open_listing(listing_of(view, ALPHA), REGISTRY.key, view, AT_MS)
    for kind in ("card", "fact", "attestation"):
        with pytest.raises(SignatureError):
            open_listing(seal(kind, listing_of(view), REGISTRY), REGISTRY.key, view, AT_MS)


def test_a_listing_never_passes_as_a_card() -> None:
    view = open_card(card_of())
    body = {**card_of(REGISTRY, uri=REGISTRY_URI), **listing_of(view)}

    with pytest.raises(SignatureError):
        open_card(seal("listing", body, REGISTRY))


@pytest.mark.parametrize(
    ("at_ms", "holds"),
    [
        (None, True),
        (AT_MS, True),
        (AT_MS - 60_000, True),
        (AT_MS - 60_001, False),
        (AT_MS + DAY_MS - 1, True),
        (AT_MS + DAY_MS, False),
    ],
)
def test_a_listing_holds_in_its_time(at_ms: int | None, holds: bool) -> None:
    view = open_card(card_of())
    if holds:
        assert open_listing(listing_of(view), REGISTRY.key, view, at_ms).uri == URI
        return
    with pytest.raises(SignatureError) as caught:
        open_listing(listing_of(view), REGISTRY.key, view, at_ms)
    assert caught.value.code == "listing_expired"


@pytest.mark.parametrize("lifetime_ms", [0, -1, DAY_MS + 1])
def test_a_listing_for_more_than_a_day_or_no_time_is_neither_made_nor_taken(
    lifetime_ms: int,
) -> None:
    view = open_card(card_of())
    with pytest.raises(MisuseError):
        listing_of(view, expires_ms=AT_MS + lifetime_ms)

    sneaked = seal("listing", {**listing_of(view), "at": "2020-01-01T00:00:00.000Z"}, REGISTRY)
    with pytest.raises(WireError, match="24 hours"):
        open_listing(sneaked, REGISTRY.key, view, None)


@pytest.mark.parametrize(
    "change",
    [
        {"trustScore": 100.1},
        {"trustScore": -1},
        {"trustScore": True},
        {"trustScore": "49"},
        {"trustLevel": 5},
        {"trustLevel": 1.0},
        {"trustLevel": False},
        {"at": AT_MS},
        {"expires": "tomorrow"},
        {"registry": "npayload.com"},
        {"uri": None},
        {"cardHash": None},
    ],
)
def test_a_listing_of_another_form_is_refused_though_rightly_signed(change: dict[str, Any]) -> None:
    view = open_card(card_of())
    with pytest.raises(WireError):
        open_listing(
            seal("listing", {**listing_of(view), **change}, REGISTRY), REGISTRY.key, view, None
        )


@pytest.mark.parametrize(
    "card", [card_of(), sealed(publicKey=ALPHA.key.jwk()), sealed(version=7, orgId="other")]
)
def test_a_card_from_our_own_store_reads_as_it_did_when_it_came_in(card: Any) -> None:
    assert stored_card(read_json(canonical(card))) == open_card(card)
