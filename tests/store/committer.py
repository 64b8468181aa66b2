"""A process that commits to a store until it dies, and prints what was acknowledged.

Run as ``committer.py FILE WRITERS BYTES_MAX``; ``test_sqlite.py`` kills it and looks what is
left. No file grows over BYTES_MAX, as on a disk that fails there; 0 is no limit. Unit n of a
writer is spread over everything a unit can hold, so a half unit shows. Each line is ``writer n``;
a line that begins with ``!`` is the text of an error.
"""

from __future__ import annotations

import asyncio
import resource
import sys

from treaty.engine.ports import Append, Entry, Nonce, Task, Unit
from treaty.errors import UnavailableError
from treaty.store.sqlite import SqliteStore


def whole_unit(writer: int, n: int) -> Unit:
    """Unit n of a writer, counted from 1: two streams, a nonce, a task moved on, a setting."""
    left, right = f"left/{writer}", f"right/{writer}"
    body = b"x" * 700
    return Unit(
        appends=(
            Append(
                left,
                2 * n - 2,
                (
                    Entry(left, 2 * n - 1, "message", body, body),
                    Entry(left, 2 * n, "fact", b"%d" % n),
                ),
            ),
            Append(right, n - 1, (Entry(right, n, "fact", b"%d" % n),)),
        ),
        nonces=(Nonce("dpop", f"{writer}/{n}", n, b"%d" % n),),
        put_tasks=(Task(f"{writer}/{n}", "deliver", n, b""),),
        drop_tasks=(f"{writer}/{n - 1}",),
        settings=((f"count/{writer}", b"%d" % n),),
    )


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def write_on(store: SqliteStore, writer: int) -> None:
    n = await store.last(f"right/{writer}")
    while True:
        n += 1
        await store.commit(whole_unit(writer, n))
        say(f"{writer} {n}")


async def main(path: str, writers: int) -> None:
    store = await SqliteStore.open(path)
    try:
        await asyncio.gather(*(write_on(store, writer) for writer in range(writers)))
    except UnavailableError as error:
        say(f"! {error}")


if __name__ == "__main__":
    file, writers, bytes_max = sys.argv[1:]
    if int(bytes_max):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(bytes_max), int(bytes_max)))
    asyncio.run(main(file, int(writers)))
