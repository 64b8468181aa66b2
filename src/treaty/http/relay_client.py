"""A relay over HTTP, as a party reaches it: leave envelopes, and hear what others left.

Laws:

1. Each message is decoded strictly and verified before anybody hears of it, its transaction is
   the one it was left under, and it is heard once: repeats are found by hash and signer, after
   verification, so nothing forged can hide the genuine message. What does not verify is passed
   over; the relay need not be trusted.
2. The cursor is kept where the caller says, and moves on only after the subscriber was told, so
   whoever is killed in between hears a message again rather than never. A subscriber's error is
   its own affair and stops nobody, except ``UnavailableError``, which has it told again later.
3. A relay that cannot be reached, or refuses, is asked again in a moment. Reads are signed anew
   each time; a relay of the peer's takes them without looking.

Read next: ``treaty.engine.relay``.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import httpx

from treaty.dialects.actp import rules
from treaty.dialects.actp.builders import build_read
from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.choices import TTL_MOST_S, ZERO_HASH
from treaty.dialects.actp.codec import decode_envelope, encode_read
from treaty.dialects.actp.dids import make_did
from treaty.dialects.actp.forms import Limits
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import Message
from treaty.engine.ports import Store, Unit
from treaty.errors import TreatyError, UnavailableError, WireError, shown
from treaty.http.quote_client import ANSWER_S, CONNECT_S, check_url, fetch, refusal
from treaty.identity.accounts import ContractAccounts
from treaty.identity.secp256k1 import DigestSigner
from treaty.wire import fields
from treaty.wire.canonical import Json, canonical, read_json

POLL_S: Final = 1.5
HEARD_MAX: Final = 4_096
PAGE_BYTES_MAX: Final = 8 * 1_048_576
_LIMITS: Final = Limits(max_counter_ttl_s=TTL_MOST_S)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A verified message as the relay gave it."""

    cursor: int
    tx_id: str
    received_at: str
    message: Message
    envelope: dict[str, Json]


Told = Callable[[Delivered], Awaitable[None]]


class RelayClient:
    """One relay, reached as one account."""

    def __init__(
        self,
        base_url: str,
        signer: DigestSigner,
        *,
        chains: Chains,
        chain_id: int,
        clock: Callable[[], int],
        store: Store,
        transport: httpx.AsyncBaseTransport | None = None,
        contracts: ContractAccounts | None = None,
        complain: Callable[[str], None] = lambda _text: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._base = check_url(base_url)
        self._signer = signer
        self._chains = chains
        self._chain_id = chain_id
        self._clock = clock
        self._store = store
        self._contracts = contracts
        self._complain = complain
        self._sleep = sleep
        self._issued_ms = 0
        self._heard: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._http = httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            headers={"accept-encoding": "identity", "user-agent": "treaty"},
        )

    async def post(self, tx_id: str, raw: bytes) -> None:
        """Leave an envelope; leaving it twice is harmless.

        Raises what the relay refuses with, and ``UnavailableError``.
        """
        url = f"{self._base}/api/v1/negotiations/{quote(tx_id, safe='')}/messages"
        headers = {"content-type": "application/json"}
        status, answer = await fetch(self._http, "POST", url, body=raw, headers=headers)
        if not 200 <= status < 300:
            raise refusal(self._base, status, _document(answer))

    async def pause(self) -> None:
        """Wait until it is time to look again."""
        await self._sleep(POLL_S)

    async def poll_transaction(self, tx_id: str, told: Told) -> int:
        """Hear once what is new in a transaction; how many messages that were."""
        path = f"/{quote(tx_id, safe='')}/messages"
        return await self._poll(path, tx_id, told, f"tx/{tx_id}")

    async def poll_inbox(self, told: Told) -> int:
        """Hear once what is new for this account; how many messages that were."""
        did = make_did(self._chain_id, self._signer.address)
        return await self._poll(f"/inbox/{quote(did, safe='')}", None, told, f"inbox/{did}")

    async def subscribe_inbox(self, told: Told) -> None:
        """Hear what comes for this account, until cancelled."""
        while True:
            heard = 0
            try:
                heard = await self.poll_inbox(told)
            except UnavailableError as error:
                self._complain(f"what was left is heard later ({error.detail})")
            if not heard:
                await self.pause()

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    async def _poll(self, path: str, tx_id: str | None, told: Told, name: str) -> int:
        setting = f"relay/{self._base}/{self._signer.address}/{name}"[:1_024]
        after = await self._cursor(setting)
        try:
            page = await self._page(path, tx_id, after)
        except TreatyError as error:
            self._complain(f"the relay {self._base} gives nothing ({error.code}: {error.detail})")
            return 0
        heard = 0
        for item in page:
            cursor, one = self._read(item, tx_id, after)
            if cursor is None:
                break
            if one is not None and self._is_new(one, name):
                heard += await self._tell(told, one)
                self._remember(one, name)
            await self._store.commit(Unit(settings=((setting, canonical(cursor)),)))
            after = cursor
        return heard

    async def _cursor(self, setting: str) -> int:
        stored = await self._store.setting(setting)
        cursor = 0 if stored is None else read_json(stored)
        return cursor if type(cursor) is int and cursor >= 0 else 0

    async def _page(self, path: str, tx_id: str | None, after: int) -> list[Json]:
        url = f"{self._base}/api/v1/negotiations{path}?after={after}"
        headers = {"authorization": self._reading(tx_id)}
        status, answer = await fetch(
            self._http, "GET", url, headers=headers, bytes_max=PAGE_BYTES_MAX
        )
        document = _document(answer)
        if not 200 <= status < 300:
            raise refusal(self._base, status, document)
        if not isinstance(document, dict):
            raise UnavailableError(f"{self._base} is no relay")
        return fields.items(document, "messages", most=1_000)

    def _reading(self, tx_id: str | None) -> str:
        """A fresh proof; each is used once, so no two have the same instant."""
        self._issued_ms = max(self._issued_ms + 1, self._clock())
        read = build_read(
            self._chains,
            self._signer,
            tx_id=ZERO_HASH if tx_id is None else tx_id,
            chain_id=self._chain_id,
            at_ms=self._issued_ms,
        )
        return encode_read(read)

    def _read(
        self, item: Json, tx_id: str | None, after: int
    ) -> tuple[int | None, Delivered | None]:
        """A line of a page: its cursor, and the message when it is genuine.

        Without a cursor that goes forward the rest of the page is worth nothing.
        """
        if not isinstance(item, Mapping):
            return None, None
        text = item.get("cursor")
        digits = str(text) if type(text) is int else text
        if not isinstance(digits, str) or not (digits.isascii() and digits.isdigit()):
            return None, None
        cursor = int(digits) if len(digits) <= 16 else -1
        if not after < cursor <= fields.INTEGER_MAX:
            return None, None
        try:
            return cursor, self._verified(item, cursor, tx_id)
        except TreatyError as error:
            self._complain(f"message {cursor} is passed over ({error.code}: {error.detail})")
            return cursor, None

    def _verified(self, item: Mapping[str, Json], cursor: int, tx_id: str | None) -> Delivered:
        envelope = fields.obj(item, "envelope")
        message = decode_envelope(envelope)
        stated = fields.text(item, "txId").lower() if tx_id is None else tx_id
        rules.verify(
            message,
            self._chains,
            at_ms=self._clock(),
            place=rules.Place(message.chain_id, stated),
            limits=_LIMITS,
            contracts=self._contracts,
        )
        received = item.get("receivedAt")
        return Delivered(cursor, message.tx_id, str(received)[:64], message, envelope)

    def _is_new(self, one: Delivered, name: str) -> bool:
        return _identity(one, name) not in self._heard

    def _remember(self, one: Delivered, name: str) -> None:
        self._heard[_identity(one, name)] = None
        while len(self._heard) > HEARD_MAX:
            self._heard.popitem(last=False)

    async def _tell(self, told: Told, one: Delivered) -> bool:
        try:
            await told(one)
        except UnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - a subscriber's mistake stops nobody else.
            self._complain(f"a subscriber failed at message {one.cursor}: {shown(str(error))}")
        return True


def _identity(one: Delivered, name: str) -> tuple[str, str, str]:
    # Verified, so the party that had to sign it is the one that did.
    return name, one.message.type, message_hash(one.message)


def _document(answer: bytes) -> Json:
    try:
        return read_json(answer, size_max=PAGE_BYTES_MAX)
    except WireError:
        return None
