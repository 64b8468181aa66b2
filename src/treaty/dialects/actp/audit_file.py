"""A deal file of the quote channel, read: whatever it holds becomes values and findings.

Law: any JSON ends in a ``File`` and findings, never in an exception, after work linear in it.

Read next: ``audit``, which asks what it means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from treaty.core.deal import DEAL_TAG, Finding
from treaty.dialects.actp.choices import BODY_BYTES_MAX, TAG
from treaty.dialects.actp.codec import decode, decode_request
from treaty.dialects.actp.deal import MESSAGES_MAX, MOVES_MAX
from treaty.dialects.actp.forms import check_hash
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.machine import STATES
from treaty.dialects.actp.messages import Message, QuoteRequest
from treaty.errors import Refused, TreatyError, WireError, shown
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json

MEMBERS: Final = frozenset(
    (
        "treaty", "dialect", "session", "request", "messages", "raw", "hashes", "at",
        "accepted", "intended", "budget", "policy", "receipts",
    )
)  # fmt: skip
SESSION_MEMBERS: Final = frozenset(
    ("id", "chainId", "kernel", "txId", "consumer", "provider", "state", "by")
)
BUDGETS: Final = ("spent", "held", "released", "none")
FORM: Final = "form"
BYTES: Final = "bytes"


@dataclass(frozen=True, slots=True)
class Spoken:
    """One message that could be read, and where it stands."""

    index: int
    message: Message
    at_ms: int | None

    @property
    def where(self) -> str:
        """Its place in the words of the file."""
        return f"message {self.index + 1}"


@dataclass(slots=True)
class File:
    """What could be read of a deal file, and what spoke against its form and bytes."""

    chain_id: int = 0
    kernel: str = ""
    tx_id: str = ""
    consumer: str = ""
    provider: str = ""
    state: str = ""
    by: str = ""
    """Whose copy it is: ``consumer`` or ``provider``."""
    id: str = ""
    spoken: list[Spoken] = field(default_factory=list)
    count: int = 0
    """How many messages the file has, read or not."""
    request: QuoteRequest | None = None
    accepted: dict[str, Json] | None = None
    intended: dict[str, Json] | None = None
    budget: str = ""
    answered: list[str] = field(default_factory=list)
    """Hashes that the exporter's moves say they answer."""
    receipts: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_headed(self) -> bool:
        """True when the heading could be read, without which nothing can be compared."""
        return bool(self.state)


def read_file(deal: Json) -> File:
    """Read a parsed deal file as far as it can be read."""
    file = File()
    if not isinstance(deal, dict):
        _blame(file, "", f"a deal file is an object, not {shown(deal)}")
        return file
    if (deal.get("treaty"), deal.get("dialect")) != (DEAL_TAG, TAG):
        _blame(file, "", f"not {DEAL_TAG} and {TAG}")
    strangers, missing = sorted(deal.keys() - MEMBERS), sorted(MEMBERS - deal.keys())
    if strangers:
        _blame(file, "", f"no such members: {shown(strangers)}")
    if missing:
        _blame(file, "", f"these members are missing: {shown(missing)}")
    for part in (_read_session, _read_request, _read_end, _read_moves):
        try:
            part(file, deal)
        except (WireError, Refused) as error:
            _blame(file, "", error.detail)
    _read_messages(file, deal)
    return file


def _blame(file: File, where: str, detail: str, claim: str = FORM) -> None:
    file.findings.append(Finding(claim, where, detail))


def _read_session(file: File, deal: Mapping[str, Json]) -> None:
    session = fields.obj(deal, "session")
    if session.keys() != SESSION_MEMBERS:
        raise WireError(f"session has exactly {', '.join(sorted(SESSION_MEMBERS))}")
    file.id = fields.text(session, "id")
    chain_id = fields.integer(session, "chainId", least=1)
    kernel, tx_id = fields.text(session, "kernel"), fields.text(session, "txId")
    check_hash("txId", tx_id)
    if file.id != f"{chain_id}/{tx_id}":
        raise WireError("session.id is not chain and transaction")
    by = fields.text(session, "by")
    if by not in ("consumer", "provider"):
        raise WireError("session.by is consumer or provider")
    state = fields.text(session, "state")
    if state not in STATES:
        raise WireError(f"no state {shown(state)}")
    file.consumer = fields.text(session, "consumer")
    file.provider = fields.text(session, "provider")
    file.chain_id, file.kernel, file.tx_id = chain_id, kernel, tx_id
    file.state, file.by = state, by


def _read_request(file: File, deal: Mapping[str, Json]) -> None:
    document = fields.obj_or(deal, "request")
    if document is not None:
        file.request = decode_request(canonical(document))


def _read_end(file: File, deal: Mapping[str, Json]) -> None:
    file.receipts = len(_array(deal, "receipts", MESSAGES_MAX))
    budget = fields.text(fields.obj(deal, "budget"), "outcome")
    if budget not in BUDGETS or len(fields.obj(deal, "budget")) != 1:
        raise WireError(f"budget tells an outcome, one of {', '.join(BUDGETS)}")
    file.budget = budget
    file.accepted = _members(deal, "accepted", "messageHash", "amount", "at")
    if file.accepted is not None:
        fields.integer(file.accepted, "at")
    file.intended = _members(deal, "intended", "function", "txId", "newAmount")


def _array(parent: Mapping[str, Json], name: str, most: int) -> list[Json]:
    if parent.get(name) is None:
        raise WireError(f"{name} is a list")
    return fields.items(parent, name, most=most)


def _members(deal: Mapping[str, Json], name: str, *members: str) -> dict[str, Json] | None:
    found = fields.obj_or(deal, name)
    if found is not None and found.keys() != set(members):
        raise WireError(f"{name} has exactly {', '.join(members)}")
    return found


def _read_moves(file: File, deal: Mapping[str, Json]) -> None:
    policy = fields.obj(deal, "policy")
    if policy.keys() != {"moves"}:
        raise WireError("policy tells its moves and nothing else")
    for move in _array(policy, "moves", MOVES_MAX):
        if not isinstance(move, dict) or move.keys() != {"answers", "move", "reason"}:
            raise WireError("a move has answers, move and reason")
        fields.text(move, "move", chars_max=16)
        fields.text(move, "reason", chars_max=128)
        answers = fields.text_or(move, "answers")
        if answers is not None:
            check_hash("answers", answers)
            file.answered.append(answers)


def _read_messages(file: File, deal: Mapping[str, Json]) -> None:
    try:
        columns = [
            fields.items(deal, name, most=MESSAGES_MAX)
            for name in ("raw", "messages", "hashes", "at")
        ]
    except WireError as error:
        _blame(file, "", error.detail)
        return
    if len({len(column) for column in columns}) != 1:
        _blame(file, "", "raw, messages, hashes and at differ in length")
    file.count = len(columns[0])
    for index, cells in enumerate(zip(*columns, strict=False)):
        _read_message(file, index, *cells)


def _read_message(
    file: File, index: int, raw: Json, parsed: Json, stated: Json, at_ms: Json
) -> None:
    where = f"message {index + 1}"
    try:
        if not isinstance(raw, str):
            raise WireError("raw is not text")
        encoded = raw.encode("utf-8", "replace")
        message = decode(encoded)
        if canonical(read_json(encoded, size_max=BODY_BYTES_MAX)) != canonical(parsed):
            _blame(file, where, "messages is not what raw says", BYTES)
        if message_hash(message) != stated:
            _blame(file, where, "hashes is not the hash of the message", BYTES)
    except TreatyError as error:
        _blame(file, where, error.detail)
        return
    is_time = type(at_ms) is int and 0 <= at_ms <= fields.INTEGER_MAX
    if not is_time:
        _blame(file, where, "at is no time in milliseconds")
    file.spoken.append(Spoken(index, message, at_ms if isinstance(at_ms, int) else None))
