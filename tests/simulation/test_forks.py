"""A host with one key and two histories of a session: each holds by itself, and together they
convict it (B7). The host here is malicious for real: two whole nodes, two stores, one key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.agent.local import ALPHA, BASE_URL, BETA, NODE, Town, log_item, signer_of
from tests.engine.speaker import Speaker, introduced, people
from tests.simulation.clock import later, simulated
from treaty.agent.copy import HostLiesError, Known, VerifiedCopy
from treaty.agent.ports import LogItem
from treaty.core.deal import Verdict, read_deal
from treaty.core.log import entry_hash
from treaty.dialects.asp import audit
from treaty.dialects.asp.deal import make_deal
from treaty.errors import Refused, TreatyError
from treaty.identity.records import open_record, seal
from treaty.wire.canonical import Json, canonical, read_json

HOST = signer_of("node")
COMMON = 4
"""Entries both parties are shown alike: until both are introduced."""


@dataclass
class Fork:
    """What the host shows to Alpha, and what it shows to Beta."""

    session: str
    alphas: list[LogItem]
    betas: list[LogItem]
    cards: list[dict[str, Json]]

    def copy(self, uri: str) -> VerifiedCopy:
        """A participant's own copy: every entry it was shown, verified."""
        agents = {one: signer_of(one.rsplit("/", 1)[1]).key for one in (ALPHA, BETA)}
        copy = VerifiedCopy(Known(HOST.key, BASE_URL, self.session, agents))
        for item in self.alphas if uri == ALPHA else self.betas:
            assert copy.absorb(item)
        return copy

    def file(self, uri: str) -> Json:
        """A participant's deal file, as read back from its bytes."""
        items = self.alphas if uri == ALPHA else self.betas
        host: dict[str, Json] = {
            "uri": NODE,
            "keyId": HOST.key.key_id,
            "publicKey": HOST.key.text,
        }
        entries = [(item.record, item.raw) for item in items]
        made = make_deal(host=host, url=BASE_URL, entries=entries, cards=self.cards)
        return read_deal(canonical(made))


async def shown(town: Town, session: str) -> list[LogItem]:
    return [log_item(entry) for entry in await town.log_of(session)]


async def repeat(town: Town, items: list[LogItem]) -> None:
    """Let the other half of the host take in what this one did."""
    node = town.at_home()
    for number, item in enumerate(items):
        assert item.raw is not None
        take = node.sessions.open if number == 0 else None
        receipt = await (
            take(item.raw) if take else node.sessions.submit(str(item.record["session"]), item.raw)
        )
        # One key, one instant: not even a receipt differs until the fork.
        assert read_json(receipt) == item.record


async def forked() -> Fork:
    """Alpha hears itself bid and Beta close; Beta hears its own bid, and Alpha close."""
    async with Town() as one, Town() as two:
        alpha, beta = await people(one)
        other_alpha, other_beta = await people(two)
        session = await introduced(alpha, beta)
        common = await shown(one, session)
        assert len(common) == COMMON
        await repeat(two, common)
        await alpha.propose(session, "p1")
        await other_beta.propose(session, "p1")
        await later(1_000)
        for here, there in ((alpha, beta), (other_alpha, other_beta)):
            await finish(here, there, session)
        cards = [await one.at_home().registry.listed(uri) for uri in (ALPHA, BETA)]
        return Fork(session, await shown(one, session), await shown(two, session), cards)


async def finish(alpha: Speaker, beta: Speaker, session: str) -> None:
    """Both close, each stating the head and the count it was shown."""
    for who in (alpha, beta):
        now = await who.state(session)
        outcome = {"chainHead": now.head, "messageCount": now.messages}
        body = {"reason": "cancelled", "summary": "No deal.", "outcome": outcome}
        await who.say(session, "CLOSE", body)


@simulated
async def test_each_history_holds_by_itself() -> None:
    fork = await forked()
    for uri in (ALPHA, BETA):
        copy = fork.copy(uri)
        assert copy.conversation.state == "CLOSED"
        report = audit.verify(fork.file(uri), None)
        assert report.ok, report.first_line


@simulated
async def test_the_two_copies_together_convict_the_host() -> None:
    fork = await forked()
    report = audit.compare(fork.file(ALPHA), fork.file(BETA), None)
    verdicts = {claim.name: claim.verdict for claim in report.claims}
    assert not report.ok
    assert verdicts["session"] is Verdict.VERIFIED
    assert verdicts["host"] is Verdict.FAILED
    assert verdicts["agreement"] is Verdict.FAILED

    # The proof is portable: two records, one key, one position, and nothing else is needed.
    ours, theirs = fork.alphas[COMMON].record, fork.betas[COMMON].record
    opened = [open_record("receipt", dict(one), HOST.key).value for one in (ours, theirs)]
    assert {one["position"] for one in opened} == {COMMON + 1}
    assert entry_hash(ours) != entry_hash(theirs)


@pytest.mark.parametrize("position", range(COMMON + 1, 8))
def test_whoever_is_shown_any_entry_of_the_other_history_has_the_proof(position: int) -> None:
    @simulated
    async def check() -> None:
        fork = await forked()
        copy = fork.copy(ALPHA)
        with pytest.raises(HostLiesError) as caught:
            copy.absorb(fork.betas[position - 1])
        proof = caught.value.data
        assert proof["ours"] == dict(fork.alphas[position - 1].record)
        assert proof["theirs"] == dict(fork.betas[position - 1].record)

    check()


@simulated
async def test_no_message_of_one_history_can_be_shown_in_the_other() -> None:
    """The senders' own links forbid it, whatever the host signs."""
    fork = await forked()
    for item in fork.betas[COMMON:]:
        assert item.raw is not None
        copy = fork.copy(ALPHA)
        # The host receipts Beta's genuine words for the next place of Alpha's history.
        body: dict[str, Any] = {
            **{name: value for name, value in item.record.items() if name != "integrity"},
            "position": copy.position + 1,
            "previousEntry": copy.conversation.entry,
        }
        moved = LogItem(copy.position + 1, seal("receipt", body, HOST), item.raw)
        before = copy.conversation
        with pytest.raises(TreatyError) as caught:
            copy.absorb(moved)
        assert not isinstance(caught.value, HostLiesError)
        assert caught.value.code in ("chain_stale", "transition_invalid", "malformed")
        assert copy.conversation is before


@simulated
async def test_a_close_that_states_the_other_historys_head_is_not_taken() -> None:
    fork = await forked()
    ours, theirs = fork.copy(ALPHA), fork.copy(BETA)
    assert ours.conversation.head != theirs.conversation.head
    assert ours.conversation.messages == theirs.conversation.messages
    closes = [one for one in theirs.envelopes if one.performative.value == "CLOSE"]
    stated = [one.content["outcome"]["chainHead"] for one in closes]
    assert not set(stated) & {one.hash for one in ours.envelopes}


@simulated
async def test_an_honest_host_has_one_history_and_the_copies_agree() -> None:
    async with Town() as town:
        alpha, beta = await people(town)
        session = await introduced(alpha, beta)
        await alpha.propose(session, "p1")
        with pytest.raises(Refused) as caught:
            await beta.propose(session, "p1")
        assert caught.value.code == "duplicate"
        await finish(alpha, beta, session)
        items = await shown(town, session)
        cards = [await town.at_home().registry.listed(uri) for uri in (ALPHA, BETA)]
        fork = Fork(session, items, items[:-1], cards)
        report = audit.compare(fork.file(ALPHA), fork.file(BETA), None)
        verdicts = {claim.name: claim.verdict for claim in report.claims}
        assert (verdicts["host"], verdicts["agreement"]) == (Verdict.VERIFIED, Verdict.VERIFIED)
