"""Write ``peer.json`` and ``access/eth_account.json`` with the real peer, not with treaty.

Run it in an environment of its own with ``agirails==4.8.0`` (which brings ``eth-account``), and
give it a folder that holds the peer's two fixtures ``counter_offer_basic.json`` and
``counter_accept_basic.json``. Keys, kernel and time are those of the fixtures.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from agirails.builders import counter_accept, counter_offer, quote
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils import keccak

FOLDER = Path(__file__).parent / "vectors" / "actp"
NOW = 1_700_000_000
CHAIN = 84_532
KERNEL = "0x" + "AA" * 20
BUYER, SELLER = "0x" + "11" * 32, "0x" + "22" * 32
TX, REPLY = "0x" + "ab" * 32, "0x" + "cd" * 32
REQUEST = (
    ("txId", "bytes32"), ("chainId", "uint256"), ("consumer", "string"), ("service", "string"),
    ("amount", "string"), ("maxPrice", "string"), ("deadline", "uint256"), ("issuedAt", "uint256"),
)  # fmt: skip
READ = (("txId", "bytes32"), ("reader", "address"), ("issuedAt", "uint256"), ("chainId", "uint256"))
DOMAIN = (
    ("name", "string"), ("version", "string"), ("chainId", "uint256"),
    ("verifyingContract", "address"),
)  # fmt: skip

Vector = dict[str, Any]


def did(key: str, chain: int) -> str:
    """The spelling of the peer's own fixtures: mixed case."""
    return f"did:ethr:{chain}:{Account.from_key(key).address}"


def _digest(typed_data: dict[str, Any]) -> str:
    signable = encode_typed_data(full_message=typed_data)
    return "0x" + keccak(b"\x19\x01" + signable.header + signable.body).hex()


def _vector(name: str, kind: str, builder: Any, message: Any, key: str, digest: str) -> Vector:
    wire = message.to_dict()
    return {
        "name": name,
        "kind": kind,
        "domain": {"chainId": wire["chainId"], "verifyingContract": KERNEL},
        "message": wire,
        "expect": "ok",
        "digest": digest,
        "messageHash": builder.compute_hash(message),
        "signer": Account.from_key(key).address,
    }


def quote_vector(name: str, chain: int = CHAIN, **changes: Any) -> Vector:
    """A quote by the peer's builder."""
    builder = quote.QuoteBuilder(account=Account.from_key(SELLER))
    members = {"quoted_amount": "1500000", "original_amount": "500000", "max_price": "2000000"}
    message = builder.build(
        quote.QuoteParams(
            tx_id=TX, provider=did(SELLER, chain), consumer=did(BUYER, chain), chain_id=chain,
            kernel_address=KERNEL, **members | changes,
        )
    )  # fmt: skip
    digest = _digest(builder._typed_data(message, KERNEL))
    return _vector(name, "quote", builder, message, SELLER, digest)


def counter_vector(name: str, chain: int = CHAIN, **changes: Any) -> Vector:
    """A counter-offer by the peer's builder."""
    nonces = counter_offer.MessageNonceManager()
    builder = counter_offer.CounterOfferBuilder(BUYER, nonces)
    members = {"quoteAmount": "1500000", "counterAmount": "800000", "maxPrice": "2000000"}
    message = builder.build(
        counter_offer.CounterOfferParams(
            txId=TX, consumer=did(BUYER, chain), provider=did(SELLER, chain), inReplyTo=REPLY,
            chainId=chain, kernelAddress=KERNEL, **members | changes,
        )
    )  # fmt: skip
    digest = _digest(
        _typed("CounterOffer", builder._to_signed_shape(message), chain,
               counter_offer.AIP21_COUNTER_OFFER_TYPES)
    )  # fmt: skip
    return _vector(name, "counter_offer", builder, message, BUYER, digest)


def accept_vector(name: str, chain: int = CHAIN, amount: str = "800000") -> Vector:
    """An acceptance by the peer's builder."""
    nonces = counter_offer.MessageNonceManager()
    builder = counter_accept.CounterAcceptBuilder(SELLER, nonces)
    message = builder.build(
        counter_accept.CounterAcceptParams(
            txId=TX, provider=did(SELLER, chain), consumer=did(BUYER, chain),
            acceptedAmount=amount, inReplyTo=REPLY, chainId=chain, kernelAddress=KERNEL,
        )
    )  # fmt: skip
    digest = _digest(builder._build_typed_data(message, KERNEL))
    return _vector(name, "counter_accept", builder, message, SELLER, digest)


def fixture_vector(path: Path, kind: str, digest: str) -> Vector:
    """One of the peer's fixtures, made by its TypeScript SDK; its digest as published."""
    fixture = json.loads(path.read_text(encoding="utf-8"))
    return {
        "name": f"peer_ts_{fixture['label']}",
        "kind": kind,
        "domain": {"chainId": CHAIN, "verifyingContract": fixture["kernelAddress"]},
        "message": fixture["message"],
        "expect": "ok",
        "digest": digest,
        "messageHash": fixture["expectedHash"],
        "signer": fixture["expectedSigner"],
    }


def _typed(primary: str, message: dict[str, Any], chain: int, types: Any) -> dict[str, Any]:
    listed = [{"name": name, "type": kind} for name, kind in DOMAIN]
    return {
        "types": {"EIP712Domain": listed, **types},
        "primaryType": primary,
        "domain": {
            "name": "AGIRAILS", "version": "1", "chainId": chain, "verifyingContract": KERNEL,
        },
        "message": message,
    }  # fmt: skip


def plain_vector(name: str, kind: str, primary: str, layout: Any, message: Vector) -> Vector:
    """A record that the peer does not know, signed by eth-account from its type alone."""
    types = {primary: [{"name": member, "type": kind} for member, kind in layout]}
    typed_data = _typed(primary, message, message["chainId"], types)
    signed = Account.from_key(BUYER).sign_message(encode_typed_data(full_message=typed_data))
    return {
        "name": name,
        "kind": kind,
        "domain": {"chainId": message["chainId"], "verifyingContract": KERNEL},
        "message": message | {"signature": "0x" + bytes(signed.signature).hex()},
        "expect": "ok",
        "digest": _digest(typed_data),
        "signer": Account.from_key(BUYER).address,
    }


def access_vectors() -> list[Vector]:
    """A request and two reads."""
    reader = Account.from_key(BUYER).address.lower()
    request = {
        "txId": TX, "chainId": CHAIN, "consumer": did(BUYER, CHAIN), "service": "translate",
        "amount": "500000", "maxPrice": "2000000", "deadline": NOW + 86_400, "issuedAt": NOW,
    }  # fmt: skip
    read = {"txId": TX, "reader": reader, "issuedAt": NOW * 1000, "chainId": CHAIN}
    return [
        plain_vector("eth_account_request", "request", "QuoteRequest", REQUEST, request),
        plain_vector("eth_account_read", "read", "QuoteRead", READ, read),
        plain_vector("eth_account_inbox", "read", "QuoteRead", READ,
                     read | {"txId": "0x" + "0" * 64}),
    ]  # fmt: skip


def peer_vectors(fixtures: Path) -> list[Vector]:
    """Everything in ``peer.json``."""
    said = counter_offer.CounterOfferJustification(
        "Marktüblich – 市場價格 \U0001f600", 0.75, {"größe": [1e-7, -0.0, 1e21, 180.0, None]}
    )
    words = {"reason": "GPU, Größe 市 \U0001f600", "estimatedTime": 40, "computeCost": 1e-7}
    return [
        fixture_vector(fixtures / "counter_offer_basic.json", "counter_offer",
                       "0x8ce0911c9c96074ee1d78a8126630df9d4229130f0eae2256b488179ea6df6f1"),
        fixture_vector(fixtures / "counter_accept_basic.json", "counter_accept",
                       "0x710ce121aef4e50e9e8b048fa27b57baba36b50bc52ec04f1f7125c7923b3b49"),
        quote_vector("peer_py_quote"),
        quote_vector("peer_py_quote_justified", justification=words),
        quote_vector("peer_py_quote_empty_justification", justification={}),
        quote_vector("peer_py_quote_mainnet", 8_453, expires_at=NOW + 86_400),
        counter_vector("peer_py_counter"),
        counter_vector("peer_py_counter_justified", justification=said),
        counter_vector("peer_py_counter_mainnet", 8_453),
        counter_vector("peer_py_counter_minimum", counterAmount="50000"),
        accept_vector("peer_py_accept"),
        accept_vector("peer_py_accept_mainnet", 8_453, "1000000000000000"),
    ]  # fmt: skip


def main() -> None:
    """Write both files; the peer reads the clock, so it is given a fixed one."""
    time.time = lambda: float(NOW)
    for name, vectors in {
        "peer.json": peer_vectors(Path(sys.argv[1])),
        "access/eth_account.json": access_vectors(),
    }.items():
        (FOLDER / name).write_text(json.dumps(vectors, indent=1) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
