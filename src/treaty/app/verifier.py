"""The second process of a loaded provider: counters in, verified counters out.

It speaks with its node over standard input, which is a pair of sockets. A frame is four bytes of
length and what follows. The first frame says for which chains and limits; then every frame of
counters is answered by one frame with one row each: null, or the signer, the message hash and
the members of a counter that was verified. It knows no key and no policy.

Read next: ``verifying``, the node's end of it.
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from struct import Struct
from typing import BinaryIO, Final, cast

from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.dialect import Heard, hear_counter
from treaty.dialects.actp.forms import Limits
from treaty.dialects.actp.messages import CounterOffer
from treaty.dialects.actp.offers import read_counter
from treaty.errors import TreatyError
from treaty.wire.canonical import Json, canonical, read_json

TX_CHARS: Final = 66
FRAME_BYTES_MAX: Final = 16 * 1_048_576
ROWS_DEPTH_MAX: Final = 1_000
"""More brackets than the rows of a frame have: they are flat, and from this program itself."""

Item = tuple[bytes, int, str, int]
"""Body as received, chain and transaction of its address, milliseconds since 1970."""

_SIZE: Final = Struct("!I")
_ITEM: Final = Struct("!QQI")
_MEMBERS: Final = tuple(one.name for one in fields(CounterOffer))


def framed(data: bytes) -> bytes:
    """Bytes as one frame."""
    return _SIZE.pack(len(data)) + data


def frames(buffer: bytearray) -> Iterator[bytes]:
    """Take the whole frames off the front of a buffer."""
    while len(buffer) >= _SIZE.size:
        end = _SIZE.size + _SIZE.unpack_from(buffer)[0]
        if len(buffer) < end:
            return
        yield bytes(buffer[_SIZE.size : end])
        del buffer[:end]


def write_setup(chains: Chains, limits: Limits) -> bytes:
    """What a process has to know."""
    kernels: dict[str, Json] = {str(one): chains.kernel(one) for one in chains.ids}
    ages: dict[str, Json] = {
        "ttl": limits.max_counter_ttl_s,
        "skew": limits.skew_s,
        "grace": limits.grace_s,
    }
    return canonical({"kernels": kernels, "limits": ages})


def read_setup(data: bytes) -> tuple[Chains, Limits]:
    """The same, read."""
    setup = read_json(data)
    assert isinstance(setup, dict)
    kernels, ages = setup["kernels"], setup["limits"]
    assert isinstance(kernels, dict)
    assert isinstance(ages, dict)
    chains = Chains({int(chain): str(kernel) for chain, kernel in kernels.items()})
    return chains, Limits(*(int(str(ages[name])) for name in ("ttl", "skew", "grace")))


def write_items(items: Iterable[Item]) -> bytes:
    """Counters to be verified; every transaction is written in 66 ASCII characters."""
    parts: list[bytes] = []
    for raw, chain_id, tx_id, at_ms in items:
        parts += (_ITEM.pack(at_ms, chain_id, len(raw)), tx_id.encode("ascii"), raw)
    return b"".join(parts)


def read_items(data: bytes) -> Iterator[Item]:
    """The same, read."""
    place = 0
    while place < len(data):
        at_ms, chain_id, size = _ITEM.unpack_from(data, place)
        start = place + _ITEM.size + TX_CHARS
        tx_id = data[start - TX_CHARS : start].decode("ascii")
        place = start + size
        yield data[start:place], chain_id, tx_id, at_ms


def write_rows(heard: Iterable[Heard | None]) -> bytes:
    """What became of the counters, in their order."""
    return canonical([None if one is None else _row(one) for one in heard])


def read_rows(data: bytes) -> list[Heard | None]:
    """The same, read; a row that was verified there counts as verified here."""
    rows = read_json(data, size_max=FRAME_BYTES_MAX, depth_max=ROWS_DEPTH_MAX)
    assert isinstance(rows, list)
    return [_heard(row) if isinstance(row, list) else None for row in rows]


def _row(heard: Heard) -> list[Json]:
    message = heard.message
    return [heard.signer, heard.hash, *(getattr(message, name) for name in _MEMBERS)]


def _heard(row: Sequence[Json]) -> Heard:
    signer, said, *members = row
    message = CounterOffer(**dict(zip(_MEMBERS, members, strict=True)))  # type: ignore[arg-type]
    return Heard(message, str(signer), message.type, message.nonce, str(said))


def verified(item: Item, chains: Chains, limits: Limits) -> Heard | None:
    """A counter, verified; None for one that is not, whatever the reason."""
    raw, chain_id, tx_id, at_ms = item
    try:
        message = read_counter(raw)
        return hear_counter(message, chains, (chain_id, tx_id), at_ms=at_ms, limits=limits)
    except TreatyError:
        return None


def run(stream: BinaryIO) -> None:
    """Answer frame by frame until the node is gone."""
    chains, limits = read_setup(_frame(stream))
    _answer(stream, b"[]")
    while data := _frame(stream):
        _answer(stream, write_rows(verified(one, chains, limits) for one in read_items(data)))


def _frame(stream: BinaryIO) -> bytes:
    head = stream.read(_SIZE.size)
    return stream.read(_SIZE.unpack(head)[0]) if len(head) == _SIZE.size else b""


def _answer(stream: BinaryIO, data: bytes) -> None:
    stream.write(framed(data))
    stream.flush()


def main() -> None:
    """The process. Ctrl-C in a terminal is for the node, which ends this by hanging up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=sys.stdin.fileno()) as channel:
        run(cast(BinaryIO, channel.makefile("rwb")))
