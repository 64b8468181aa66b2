"""Disputes about one slice of an escrow: evidence, then a ruling that splits it exactly (B15).

    EVIDENCE -> RULED                      the record decides: a deadline, or a machine check
    EVIDENCE -> REVEAL -> VOTES -> RULED   three drawn arbiters; the ruling is their median
    EVIDENCE -> PERSON -> RULED            the clearing's operator
    VOTES, PERSON -> RULED                 nobody ruled in time: the record decides after all

Laws:

1. The slice is frozen from the filing to the ruling, and every dispute comes to one in time.
2. The arbiters follow from two secrets that neither party nor the host could foresee, and from
   candidates that were written down before either was revealed. Who does not reveal loses.
3. A filer puts up a bond; the other side gets it if the ruling finds nothing for the filer.
4. A ruling gives the payee so many units and the payer the rest; severity is the resolver's.

All functions return a new value; time is an argument.

Read next: ``settlement`` for what a ruling does to the commitment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from treaty.core.obligation import FETCHED, Obligation
from treaty.errors import Refused
from treaty.wire.digest import sha256

EVIDENCE_MS: Final = 86_400_000
REVEAL_MS: Final = 86_400_000
VOTES_MS: Final = 259_200_000
"""For revealing and voting together: 72 h from the end of the evidence."""
PERSON_MS: Final = 604_800_000
ARBITERS: Final = 3
CANDIDATES_LEAST: Final = 9
CANDIDATES_MAX: Final = 256
"""So many candidates are written down at most, the first by URI."""
EVIDENCE_MAX: Final = 8
"""Pieces of evidence of one party."""
BOND_PERCENT: Final = 5
SEVERITY_MAX: Final = 5
SEVERITY_OF: Final[Mapping[str, int]] = MappingProxyType(
    {"timeout": 3, "metric": 2, "unrevealed": 2, "operator": 3, "peers": 3}
)
"""What a ruling for the payer weighs when its resolver names nothing else, 1 to 5."""
DRAW_PREFIX: Final = b"treaty/1 draw "

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class Phase(StrEnum):
    """Where a dispute stands."""

    EVIDENCE = "EVIDENCE"
    REVEAL = "REVEAL"
    VOTES = "VOTES"
    PERSON = "PERSON"
    RULED = "RULED"


@dataclass(frozen=True, slots=True)
class Ruling:
    """How a slice is split, and by whom."""

    by: str
    """``automated``, ``peers``, ``operator``, or ``record`` when nobody ruled in time."""
    why: str
    """``timeout``, ``metric``, ``unrevealed``, ``peers``, ``operator`` or ``record``."""
    to_payee: int
    severity: int
    """0 when nothing was found against the payee, and for a ruling without trust effect."""
    at_ms: int


@dataclass(frozen=True, slots=True)
class Vote:
    """What one arbiter finds."""

    to_payee: int
    severity: int | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An agent that may be drawn as an arbiter."""

    uri: str
    organisation: str
    key_id: str = ""
    """The key of its card when the dispute was filed: it votes with no other."""


@dataclass(frozen=True, slots=True)
class Seeds:
    """Hashes of the two secrets, as COMMIT and ACCEPT carried them."""

    author: str
    accepter: str
    by_author: str
    by_accepter: str

    def of(self, party: str) -> str | None:
        """The hash a party stated."""
        return {self.author: self.by_author, self.accepter: self.by_accepter}.get(party)


@dataclass(frozen=True, slots=True)
class Dispute:
    """One dispute, from its filing to its ruling."""

    id: str
    commitment: str
    commit_hash: str
    slice: str
    units: int
    """What is in dispute."""
    filer: str
    payer: str
    payee: str
    reason: str
    bond_units: int
    at_ms: int
    due_ms: int
    seeds: Seeds | None = None
    candidates: tuple[Candidate, ...] = ()
    phase: Phase = Phase.EVIDENCE
    records: frozenset[str] = frozenset()
    """Hashes of the signed records that were taken in."""
    pieces: Mapping[str, int] = field(default_factory=lambda: _NONE)
    """Party -> pieces of evidence."""
    rested: frozenset[str] = frozenset()
    """Parties that have said that they bring no more."""
    began_ms: int = 0
    """When the evidence ended."""
    secrets: Mapping[str, bytes] = field(default_factory=lambda: _NONE)
    arbiters: tuple[str, ...] = ()
    votes: Mapping[str, Vote] = field(default_factory=lambda: _NONE)
    ruling: Ruling | None = None
    bond_reserved: bool = False
    bond_posted: int | None = None
    """What of the bond went to the other side, once it was settled."""

    @property
    def against(self) -> str:
        """The other party."""
        return self.payee if self.filer == self.payer else self.payer

    @property
    def parties(self) -> tuple[str, str]:
        """Payer and payee."""
        return self.payer, self.payee

    @property
    def bond_lost(self) -> bool:
        """True when the ruling found nothing for the filer."""
        assert self.ruling is not None
        nothing = self.units if self.filer == self.payer else 0
        return self.ruling.to_payee == nothing


def bond_units(units: int, dollar_units: int) -> int:
    """What a filer puts up: 5 % of the slice in dispute, and at least a dollar."""
    return max(dollar_units, units * BOND_PERCENT // 100)


def note_evidence(dispute: Dispute, by: str, *, rests: bool, at_ms: int) -> Dispute:
    """A party has shown something; ``rests``: and brings no more.

    Raises ``Refused``: ``transition_invalid`` after the evidence, ``rate_limited`` for too much.
    """
    if dispute.phase is not Phase.EVIDENCE or at_ms > dispute.due_ms or by in dispute.rested:
        raise Refused(f"no evidence of {by} is taken any more", "transition_invalid")
    count = dispute.pieces.get(by, 0)
    if count >= EVIDENCE_MAX:
        raise Refused(f"one party shows at most {EVIDENCE_MAX} pieces", "policy_violation")
    return replace(
        dispute,
        pieces={**dispute.pieces, by: count + 1},
        rested=dispute.rested | {by} if rests else dispute.rested,
    )


def is_rested(dispute: Dispute) -> bool:
    """True when both parties have said that they bring no more evidence."""
    return dispute.phase is Phase.EVIDENCE and len(dispute.rested) == len(dispute.parties)


def end_evidence(dispute: Dispute, duties: Sequence[Obligation], at_ms: int) -> Dispute:
    """The evidence is in: the record decides, or arbiters are drawn, or a person is asked."""
    decided = decided_by_record(dispute, duties, at_ms)
    if decided is not None:
        return rule(dispute, decided)
    begun = replace(dispute, began_ms=at_ms)
    if dispute.seeds is not None and len(dispute.candidates) >= CANDIDATES_LEAST:
        return replace(begun, phase=Phase.REVEAL, due_ms=at_ms + REVEAL_MS)
    return replace(begun, phase=Phase.PERSON, due_ms=at_ms + PERSON_MS)


def decided_by_record(dispute: Dispute, duties: Sequence[Obligation], at_ms: int) -> Ruling | None:
    """What the log alone decides: a deadline without a claim, or what a machine measured."""
    earned = [one.earned for one in duties if one.earned is not None]
    if earned:
        return _automated(dispute, "metric", min(earned), at_ms)
    if any(one.claimed_ms == 0 and at_ms > one.due_ms and not one.measured for one in duties):
        return _automated(dispute, "timeout", 0, at_ms)
    if any(one.passed is False for one in duties):
        return _automated(dispute, "metric", 0, at_ms)
    # What was looked at and held answers the payer's complaint; but nobody comes to the money
    # sooner, the window still running, by disputing a claim of its own.
    if dispute.filer == dispute.payer and duties and all(map(_is_proven, duties)):
        return _automated(dispute, "metric", dispute.units, at_ms)
    return None


def _is_proven(duty: Obligation) -> bool:
    """Tell whether the host itself saw a check hold.

    Evidence that came with the claim says who signed it, not that this delivery is meant.
    """
    return duty.method in FETCHED and duty.check is not None and duty.passed is True


def _automated(dispute: Dispute, why: str, to_payee: int, at_ms: int) -> Ruling:
    severity = 0 if to_payee == dispute.units else SEVERITY_OF[why]
    return Ruling("automated", why, to_payee, severity, at_ms)


def by_default(dispute: Dispute, duties: Sequence[Obligation], at_ms: int) -> Ruling:
    """Nobody ruled in time: a claim in time that no check contradicts pays the payee, else not."""
    claimed = all(one.claimed_ms and one.passed is not False for one in duties)
    to_payee = dispute.units if duties and claimed else 0
    return Ruling("record", "record", to_payee, 0, at_ms)


def reveal(dispute: Dispute, by: str, secret: bytes, at_ms: int) -> Dispute:
    """A party shows its secret; with both the arbiters are drawn.

    Raises ``Refused``: ``transition_invalid`` when nothing is to be revealed (any more),
    ``hash_mismatch`` for another secret than the one that was promised.
    """
    if dispute.phase is not Phase.REVEAL or at_ms > dispute.due_ms or dispute.seeds is None:
        raise Refused("nothing is to be revealed now", "transition_invalid")
    if by in dispute.secrets:
        raise Refused("this party has revealed its secret", "duplicate")
    if f"sha256:{sha256(secret).hex()}" != dispute.seeds.of(by):
        raise Refused("this is not the secret behind the arbiterSeed", "hash_mismatch")
    shown_now = replace(dispute, secrets={**dispute.secrets, by: secret})
    if len(shown_now.secrets) < len(dispute.parties):
        return shown_now
    seeds = dispute.seeds
    drawn = draw(
        dispute.commit_hash, shown_now.secrets[seeds.author], shown_now.secrets[seeds.accepter]
    )
    return replace(
        shown_now,
        phase=Phase.VOTES,
        due_ms=dispute.began_ms + VOTES_MS,
        arbiters=drawn_arbiters(drawn, dispute.candidates),
    )


def draw(commit_hash: str, author_secret: bytes, accepter_secret: bytes) -> bytes:
    """The number the arbiters follow from: SHA-256 over prefix, COMMIT hash and both secrets."""
    return sha256(DRAW_PREFIX + commit_hash.encode("ascii") + author_secret + accepter_secret)


def drawn_arbiters(drawn: bytes, candidates: Iterable[Candidate]) -> tuple[str, ...]:
    """Three candidates of different organisations, the first by SHA-256 of draw and URI."""
    found: dict[str, str] = {}
    for one in sorted(candidates, key=lambda each: sha256(drawn + each.uri.encode("ascii"))):
        found.setdefault(one.organisation, one.uri)
        if len(found) == ARBITERS:
            break
    return tuple(found.values())


def vote(dispute: Dispute, by: str, cast: Vote, at_ms: int) -> Dispute:
    """An arbiter votes; the third vote makes the ruling, their median.

    Raises ``Refused``: ``unauthorized`` for anybody else, ``transition_invalid`` out of time,
    ``duplicate`` for a second vote, ``commitment_invalid`` for more than is in dispute.
    """
    if by not in dispute.arbiters:
        raise Refused(f"{by} is no arbiter of this dispute", "unauthorized")
    if dispute.phase is not Phase.VOTES or at_ms > dispute.due_ms:
        raise Refused("no votes are taken now", "transition_invalid")
    if by in dispute.votes:
        raise Refused(f"{by} has voted", "duplicate")
    _check_split(dispute, cast.to_payee)
    votes = {**dispute.votes, by: cast}
    voted = replace(dispute, votes=votes)
    return voted if len(votes) < ARBITERS else rule(voted, _median(voted, at_ms))


def _median(dispute: Dispute, at_ms: int) -> Ruling:
    shares = sorted(one.to_payee for one in dispute.votes.values())
    default = SEVERITY_OF["peers"]
    severities = sorted(
        default if one.severity is None else one.severity for one in dispute.votes.values()
    )
    middle = len(shares) // 2
    severity = 0 if shares[middle] == dispute.units else severities[middle]
    return Ruling("peers", "peers", shares[middle], severity, at_ms)


def decide(dispute: Dispute, to_payee: int, severity: int | None, at_ms: int) -> Dispute:
    """The operator rules. Raises ``Refused`` when it is not asked, or for a wrong split."""
    if dispute.phase is not Phase.PERSON or at_ms > dispute.due_ms:
        raise Refused(
            f"the dispute is in {dispute.phase.value}: no ruling is asked for",
            "transition_invalid",
        )
    _check_split(dispute, to_payee)
    found = SEVERITY_OF["operator"] if severity is None else severity
    whole = to_payee == dispute.units
    return rule(dispute, Ruling("operator", "operator", to_payee, 0 if whole else found, at_ms))


def _check_split(dispute: Dispute, to_payee: int) -> None:
    if not 0 <= to_payee <= dispute.units:
        raise Refused(
            f"the payee gets 0 to {dispute.units} units, all that is in dispute, not {to_payee}",
            "commitment_invalid",
        )


def pass_time(dispute: Dispute, duties: Sequence[Obligation], at_ms: int) -> Dispute:
    """Let a due time act on a dispute."""
    if dispute.phase is Phase.RULED or at_ms < dispute.due_ms:
        return dispute
    if dispute.phase is Phase.EVIDENCE:
        return end_evidence(dispute, duties, at_ms)
    if dispute.phase is Phase.REVEAL and len(dispute.secrets) == 1:
        loser = next(one for one in dispute.parties if one not in dispute.secrets)
        to_payee = dispute.units if loser == dispute.payer else 0
        severity = 0 if to_payee else SEVERITY_OF["unrevealed"]
        return rule(dispute, Ruling("automated", "unrevealed", to_payee, severity, at_ms))
    return rule(dispute, by_default(dispute, duties, at_ms))


def rule(dispute: Dispute, ruling: Ruling) -> Dispute:
    """The dispute is over."""
    return replace(dispute, phase=Phase.RULED, ruling=ruling, due_ms=ruling.at_ms)


def extend(dispute: Dispute, outage_ms: int) -> Dispute:
    """Add a host outage to the time that is running (B10)."""
    if dispute.phase is Phase.RULED:
        return dispute
    began_ms = dispute.began_ms + outage_ms if dispute.began_ms else 0
    return replace(dispute, due_ms=dispute.due_ms + outage_ms, began_ms=began_ms)
