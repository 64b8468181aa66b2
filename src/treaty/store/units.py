"""What every store asks of a unit and of a question before it touches its medium.

The limits are the same for every medium, so that what one store takes the others take too:
a name is text that any database can keep and order, a number fits 63 bits, a unit is small
enough to be one step of a group commit. Breaking a limit is a fault of our own program
(``MisuseError``), because strangers' values were measured at the rim, long before.

Read next: ``memory.py``.
"""

from __future__ import annotations

from typing import Final

from treaty.engine.ports import Append, Unit
from treaty.errors import Conflict, MisuseError, Refused, UnavailableError, shown

NAME_CHARS_MAX: Final = 1024
UNIT_ROWS_MAX: Final = 4096
UNIT_BYTES_MAX: Final = 16 * 1024 * 1024
READ_ROWS_MAX: Final = 10_000
INTEGER_MAX: Final = 2**63 - 1


def check_unit(unit: Unit) -> None:
    """Raise ``MisuseError`` when the unit contradicts itself or breaks a limit."""
    rows = len(unit.appends) + len(unit.nonces) + len(unit.put_tasks)
    rows += len(unit.drop_tasks) + len(unit.settings)
    size = 0
    for append in unit.appends:
        rows += len(append.entries)
        size += _checked_append(append)
    size += _checked_rest(unit) if rows > len(unit.appends) else 0
    if rows > UNIT_ROWS_MAX:
        raise MisuseError(f"a unit of {rows} rows is over the limit of {UNIT_ROWS_MAX}")
    if size > UNIT_BYTES_MAX:
        raise MisuseError(f"a unit of {size} bytes is over the limit of {UNIT_BYTES_MAX}")


def _checked_append(append: Append) -> int:
    stream, position = append.stream, append.after
    check_name(stream)
    check_integer(position)
    size = 0
    for entry in append.entries:
        position += 1
        if entry.position != position or entry.stream != stream:
            raise MisuseError(
                f"entry {entry.position} of {shown(entry.stream)} stands "
                f"at place {position} of {shown(stream)}"
            )
        check_name(entry.kind)
        size += len(entry.body) + (len(entry.raw) if entry.raw is not None else 0)
    return size


def _checked_rest(unit: Unit) -> int:
    size = 0
    for nonce in unit.nonces:
        check_name(nonce.scope)
        check_name(nonce.key)
        check_integer(nonce.expires_ms)
        size += len(nonce.value)
    for task in unit.put_tasks:
        check_name(task.id)
        check_name(task.kind)
        check_integer(task.due_ms)
        size += len(task.payload)
    for task_id in unit.drop_tasks:
        check_name(task_id)
    for name, value in unit.settings:
        check_name(name)
        size += len(value)
    return size


def is_name(name: str) -> bool:
    """Tell whether a store could hold this name: 1 to 1024 characters, none of them NUL."""
    return 0 < len(name) <= NAME_CHARS_MAX and is_text(name)


def is_text(text: str) -> bool:
    """Tell whether every database can keep the text: no NUL and no lone surrogate."""
    if "\0" in text:
        return False
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_name(name: str) -> None:
    """Raise ``MisuseError`` for a name no store can hold."""
    if not is_name(name):
        raise MisuseError(f"{shown(name)} cannot be a name in a store")


def check_integer(number: int) -> None:
    """Raise ``MisuseError`` for a number that is negative or needs more than 63 bits."""
    if not 0 <= number <= INTEGER_MAX:
        raise MisuseError(f"{shown(number)} is not an integer of 0 to 63 bits")


def check_question(limit: int, cursor: str | int = 0) -> None:
    """Raise ``MisuseError`` when a reader asks for too much, or from an impossible place."""
    if not 0 < limit <= READ_ROWS_MAX:
        raise MisuseError(f"a limit of {shown(limit)} is not between 1 and {READ_ROWS_MAX}")
    if isinstance(cursor, int):
        check_integer(cursor)
    elif not is_text(cursor):
        raise MisuseError(f"{shown(cursor)} cannot be a place to read on from")


def lost_race(stream: str, after: int, last: int) -> Conflict:
    """Say that a stream does not end where the writer believed."""
    detail = f"{shown(stream)} ends at {last}, the writer believed {after}"
    return Conflict(detail, data={"stream": stream, "last": last})


def replayed(scope: str, key: str) -> Refused:
    """Say that a nonce was consumed before."""
    detail = f"{shown(key)} was used before in {shown(scope)}"
    return Refused(detail, "proof_replayed")


def closed() -> UnavailableError:
    """Say that the store was closed before it was asked."""
    return UnavailableError("the store is closed")
