"""Types, hashes and domains are those of the protocol, byte for byte."""

from __future__ import annotations

from dataclasses import fields as members_of
from dataclasses import replace

import pytest

from tests.dialects.actp.messages_made import CHAIN, CHAINS, accept, counter, quote
from treaty.dialects.actp import typed
from treaty.dialects.actp.builders import build_read, build_request
from treaty.dialects.actp.chains import KNOWN_KERNELS, MOCK, Chains
from treaty.errors import WireError
from treaty.identity.eip712 import type_hash
from treaty.identity.secp256k1 import EvmSigner

SIGNER = EvmSigner(b"\x11" * 32)


@pytest.mark.parametrize(
    ("found", "published"),
    [
        (typed.QUOTE_HASH, "92eeabb0b3570e7575be725ce23cedbfeda34fd24e40e4c61e30c75879be12e0"),
        (typed.COUNTER_HASH, "74d540233821cd0e40ff504b01fdf1440968a3571f3d38c76084ad54e609b047"),
        (typed.ACCEPT_HASH, "053f69301a61dcf7eb256ac119031ca654219b394b79a71e0ed25e06ded04b2a"),
    ],
)
def test_the_type_hashes_of_the_three_messages(found: bytes, published: str) -> None:
    """1.2; the quote's is the one that its type string has, not the one AIP-2 prints."""
    assert found.hex() == published


def test_the_types_of_requests_and_reads() -> None:
    assert (
        type_hash(
            "QuoteRequest(bytes32 txId,uint256 chainId,string consumer,string service,"
            "string amount,string maxPrice,uint256 deadline,uint256 issuedAt)"
        )
        == typed.REQUEST_HASH
    )
    assert (
        type_hash("QuoteRead(bytes32 txId,address reader,uint256 issuedAt,uint256 chainId)")
        == typed.READ_HASH
    )


UNSIGNED = {"signature", "version", "type"}


@pytest.mark.parametrize(
    "message",
    [
        quote(justification={"a": 1}),
        counter(justification={"a": 1}),
        accept(),
        build_request(
            CHAINS, SIGNER, tx_id="0x" + "ab" * 32, chain_id=CHAIN, service="x", amount=50_000,
            max_price=50_000, deadline=1, at_ms=1,
        ),
        build_read(CHAINS, SIGNER, tx_id="0x" + "ab" * 32, chain_id=CHAIN, at_ms=1),
    ],
    ids=lambda message: type(message).__name__,
)  # fmt: skip
def test_every_member_but_type_and_version_is_signed(message) -> None:
    other = {"tx_id": "0x" + "99" * 32, "in_reply_to": "0x" + "99" * 32, "reader": "0x" + "9" * 40}
    before = typed.struct_of(message)
    for member in members_of(message):
        old = getattr(message, member.name)
        new = old + 1 if isinstance(old, int) else {"b": 1} if isinstance(old, dict) else f"{old}9"
        changed = typed.struct_of(replace(message, **{member.name: other.get(member.name, new)}))

        assert (changed == before) is (member.name in UNSIGNED), member.name


def test_a_digest_is_of_one_domain() -> None:
    message = counter()
    digests = {
        typed.digest_of(message, chains.separator(CHAIN))
        for chains in (CHAINS, MOCK, Chains(KNOWN_KERNELS))
    }

    assert len(digests) == 3


@pytest.mark.parametrize(
    "change", [{"tx_id": "0xab"}, {"decimals": 256}, {"nonce": -1}, {"consumer": "\ud800"}]
)
def test_what_a_type_cannot_hold_has_no_digest(change: dict[str, object]) -> None:
    with pytest.raises(WireError):
        typed.struct_of(replace(counter(), **change))
