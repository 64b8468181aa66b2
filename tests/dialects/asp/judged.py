"""A deal that three arbiters judge, or the operator: every record of it, and every lie about it.

    stage = judged()
    assert verify(stage.export(), stage.roots()).ok

``bend`` changes what the host states of one record, as a host would that wants another ruling; the
lie is in its signed log then, and ``copy_of`` is what a participant makes of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.dialects.asp.deal_stage import (
    ALPHA,
    BETA,
    COMMITMENT,
    NODE,
    OPERATOR,
    SESSION,
    URL,
    DealStage,
    commitment,
    play_negotiation,
    play_opening,
)
from treaty.agent.copy import Known, VerifiedCopy
from treaty.core.trust import Identity, Proof
from treaty.engine.items import LogItem
from treaty.identity.cards import open_card
from treaty.identity.disputes import (
    arbiter_secret,
    arbiter_seed,
    make_evidence,
    make_filing,
    make_finding,
    make_reveal,
)
from treaty.wire.instants import format_instant
from treaty.wire.money import Money

JUDGES = tuple(f"agent://judge{number}.example/desk" for number in range(1, 11))
DISPUTE = "dsp_1"
VOTES = (6_000, 9_000, 12_000)
"""What the arbiters give the payee; the second is the median."""

Data = dict[str, Any]
Bend = Callable[[DealStage, Data], Data]


def as_told(_stage: DealStage, data: Data) -> Data:
    """The host states what is so."""
    return data


class Story:
    """One dispute of Alpha's, from the deal to its ruling."""

    def __init__(self, bends: Mapping[str, Bend], **terms: Any) -> None:
        self.stage = DealStage(keys={uri: uri for uri in JUDGES})
        self.bends = bends
        stage = self.stage
        stage.register()
        for uri in JUDGES:
            proven = Identity(uri, Proof.KEY.value, stage.now_ms, NODE, stage.signers[uri].key.text)
            stage.log_record(proven)
            stage.vouch(uri)
        play_opening(stage, **terms)
        play_negotiation(stage)
        seeds = {
            uri: arbiter_seed(stage.signers[uri], SESSION, COMMITMENT) for uri in (ALPHA, BETA)
        }
        stage.say("14:04:00", ALPHA, "COMMIT", commitment(arbiterSeed=seeds[ALPHA]))
        accept = {"referenceId": COMMITMENT, "arbiterSeed": seeds[BETA]}
        stage.say("14:04:10", BETA, "ACCEPT", accept)
        data = {"commitmentId": COMMITMENT, "status": "fulfilled"}
        stage.say("14:14:00", BETA, "INFORM", {"informType": "result", "data": data})

    def state(self, step: str, data: Data) -> None:
        """Write a fact; what is stated of this step may be bent."""
        bend = self.bends.get(step, as_told)
        self.stage.bend_fact = lambda told: bend(self.stage, dict(told))
        self.stage.state_fact(step.partition(" ")[0], data)
        self.stage.bend_fact = lambda told: told

    def file(self, candidates: tuple[str, ...] = JUDGES) -> None:
        """Alpha files, and both rest."""
        stage = self.stage
        filed = make_filing(
            stage.signers[ALPHA], dispute=DISPUTE, session=SESSION, commitment=COMMITMENT,
            filer=ALPHA, against=BETA, reason="fulfillment-mismatch", at_ms=stage.now_ms,
        )  # fmt: skip
        listed = [
            {"uri": uri, "organisation": uri.split("/")[2], "keyId": stage.signers[uri].key.key_id}
            for uri in candidates
        ]
        standing = {"size": len(stage.records), "at": format_instant(stage.now_ms)}
        self.state("dispute", {"record": filed, "candidates": listed, "standing": standing})
        stage.clear()
        for uri in (ALPHA, BETA):
            shown = make_evidence(
                stage.signers[uri], dispute=DISPUTE, session=SESSION, by=uri, at_ms=stage.now_ms,
                statement="So it was.", last=True,
            )  # fmt: skip
            self.state("evidence", {"record": shown})

    def reveal(self) -> None:
        """Both show their secrets."""
        stage = self.stage
        for uri in (ALPHA, BETA):
            secret = arbiter_secret(stage.signers[uri], SESSION, COMMITMENT)
            shown = make_reveal(
                stage.signers[uri], dispute=DISPUTE, session=SESSION, by=uri, secret=secret,
                at_ms=stage.now_ms,
            )  # fmt: skip
            self.state("reveal", {"record": shown})

    def vote(self) -> None:
        """The three that were drawn vote, and the clearing does as they say."""
        stage = self.stage
        drawn = stage.conversation.disputes[DISPUTE].arbiters
        for number, (by, units) in enumerate(zip(drawn, VOTES, strict=True), start=1):
            self.state(f"vote {number}", vote_of(stage, by, units))
        bend = self.bends.get("escrow", as_told)
        stage.bend_fact = lambda told: bend(stage, dict(told))
        stage.clear()
        stage.bend_fact = lambda told: told

    def rule(self) -> None:
        """The operator rules."""
        stage = self.stage
        ruled = make_finding(
            "ruling", stage.signers[OPERATOR], dispute=DISPUTE, session=SESSION, by=OPERATOR,
            to_payee=Money(6_000, "USD"), at_ms=stage.now_ms, severity=4,
        )  # fmt: skip
        key = stage.signers[OPERATOR].key.text
        self.state("ruling", {"record": ruled, "publicKey": key})
        stage.clear()


def vote_of(
    stage: DealStage, by: str, units: int, *, signer: str = "", session: str = SESSION
) -> Data:
    """A vote, and the card that goes with it."""
    record = make_finding(
        "vote", stage.signers[signer or by], dispute=DISPUTE, session=session, by=by,
        to_payee=Money(units, "USD"), at_ms=stage.now_ms, severity=2,
    )  # fmt: skip
    hearsay = ("trustScore", "trustLevel")
    card = {name: one for name, one in stage.card(by).items() if name not in hearsay}
    open_card(card)
    return {"record": record, "card": card}


def named(stage_or_none: DealStage | None = None) -> dict[str, Any]:
    """What an invitation says that names the operator."""
    stage = stage_or_none or DealStage()
    return {"operator": {"uri": OPERATOR, "keyId": stage.signers[OPERATOR].key.key_id}}


def judged(**bends: Bend) -> DealStage:
    """Judged by its peers. ``bends``: ``dispute``, ``vote_2``, ``escrow`` … -> what is stated."""
    story = Story({name.replace("_", " "): bend for name, bend in bends.items()})
    story.file()
    story.reveal()
    story.vote()
    return story.stage


def ruled(*, names: bool = True, **bends: Bend) -> DealStage:
    """Too few arbiters: the operator rules, whom the invitation names, or does not."""
    story = Story(bends, **(named() if names else {}))
    story.file(JUDGES[:3])
    story.rule()
    return story.stage


def copy_of(stage: DealStage, **known: Any) -> VerifiedCopy:
    """What a participant makes of the log; raises what it finds."""
    believed = Known(host=stage.signers[NODE].key, base_url=URL, **known)
    copy = VerifiedCopy(believed)
    for position, (record, raw) in enumerate(stage.entries, start=1):
        copy.absorb(LogItem(position, record, raw))
    return copy
