"""Verification: the peer's order, one reason each, and nothing but the signer's own words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.dialects.actp.messages_made import (
    AT_MS,
    BUYER,
    CHAIN,
    CHAINS,
    KERNEL,
    NOW,
    OTHER_TX,
    SELLER,
    STRANGER,
    TX,
    accept,
    counter,
    did,
    quote,
    signed,
)
from treaty.dialects.actp.builders import build_read, build_request
from treaty.dialects.actp.chains import MOCK, Chains
from treaty.dialects.actp.forms import Limits
from treaty.dialects.actp.rules import (
    Place,
    verify,
    verify_accept,
    verify_counter,
    verify_quote,
    verify_read,
    verify_request,
)
from treaty.errors import MisuseError, SignatureError, TreatyError
from treaty.identity.secp256k1 import ORDER

PLACE = Place(CHAIN, TX)


def reason(
    message: Any, *, at_s: int = NOW, chains: Chains = CHAINS, **how: Any
) -> tuple[str, int]:
    """The reason a message is refused for, with its status."""
    with pytest.raises(TreatyError) as refusal:
        verify(message, chains, at_ms=at_s * 1000, **how)
    return refusal.value.code, refusal.value.reason.status


def offer(**changes: Any) -> Any:
    """A counter with changed members, signed as it stands."""
    return signed(replace(counter(), **changes), BUYER)


@pytest.mark.parametrize(
    ("message", "signer"), [(quote(), SELLER), (counter(), BUYER), (accept(), SELLER)]
)
def test_each_message_is_verified_as_its_signers(message: Any, signer: Any) -> None:
    verified = verify(message, CHAINS, at_ms=AT_MS, place=PLACE)

    assert verified.value is message
    assert verified.account == signer.address
    assert not verified.by_contract


def test_the_three_functions_are_those_that_verify_chooses() -> None:
    assert verify_quote(quote(), CHAINS, at_ms=AT_MS) == verify(quote(), CHAINS, at_ms=AT_MS)
    assert verify_counter(counter(), CHAINS, at_ms=AT_MS) == verify(counter(), CHAINS, at_ms=AT_MS)
    assert verify_accept(accept(), CHAINS, at_ms=AT_MS) == verify(accept(), CHAINS, at_ms=AT_MS)


def test_a_message_with_every_fault_is_refused_in_the_peers_order() -> None:
    """2.1: path, chain, 410, form, signature, band, expiry and skew; faults mended one by one."""
    at_s = NOW + 10_000
    message = replace(
        counter(), chain_id=1, tx_id="0x" + "AB" * 32, counter_amount="49999", countered_at=NOW * 2
    )

    assert reason(message, place=PLACE, at_s=at_s) == ("path_mismatch", 400)
    assert reason(message, place=Place(1, OTHER_TX), at_s=at_s) == ("path_mismatch", 400)
    assert reason(message, place=Place(1, TX), at_s=at_s) == ("chain_unsupported", 400)
    message = replace(message, chain_id=CHAIN)
    assert reason(message, place=PLACE, at_s=at_s) == ("message_expired", 410)
    message = replace(message, expires_at=NOW * 2 + 10)
    assert reason(message, place=PLACE, at_s=at_s) == ("schema_invalid", 422)
    message = replace(message, tx_id=TX)
    assert reason(message, place=PLACE, at_s=at_s) == ("signature_invalid", 401)
    message = signed(message, BUYER)
    assert reason(message, place=PLACE, at_s=at_s) == ("amount_below_minimum", 422)
    message = signed(replace(message, counter_amount="1500000"), BUYER)
    assert reason(message, place=PLACE, at_s=at_s) == ("counter_not_below_quote", 422)
    message = signed(replace(message, counter_amount="800000"), BUYER)
    assert reason(message, place=PLACE, at_s=at_s) == ("created_in_future", 422)
    message = signed(replace(message, countered_at=at_s, expires_at=at_s + 3600), BUYER)
    assert verify(message, CHAINS, at_ms=at_s * 1000, place=PLACE).account == BUYER.address


def test_the_address_may_be_spelled_in_upper_case_but_the_message_not() -> None:
    """9.4: upper-case hex has the same digest and another message hash."""
    shouted = Place(CHAIN, "0x" + TX[2:].upper())

    assert verify(counter(), CHAINS, at_ms=AT_MS, place=shouted)
    assert reason(replace(counter(), tx_id=shouted.tx_id), place=shouted)[0] == "schema_invalid"


@pytest.mark.parametrize(
    ("late_s", "said"),
    [(0, None), (1, "offer_expired"), (30, "offer_expired"), (31, "message_expired")],
)
def test_the_grace_only_chooses_the_status(late_s: int, said: str | None) -> None:
    """1.7: nothing is accepted after its expiry; 422 for thirty seconds, then 410."""
    for message in (counter(), quote()):
        if said is None:
            assert verify(message, CHAINS, at_ms=(NOW + 3600) * 1000)
        else:
            assert reason(message, at_s=NOW + 3600 + late_s)[0] == said


def test_milliseconds_do_not_shorten_the_last_second() -> None:
    assert verify(counter(), CHAINS, at_ms=(NOW + 3600) * 1000 + 999)


def test_w10_a_counter_lives_no_longer_than_is_configured() -> None:
    """The peer verifies messages that live for ten years."""
    year = offer(expires_at=NOW + 315_360_000)
    day = offer(expires_at=NOW + 86_400)

    assert reason(year) == reason(day) == ("ttl_exceeded", 422)
    assert verify(day, CHAINS, at_ms=AT_MS, limits=Limits(max_counter_ttl_s=86_400))
    assert reason(year, limits=Limits(max_counter_ttl_s=86_400))[0] == "ttl_exceeded"
    assert reason(counter(), limits=Limits(max_counter_ttl_s=3_599))[0] == "ttl_exceeded"


@pytest.mark.parametrize("ttl_s", [0, -1, 86_401])
def test_no_configuration_lifts_the_cap(ttl_s: int) -> None:
    with pytest.raises(MisuseError):
        Limits(max_counter_ttl_s=ttl_s)


def test_a_refusal_for_its_life_says_how_long_it_may_be() -> None:
    with pytest.raises(TreatyError) as refusal:
        verify(offer(expires_at=NOW + 7_200), CHAINS, at_ms=AT_MS)

    assert refusal.value.data == {"max_ttl": 3_600}


ALIKE = (
    "0800000", "800000\n", "\u0668\u0660\u0660\u0660\u0660\u0660", "8e5", "+800000", "800000.0",
    " 800000", "", "800_000",
)  # fmt: skip


@pytest.mark.parametrize("text", ALIKE)
def test_w14_texts_that_read_alike_are_not_amounts(text: str) -> None:
    """1.7: a Python regex lets other digits and a newline through; all are signed here."""
    assert reason(offer(counter_amount=text)) == ("schema_invalid", 422)
    assert reason(signed(replace(quote(), quoted_amount=text), SELLER))[0] == "schema_invalid"
    assert reason(signed(replace(accept(), accepted_amount=text), SELLER))[0] == "schema_invalid"


@pytest.mark.parametrize(
    "version", ["9.9.9", "1.0.0\n", "1.0", "1.0.0.0", "123.456.7890", "v1.0.0"]
)
def test_w14_a_version_is_three_numbers_in_eleven_bytes(version: str) -> None:
    """It is not signed, so another one is believed; it changes the message hash all the same."""
    message = replace(counter(), version=version)

    if version == "9.9.9":
        assert verify(message, CHAINS, at_ms=AT_MS)
    else:
        assert reason(message)[0] == "schema_invalid"


def test_w15_one_signature_has_one_account_however_it_is_spelled() -> None:
    """The twin with a high s is refused; upper case and the other v are the same 65 bytes."""
    message = counter()
    signature = bytes.fromhex(message.signature[2:])
    s = (ORDER - int.from_bytes(signature[32:64], "big")).to_bytes(32, "big")
    twin = signature[:32] + s + bytes((55 - signature[64],))
    small = signature[:64] + bytes((signature[64] - 27,))

    assert reason(replace(message, signature="0x" + twin.hex()))[0] == "signature_invalid"
    for other in ("0x" + small.hex(), "0x" + signature.hex().upper()):
        again = verify(replace(message, signature=other), CHAINS, at_ms=AT_MS)
        assert again.digest == verify(message, CHAINS, at_ms=AT_MS).digest


def test_a_signature_has_the_length_of_a_keys() -> None:
    for text in ("", "0x", "11" * 65, "0x" + "11" * 64, "0x" + "11" * 66, "0x" + "1" * 131):
        assert reason(replace(counter(), signature=text)) == ("signature_malformed", 422), text


def test_a_contract_account_signs_in_its_own_way() -> None:
    """9.8: ECDSA first, then the account's code; without a chain such a message is refused."""
    wallet = "0x" + "42" * 20
    asked = []

    def contracts(chain_id: int, account: str, digest: bytes, signature: bytes) -> bool:
        asked.append((chain_id, account))
        return signature == b"\xaa" * 130

    message = replace(
        counter(), consumer=did(BUYER)[:-40] + wallet[2:], signature="0x" + "aa" * 130
    )

    verified = verify(message, CHAINS, at_ms=AT_MS, contracts=contracts)
    assert (verified.account, verified.by_contract) == (wallet, True)
    assert asked == [(CHAIN, wallet)]
    assert reason(message)[0] == "signature_malformed"
    assert reason(replace(message, signature="0x" + "ab" * 130), contracts=contracts)[0] == (
        "signature_invalid"
    )
    assert reason(replace(message, signature="0x" + "aa" * 1_025), contracts=contracts)[0] == (
        "signature_malformed"
    )


def test_only_the_named_party_signs() -> None:
    """Attack 1 and W4: a stranger's, the other party's, another kernel's, the mock's."""
    assert reason(signed(counter(), STRANGER))[0] == "signature_invalid"
    assert reason(signed(counter(), SELLER))[0] == "signature_invalid"
    assert reason(signed(accept(), BUYER))[0] == "signature_invalid"
    assert reason(counter(), chains=MOCK)[0] == "signature_invalid"
    assert reason(counter(), chains=Chains({CHAIN: "0x" + "bb" * 20}))[0] == "signature_invalid"


def test_attack_14_a_testnet_message_is_nothing_on_mainnet() -> None:
    mainnet = Chains({8453: KERNEL})

    assert reason(counter(), chains=mainnet) == ("chain_unsupported", 400)
    assert reason(replace(counter(), chain_id=8453), chains=mainnet)[0] == "did_chain_mismatch"


def test_attack_7_a_signature_does_not_carry_to_changed_words() -> None:
    said = counter(justification={"reason": "signed"})
    for change in (
        {"justification": {"reason": "signed", "more": 1}},
        {"justification": None},
        {"justification": {}},
        {"counter_amount": "800001"},
        {"tx_id": OTHER_TX},
        {"nonce": 2},
        {"consumer": did(BUYER).replace("0x19e7", "0x19E7")},
    ):
        assert reason(replace(said, **change))[0] == "signature_invalid", change


def test_nobody_deals_with_himself() -> None:
    """1.6: the peer accepts consumer == provider."""
    assert reason(offer(provider=did(BUYER).upper().replace("DID:ETHR", "did:ethr").replace(
        ":0X", ":0x")))[0] == "same_party"  # fmt: skip


def test_the_other_partys_did_is_read_too() -> None:
    """1.6: the peer looks at its prefix alone."""
    assert reason(offer(provider="did:ethr:"))[0] == "did_invalid"
    assert reason(offer(provider=did(SELLER, 1)))[0] == "did_chain_mismatch"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"counter_amount": "50000"}, None),
        ({"counter_amount": "49999"}, "amount_below_minimum"),
        ({"counter_amount": "1499999"}, None),
        ({"counter_amount": "1500000"}, "counter_not_below_quote"),
        ({"max_price": "800000"}, None),
        ({"max_price": "799999"}, "above_max_price"),
        ({"counter_amount": str(10**15), "quote_amount": str(2**256 - 1),
          "max_price": str(2**256 - 1)}, None),
        ({"counter_amount": str(10**15 + 1), "quote_amount": str(10**16),
          "max_price": str(10**16)}, "amount_above_maximum"),
        ({"max_price": str(2**256)}, "schema_invalid"),
        ({"countered_at": NOW + 300}, None),
        ({"countered_at": NOW + 301}, "created_in_future"),
        ({"countered_at": 0, "expires_at": NOW + 1}, "ttl_exceeded"),
        ({"expires_at": NOW}, "expiry_before_creation"),
        ({"countered_at": NOW - 1, "expires_at": NOW}, None),
        ({"currency": "usdc"}, "currency_unsupported"),
        ({"decimals": 18}, "schema_invalid"),
        ({"justification": {"reason": "x" * 2_035}}, None),
        ({"justification": {"reason": "x" * 2_036}}, "justification_too_large"),
        ({"justification": {"reason": "é" * 1_018}}, "justification_too_large"),
    ],
)  # fmt: skip
def test_the_edges_of_every_band(change: dict[str, Any], said: str | None) -> None:
    message = offer(**change)

    if said is None:
        assert verify(message, CHAINS, at_ms=AT_MS).value == message
    else:
        assert reason(message)[0] == said


def test_a_quote_is_checked_no_less_than_a_counter() -> None:
    """1.7: the peer's Python asks fewer questions of quotes."""

    def offered(**changes: Any) -> Any:
        return signed(replace(quote(), **changes), SELLER)

    assert reason(offered(original_amount="1500001"))[0] == "quote_below_original"
    assert reason(offered(max_price="1499999"))[0] == "above_max_price"
    assert reason(offered(quoted_amount="49999", original_amount="0"))[0] == "amount_below_minimum"
    assert reason(offered(expires_at=NOW + 86_401))[0] == "ttl_exceeded"
    assert reason(offered(quoted_at=NOW + 301))[0] == "created_in_future"
    assert reason(offered(version="1"))[0] == "schema_invalid"
    assert reason(replace(quote(), tx_id=TX[2:]))[0] == "schema_invalid"
    assert reason(replace(quote(), signature="0x"))[0] == "signature_malformed"
    assert verify(offered(expires_at=NOW + 86_400), CHAINS, at_ms=AT_MS)


def test_an_acceptance_is_not_from_the_future() -> None:
    assert reason(accept(), at_s=NOW - 301)[0] == "created_in_future"
    assert verify(accept(), CHAINS, at_ms=(NOW - 300) * 1000)


def request(**changes: Any) -> Any:
    members: dict[str, Any] = {
        "tx_id": TX, "chain_id": CHAIN, "service": "translate", "amount": 500_000,
        "max_price": 2_000_000, "deadline": NOW + 86_400, "at_ms": AT_MS,
    }  # fmt: skip
    return build_request(CHAINS, BUYER, **members | changes)


@pytest.mark.parametrize("away_s", [-61, -60, 0, 60, 61])
def test_a_request_is_good_for_a_minute(away_s: int) -> None:
    at_ms = (NOW + away_s) * 1000
    if abs(away_s) > 60:
        with pytest.raises(TreatyError) as refusal:
            verify_request(request(), CHAINS, at_ms=at_ms)
        assert refusal.value.code == "request_stale"
    else:
        assert verify_request(request(), CHAINS, at_ms=at_ms).account == BUYER.address


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "500001"},
        {"max_price": "1"},
        {"service": "x"},
        {"deadline": 1},
        {"tx_id": OTHER_TX},
    ],
)
def test_every_word_of_a_request_is_signed(change: dict[str, Any]) -> None:
    with pytest.raises(TreatyError) as refusal:
        verify_request(replace(request(), **change), CHAINS, at_ms=AT_MS)

    assert refusal.value.code == "signature_invalid"


@pytest.mark.parametrize("away_ms", [-60_001, -60_000, 0, 60_000, 60_001])
def test_a_read_is_good_for_a_minute(away_ms: int) -> None:
    read = build_read(CHAINS, BUYER, tx_id=TX, chain_id=CHAIN, at_ms=AT_MS)
    if abs(away_ms) > 60_000:
        with pytest.raises(SignatureError) as refusal:
            verify_read(read, CHAINS, at_ms=AT_MS + away_ms)
        assert refusal.value.code == "proof_invalid"
    else:
        assert verify_read(read, CHAINS, at_ms=AT_MS + away_ms).account == BUYER.address


def test_two_reads_have_two_digests_and_one_read_one() -> None:
    """9.6: the verified digest is what single use is kept under, whatever the spelling."""
    read = build_read(CHAINS, BUYER, tx_id=TX, chain_id=CHAIN, at_ms=AT_MS)
    later = build_read(CHAINS, BUYER, tx_id=TX, chain_id=CHAIN, at_ms=AT_MS + 1)
    shouted = replace(read, reader="0x" + read.reader[2:].upper())
    digests = [verify_read(one, CHAINS, at_ms=AT_MS).digest for one in (read, later, shouted)]

    assert digests[0] == digests[2] != digests[1]


def test_a_read_of_another_party_is_no_ones() -> None:
    read = build_read(CHAINS, BUYER, tx_id=TX, chain_id=CHAIN, at_ms=AT_MS, reader=SELLER.address)

    with pytest.raises(SignatureError):
        verify_read(read, CHAINS, at_ms=AT_MS)
