"""A deal file of a routed deal, read: whatever it holds becomes values and findings.

Law: any JSON ends in a ``File`` and findings, never in an exception, after work linear in it.

Read next: ``audit``, which asks what it means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from treaty.core.deal import DEAL_TAG, Finding
from treaty.dialects.mrp.choices import DEPTH_MAX, ENVELOPE_BYTES_MAX, TAG
from treaty.dialects.mrp.codec import decode_reply
from treaty.dialects.mrp.deal import MESSAGES_MAX
from treaty.dialects.mrp.messages import Envelope
from treaty.errors import TreatyError, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json

MEMBERS: Final = frozenset(
    (
        "treaty", "dialect", "session", "decision", "messages", "raw", "sent", "at", "manifests",
    )
)  # fmt: skip
SESSION_MEMBERS: Final = frozenset(("id", "buyer", "provider", "status"))
FORM: Final = "form"
BYTES: Final = "bytes"


@dataclass(frozen=True, slots=True)
class Spoken:
    """One envelope that could be read, and where it stands."""

    index: int
    envelope: Envelope
    is_sent: bool
    manifest_url: str
    at_ms: int

    @property
    def where(self) -> str:
        """Its place in the words of the file."""
        return f"message {self.index + 1}"


@dataclass(slots=True)
class File:
    """What could be read of a deal file, and what spoke against its form and bytes."""

    id: str = ""
    buyer: str | None = None
    provider: str | None = None
    status: str | None = None
    record: Mapping[str, Json] = field(default_factory=dict)
    spoken: list[Spoken] = field(default_factory=list)
    count: int = 0
    """How many messages the file has, read or not."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_headed(self) -> bool:
        """True when the heading and the record could be read."""
        return bool(self.id)

    @property
    def winner(self) -> Mapping[str, Json] | None:
        """The record's winner."""
        won = self.record.get("winner")
        return won if isinstance(won, dict) else None

    def said(self, msg_type: str, *, is_sent: bool) -> Iterator[Spoken]:
        """The messages of a type that one side sent, in order."""
        for one in self.spoken:
            if one.envelope.msg_type == msg_type and one.is_sent is is_sent:
                yield one

    def last(self, msg_type: str, *, is_sent: bool) -> Spoken | None:
        """The last of these."""
        return next(reversed(list(self.said(msg_type, is_sent=is_sent))), None)


def read_file(deal: Json) -> File:
    """Read a parsed deal file as far as it can be read."""
    file = File()
    if not isinstance(deal, dict):
        _blame(file, "", f"a deal file is an object, not {shown(deal)}")
        return file
    if (deal.get("treaty"), deal.get("dialect")) != (DEAL_TAG, TAG):
        _blame(file, "", f"not {DEAL_TAG} and {TAG}")
    strangers = sorted(deal.keys() - MEMBERS)
    if strangers:
        _blame(file, "", f"no such members: {shown(strangers)}")
    try:
        _read_session(file, deal)
    except WireError as error:
        _blame(file, "session", error.detail)
    _read_messages(file, deal)
    return file


def _blame(file: File, where: str, detail: str, claim: str = FORM) -> None:
    file.findings.append(Finding(claim, where, detail))


def _read_session(file: File, deal: Mapping[str, Json]) -> None:
    session, record = fields.obj(deal, "session"), fields.obj(deal, "decision")
    if session.keys() != SESSION_MEMBERS:
        raise WireError(f"session has exactly {', '.join(sorted(SESSION_MEMBERS))}")
    ident = fields.ident(session, "id")
    if record.get("decision_id") != ident:
        raise WireError(f"the record is of {shown(record.get('decision_id'))}")
    file.buyer = fields.text_or(session, "buyer")
    file.provider = fields.text_or(session, "provider")
    file.status = fields.text_or(session, "status")
    won = record.get("winner")
    if won is not None and not isinstance(won, dict):
        raise WireError(f"a winner is an object, not {shown(won)}")
    named = None if won is None else fields.text(won, "provider")
    if named != file.provider or record.get("status") != file.status:
        raise WireError("provider and status are not those of the record")
    file.record, file.id = record, ident


def _read_messages(file: File, deal: Mapping[str, Json]) -> None:
    try:
        columns = [
            fields.items(deal, name, most=MESSAGES_MAX)
            for name in ("raw", "messages", "sent", "at", "manifests")
        ]
    except WireError as error:
        _blame(file, "", error.detail)
        return
    if len({len(column) for column in columns}) != 1:
        _blame(file, "", "raw, messages, sent, at and manifests differ in length")
    file.count = len(columns[0])
    for index, cells in enumerate(zip(*columns, strict=False)):
        try:
            _read_message(file, index, *cells)
        except TreatyError as error:
            _blame(file, f"message {index + 1}", error.detail)


def _read_message(
    file: File, index: int, raw: Json, parsed: Json, is_sent: Json, at_ms: Json, url: Json
) -> None:
    if not isinstance(raw, str) or not isinstance(is_sent, bool) or not isinstance(url, str):
        raise WireError("raw and manifests are texts, sent is true or false")
    if type(at_ms) is not int or not 0 <= at_ms <= fields.INTEGER_MAX:
        raise WireError("at is no time in milliseconds")
    encoded = raw.encode("utf-8", "replace")
    envelope, fault = decode_reply(encoded)
    spoken = Spoken(index, envelope, is_sent, url, at_ms)
    if is_sent and fault is not None:
        # What strangers answer may be in a form of their own; what the buyer says may not.
        _blame(file, spoken.where, fault.text)
    document = read_json(encoded, size_max=ENVELOPE_BYTES_MAX, depth_max=DEPTH_MAX)
    if canonical(document) != canonical(parsed):
        _blame(file, spoken.where, "messages is not what raw says", BYTES)
    file.spoken.append(spoken)
