"""Whose key is whose: the claim ``keys``, the pins of a session, and the reader's anchors (B22).

A key belongs to a URI when a listing for the card that shows it was signed by a registry the
reader trusts. Without roots nothing here is ever verified, but what contradicts itself has
failed all the same: a listing for another card, an invitation that names another host.

Read next: ``audit_chain``, which checks signatures under the pinned keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from treaty.core.deal import Anchor, Finding, Roots, Verdict, lack
from treaty.core.log import HostFact, Receipt
from treaty.dialects.asp.audit_file import Deal, Entry, Message, key_of
from treaty.dialects.asp.messages import Inform, Propose
from treaty.errors import SignatureError, WireError, shown
from treaty.identity.cards import CLOCK_SKEW_MS, CardView, open_listing
from treaty.identity.keys import ProofKey, PublicKey, read_public_key
from treaty.identity.records import INTEGRITY, record_hash
from treaty.wire.canonical import Json
from treaty.wire.fields import Object

NO_ROOTS: Final = "no roots were given, so identities are not anchored"


@dataclass(frozen=True, slots=True)
class Pin:
    """The key an agent speaks with, and since when."""

    uri: str
    key: PublicKey
    proof_key: ProofKey
    """The key of its DPoP proofs: its card's, when the card shows the same ``key`` (B6)."""
    entry: Entry
    """The receipt that pinned it."""


@dataclass(frozen=True, slots=True)
class Pins:
    """Which key speaks for whom in this session (B5)."""

    all: tuple[Pin, ...]
    """In order; an agent has a second one only after its key was revoked."""
    of_message: Mapping[int, Pin]
    """Message number -> the pin it must hold under."""

    def key_of(self, uri: str) -> PublicKey | None:
        """The first key of an agent."""
        return next((pin.key for pin in self.all if pin.uri == uri), None)


def pins_of(deal: Deal) -> tuple[Pins, list[Finding]]:
    """The pinned key of every message: by its sender's first receipt, else by its card.

    A successor is pinned by the identity INFORM that follows a revocation.
    """
    by_entry = {
        deal.receipts[one.number].number: one
        for one in deal.messages
        if one.number in deal.receipts
    }
    pins: list[Pin] = []
    of_message: dict[int, Pin] = {}
    current: dict[str, Pin] = {}
    revoked: set[str] = set()
    findings: list[Finding] = []
    for entry in deal.log:
        if isinstance(entry.log, HostFact):
            revoked |= _revoked(entry.log, current)
            continue
        sender, message = entry.log.sender, by_entry.get(entry.number)
        if sender not in current or sender in revoked:
            try:
                key = _key_to_pin(deal, entry.log, message, renewed=sender in revoked)
            except WireError as error:
                findings.append(Finding("form", entry.where, f"publicKey: {error.detail}"))
                key = None
            if key is not None:
                current[sender] = Pin(sender, key, _proof_key(deal, sender, key), entry)
                pins.append(current[sender])
                revoked.discard(sender)
        if message is not None and sender in current:
            of_message[message.number] = current[sender]
    return Pins(tuple(pins), of_message), findings


def _revoked(fact: HostFact, current: Mapping[str, Pin]) -> set[str]:
    agent = fact.data.get("agent") if fact.fact == "revocation" else None
    pin = current.get(agent) if isinstance(agent, str) else None
    return {pin.uri} if pin is not None and pin.key.key_id == fact.data.get("keyId") else set()


def _key_to_pin(
    deal: Deal, receipt: Receipt, message: Message | None, *, renewed: bool
) -> PublicKey | None:
    text: Json = receipt.public_key
    if renewed:
        body = message.envelope.body if message is not None and message.envelope else None
        card = body.data.get("agentCard") if isinstance(body, Inform) else None
        text = card.get("publicKey") if isinstance(card, dict) else None
        if text is None:
            return None
    own = [card for card in deal.cards if card.view.uri.text == receipt.sender]
    if text is None:
        return own[0].view.key if own else None
    same = (card.view.key for card in own if card.view.key.text == text)
    return next(same, None) or (key_of(text) if isinstance(text, str) else read_public_key(text))


def _proof_key(deal: Deal, uri: str, key: PublicKey) -> ProofKey:
    card = deal.card_of(uri, key)
    return key if card is None else card.view.proof_key


def unanchored(
    claim: str, where: str, roots: Roots | None, role: str, uri: str, key: PublicKey
) -> Iterator[Finding]:
    """What keeps a key from being one that the reader trusts in a role; nothing if it is."""
    if roots is None:
        yield lack(claim, "", NO_ROOTS)
        return
    named = [one for one in _anchors(roots, role) if one.uri == uri]
    if not named:
        yield lack(claim, where, f"{uri} is no {role} of the roots")
    elif all(one.key_id != key.key_id for one in named):
        detail = f"the roots know another key of the {role} {uri} than {key.key_id}"
        yield Finding(claim, where, detail)


def _anchors(roots: Roots, role: str) -> tuple[Anchor, ...]:
    by_role: Mapping[str, tuple[Anchor, ...]] = {
        "registry": roots.registry,
        "host": roots.host,
        "clearing": roots.clearing,
        "attester": roots.attester,
        "metric": roots.metric,
    }
    return by_role[role]


def anchored_keys(roots: Roots | None, role: str, uri: str | None = None) -> list[PublicKey]:
    """The reader's keys of a role, of one URI or of all; one that is no key is passed over."""
    found: list[PublicKey] = []
    for anchor in _anchors(roots, role) if roots is not None else ():
        if uri is None or anchor.uri == uri:
            try:
                found.append(key_of(anchor.public_key))
            except WireError:
                continue
    return found


def signer_among(keys: Iterable[PublicKey], record: Object) -> PublicKey | None:
    """The key a record names as its signer, if it is one of these."""
    integrity = record.get(INTEGRITY)
    named = integrity.get("keyId") if isinstance(integrity, dict) else None
    return next((key for key in keys if key.key_id == named), None)


def check_record_hash(where: str, kind: str, record: Object) -> Iterator[Finding]:
    """The hash of a record whose signer's key is not at hand (claim ``bytes``)."""
    integrity = record.get(INTEGRITY)
    stated = integrity.get("hash") if isinstance(integrity, dict) else None
    try:
        right = record_hash(record) == stated
    except WireError as error:
        yield Finding("form", where, error.detail)
        return
    if not right:
        yield Finding("bytes", where, f"the {kind} does not have the hash it states")


def broken(where: str, error: WireError | SignatureError) -> Iterator[Finding]:
    """The findings for a signed object that did not open."""
    if isinstance(error, WireError):
        yield Finding("form", where, error.detail)
        return
    if error.code == "hash_mismatch":
        yield Finding("bytes", where, error.detail)
    # A signature over another hash than that of the content signs something else.
    yield Finding("signatures", where, error.detail)


def check_keys(deal: Deal, roots: Roots | None, pins: Pins) -> Iterator[Finding]:
    """Each sender's key belongs to its URI; the host is the one the invitation names."""
    for pin in pins.all:
        card = deal.card_of(pin.uri, pin.key)
        if card is not None:
            yield from check_listing(
                deal, roots, card.where, card.view, card.listing, pin.entry.log.at_ms
            )
        elif any(one.view.uri.text == pin.uri for one in deal.cards):
            detail = f"{pin.uri} signs with {pin.key.key_id}, its card shows another key"
            yield Finding("keys", pin.entry.where, detail)
        else:
            yield lack("keys", pin.uri, "its card is not in the file")
    speakers = _speakers(deal)
    for uri in sorted(speakers):
        if pins.key_of(uri) is None:
            yield lack("keys", uri, "the file shows no key of it")
    yield from _check_needless(deal, speakers)
    yield from _check_named_nodes(deal)
    heading = deal.heading
    for found in unanchored("keys", "session.host", roots, "host", heading.host, heading.host_key):
        # A host the roots do not know is for ``times`` to say; another key is a swapped one.
        if found.verdict is Verdict.FAILED:
            yield found


def _speakers(deal: Deal) -> set[str]:
    """Everybody who sent a message of the session, and both principals in any case."""
    senders = {entry.log.sender for entry in deal.log if isinstance(entry.log, Receipt)}
    return senders | {deal.heading.inviter, deal.heading.invitee}


def _check_needless(deal: Deal, speakers: set[str]) -> Iterator[Finding]:
    """A card nobody needs has no place in a file of which every byte is to count (``form``)."""
    seen: set[tuple[str, PublicKey]] = set()
    for card in deal.cards:
        shows = (card.view.uri.text, card.view.key)
        if shows in seen:
            yield Finding("form", card.where, f"the card of {shows[0]} is given twice")
        elif shows[0] not in speakers:
            yield Finding("form", card.where, f"{shows[0]} said nothing here")
        seen.add(shows)


def check_listing(
    deal: Deal,
    roots: Roots | None,
    where: str,
    view: CardView,
    listing: Mapping[str, Json] | None,
    at_ms: int,
) -> Iterator[Finding]:
    """A registry that the reader trusts lists this card, as of ``at_ms`` (``keys``)."""
    uri = view.uri.text
    if listing is None:
        yield lack("keys", where, f"no registry lists {uri} in this file")
        return
    if listing.get("cardHash") != view.card_hash or listing.get("uri") != uri:
        yield Finding("keys", where, "the listing is for another card")
    registry = str(listing.get("registry"))
    keys = anchored_keys(roots, "registry", registry)
    if not keys:
        yield lack("keys", where, _unlisted(roots, registry))
        # The host may be the registry too; then the file itself tells its key.
        keys = [deal.heading.host_key] if registry == deal.heading.host else []
    key = signer_among(keys, listing)
    if key is None:
        yield from check_record_hash(f"{where}, listing", "listing", listing)
        if keys:
            yield Finding("keys", where, f"{shown(registry)} did not sign its listing")
        return
    try:
        opened = open_listing(dict(listing), key, view, None)
    except (WireError, SignatureError) as error:
        yield Finding("keys", where, f"its listing by {shown(registry)}: {error.detail}")
        yield from broken(f"{where}, listing", error)
        return
    if not opened.at_ms - CLOCK_SKEW_MS <= at_ms < opened.expires_ms:
        yield lack("keys", where, "its listing was not in force when the key was pinned")


def _unlisted(roots: Roots | None, registry: str) -> str:
    return NO_ROOTS if roots is None else f"{shown(registry)} is no registry of the roots"


def _check_named_nodes(deal: Deal) -> Iterator[Finding]:
    """The signed invitation may name its host and clearing; then it is this host (B7)."""
    first = deal.messages[0] if deal.messages else None
    if first is None or first.envelope is None or not isinstance(first.envelope.body, Propose):
        return
    for role in ("host", "clearing"):
        node: Json = first.envelope.body.terms.get(role)
        if not isinstance(node, dict):
            continue
        named = (node.get("uri"), node.get("keyId"))
        host, key_id = deal.heading.host, deal.heading.host_key.key_id
        if named[0] != host or named[1] not in (None, key_id):
            yield Finding(
                "keys", first.where, f"it names the {role} {shown(named)}, not {host} with {key_id}"
            )
