"""The second process of a loaded node: signed messages in, verdicts out.

It speaks with its node over standard input, which is a pair of sockets. A frame is four bytes of
length and what follows. The first frame says for which chains and limits counters are verified,
if at all; then every frame of items is answered by one frame with one row each, null unless the
item was verified. An item begins with a letter for its kind:

* ``c``, a counter-offer: its row is the signer, the message hash and the members of the record;
* ``m``, a message of a session: its row is true.

It knows no secret key and no policy. Read next: ``verifying``, the node's end of it.
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from struct import Struct
from typing import BinaryIO, Final, cast

from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.dialect import Heard, hear_counter
from treaty.dialects.actp.forms import Limits
from treaty.dialects.actp.messages import CounterOffer
from treaty.dialects.actp.offers import read_counter
from treaty.dialects.asp.codec import decode
from treaty.dialects.asp.rules import authenticate
from treaty.errors import TreatyError
from treaty.identity.keys import PublicKey
from treaty.wire.canonical import Json, canonical, read_json

COUNTER: Final = b"c"
MESSAGE: Final = b"m"
TX_CHARS: Final = 66
KEY_BYTES: Final = 32
KEYS_KEPT: Final = 4_096
FRAME_BYTES_MAX: Final = 16 * 1_048_576
ROWS_DEPTH_MAX: Final = 1_000
"""More brackets than the rows of a frame have: they are flat, and from this program itself."""

_SIZE: Final = Struct("!I")
_COUNTER: Final = Struct("!QQ")
_MESSAGE: Final = Struct("!QH")
_MEMBERS: Final = tuple(one.name for one in fields(CounterOffer))


@dataclass(frozen=True, slots=True)
class Setup:
    """What a process has to know: for counters the chains and limits, else nothing."""

    chains: Chains | None = None
    limits: Limits | None = None


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


def write_setup(setup: Setup) -> bytes:
    """The first frame."""
    chains, limits = setup.chains, setup.limits
    if chains is None or limits is None:
        return canonical({})
    kernels: dict[str, Json] = {str(one): chains.kernel(one) for one in chains.ids}
    ages: list[Json] = [limits.max_counter_ttl_s, limits.skew_s, limits.grace_s]
    return canonical({"kernels": kernels, "limits": ages})


def read_setup(data: bytes) -> Setup:
    """The same, read."""
    setup = read_json(data)
    assert isinstance(setup, dict)
    if not setup:
        return Setup()
    kernels, ages = setup["kernels"], setup["limits"]
    assert isinstance(kernels, dict)
    assert isinstance(ages, list)
    chains = Chains({int(chain): str(kernel) for chain, kernel in kernels.items()})
    return Setup(chains, Limits(*(int(str(age)) for age in ages)))


def counter_item(raw: bytes, chain_id: int, tx_id: str, at_ms: int) -> bytes:
    """A counter as received, and where and when; the transaction is 66 ASCII characters."""
    return b"".join((COUNTER, _COUNTER.pack(at_ms, chain_id), tx_id.encode("ascii"), raw))


def message_item(raw: bytes, key: PublicKey, at_ms: int, base_url: str) -> bytes:
    """A session's message as received, by whom it must be, when it came, and whose host it is."""
    url = base_url.encode()
    return b"".join((MESSAGE, _MESSAGE.pack(at_ms, len(url)), key.raw, url, raw))


def write_items(items: Iterable[bytes]) -> bytes:
    """Items as the contents of one frame."""
    return b"".join(framed(one) for one in items)


def write_rows(rows: Iterable[Json]) -> bytes:
    """What became of the items, in their order."""
    return canonical(list(rows))


def read_rows(data: bytes) -> list[Json]:
    """The same, read."""
    rows = read_json(data, size_max=FRAME_BYTES_MAX, depth_max=ROWS_DEPTH_MAX)
    assert isinstance(rows, list)
    return rows


def heard_of(row: Json) -> Heard | None:
    """A counter of which the process says that it was verified; None for another row."""
    if not isinstance(row, list):
        return None
    signer, said, *members = row
    message = CounterOffer(**dict(zip(_MEMBERS, members, strict=True)))  # type: ignore[arg-type]
    return Heard(message, str(signer), message.type, message.nonce, str(said))


def verified(item: bytes, setup: Setup) -> Json:
    """The row of an item: null for one that is not verified, whatever the reason."""
    try:
        return _counter(item, setup) if item[:1] == COUNTER else _message(item)
    except TreatyError:
        return None


def _counter(item: bytes, setup: Setup) -> Json:
    if setup.chains is None or setup.limits is None:
        return None
    at_ms, chain_id = _COUNTER.unpack_from(item, 1)
    start = 1 + _COUNTER.size
    tx_id, raw = item[start : start + TX_CHARS].decode("ascii"), item[start + TX_CHARS :]
    place = (chain_id, tx_id)
    heard = hear_counter(read_counter(raw), setup.chains, place, at_ms=at_ms, limits=setup.limits)
    return [heard.signer, heard.hash, *(getattr(heard.message, name) for name in _MEMBERS)]


def _message(item: bytes) -> Json:
    at_ms, url_bytes = _MESSAGE.unpack_from(item, 1)
    start = 1 + _MESSAGE.size
    key = _key(item[start : start + KEY_BYTES])
    start += KEY_BYTES
    url = item[start : start + url_bytes].decode()
    authenticate(decode(item[start + url_bytes :]), key, received_at_ms=at_ms, base_url=url)
    return True


@lru_cache(maxsize=KEYS_KEPT)
def _key(raw: bytes) -> PublicKey:
    """A key and its name, which is a hash; the same few come with every message."""
    return PublicKey(raw)


def run(stream: BinaryIO) -> None:
    """Answer frame by frame until the node is gone."""
    setup = read_setup(_frame(stream))
    _answer(stream, ())
    while data := _frame(stream):
        _answer(stream, [verified(one, setup) for one in frames(bytearray(data))])


def _frame(stream: BinaryIO) -> bytes:
    head = stream.read(_SIZE.size)
    return stream.read(_SIZE.unpack(head)[0]) if len(head) == _SIZE.size else b""


def _answer(stream: BinaryIO, rows: Sequence[Json]) -> None:
    stream.write(framed(write_rows(rows)))
    stream.flush()


def main() -> None:
    """The process. Ctrl-C in a terminal is for the node, which ends this by hanging up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=sys.stdin.fileno()) as channel:
        run(cast(BinaryIO, channel.makefile("rwb")))
