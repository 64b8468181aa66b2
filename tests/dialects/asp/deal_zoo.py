"""Ways to change a deal file, for the tests that ask whether each is noticed.

A *place* is a path into the JSON. ``edit`` changes a message in both its forms, as somebody would
who knows the format; ``forge`` also recomputes what can be recomputed without a key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from treaty.core.deal import Report, Roots, Verdict
from treaty.dialects.asp.audit import verify
from treaty.dialects.asp.codec import seal as seal_message
from treaty.identity.envelopes import envelope_hash
from treaty.identity.keys import Ed25519Signer
from treaty.identity.records import seal
from treaty.wire.canonical import canonical

Deal = dict[str, Any]


def failed(deal: Any, roots: Roots | None = None) -> set[str]:
    """The names of the claims that failed."""
    return set(verify(deal, roots).of(Verdict.FAILED))


def places(report: Report, claim: str) -> tuple[str, ...]:
    """Where a claim failed or could not be checked."""
    found = report.claim(claim)
    assert found is not None
    return found.where


def check_named(deal: Any, roots: Roots | None, claim: str, *where: str) -> None:
    """Assert that ``claim`` failed, at these places among others."""
    found = verify(deal, roots).claim(claim)
    assert found is not None
    assert found.verdict is Verdict.FAILED, f"{claim}: {found}"
    assert set(where) <= set(found.where), f"{claim}: {found}"


def check_open(deal: Any, roots: Roots | None, *claims: str) -> None:
    """Assert that nothing failed and exactly these claims (and metric) could not be checked."""
    report = verify(deal, roots)
    assert report.ok, report.first_line
    assert set(report.of(Verdict.NOT_CHECKABLE)) == {"metric", *claims}


def edit(deal: Deal, number: int, change: Callable[[Deal], object]) -> Deal:
    """Change message ``number`` (from 1), in ``messages`` and in ``raw`` alike."""
    message = deal["messages"][number - 1]
    change(message)
    deal["raw"][number - 1] = canonical(message).decode()
    return deal


def forge(deal: Deal, number: int, change: Callable[[Deal], object]) -> Deal:
    """Change a message and state the hash that the changed one has."""

    def rehashed(message: Deal) -> None:
        change(message)
        message["integrity"]["hash"] = envelope_hash(message)

    return edit(deal, number, rehashed)


def resign(deal: Deal, number: int, signer: Ed25519Signer) -> Deal:
    """Sign a message anew, with whatever key."""

    def signed(message: Deal) -> None:
        message.update(seal_message(message, signer))

    return edit(deal, number, signed)


def reseal(record: Deal, kind: str, signer: Ed25519Signer, **changes: Any) -> Deal:
    """A record with changes, signed anew."""
    body = {name: value for name, value in record.items() if name != "integrity"}
    return seal(kind, {**body, **changes}, signer)


def flip(text: str) -> str:
    """A text with its last character changed, in the alphabet of hex, base64url and digits."""
    return text[:-1] + ("1" if text[-1] != "1" else "2")


def salt(message: Deal) -> None:
    """Change what nothing but the hash depends on."""
    message["content"]["salt"] = "A" + flip(message["content"]["salt"][1:])


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all texts, numbers, booleans and nulls in a document."""
    if isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for name, member in pairs:
            yield from leaves(member, (*path, name))
    else:
        yield path


def at(deal: Any, path: tuple[Any, ...]) -> Any:
    """What stands at a path."""
    for step in path:
        deal = deal[step]
    return deal


def put(deal: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Put a value at a path, and return the document."""
    at(deal, path[:-1])[path[-1]] = value
    return deal


def other(value: Any) -> Any:
    """Another value of the same kind."""
    if value is None:
        return 0
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return value + "x"
