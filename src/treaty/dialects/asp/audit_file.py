"""Reading a deal file (B22): from any JSON to values whose form is right, and the claim ``form``.

Nothing is believed here and no signature is checked (but the one a card carries of itself). A
part that cannot be read becomes a finding and is left out; a file that is no deal at all is a
``WireError``. Every place has the name a person can find it by: ``message 7``, ``log 12``.

Laws: each message is decoded once, from ``raw``, since that is what was signed; the work is
linear in the size of the file, and the size is bounded.

Read next: ``audit_chain``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from treaty.core.deal import DEAL_TAG, Finding
from treaty.core.log import HostFact, Receipt, entry_hash, read_log_record
from treaty.core.trust import Record, record_from_json
from treaty.dialects.asp.choices import MESSAGES_MAX, TAG
from treaty.dialects.asp.codec import decode, decode_pre_session
from treaty.dialects.asp.messages import Envelope
from treaty.errors import SignatureError, TreatyError, WireError, shown
from treaty.identity.cards import CardView, open_card
from treaty.identity.keys import PublicKey, read_public_key
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical
from treaty.wire.digest import is_sha256_tag
from treaty.wire.encoding import hex_decode
from treaty.wire.fields import Object
from treaty.wire.packed import raw_from_json

DISCOVERY_MAX: Final = 64
FILE_MESSAGES_MAX: Final = MESSAGES_MAX + DISCOVERY_MAX
TEXT_CHARS_MAX: Final = 64 * 1024 * 1024
"""All of ``raw`` together."""
LOG_MAX: Final = 4 * MESSAGES_MAX
CARDS_MAX: Final = 64
OUTCOMES_MAX: Final = 10_000
DISPUTES_MAX: Final = 4_096
TRUST_MAX: Final = 64
PROOF_MAX: Final = 128

_MEMBERS: Final = frozenset(
    (
        *("treaty", "dialect", "session", "cards", "messages", "raw", "log", "escrow"),
        *("outcomes", "trust", "logHead", "disputes"),
    )
)
_HEADING: Final = frozenset(
    (
        *("id", "inviter", "invitee", "state", "subject", "url", "host"),
        *("openedAt", "endedAt"),
    )
)
_HOST: Final = frozenset(("uri", "keyId", "publicKey"))
_WITHHELD: Final = frozenset(("withheld", "hash"))
_LOGGED: Final = frozenset(("index", "kind", "record", "proof"))


@dataclass(frozen=True, slots=True)
class Heading:
    """What the file says of its session; every member is checked against the messages."""

    id: str
    inviter: str
    invitee: str
    state: str
    subject: str
    url: str
    host: str
    host_key: PublicKey
    opened_ms: int
    ended_ms: int | None


@dataclass(frozen=True, slots=True)
class Message:
    """One place in ``messages``."""

    number: int
    """Counted from 1."""
    hash: str
    """As stated; empty when not even that can be read."""
    envelope: Envelope | None
    """None when it is withheld or unreadable."""
    withheld: bool = False

    @property
    def where(self) -> str:
        """Its name in a report."""
        return f"message {self.number}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One place in ``log``."""

    number: int
    """Counted from 1; in a sound log the same as the position."""
    log: Receipt | HostFact
    hash: str
    """As stated."""

    @property
    def where(self) -> str:
        """Its name in a report."""
        return f"log {self.number}"


@dataclass(frozen=True, slots=True)
class Card:
    """One card whose own signature holds."""

    number: int
    view: CardView
    listing: Mapping[str, Json] | None

    @property
    def where(self) -> str:
        """Its name in a report."""
        return f"card {self.number}"


@dataclass(frozen=True, slots=True)
class Logged:
    """One record of the trust log."""

    number: int
    index: int
    """In the log, from 0."""
    kind: str
    signed: Mapping[str, Json]
    body: Record
    proof: tuple[bytes, ...]

    @property
    def where(self) -> str:
        """Its name in a report."""
        return f"outcome {self.number}"


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal file, read."""

    heading: Heading
    discovery: tuple[Message, ...]
    messages: tuple[Message, ...]
    """Of the session, without discovery."""
    log: tuple[Entry, ...]
    cards: tuple[Card, ...]
    escrow: list[Json] = field(repr=False)
    disputes: list[Json] = field(repr=False)
    outcomes: tuple[Logged, ...]
    trust: list[Json] = field(repr=False)
    log_head: Mapping[str, Json] | None = field(repr=False)
    receipts: Mapping[int, Entry]
    """Message number -> its receipt."""
    unmet: tuple[Entry, ...]
    """Receipts of messages that are not in the file."""

    def card_of(self, uri: str, key: PublicKey) -> Card | None:
        """The card of an agent that shows this key."""
        cards = (card for card in self.cards if card.view.key == key)
        return next((card for card in cards if card.view.uri.text == uri), None)

    def receipt_of(self, message: Message) -> Receipt | None:
        """The receipt of a message."""
        entry = self.receipts.get(message.number)
        return entry.log if entry is not None and isinstance(entry.log, Receipt) else None


@lru_cache(maxsize=4_096)
def key_of(text: str) -> PublicKey:
    """Read a public key text; the same few come again and again. Raises ``WireError``."""
    return read_public_key(text)


def open_deal(value: Json) -> tuple[Deal, list[Finding]]:
    """Read a deal file of this dialect, and say what of its form is wrong.

    Raises ``WireError`` when it is none, or larger than any deal.
    """
    deal = _object(value, "a deal file")
    if deal.get("treaty") != DEAL_TAG or deal.get("dialect") != TAG:
        found = (deal.get("treaty"), deal.get("dialect"))
        raise WireError(f"this is no {DEAL_TAG} of {TAG}: {shown(found)}")
    findings = _strangers("", deal, _MEMBERS)
    heading = _heading(fields.obj(deal, "session"), findings)
    everything = _messages(deal, findings)
    discovery = tuple(one for one in everything if _is_discovery(one))
    messages = tuple(one for one in everything if not _is_discovery(one))
    log = _log(deal, findings)
    receipts, unmet = _pair(messages, log)
    return Deal(
        heading=heading,
        discovery=discovery,
        messages=messages,
        log=log,
        cards=_cards(deal, findings),
        escrow=_array(deal, "escrow", LOG_MAX),
        disputes=_array(deal, "disputes", DISPUTES_MAX),
        outcomes=_outcomes(deal, findings),
        trust=_array(deal, "trust", TRUST_MAX),
        log_head=fields.obj_or(deal, "logHead"),
        receipts=receipts,
        unmet=unmet,
    ), findings


def _object(value: Json, what: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise WireError(f"{what} is an object, not {shown(value)}")
    return value


def _array(parent: Object, name: str, most: int) -> list[Json]:
    if not isinstance(parent.get(name), list):
        raise WireError(f"{name} must be an array, not {shown(parent.get(name))}")
    return fields.items(parent, name, most=most)


def _strangers(where: str, found: Object, members: frozenset[str]) -> list[Finding]:
    """Members nobody checks have no place in a file that is to be believed."""
    return [
        Finding("form", where, f"there is no member {shown(name)} here")
        for name in sorted(found.keys() - members)[:4]
    ]


def _heading(session: Object, findings: list[Finding]) -> Heading:
    host = fields.obj(session, "host")
    findings += _strangers("session", session, _HEADING) + _strangers("session.host", host, _HOST)
    key = key_of(fields.text(host, "publicKey"))
    if key.key_id != host.get("keyId") or key.text != host["publicKey"]:
        raise WireError("session.host.keyId is not the thumbprint of its publicKey")
    if "endedAt" not in session:
        raise WireError("session.endedAt is a time, or null")
    return Heading(
        id=fields.uuid(session, "id"),
        inviter=fields.agent(session, "inviter"),
        invitee=fields.agent(session, "invitee"),
        state=fields.text(session, "state"),
        subject=fields.text(session, "subject"),
        url=fields.text(session, "url"),
        host=fields.agent(host, "uri"),
        host_key=key,
        opened_ms=fields.instant(session, "openedAt"),
        ended_ms=fields.instant_or(session, "endedAt"),
    )


def _messages(deal: Object, findings: list[Finding]) -> list[Message]:
    messages = _array(deal, "messages", FILE_MESSAGES_MAX)
    raw = _array(deal, "raw", FILE_MESSAGES_MAX)
    if len(raw) != len(messages):
        findings.append(
            Finding("form", "raw", f"{len(messages)} messages and {len(raw)} raw texts")
        )
    # A text that is missing or too much is found when its message is read.
    texts = [*raw, *[None] * (len(messages) - len(raw))]
    if sum(map(_chars, texts)) > TEXT_CHARS_MAX:
        raise WireError(f"more than {TEXT_CHARS_MAX} characters of messages", "too_large")
    found: list[Message] = []
    for number, (message, text) in enumerate(zip(messages, texts, strict=False), start=1):
        early = not found or _is_discovery(found[-1])
        try:
            read, same = _message(number, message, text, early=early)
        except TreatyError as error:
            findings.append(Finding("form", f"message {number}", error.detail))
            found.append(Message(number, _stated_hash(message), None))
            continue
        found.append(read)
        if not same:
            findings.append(Finding("form", read.where, "it is not the parsed form of its raw"))
    return found


def _chars(text: Json) -> int:
    """How much there is to read of a received message."""
    if isinstance(text, dict):
        text = text.get("base64")
    return len(text) if isinstance(text, str) else 0


def _message(number: int, message: Json, text: Json, *, early: bool) -> tuple[Message, bool]:
    """Decode ``raw[i]``, and tell whether ``messages[i]`` is its parsed form.

    Raises ``WireError``, and ``Refused`` for a currency nobody knows.
    """
    shape = _object(message, "a message")
    if shape.get("withheld") is True and shape.keys() == _WITHHELD and text is None:
        if not is_sha256_tag(shape["hash"]):
            raise WireError("a withheld message has a sha256 tag as its hash")
        return Message(number, str(shape["hash"]), None, withheld=True), True
    if text is None:
        raise WireError("raw has no text for it, and it is not withheld")
    raw = raw_from_json(text)
    before_session = early and shape.get("sessionId") is None
    envelope = decode_pre_session(raw) if before_session else decode(raw)
    # Most senders write canonically; then one canonical form is enough to compare.
    parsed = canonical(message)
    same = parsed == raw or parsed == canonical(envelope.document)
    return Message(number, envelope.hash, envelope), same


def _stated_hash(message: Json) -> str:
    integrity = message.get("integrity") if isinstance(message, dict) else None
    tag = integrity.get("hash") if isinstance(integrity, dict) else None
    return str(tag) if is_sha256_tag(tag) else ""


def _is_discovery(message: Message) -> bool:
    return message.envelope is not None and message.envelope.session_id is None


def _log(deal: Object, findings: list[Finding]) -> tuple[Entry, ...]:
    found: list[Entry] = []
    for number, record in enumerate(_array(deal, "log", LOG_MAX), start=1):
        try:
            entry = read_log_record(record)
            found.append(Entry(number, entry, entry_hash(entry.record)))
        except WireError as error:
            findings.append(Finding("form", f"log {number}", error.detail))
    return tuple(found)


def _pair(
    messages: tuple[Message, ...], log: tuple[Entry, ...]
) -> tuple[dict[int, Entry], tuple[Entry, ...]]:
    """Give each message its receipt: by hash, and what is left over by order if it can be."""
    waiting: dict[str, Entry] = {}
    for entry in log:
        if isinstance(entry.log, Receipt):
            waiting.setdefault(entry.log.hash, entry)
    receipts: dict[int, Entry] = {}
    lone: list[Message] = []
    for message in messages:
        entry_or_none = waiting.pop(message.hash, None)
        if entry_or_none is None:
            lone.append(message)
        else:
            receipts[message.number] = entry_or_none
    met = {entry.number for entry in receipts.values()}
    unmet = [one for one in log if isinstance(one.log, Receipt) and one.number not in met]
    if len(lone) == len(unmet):
        # Nothing is missing or too much: what does not fit was changed.
        receipts.update(zip((one.number for one in lone), unmet, strict=True))
        unmet = []
    return receipts, tuple(unmet)


def _cards(deal: Object, findings: list[Finding]) -> tuple[Card, ...]:
    found: list[Card] = []
    for number, card in enumerate(_array(deal, "cards", CARDS_MAX), start=1):
        where = f"card {number}"
        try:
            view = open_card(card)
            listing = fields.obj_or(view.card, "listing")
        except SignatureError as error:
            findings.append(Finding("signatures", where, error.detail))
            if error.code == "hash_mismatch":
                findings.append(Finding("bytes", where, error.detail))
        except WireError as error:
            findings.append(Finding("form", where, error.detail))
        else:
            found.append(Card(number, view, listing))
            # B5 shows cards without ``keyId``; where there is one it says the truth.
            if fields.obj(view.card, "integrity").get("keyId", view.key.key_id) != view.key.key_id:
                findings.append(Finding("form", where, "integrity.keyId names another key"))
    return tuple(found)


def _outcomes(deal: Object, findings: list[Finding]) -> tuple[Logged, ...]:
    found: list[Logged] = []
    for number, logged in enumerate(_array(deal, "outcomes", OUTCOMES_MAX), start=1):
        where = f"outcome {number}"
        try:
            found.append(_logged(number, _object(logged, "a record of the trust log")))
            findings += _strangers(where, _object(logged, where), _LOGGED)
        except WireError as error:
            findings.append(Finding("form", where, error.detail))
    return tuple(found)


def _logged(number: int, logged: Object) -> Logged:
    kind, signed = fields.ident(logged, "kind"), fields.obj(logged, "record")
    proof = _array(logged, "proof", PROOF_MAX)
    return Logged(
        number=number,
        index=fields.integer(logged, "index"),
        kind=kind,
        signed=signed,
        body=record_from_json(kind, signed),
        proof=tuple(hex_decode(one, 32) for one in proof),
    )
