"""Deal files and the roots to check them with: each goes to the dialect that wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

from treaty.app.agents import connect
from treaty.core.deal import ROOTS_BYTES_MAX, ROOTS_TAG, Anchor, Report, Roots, read_roots
from treaty.dialects.actp import audit as actp_audit
from treaty.dialects.actp.choices import TAG as ACTP_TAG
from treaty.dialects.asp import audit as asp_audit
from treaty.dialects.asp.choices import TAG as ASP_TAG
from treaty.dialects.mrp import audit as mrp_audit
from treaty.dialects.mrp.choices import TAG as MRP_TAG
from treaty.engine.outcomes import CLEARINGS_MAX
from treaty.errors import MisuseError, UnavailableError, WireError, shown
from treaty.identity.keys import PublicKey
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json

AUDITS: Final[Mapping[str, Callable[[Json, Roots | None], Report]]] = {
    ASP_TAG: asp_audit.verify,
    ACTP_TAG: actp_audit.verify,
    MRP_TAG: mrp_audit.verify,
}
"""Who checks the deal files of a dialect."""


def verify(deal: Json, roots: Json = None, *, require: Sequence[str] = ()) -> Report:
    """Check a deal file claim by claim, offline (decision B22).

    ``deal`` and ``roots`` are parsed JSON; without roots nobody's identity is anchored.
    ``require`` names claims that must be verified, not merely not failed. Raises ``WireError``
    only for roots that are none, or a dialect that is not known here; a bad deal is a report.
    """
    anchors = None if roots is None else read_roots(roots)
    dialect = deal.get("dialect") if isinstance(deal, Mapping) else None
    audit = AUDITS.get(dialect) if isinstance(dialect, str) else None
    if audit is None:
        raise WireError(f"this is no deal file of a known dialect: {shown(dialect)}")
    return audit(deal, anchors).require(require)


def compare(deal: Json, other: Json, roots: Json = None) -> Report:
    """Compare two copies of one ASP deal; two receipts for one position convict the host (B7)."""
    anchors = None if roots is None else read_roots(roots)
    return asp_audit.compare(deal, other, anchors)


async def export_roots(node: str | None = None, *, budget_ms: int = 10_000) -> dict[str, Json]:
    """The keys and the log head of a node as roots, as its own address gives them (B22).

    Whether they are the right keys, the reader has to find out by another way. ``budget_ms`` is
    how long the node may be away before that is an error.
    """
    client = connect(node, budget_ms=budget_ms)
    try:
        described, log = await client.describe(), await client.trust_log(0, 0)
    finally:
        await client.close()
    operator, head = fields.obj(described, "operator"), fields.obj(log, "head")
    return roots_of(described, operator, head, fields.items(described, "clearings", most=1_000))


def roots_of(
    own: Mapping[str, Json],
    operator: Mapping[str, Json] | None,
    head: Mapping[str, Json] | None,
    clearings: Iterable[Json] = (),
) -> dict[str, Json]:
    """Lay out roots: a node is registry, host and clearing at once, its operator attests.

    ``clearings`` are the others whose outcomes its trust log counts.
    """
    names = ("uri", "keyId", "publicKey")
    anchor: dict[str, Json] = {name: own.get(name) for name in names}
    attester: list[Json] = [{name: operator.get(name) for name in names}] if operator else []
    roots: dict[str, Json] = {
        "treaty": ROOTS_TAG,
        **{role: [dict(anchor)] for role in ("registry", "host")},
        "clearing": [dict(anchor), *clearings],
        "attester": attester,
        "metric": [],
        "logHead": None if head is None else dict(head),
        "chains": [],
    }
    read_roots(roots)
    return roots


def listed_clearings(files: Iterable[Path]) -> tuple[Anchor, ...]:
    """The clearings that roots files name, each once.

    Raises ``UnavailableError`` for a file that cannot be read, ``MisuseError`` for one that is
    none, or that gives a clearing another key than the one before.
    """
    found: dict[str, Anchor] = {}
    for path in files:
        try:
            with path.open("rb") as file:
                raw = file.read(ROOTS_BYTES_MAX + 1)
            roots = read_roots(read_json(raw, size_max=ROOTS_BYTES_MAX))
        except OSError as error:
            raise UnavailableError(f"cannot read {path}: {error.strerror}") from error
        except WireError as error:
            raise MisuseError(f"{path}: {error.detail}") from error
        for anchor in roots.clearing:
            if found.setdefault(anchor.uri, anchor) != anchor:
                raise MisuseError(f"{path}: {anchor.uri} has another key than in the file before")
    if len(found) > CLEARINGS_MAX:
        raise MisuseError(f"{len(found)} clearings; {CLEARINGS_MAX} are listed at most")
    return tuple(found.values())


def anchors_to_json(anchors: Iterable[Anchor]) -> list[Json]:
    """Anchors as roots have them."""
    return [{"uri": one.uri, "keyId": one.key_id, "publicKey": one.public_key} for one in anchors]


def anchor_of(uri: str, key: PublicKey) -> dict[str, Json]:
    """One anchor of roots."""
    return {"uri": uri, "keyId": key.key_id, "publicKey": key.text}
