"""Checking a trust log, and computing a score from it again, without the node (ASP B16, B22).

An extract is what ``GET /v1/trust/log`` answers, or several pages of it joined::

    {"treaty": "trustlog/1", "records": [{index, kind, record, proof?}], "head": signed head,
     "node"?: {uri, keyId, publicKey}, "operator"?: {uri, keyId, publicKey},
     "clearings"?: [{uri, keyId, publicKey}]}

Laws: keys come from the reader's roots; those that the file states itself make it only
self-consistent, and the report says so. Whatever was changed is found by the root under the head,
by a signature or by a stamp that the log does not bear out, and each is looked for by itself.

Read next: ``core.trust`` for the formulas, ``core.deal`` for the shape of a report.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from treaty.core.deal import Finding, Report, Roots, judged, lack
from treaty.core.merkle import Frontier, append, leaf_hash, root, verify_inclusion
from treaty.core.trust import (
    Attestation,
    Before,
    Endorsement,
    Identity,
    Outcome,
    Proof,
    Record,
    Score,
    TrustState,
    discrepancies,
    fold,
    record_from_json,
    score,
    standing_at_opening,
)
from treaty.core.trust import Roots as Believed
from treaty.core.trust_reports import MEMBER
from treaty.engine.trust_reported import check_reported
from treaty.engine.trust_stated import stated_numbers
from treaty.errors import SignatureError, WireError, shown
from treaty.identity.keys import PublicKey, read_public_key
from treaty.identity.records import open_record
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json
from treaty.wire.encoding import hex_decode

TAG: Final = "trustlog/1"
BYTES_MAX: Final = 256 * 1024 * 1024
"""Largest extract that is read."""
RECORDS_MAX: Final = 1_000_000
PROOF_MAX: Final = 128

CLAIMS: Final = ("log", "signatures", "stamps", "score")
_VERIFIED: Final = {
    "log": "every record stands under the signed head, and none is left out",
    "signatures": "each record is signed by whom its kind demands",
    "stamps": "numbers, organisations, weights and standings before follow from the records",
    "score": "the stated score follows from the log, to the last digit",
}
_HEAD: Final = "head"


@dataclass(frozen=True, slots=True)
class Line:
    """One record of an extract."""

    index: int
    kind: str
    signed: dict[str, Json]
    body: Record
    proof: tuple[bytes, ...] | None

    @property
    def where(self) -> str:
        """Its place in words."""
        return f"record {self.index}"


@dataclass(frozen=True, slots=True)
class Extract:
    """A trust log, or part of it, as read."""

    lines: tuple[Line, ...]
    head: dict[str, Json]
    size: int
    """Of the log under the head."""
    node: tuple[str, PublicKey] | None
    """Who the file says keeps the log."""
    operator: tuple[str, PublicKey] | None
    clearings: tuple[tuple[str, PublicKey], ...] = ()
    """Whose outcomes the file says are believed, beside the node's own."""

    @property
    def complete(self) -> bool:
        """True when no record under the head is missing."""
        return len(self.lines) == self.size

    @property
    def records(self) -> tuple[Record, ...]:
        """The records, in the order of the log."""
        return tuple(line.body for line in self.lines)

    def before(self, size: int) -> Extract:
        """The same extract with the first ``size`` records only, under the same head."""
        return replace(self, lines=tuple(line for line in self.lines if line.index < size))

    def until(self, at_ms: int) -> Extract:
        """The same extract as the log was at a time: up to the first record that is later."""
        known = takewhile(lambda line: line.body.at_ms <= at_ms, self.lines)
        return replace(self, lines=tuple(known))


_LINE: Final = frozenset(("index", "kind", "record", "proof"))


def read_extract(raw: bytes) -> Extract:
    """Read an extract. Raises ``WireError``."""
    value = read_json(raw, size_max=BYTES_MAX)
    if not isinstance(value, dict) or value.get("treaty", TAG) != TAG:
        raise WireError(f"an extract of a trust log is an object with `treaty`: {TAG!r}")
    head = fields.obj(value, "head")
    lines = tuple(map(_line, fields.items(value, "records", most=RECORDS_MAX)))
    indexes = [line.index for line in lines]
    size = fields.integer(head, "size")
    if sorted(set(indexes)) != indexes or (indexes and indexes[-1] >= size):
        raise WireError("records stand in the order of the log, each once, within its size")
    hex_decode(head.get("root"), 32)
    fields.instant(head, "at")
    clearings = fields.items(value, "clearings", most=1_000)
    listed = (_stated({"clearing": one}, "clearing") for one in clearings)
    return Extract(
        lines,
        head,
        size,
        node=_stated(value, "node"),
        operator=_stated(value, "operator"),
        clearings=tuple(one for one in listed if one is not None),
    )


def _line(value: Json) -> Line:
    if not isinstance(value, dict):
        raise WireError(f"a line of a trust log is an object, not {shown(value)}")
    strangers = sorted(value.keys() - _LINE)
    if strangers:
        raise WireError(f"a line of a trust log does not have the members {shown(strangers)}")
    kind, signed = fields.ident(value, "kind"), fields.obj(value, "record")
    proof = fields.items(value, "proof", most=PROOF_MAX) if "proof" in value else None
    return Line(
        index=fields.integer(value, "index"),
        kind=kind,
        signed=signed,
        body=record_from_json(kind, signed),
        proof=None if proof is None else tuple(hex_decode(one, 32) for one in proof),
    )


def _stated(value: Mapping[str, Json], name: str) -> tuple[str, PublicKey] | None:
    body = fields.obj_or(value, name)
    if body is None:
        return None
    key = read_public_key(body.get("publicKey"))
    if body.get("keyId", key.key_id) != key.key_id:
        # People compare key ids by another way: one that is not of the key would vouch for it.
        raise WireError(f"keyId {shown(body['keyId'])} of the {name} is not that of its key")
    return fields.agent(body, "uri"), key


def believed(extract: Extract, roots: Roots | None) -> Believed:
    """Whose records count: the reader's clearings and attesters, else those the file names."""
    if roots is not None:
        return Believed(
            frozenset(one.uri for one in roots.clearing),
            frozenset(one.uri for one in roots.attester),
        )
    attesters = frozenset(one.by for one in extract.records if isinstance(one, Attestation))
    return Believed(_listed(extract), attesters)


def _uri(extract: Extract) -> str:
    return str(extract.head.get("uri"))


def check_extract(
    extract: Extract, agent: str, *, roots: Roots | None = None, view: Mapping[str, Json] | None
) -> Report:
    """Check an extract claim by claim, and a node's stated ``view`` of an agent against it.

    Without a ``view`` there is no stated score to compare, which is then not checkable.
    """
    anchored, findings = _check_head(extract, roots)
    found = [
        *findings,
        *_check_tree(extract),
        *_check_signatures(extract, roots),
        *_check_stamps(extract),
        *_check_view(extract, agent, view, believed(extract, roots)),
    ]
    return Report("trust/1", agent, anchored, judged(CLAIMS, found, _VERIFIED))


# The tree and its head.


def _check_head(extract: Extract, roots: Roots | None) -> tuple[bool, list[Finding]]:
    """Whether the reader's own roots know the head's key, and what speaks against the head."""
    uri = _uri(extract)
    anchored = _anchors(roots, ("clearing", "host", "registry"), uri)
    stated = [extract.node[1]] if extract.node is not None and extract.node[0] == uri else []
    keys = anchored if roots is not None else stated
    if not keys:
        return False, [lack("log", _HEAD, f"no key of {shown(uri)} is known")]
    if not any(_holds("loghead", extract.head, key) for key in keys):
        return False, [Finding("log", _HEAD, "it is not signed by the node it names")]
    return bool(anchored), []


def _anchors(roots: Roots | None, roles: Iterable[str], uri: str) -> list[PublicKey]:
    if roots is None:
        return []
    found = (one for role in roles for one in getattr(roots, role) if one.uri == uri)
    return list({one.key_id: read_public_key(one.public_key) for one in found}.values())


def _holds(kind: str, signed: Mapping[str, Json], key: PublicKey) -> bool:
    try:
        open_record(kind, dict(signed), key)
    except (SignatureError, WireError):
        return False
    return True


def _check_tree(extract: Extract) -> Iterator[Finding]:
    root_hash = hex_decode(extract.head.get("root"), 32)
    if extract.complete:
        frontier = Frontier()
        for line in extract.lines:
            frontier = append(frontier, leaf_hash(canonical(line.signed)))
        if root(frontier) != root_hash:
            yield Finding("log", _HEAD, "these records are not those under the signed root")
        return
    for line in extract.lines:
        try:
            verify_inclusion(
                leaf_hash(canonical(line.signed)),
                index=line.index,
                size=extract.size,
                proof=line.proof or (),
                root_hash=root_hash,
            )
        except SignatureError as error:
            yield Finding("log", line.where, error.detail)
    missing = extract.size - len(extract.lines)
    yield lack("log", "", f"{missing} of {extract.size} records are not in the extract")


# The records.


def _check_signatures(extract: Extract, roots: Roots | None) -> Iterator[Finding]:
    """Each record by whom its kind demands; an agent's key is that of its last identity record."""
    own: dict[str, PublicKey] = {}
    for line in extract.lines:
        body, keys = line.body, _signers(extract, roots, line, own)
        if not keys:
            yield lack("signatures", line.where, f"no key of the signer of this {line.kind}")
        elif not any(_holds(line.kind, line.signed, key) for key in keys):
            yield Finding("signatures", line.where, f"the {line.kind} does not hold")
        if isinstance(body, Outcome) and MEMBER in line.signed:
            keys = _clearing_keys(extract, roots, body.clearing)
            yield from check_reported(_uri(extract), keys, line.where, line.signed, body)
        if isinstance(body, Identity) and body.key and body.proof in (Proof.KEY, Proof.ROTATION):
            try:
                own[body.agent] = read_public_key(body.key)
            except WireError as error:
                yield Finding("signatures", line.where, f"key: {error.detail}")


def _signers(
    extract: Extract, roots: Roots | None, line: Line, own: Mapping[str, PublicKey]
) -> list[PublicKey]:
    body = line.body
    if isinstance(body, Endorsement):
        return [own[body.endorser]] if body.endorser in own else []
    if isinstance(body, Attestation):
        if roots is not None:
            return _anchors(roots, ("attester",), body.by)
        stated = extract.operator
        return [stated[1]] if stated is not None and stated[0] == body.by else []
    uri = _uri(extract)
    if isinstance(body, Outcome) and body.clearing != uri and MEMBER not in line.signed:
        return _clearing_keys(extract, roots, body.clearing)
    if roots is not None:
        return _anchors(roots, ("clearing", "host", "registry"), uri)
    return [extract.node[1]] if extract.node is not None and extract.node[0] == uri else []


def _clearing_keys(extract: Extract, roots: Roots | None, uri: str) -> list[PublicKey]:
    if roots is not None:
        return _anchors(roots, ("clearing",), uri)
    return [key for listed, key in extract.clearings if listed == uri]


def _check_stamps(extract: Extract) -> Iterator[Finding]:
    """What the node wrote into each outcome follows from the records before it."""
    if any(line.index != place for place, line in enumerate(extract.lines)):
        yield lack("stamps", "", "records before are missing")
        return
    outcomes = [one for one in extract.records if isinstance(one, Outcome)]
    sizes = {party.before.size for one in outcomes for party in one.parties if party.before}
    state = TrustState(_everybody(extract))
    # Until when it listed a clearing that it lists no more, nobody knows.
    make = Finding if state.roots.clearings == _listed(extract) else lack
    known: dict[int, TrustState] = {}
    for line in extract.lines:
        if line.index in sizes:
            known[line.index] = state
        if isinstance(line.body, Outcome):
            known.setdefault(line.index, state)
            found = (*discrepancies(state, line.body), *_unborne(known, line.body))
            yield from (make("stamps", line.where, detail) for detail in found)
            if line.index not in sizes:
                del known[line.index]
        state = fold(state, line.body)


def _listed(extract: Extract) -> frozenset[str]:
    return frozenset((_uri(extract), *(uri for uri, _ in extract.clearings)))


def _everybody(extract: Extract) -> Believed:
    """Whom the node must have believed: it takes in nobody else's outcomes and attestations."""
    reported = [line.body for line in extract.lines if MEMBER in line.signed]
    clearings = {body.clearing for body in reported if isinstance(body, Outcome)}
    attesters = {body.by for body in extract.records if isinstance(body, Attestation)}
    return Believed(_listed(extract) | clearings, frozenset(attesters))


def _unborne(known: Mapping[int, TrustState], outcome: Outcome) -> Iterator[str]:
    for party in outcome.parties:
        before = party.before
        if before is None or before.size is None or before.at_ms is None:
            continue
        if before.size not in known:
            yield f"{party.agent}: before is of {before.size} records, which come later"
            continue
        right = standing_at_opening(known[before.size], party.agent, before.at_ms)
        if right != before:
            yield f"{party.agent}: before {_standing(before)}, computed {_standing(right)}"


def _standing(value: Before) -> str:
    return f"{value.score}{' provisional' if value.provisional else ''}"


# The score.


def recomputed(extract: Extract, agent: str, at_ms: int, roots: Believed) -> Score:
    """An agent's score from the records at a time."""
    state = TrustState(roots)
    for record in extract.records:
        state = fold(state, record)
    return score(state, agent, at_ms)


def _check_view(
    extract: Extract, agent: str, view: Mapping[str, Json] | None, roots: Believed
) -> Iterator[Finding]:
    if view is None:
        yield lack("score", "", "no stated score was given to compare with")
        return
    stated, at_ms = fields.agent(view, "agent"), fields.instant(view, "at")
    size = fields.integer_or(view, "size")
    size = extract.size if size is None else size
    if stated != agent:
        yield Finding("score", "", f"the stated score is that of {shown(stated)}")
        return
    if size > extract.size:
        yield lack("score", "", f"it rests on {size} records, the head is of {extract.size}")
        return
    ahead = extract.before(size)
    if len(ahead.lines) != size:
        yield lack("score", "", "records that it rests on are not in the extract")
        return
    right = recomputed(ahead, agent, at_ms, roots)
    for name, value, computed in stated_numbers(view, right):
        if value != computed:
            yield Finding("score", name, f"stated {shown(value)}, computed {shown(computed)}")
