"""What is sent: lawful messages, spoilt in their bytes, their JSON, their figures, their size.

Everything follows from one seed. A third of the bodies are signed for what they say after they
were spoilt, so that they get past the signature and reach policy, nonces and the store.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from treaty.dialects.actp import codec
from treaty.dialects.actp.builders import CounterOfferBuilder, build_read, build_request
from treaty.dialects.actp.chains import BASE_SEPOLIA, MOCK
from treaty.dialects.actp.dids import checksummed, make_did
from treaty.dialects.actp.messages import CounterOffer
from treaty.dialects.actp.typed import digest_of
from treaty.errors import TreatyError
from treaty.identity.secp256k1 import EvmSigner
from treaty.wire.digest import sha256

CHAIN = BASE_SEPOLIA
PROVIDER = EvmSigner(b"\x22" * 32)
BUYERS = tuple(EvmSigner(sha256(b"fuzz %d" % number)) for number in range(16))

HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 1.5, -0.0, 1e308, 2**53, 2**64, 2**256, -(2**300), 10**400,
    "", "0", "00", "-1", "1e3", "1.0", "\u0661\u0662", "1\n", " 1", "0x", "0x" + "0" * 64,
    "0X" + "A" * 64, "0x" + "g" * 64, "did:ethr:", "did:ethr:84532:0x", "did:web:x",
    "\x00", "\ufeff", "\ud800", "\U0001f600" * 40, "A" * 5_000, [], {}, [[]], {"": {}},
    {"__proto__": 1}, [1] * 500, "NaN", "agirails.counteroffer.v1", "agirails.quote.v1",
)  # fmt: skip
RAW = (
    b"", b"{", b"null", b"[]", b"0", b'""', b"\xff\xfe", b"\xef\xbb\xbf{}", b"{}" * 3, b"NaN",
    b'{"type":1e999}', b"[" * 30_000, b'{"a":' * 5_000 + b"1" + b"}" * 5_000, b"1" * 60_000,
    b'{"message":' + b"9" * 5_000 + b"}", b'"' + b"\\ud800" * 500 + b'"', b" " * 65_537,
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    """One request, as an application receives it."""

    method: str
    path: str
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Maker:
    """Makes requests, each from the last state of one random source."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._number = 0
        self._kept: list[CounterOffer] = []

    def request(self, at_ms: int) -> Request:
        """The next request, at this time."""
        kinds: tuple[Callable[[int], Request], ...] = (
            self._spoilt_bytes, self._spoilt_json, self._signed, self._signed, self._raw,
            self._again, self._asking, self._reading, self._elsewhere,
        )  # fmt: skip
        return self.random.choice(kinds)(at_ms)

    def _counter(self, at_ms: int) -> CounterOffer:
        self._number += 1
        return CounterOfferBuilder(MOCK, self.random.choice(BUYERS)).build(
            tx_id="0x" + self.random.randbytes(32).hex(),
            provider=make_did(CHAIN, PROVIDER.address),
            quote_amount=1_500_000,
            counter_amount=self.random.choice((600_000, 1_000_000, 1_400_000)),
            max_price=2_000_000,
            in_reply_to="0x" + "bb" * 32,
            chain_id=CHAIN,
            nonce=self._number,
            at_ms=at_ms,
        )

    def _post(self, counter: CounterOffer, body: bytes | None = None) -> Request:
        path = f"/quote-channel/{CHAIN}/{counter.tx_id}"
        return Request("POST", path, codec.encode(counter) if body is None else body)

    def _spoilt_bytes(self, at_ms: int) -> Request:
        counter = self._counter(at_ms)
        body = bytearray(codec.encode(counter))
        for _ in range(self.random.randint(1, 4)):
            place = self.random.randrange(len(body) + 1)
            match self.random.randrange(4):
                case 0:
                    body[place:place] = self.random.randbytes(self.random.randint(1, 9))
                case 1:
                    del body[place : place + self.random.randint(1, 30)]
                case 2:
                    body[place : place + 1] = self.random.randbytes(1)
                case _:
                    start = self.random.randrange(len(body) + 1)
                    body[place:place] = body[start : start + 80]
        return self._post(counter, bytes(body))

    def _spoilt_json(self, at_ms: int) -> Request:
        counter = self._counter(at_ms)
        envelope = json.loads(codec.encode(counter))
        inside = self.random.random() < 0.8
        target = envelope["message"] if inside else envelope
        name = self.random.choice([*target, "justification", "extra", "\ud83d"])
        if self.random.random() < 0.2:
            target.pop(name, None)
        else:
            target[name] = self.random.choice(HOSTILE)
        return self._post(counter, json.dumps(envelope).encode())

    def _signed(self, at_ms: int) -> Request:
        """Another figure, and a signature for it."""
        counter = self._counter(at_ms)
        changes: dict[str, Any] = {
            "counter_amount": str(self.random.choice((0, 1, 49_999, 50_000, 10**15, 10**80))),
            "quote_amount": str(self.random.randrange(10**7)),
            "max_price": str(self.random.randrange(10**7)),
            "consumer": f"did:ethr:{CHAIN}:{checksummed(self.random.choice(BUYERS).address)}",
            "provider": make_did(CHAIN, self.random.choice(BUYERS).address),
            "expires_at": at_ms // 1000 + self.random.randint(-100, 100_000),
            "countered_at": self.random.randrange(2**40),
            "nonce": self.random.choice((0, 1, 2**53, 2**53 - 1, 7)),
            "currency": self.random.choice(("USDC", "EUR", "")),
            "decimals": self.random.randrange(256),
            "in_reply_to": "0x" + self.random.randbytes(32).hex(),
            "version": self.random.choice(("1.0.0", "9.9.9", "1", "1.0.0\n")),
            "justification": self.random.choice(({}, {"reason": "\u5e02"}, {"a": 1e-7}, None)),
            "tx_id": self.random.choice(self._kept).tx_id if self._kept else counter.tx_id,
        }
        for name in self.random.sample(sorted(changes), self.random.randint(0, 2)):
            counter = replace(counter, **{name: changes[name]})
        signer = self.random.choice(BUYERS)
        for one in BUYERS:
            if one.address in counter.consumer.lower():
                signer = one
        try:
            digest = digest_of(counter, MOCK.separator(CHAIN))
            counter = replace(counter, signature="0x" + signer.sign_digest(digest).hex())
            body = codec.encode(counter)
        except TreatyError:
            return self._raw(at_ms)
        self._keep(counter)
        return self._post(counter, body)

    def _keep(self, counter: CounterOffer) -> None:
        self._kept.append(counter)
        del self._kept[:-64]

    def _again(self, at_ms: int) -> Request:
        """Something from before, perhaps at the recipe's address."""
        if not self._kept:
            return self._signed(at_ms)
        counter = self.random.choice(self._kept)
        if self.random.random() < 0.3:
            return self._other_under_the_same_nonce(counter)
        if self.random.random() < 0.5:
            return self._post(counter)
        body = json.dumps(codec.document_of(counter)).encode()
        return Request("POST", "/actp/counter-offer", body)

    def _other_under_the_same_nonce(self, counter: CounterOffer) -> Request:
        signer = self.random.choice(BUYERS)
        counter = replace(
            counter,
            consumer=make_did(CHAIN, signer.address),
            provider=make_did(CHAIN, PROVIDER.address),
            counter_amount=str(self.random.randrange(50_000, 1_500_000)),
        )
        try:
            digest = digest_of(counter, MOCK.separator(CHAIN))
        except TreatyError:
            return self._post(counter)
        signature = "0x" + signer.sign_digest(digest).hex()
        return self._post(replace(counter, signature=signature))

    def _asking(self, at_ms: int) -> Request:
        """A request for a quote, whole or spoilt."""
        request = build_request(
            MOCK,
            self.random.choice(BUYERS),
            tx_id="0x" + self.random.randbytes(32).hex(),
            chain_id=CHAIN,
            service=self.random.choice(("text", "x" * 128)),
            amount=self.random.choice((50_000, 600_000, 10**15)),
            max_price=10**15,
            deadline=at_ms // 1000 + 86_400,
            at_ms=at_ms + self.random.choice((0, 0, -70_000)),
        )
        document = json.loads(codec.encode_request(request))
        if self.random.random() < 0.7:
            document[self.random.choice([*document, "x"])] = self.random.choice(HOSTILE)
        return Request("POST", "/actp/quote-requests", json.dumps(document).encode())

    def _reading(self, at_ms: int) -> Request:
        """A read, its header whole or spoilt."""
        tx_id = self.random.choice(self._kept).tx_id if self._kept else "0x" + "0" * 64
        signer = self.random.choice(BUYERS)
        read = build_read(MOCK, signer, tx_id=tx_id, chain_id=CHAIN, at_ms=at_ms)
        header = bytearray(codec.encode_read(read).encode())
        if self.random.random() < 0.7:
            header[self.random.randrange(len(header))] = self.random.randrange(33, 127)
        headers = ((b"authorization", bytes(header)),) * self.random.choice((0, 1, 1, 1, 2))
        return Request("GET", f"/quote-channel/{CHAIN}/{tx_id}", b"", headers)

    def _elsewhere(self, at_ms: int) -> Request:
        """A lawful body at an address that is not its own."""
        part = self.random.choice(("x", "%00", "0x", "..", "0x" + "f" * 64, "9" * 400, "-1", "%ff"))
        chain = self.random.choice((str(CHAIN), part, "8453", "1"))
        path = f"/quote-channel/{chain}/{part}"
        return replace(self._post(self._counter(at_ms)), path=path)

    def _raw(self, at_ms: int) -> Request:
        body = self.random.choice(RAW)
        if self.random.random() < 0.5:
            body = self.random.randbytes(self.random.randrange(2_000))
        path = self.random.choice(
            (f"/quote-channel/{CHAIN}/0x{'a' * 64}", "/actp/counter-offer", "/actp/quote-requests")
        )
        return Request(self.random.choice(("POST", "POST", "GET", "PUT")), path, body)
