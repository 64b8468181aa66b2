"""Agent cards and listings: who an agent says it is, and who a registry says it is (ASP B5).

Laws:

1. A card is signed by the key it shows. Scores in a card and its listing are not part of it.
2. A card follows another only as version + 1, with the same key, or with the key the current
   card committed to (``nextKeyHash``), introduced by a ``rotation`` record signed by the
   current key. So a stolen key alone cannot move the name, and neither can the next one.
3. A listing is a registry's word for exactly one card (by its hash), for at most 24 hours.
4. What a stranger's card may hold is bounded in number and length.

A rotation travels inside the new card, as its member ``rotation``, so that whoever holds both
cards can check the step offline.

Read next: ``records``, on which all of this rests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from treaty.errors import MisuseError, Refused, SignatureError, WireError, shown
from treaty.identity.keys import (
    ProofKey,
    PublicKey,
    Signer,
    read_ec_public_key,
    read_public_key,
    stored_public_key,
)
from treaty.identity.records import open_record, seal
from treaty.wire.canonical import Json, canonical
from treaty.wire.digest import content_tag, is_sha256_tag
from treaty.wire.ids import AgentUri, parse_agent_uri
from treaty.wire.instants import format_instant, parse_instant

UNSIGNED: Final = ("listing", "trustScore", "trustLevel")
"""Members of a card outside its signature: what others say about it (ASP B5)."""

CARD_BYTES_MAX: Final = 32_768
NAME_CHARS_MAX: Final = 200
CAPABILITIES_MAX: Final = 64
ENDPOINTS_MAX: Final = 16
ENDPOINT_CHARS_MAX: Final = 2048
KEYS_MAX: Final = 16
ACCOUNTS_MAX: Final = 16
LISTING_LIFETIME_MAX_MS: Final = 86_400_000
CLOCK_SKEW_MS: Final = 60_000
"""How far in the future a listing's ``at`` may lie, as for proofs (ASP B6)."""
LEVEL_MAX: Final = 4
SCORE_MAX: Final = 100

# Dotted names as in the seed. No `*`, which means "prefix" in a search (ASP B19).
_CAPABILITY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:/-]{0,127}")


@dataclass(frozen=True, slots=True)
class CardView:
    """A card whose own signature holds. Whether the URI is this key's is another question."""

    uri: AgentUri
    key: PublicKey
    version: int
    card_hash: str
    """The ``sha256:`` tag that its signature and a listing cover."""
    capabilities: tuple[str, ...]
    org_id: str
    name: str
    card: dict[str, Json]
    """The card as received. ``listing``, ``trustScore`` and ``trustLevel`` are hearsay."""
    proof_key: ProofKey
    """The key of its DPoP proofs: ``dpopPublicKey`` if the card has one, else ``key`` (B6)."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A registry's signed word about a card: shown, from when to when, with which score."""

    card_hash: str
    uri: str
    registry: str
    at_ms: int
    expires_ms: int
    trust_score: int | float
    trust_level: int


def make_card(
    signer: Signer,
    *,
    uri: str,
    name: str,
    organization: str,
    org_id: str,
    capabilities: Sequence[str],
    endpoints: Mapping[str, str],
    version: int = 1,
    next_key_hash: str | None = None,
    extra: Mapping[str, Json] | None = None,
) -> dict[str, Json]:
    """A signed card (ASP B5). ``extra`` adds members or replaces the ones made here.

    ``next_key_hash`` is ``key_hash`` of the key kept aside for the next rotation. Raises
    WireError when the outcome is no card that ``open_card`` would accept.
    """
    key = signer.key
    body: dict[str, Json] = {
        "uri": uri,
        "name": name,
        "organization": organization,
        "orgId": org_id,
        "version": version,
        "capabilities": list(capabilities),
        "publicKey": key.text,
        "keys": [{"keyId": key.key_id, "publicKey": key.text}],
        "nextKeyHash": next_key_hash,
        "endpoints": dict(endpoints),
        "accounts": [],
        **(extra or {}),
    }
    if body["nextKeyHash"] is None:
        del body["nextKeyHash"]
    card = seal("card", body, signer, unsigned=UNSIGNED)
    open_card(card)
    return card


def open_card(card: Json) -> CardView:
    """Read a card and check its signature against the key it shows itself (ASP B5).

    Raises WireError for a wrong form or size, SignatureError when hash or signature fail.
    """
    if not isinstance(card, dict):
        raise WireError("a card is an object")
    if len(canonical(card)) > CARD_BYTES_MAX:
        raise WireError(f"a card has at most {CARD_BYTES_MAX} bytes", "too_large")
    key = read_public_key(card.get("publicKey"))
    fields = open_record("card", card, key, unsigned=UNSIGNED).value
    _check_bounds(fields, key)
    proof_key = fields.get("dpopPublicKey")
    return CardView(
        uri=parse_agent_uri(fields.get("uri")),
        key=key,
        version=_version(fields.get("version")),
        card_hash=_hash_of(fields),
        capabilities=_capabilities(fields.get("capabilities")),
        org_id=_text(fields, "orgId"),
        name=_text(fields, "name"),
        card=dict(card),
        proof_key=key if proof_key is None else read_ec_public_key(proof_key),
    )


def stored_card(card: Json) -> CardView:
    """Read a card from our own store, which takes in none that ``open_card`` refuses.

    Nothing is checked again: a registry reads a million of these when it starts.
    """
    assert isinstance(card, dict)
    text, proof_key, capabilities = (
        card["publicKey"],
        card.get("dpopPublicKey"),
        card["capabilities"],
    )
    assert isinstance(capabilities, list)
    key = stored_public_key(text) if isinstance(text, str) else read_public_key(text)
    return CardView(
        uri=parse_agent_uri(card["uri"]),
        key=key,
        version=_version(card.get("version")),
        card_hash=_hash_of(card),
        capabilities=tuple(str(name) for name in capabilities),
        org_id=_text(card, "orgId"),
        name=_text(card, "name"),
        card=card,
        proof_key=key if proof_key is None else read_ec_public_key(proof_key),
    )


def key_hash(key: PublicKey) -> str:
    """What ``nextKeyHash`` holds: the ``sha256:`` tag of the key's canonical JWK.

    The digest is the key's RFC 7638 thumbprint, written as a tag.
    """
    return content_tag(key.jwk())


def make_rotation(
    current_signer: Signer, *, current: CardView, next_key: PublicKey
) -> dict[str, Json]:
    """The current key's word for the next one, to stand in the new card as ``rotation``."""
    body: dict[str, Json] = {
        "uri": current.uri.text,
        "version": current.version + 1,
        "cardHash": current.card_hash,
        "publicKey": next_key.text,
    }
    return seal("rotation", body, current_signer)


def accepts_successor(current: CardView, new: CardView) -> None:
    """Check that ``new`` may take the place of ``current`` (ASP B5).

    1. The identical card always may; nothing changes.
    2. Else the URI is the same and the version is the current one + 1.
    3. The key is the same, or the one committed to, with a rotation by the current key.

    Raises Refused ``card_conflict``. Displacing a card by proof of its domain is for the
    registry, which knows the 72 hours of notice.
    """
    if new.card_hash == current.card_hash:
        return
    if new.uri != current.uri:
        raise _conflict(f"the card is for {new.uri.text}, not {current.uri.text}")
    if new.version != current.version + 1:
        raise _conflict(f"version {new.version} does not follow version {current.version}")
    if new.key != current.key:
        _check_rotation(current, new)


def make_listing(
    registry_signer: Signer,
    *,
    card_hash: str,
    uri: str,
    registry: str,
    at_ms: int,
    expires_ms: int,
    trust_score: int | float,
    trust_level: int,
) -> dict[str, Json]:
    """A registry's signed listing of the card with ``card_hash`` (ASP B4, B5).

    Raises MisuseError when it would be valid for longer than 24 hours, or not at all.
    """
    if not 0 < expires_ms - at_ms <= LISTING_LIFETIME_MAX_MS:
        raise MisuseError("a listing is valid for at most 24 hours")
    body: dict[str, Json] = {
        "cardHash": card_hash,
        "uri": uri,
        "registry": registry,
        "at": format_instant(at_ms),
        "expires": format_instant(expires_ms),
        "trustScore": trust_score,
        "trustLevel": trust_level,
    }
    return seal("listing", body, registry_signer)


def open_listing(
    listing: Json, registry_key: PublicKey, card_view: CardView, at_ms: int | None
) -> Listing:
    """Check a listing by ``registry_key`` for exactly this card, valid at ``at_ms`` (ASP B5).

    With ``at_ms`` None its time is not judged. Raises WireError for its form, SignatureError
    for a wrong signature or another card (``hash_mismatch``) and, before or after its time,
    SignatureError ``listing_expired``.
    """
    fields = open_record("listing", listing, registry_key).value
    view = Listing(
        card_hash=_text(fields, "cardHash"),
        uri=parse_agent_uri(fields.get("uri")).text,
        registry=parse_agent_uri(fields.get("registry")).text,
        at_ms=parse_instant(fields.get("at")),
        expires_ms=parse_instant(fields.get("expires")),
        trust_score=_score(fields.get("trustScore")),
        trust_level=_level(fields.get("trustLevel")),
    )
    if view.card_hash != card_view.card_hash or view.uri != card_view.uri.text:
        raise SignatureError("the listing is for another card", "hash_mismatch")
    if not 0 < view.expires_ms - view.at_ms <= LISTING_LIFETIME_MAX_MS:
        raise WireError("a listing is valid for at most 24 hours")
    if at_ms is not None and not view.at_ms - CLOCK_SKEW_MS <= at_ms < view.expires_ms:
        raise SignatureError(
            f"the listing is valid from {fields['at']} to {fields['expires']}", "listing_expired"
        )
    return view


def _check_rotation(current: CardView, new: CardView) -> None:
    if current.card.get("nextKeyHash") != key_hash(new.key):
        raise _conflict("the new key is not the one the current card committed to")
    try:
        rotation = open_record("rotation", new.card.get("rotation"), current.key).value
        introduced = read_public_key(rotation.get("publicKey"))
    except (WireError, SignatureError) as error:
        raise _conflict(f"the current key did not introduce the new one: {error.detail}") from None
    place = rotation.get("uri"), rotation.get("version"), rotation.get("cardHash")
    if introduced != new.key or place != (new.uri.text, new.version, current.card_hash):
        raise _conflict("the rotation is for another step")


def _conflict(detail: str) -> Refused:
    return Refused(detail, "card_conflict")


def _check_bounds(fields: Mapping[str, Json], key: PublicKey) -> None:
    _text(fields, "organization")
    endpoints = fields.get("endpoints", {})
    if not isinstance(endpoints, dict) or len(endpoints) > ENDPOINTS_MAX:
        raise WireError(f"a card's `endpoints` is an object of at most {ENDPOINTS_MAX} URLs")
    for url in endpoints.values():
        if not isinstance(url, str) or len(url) > ENDPOINT_CHARS_MAX:
            raise WireError(f"an endpoint is a URL of at most {ENDPOINT_CHARS_MAX} characters")
    for name, most in (("keys", KEYS_MAX), ("accounts", ACCOUNTS_MAX)):
        entries = fields.get(name, [])
        if not isinstance(entries, list) or len(entries) > most:
            raise WireError(f"a card's `{name}` is an array of at most {most}")
    _check_keys(fields.get("keys", []), key)
    committed = fields.get("nextKeyHash")
    if committed is not None and not is_sha256_tag(committed):
        raise WireError("a card's `nextKeyHash` is a sha256 tag")


def _check_keys(keys: Json, key: PublicKey) -> None:
    """``keys`` may be empty; otherwise the first one named is the key that signs."""
    if not isinstance(keys, list) or not keys:
        return
    first = keys[0]
    if not isinstance(first, dict) or first.get("keyId") != key.key_id:
        raise WireError(f"the first of a card's `keys` names its own key {key.key_id}")


def _text(fields: Mapping[str, Json], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= NAME_CHARS_MAX:
        raise WireError(f"`{name}` is a text of 1 to {NAME_CHARS_MAX} characters")
    return value


def _version(value: Json) -> int:
    if type(value) is not int or value < 1:
        raise WireError(f"a card's `version` is a whole number from 1: {shown(value)}")
    return value


def _capabilities(value: Json) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > CAPABILITIES_MAX:
        raise WireError(f"`capabilities` is an array of at most {CAPABILITIES_MAX} names")
    names: list[str] = []
    for name in value:
        if not isinstance(name, str) or _CAPABILITY.fullmatch(name) is None:
            raise WireError(f"not a capability: {shown(name)}")
        names.append(name)
    return tuple(names)


def _hash_of(fields: Mapping[str, Json]) -> str:
    integrity = fields["integrity"]
    assert isinstance(integrity, dict)  # open_record has seen to it
    return str(integrity["hash"])


def _score(value: Json) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= SCORE_MAX:
        raise WireError(f"a trust score is a number from 0 to {SCORE_MAX}: {shown(value)}")
    return value


def _level(value: Json) -> int:
    if type(value) is not int or not 0 <= value <= LEVEL_MAX:
        raise WireError(f"a trust level is a whole number from 0 to {LEVEL_MAX}: {shown(value)}")
    return value
