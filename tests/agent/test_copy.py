"""A host that lies: the participant's own copy finds it out, and keeps the proof (B7)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from tests.agent.local import ALPHA, BASE_URL, BETA, Town, log_item, signer_of
from tests.agent.scene import market, strike
from tests.engine.speaker import bound, introduced, people, proposal_of
from tests.simulation.clock import later, simulate, simulated
from treaty.agent.copy import HostLiesError, Known, VerifiedCopy
from treaty.agent.ports import LogItem
from treaty.core.log import entry_hash
from treaty.dialects.asp.codec import seal as seal_message
from treaty.errors import Refused, SignatureError, TreatyError, WireError
from treaty.identity.keys import Ed25519Signer
from treaty.identity.records import open_record, seal
from treaty.wire.canonical import canonical, read_json
from treaty.wire.digest import sha256_tag

NODE_KEY = signer_of("node")
MALLORY = signer_of("mallory")
POSITION = 9
"""The entry that is tampered with: Alpha's COMMIT; the escrow fact follows it."""


async def settled_items() -> list[LogItem]:
    """The log of a whole deal: 15 messages and facts."""
    async with Town() as town:
        alpha, beta = await people(town)
        session = await bound(alpha, beta)
        await beta.fulfil(session)
        await alpha.close(session, "completed", "cmt", rating=5)
        await beta.close(session, "completed", "cmt", rating=4)
        await later(1_000)
        return [log_item(entry) for entry in await town.log_of(session)]


ITEMS: list[LogItem] = simulate(settled_items())


def known(**changes: Any) -> Known:
    """What Alpha trusts."""
    stated: dict[str, Any] = {
        "host": NODE_KEY.key,
        "base_url": BASE_URL,
        "session": str(ITEMS[0].record["session"]),
        "agents": {ALPHA: signer_of("alpha").key, BETA: signer_of("beta").key},
    }
    return Known(**{**stated, **changes})


def copy_of(items: list[LogItem], **changes: Any) -> VerifiedCopy:
    """A copy that has verified these."""
    copy = VerifiedCopy(known(**changes))
    for item in items:
        assert copy.absorb(item)
    return copy


def resealed(
    item: LogItem, *, signer: Ed25519Signer = NODE_KEY, raw: bytes | None = None, **changes: Any
) -> LogItem:
    """An entry with other members, sealed as its host would."""
    kind = "receipt" if item.record["type"] == "receipt" else "fact"
    body = {name: value for name, value in item.record.items() if name != "integrity"}
    record = seal(kind, {**body, **changes}, signer)
    return LogItem(item.position, record, item.raw if raw is None else raw)


def edited(raw: bytes | None, change: Callable[[dict[str, Any]], None]) -> bytes:
    """A message with other members, neither hashed nor signed anew."""
    assert raw is not None
    document: Any = read_json(raw)
    change(document)
    return canonical(document)


def test_an_honest_log_is_verified_to_its_end() -> None:
    copy = copy_of(ITEMS)

    assert copy.position == len(ITEMS)
    assert copy.conversation.state == "CLOSED"
    assert len(copy.envelopes) == 10


def test_a_known_entry_is_passed_over() -> None:
    copy = copy_of(ITEMS)
    before = copy.conversation

    assert not any(copy.absorb(item) for item in ITEMS)
    assert copy.conversation is before


@pytest.mark.parametrize("place", range(len(ITEMS)))
def test_a_missing_entry_is_noticed(place: int) -> None:
    copy = copy_of(ITEMS[:place])
    for later_one in ITEMS[place + 1 :]:
        with pytest.raises(WireError):
            copy.absorb(later_one)
    assert copy.position == place
    assert copy.absorb(ITEMS[place])


@pytest.mark.parametrize("place", range(1, len(ITEMS)))
def test_entries_in_another_order_are_noticed(place: int) -> None:
    """Also when the host has numbered them anew, for each is linked to the one before."""
    renumbered = resealed(replace(ITEMS[place], position=place), position=place)
    with pytest.raises(TreatyError):
        copy_of(ITEMS[: place - 1]).absorb(renumbered)


@pytest.mark.parametrize("place", range(len(ITEMS)))
def test_an_entry_of_another_signer_is_no_entry(place: int) -> None:
    copy = copy_of(ITEMS[:place])
    forged = resealed(ITEMS[place], signer=MALLORY)
    with pytest.raises(SignatureError) as caught:
        copy.absorb(forged)

    assert not isinstance(caught.value, HostLiesError)
    assert copy.position == place
    assert copy.absorb(ITEMS[place])


@pytest.mark.parametrize("place", range(len(ITEMS)))
def test_a_changed_entry_does_not_hold(place: int) -> None:
    item = ITEMS[place]
    copy = copy_of(ITEMS[:place])
    changed = replace(item, record={**item.record, "at": "2026-03-07T14:00:30.000Z", "extra": 1})
    with pytest.raises(SignatureError):
        copy.absorb(changed)
    assert copy.position == place


@pytest.mark.parametrize("place", range(len(ITEMS)))
def test_another_entry_for_a_known_place_convicts_the_host(place: int) -> None:
    """A fork: both are signed by the host, and both are kept as portable proof."""
    copy = copy_of(ITEMS)
    name = "receivedAt" if ITEMS[place].raw is not None else "at"
    other = resealed(ITEMS[place], **{name: "2026-03-07T14:00:30.000Z"})
    with pytest.raises(HostLiesError) as caught:
        copy.absorb(other)

    proof = caught.value.data
    kind = "receipt" if ITEMS[place].raw is not None else "fact"
    records = [open_record(kind, proof[side], NODE_KEY.key).value for side in ("ours", "theirs")]
    assert records[0]["position"] == records[1]["position"] == place + 1
    assert entry_hash(records[0]) != entry_hash(records[1])


@pytest.mark.parametrize("position", [-1, 0, 1, 4, 5, 7])
def test_an_entry_that_comes_under_another_number_convicts_nobody(position: int) -> None:
    """Its own number is signed, the one it came with is not."""
    copy = copy_of(ITEMS[:6])
    with pytest.raises(WireError) as caught:
        copy.absorb(replace(ITEMS[5], position=position))

    assert not isinstance(caught.value, HostLiesError)
    assert copy.position == 6


def test_an_entry_before_the_first_is_nothing() -> None:
    for items in (ITEMS[:0], ITEMS[:6]):
        copy = copy_of(items)
        with pytest.raises(WireError):
            copy.absorb(replace(ITEMS[0], position=0))


FACTS = [place for place, item in enumerate(ITEMS) if item.raw is None]


@pytest.mark.parametrize("place", FACTS)
@pytest.mark.parametrize("odd", [[], {}, [[]], 5, "x", None])
def test_a_fact_of_odd_members_is_taken_or_refused(place: int, odd: Any) -> None:
    """Whatever a host signs, a copy has words for it."""
    data = ITEMS[place].record["data"]
    assert isinstance(data, dict)
    for name in data:
        copy = copy_of(ITEMS[:place])
        with suppress(TreatyError):
            copy.absorb(resealed(ITEMS[place], data={**data, name: odd}))
        assert copy.position in (place, place + 1)


def test_a_forged_fork_convicts_nobody() -> None:
    copy = copy_of(ITEMS)
    other = resealed(ITEMS[4], signer=MALLORY, receivedAt="2026-03-07T14:00:30.000Z")
    with pytest.raises(SignatureError) as caught:
        copy.absorb(other)

    assert not isinstance(caught.value, HostLiesError)


@pytest.mark.parametrize("place", range(1, len(ITEMS)))
def test_an_entry_that_follows_another_history_convicts_the_host(place: int) -> None:
    copy = copy_of(ITEMS[:place])
    other = resealed(ITEMS[place], previousEntry=sha256_tag(b"another history"))
    with pytest.raises(HostLiesError) as caught:
        copy.absorb(other)

    assert caught.value.data["ours"] == ITEMS[place - 1].record
    assert caught.value.data["theirs"] == other.record


def test_an_entry_that_lies_about_its_place_convicts_the_host() -> None:
    copy = copy_of(ITEMS[:4])
    with pytest.raises(HostLiesError):
        copy.absorb(resealed(ITEMS[4], position=6))


def test_an_entry_of_another_session_is_not_taken() -> None:
    other = "019526a1-8e1a-7000-8000-000000000009"
    with pytest.raises(TreatyError):
        copy_of(ITEMS[:4]).absorb(resealed(ITEMS[4], session=other))
    with pytest.raises(WireError):
        VerifiedCopy(known(session=other)).absorb(ITEMS[0])


def test_a_clock_that_runs_backwards_is_not_taken() -> None:
    early = resealed(ITEMS[4], receivedAt="2026-03-07T13:59:59.999Z")
    with pytest.raises(WireError):
        copy_of(ITEMS[:4]).absorb(early)


RECEIPTS = [place for place, item in enumerate(ITEMS) if item.raw is not None]


@pytest.mark.parametrize("place", RECEIPTS)
def test_a_changed_message_is_noticed_by_its_digest(place: int) -> None:
    raw = edited(ITEMS[place].raw, lambda it: it.update(extra=1))
    with pytest.raises(WireError) as caught:
        copy_of(ITEMS[:place]).absorb(replace(ITEMS[place], raw=raw))

    assert caught.value.code == "hash_mismatch"


@pytest.mark.parametrize("place", RECEIPTS)
def test_a_message_the_host_has_changed_is_not_its_senders(place: int) -> None:
    """The host receipts what it likes; the sender's signature does not cover it."""
    raw = edited(ITEMS[place].raw, lambda it: it["content"].update(salt="AAAAAAAAAAAAAAAAAAAAAA"))
    forged = resealed(ITEMS[place], raw=raw, rawDigest=sha256_tag(raw))
    copy = copy_of(ITEMS[:place])
    with pytest.raises(SignatureError):
        copy.absorb(forged)

    assert copy.position == place


def test_a_message_the_host_has_made_up_is_not_its_senders() -> None:
    """The host pins a key of its own for Beta: the card Alpha knows says otherwise."""
    item = ITEMS[1]
    document: Any = read_json(item.raw or b"")
    raw = canonical(seal_message(document, MALLORY))
    forged = resealed(
        item, raw=raw, rawDigest=sha256_tag(raw), publicKey=MALLORY.key.text,
        hash=read_json(raw)["integrity"]["hash"],
    )  # fmt: skip
    with pytest.raises(SignatureError, match="another key"):
        copy_of(ITEMS[:1]).absorb(forged)


def test_a_receipt_without_the_key_of_a_newcomer_is_not_taken() -> None:
    body = {name: value for name, value in ITEMS[1].record.items() if name != "integrity"}
    del body["publicKey"]
    unpinned = LogItem(2, seal("receipt", body, NODE_KEY), ITEMS[1].raw)
    with pytest.raises(SignatureError):
        copy_of(ITEMS[:1]).absorb(unpinned)


@pytest.mark.parametrize("name", ["hash", "previousHash", "sender"])
def test_a_receipt_that_disagrees_with_its_message_is_not_taken(name: str) -> None:
    other = {"sender": BETA}.get(name, sha256_tag(b"x"))
    lying = resealed(ITEMS[4], **{name: other})
    with pytest.raises(TreatyError):
        copy_of(ITEMS[:4]).absorb(lying)


def test_a_receipt_at_a_time_for_which_its_proof_is_too_old_is_not_taken() -> None:
    late = resealed(ITEMS[4], receivedAt="2026-03-07T14:01:30.000Z")
    with pytest.raises(SignatureError):
        copy_of(ITEMS[:4]).absorb(late)


def test_a_message_for_another_host_is_not_taken() -> None:
    """A proof names the host's address: a message cannot be relayed into another session."""
    with pytest.raises(SignatureError):
        VerifiedCopy(known(base_url="http://other.example")).absorb(ITEMS[0])


FACTS = [place for place, item in enumerate(ITEMS) if item.record.get("fact") == "escrow"]


@pytest.mark.parametrize(
    "change",
    [
        {"movement": "settle"},
        {"commitmentId": "nothing"},
        {"movement": "steal"},
        {"amount": {"amount": "1.00", "currency": "USD"}},
        {"amount": {"amount": "180.00", "currency": "EUR"}},
        {"amount": None},
        {"payer": BETA, "payee": ALPHA},
        {"payee": ALPHA},
        {"commitHash": sha256_tag(b"another")},
        {"reservation": "another"},
    ],
)
def test_a_movement_that_nothing_ordered_is_not_taken(change: dict[str, Any]) -> None:
    item = ITEMS[FACTS[0]]
    data: Any = item.record["data"]
    with pytest.raises(TreatyError):
        copy_of(ITEMS[: FACTS[0]]).absorb(resealed(item, data={**data, **change}))


@pytest.mark.parametrize("posted", ["0.00", "179.99", "180.01"])
def test_a_host_that_pays_out_another_sum_is_found_out(posted: str) -> None:
    item = ITEMS[FACTS[1]]
    data: Any = item.record["data"]
    assert data["posted"] == {"amount": "180.00", "currency": "USD"}
    other = {**data, "posted": {"amount": posted, "currency": "USD"}}
    with pytest.raises(TreatyError):
        copy_of(ITEMS[: FACTS[1]]).absorb(resealed(item, data=other))


def test_a_timer_that_is_not_due_is_not_taken() -> None:
    data = {"name": "idle", "due": "2026-03-07T14:00:00.000Z"}
    early = resealed(LogItem(FACTS[0] + 1, ITEMS[FACTS[0]].record, None), fact="timer", data=data)
    with pytest.raises(Refused):
        copy_of(ITEMS[: FACTS[0]]).absorb(early)


@pytest.mark.parametrize(
    ("performative", "body", "code"),
    [
        ("ACCEPT", {"referenceId": "inv"}, "transition_invalid"),
        ("PROPOSE", proposal_of("inv"), "duplicate"),
        ("CLOSE", {"reason": "because", "outcome": {}}, "malformed"),
        ("CLOSE", {"reason": "cancelled", "outcome": {"messageCount": 77}}, "hash_mismatch"),
    ],
)
def test_a_move_that_was_not_lawful_is_not_taken(
    performative: str, body: dict[str, Any], code: str
) -> None:
    """Beta's own signature under what the rules do not allow, receipted by the host."""

    async def unlawful() -> tuple[list[LogItem], LogItem]:
        async with Town() as town:
            alpha, beta = await people(town)
            session = await introduced(alpha, beta)
            items = [log_item(entry) for entry in await town.log_of(session)]
            raw = await beta.write(session, performative, body)
            sent: Any = read_json(raw)
            receipt = {
                **{k: v for k, v in items[-1].record.items() if k != "integrity"},
                "position": 5,
                "previousEntry": entry_hash(items[-1].record),
                "hash": sent["integrity"]["hash"],
                "previousHash": sent["integrity"]["previousHash"],
                "performative": performative,
                "rawDigest": sha256_tag(raw),
            }
            return items, LogItem(5, seal("receipt", receipt, NODE_KEY), raw)

    items, item = simulate(unlawful())
    copy = VerifiedCopy(Known(host=NODE_KEY.key, base_url=BASE_URL))
    for one in items:
        copy.absorb(one)
    with pytest.raises(Refused) as caught:
        copy.absorb(item)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"type": "receipt"},
        {"type": "fact", "integrity": {}},
        {"type": 5, "integrity": {"hash": 5, "signature": "x"}},
        {"type": "receipt", "integrity": {"hash": "sha256:" + "0" * 64, "signature": "ed25519:00"}},
    ],
)
@pytest.mark.parametrize("position", [1, 5, 6])
def test_rubbish_ends_in_our_own_errors(record: dict[str, Any], position: int) -> None:
    copy = copy_of(ITEMS[:5])
    with pytest.raises(TreatyError):
        copy.absorb(LogItem(position, record, b"rubbish"))
    assert copy.position == 5


class LyingNode:
    """A client whose node shows Alpha's log with one entry forked from some moment on."""

    def __init__(self, honest: Any) -> None:
        self._honest = honest
        self.lies = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._honest, name)

    async def events(self, session: str, after: int) -> Any:
        async for item in self._honest.events(session, after):
            if self.lies and item.record.get("fact") == "escrow":
                yield resealed(item, at="2026-03-07T14:00:30.000Z")
            yield item


@simulated
async def test_a_deal_stops_when_its_host_lies_and_says_why() -> None:
    """Nothing more is said in such a session."""
    async with market() as (town, alpha, _beta):
        lying = LyingNode(alpha.client)
        alpha.client = lying
        lying.lies = True
        with pytest.raises(HostLiesError) as caught:
            await strike(alpha)

        assert set(caught.value.data) == {"ours", "theirs"}
        (session,) = await alpha.copies.sessions()
        sent = len([one for one, _ in town.sent if one == ALPHA])
        await later(60_000)
        assert len([one for one, _ in town.sent if one == ALPHA]) == sent
        assert len(await town.log_of(session)) < 17
