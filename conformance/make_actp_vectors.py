"""Write the ACTP vectors of the Python side: ``python conformance/make_actp_vectors.py``.

Deterministic: two fixed keys, one fixed time, RFC 6979 signatures. A test makes them again and
compares. What each file holds and where the others come from stands in
``conformance/vectors/actp/README.md``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.codec import document_of
from treaty.dialects.actp.dids import checksummed, make_did
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import (
    KINDS,
    CounterAccept,
    CounterOffer,
    PriceQuote,
    QuoteRead,
    QuoteRequest,
)
from treaty.dialects.actp.typed import digest_of
from treaty.identity.secp256k1 import ORDER, EvmSigner

FOLDER: Final = Path(__file__).parent / "vectors" / "actp"
NOW: Final = 1_700_000_000
CHAIN: Final = 84_532
KERNEL: Final = "0x" + "AA" * 20
BUYER: Final = EvmSigner(b"\x11" * 32)
SELLER: Final = EvmSigner(b"\x22" * 32)
TX: Final = "0x" + "ab" * 32
REPLY: Final = "0x" + "cd" * 32
ZERO: Final = "0x" + "0" * 64

Vector = dict[str, Any]
Change = Mapping[str, Any] | Callable[[dict[str, Any]], None]


def did(signer: EvmSigner, chain: int = CHAIN) -> str:
    """The DID in the checksummed spelling, as the peer's fixtures have it."""
    return make_did(chain, checksummed(signer.address))


def _parties(chain: int) -> dict[str, str]:
    return {"consumer": did(BUYER, chain), "provider": did(SELLER, chain)}


_KINDS: Final[Mapping[str, tuple[Any, dict[str, Any], EvmSigner]]] = {
    "quote": (
        PriceQuote,
        {"tx_id": TX, "quoted_amount": "1500000", "original_amount": "500000"}
        | {"max_price": "2000000", "quoted_at": NOW, "expires_at": NOW + 3600, "nonce": 1},
        SELLER,
    ),
    "counter_offer": (
        CounterOffer,
        {"tx_id": TX, "quote_amount": "1500000", "counter_amount": "800000", "nonce": 1}
        | {"max_price": "2000000", "countered_at": NOW, "expires_at": NOW + 3600}
        | {"in_reply_to": REPLY},
        BUYER,
    ),
    "counter_accept": (
        CounterAccept,
        {"tx_id": TX, "accepted_amount": "800000", "in_reply_to": REPLY, "accepted_at": NOW}
        | {"nonce": 1},
        SELLER,
    ),
    "request": (
        QuoteRequest,
        {"tx_id": TX, "service": "translate", "amount": "500000", "max_price": "2000000"}
        | {"deadline": NOW + 86_400, "issued_at": NOW},
        BUYER,
    ),
    "read": (QuoteRead, {"tx_id": TX, "reader": BUYER.address, "issued_at": NOW * 1000}, BUYER),
}


def vector(
    name: str,
    kind: str,
    members: Mapping[str, Any] | None = None,
    *,
    expect: str = "ok",
    signer: EvmSigner | None = None,
    kernel: str = KERNEL,
    after: Change | None = None,
    now: int | None = None,
) -> Vector:
    """One vector: ``members`` are changed before signing, ``after`` the document behind it."""
    record, defaults, own = _KINDS[kind]
    members = dict(members or {})
    chain = members.setdefault("chain_id", CHAIN)
    parties = _parties(chain)
    if kind == "request":
        parties = {"consumer": parties["consumer"]}
    unsigned = record(signature="", **({} if kind == "read" else parties) | defaults | members)
    digest = digest_of(unsigned, Chains({chain: kernel}).separator(chain))
    signature = "0x" + (signer or own).sign_digest(digest).hex()
    message = replace(unsigned, signature=signature)
    document = document_of(message)
    if callable(after):
        after(document)
    elif after:
        document |= after
    made: Vector = {"name": name, "kind": kind}
    made["domain"] = {"chainId": chain, "verifyingContract": KERNEL}
    made["message"] = document
    made["expect"] = expect
    if now is not None:
        made["now"] = now
    if expect == "ok":
        made["digest"] = "0x" + digest.hex()
        if record in KINDS.values():
            made["messageHash"] = message_hash(message)
        made["signer"] = checksummed((signer or own).address)
    return made


def spelled(name: str, kind: str, old: str, new: str, expect: str, **members: Any) -> Vector:
    """A vector whose text is spelled in another way than its message would be written."""
    made = vector(name, kind, members, expect=expect)
    text = json.dumps(made["message"], ensure_ascii=False, separators=(",", ":"))
    assert old in text, f"{name}: nothing to replace"
    made["text"] = text.replace(old, new, 1)
    return made


def drop(member: str) -> Callable[[dict[str, Any]], None]:
    """Leave a member out behind the signature."""

    def dropping(document: dict[str, Any]) -> None:
        del document[member]

    return dropping


def resigned(change: Callable[[bytes], bytes]) -> Callable[[dict[str, Any]], None]:
    """Put another 65 bytes, or another number of them, in the place of the signature."""

    def resigning(document: dict[str, Any]) -> None:
        signature = bytes.fromhex(document["signature"][2:])
        document["signature"] = "0x" + change(signature).hex()

    return resigning


def high_s(signature: bytes) -> bytes:
    """The twin of a signature: the other half of the group, the other v."""
    s = ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes((55 - signature[64],))


def upper_case(member: str) -> Callable[[dict[str, Any]], None]:
    """Write the hex digits of a member in upper case behind the signature."""

    def raising(document: dict[str, Any]) -> None:
        document[member] = "0x" + document[member][2:].upper()

    return raising


_NUMBERS: Final = {
    "tiny": 1e-7, "small": 1e-6, "large": 1e21, "whole": 180.0, "minus": -0.0,
    "tenth": 0.1, "third": 1 / 3, "most": 2**53 - 1, "least": -(2**53 - 1), "deep": 5e-324,
}  # fmt: skip
_NON_ASCII: Final = {
    "reason": 'Marktüblich – 市場價格、١٢٣, \u2028\u007f/ "\\\b\f\n\r\t\u0001',
    "breakdown": {"größe": "ё", "e\u0301": "é"},
}
_ASTRAL: Final = {"\U0001f600": 1, "\ufb01": 2, "\ue000": 3, "\U0010ffff": 4, "z": "\U0001d11e"}


def _quotes() -> list[Vector]:
    return [
        vector("py_quote", "quote"),
        vector("py_quote_non_ascii", "quote", {"justification": _NON_ASCII, "nonce": 2}),
        vector("py_quote_at_original", "quote", {"original_amount": "1500000", "nonce": 3}),
        vector("py_quote_at_max_price", "quote", {"max_price": "1500000", "nonce": 4}),
        vector("py_quote_opened_at_zero", "quote", {"original_amount": "0", "nonce": 5}),
        vector("py_quote_lives_a_day", "quote", {"expires_at": NOW + 86_400, "nonce": 6}),
        vector("py_quote_most_a_kernel_locks", "quote",
               {"quoted_amount": str(10**15), "max_price": str(2**256 - 1), "nonce": 7}),
        vector("py_quote_tx_zero", "quote", {"tx_id": ZERO, "nonce": 8}),
        vector("py_quote_nonce_zero", "quote", {"nonce": 0}),
    ]  # fmt: skip


def _counters() -> list[Vector]:
    lower = {
        "consumer": make_did(CHAIN, BUYER.address),
        "provider": make_did(CHAIN, SELLER.address),
    }
    shouted = make_did(CHAIN, "0x" + BUYER.address[2:].upper())
    return [
        vector("py_counter", "counter_offer"),
        vector("py_counter_numbers", "counter_offer", {"justification": _NUMBERS, "nonce": 2}),
        vector("py_counter_non_ascii", "counter_offer", {"justification": _NON_ASCII, "nonce": 3}),
        vector("py_counter_astral_keys", "counter_offer", {"justification": _ASTRAL, "nonce": 4}),
        vector("py_counter_empty_justification", "counter_offer",
               {"justification": {}, "nonce": 5}),
        vector("py_counter_nulls_kept", "counter_offer",
               {"justification": {"reason": None, "breakdown": {}, "other": [None]}, "nonce": 6}),
        vector("py_counter_2048_bytes", "counter_offer",
               {"justification": {"reason": "é" * 1_017 + "x"}, "nonce": 7}),
        vector("py_counter_did_lower", "counter_offer", {**lower, "nonce": 8}),
        vector("py_counter_did_upper", "counter_offer", {"consumer": shouted, "nonce": 9}),
        vector("py_counter_largest_nonce", "counter_offer", {"nonce": 2**53 - 1}),
        vector("py_counter_other_chain", "counter_offer", {"chain_id": 31_337, "nonce": 10}),
        vector("py_counter_version_11_bytes", "counter_offer",
               {"version": "12.345.6789", "nonce": 11}),
        vector("py_counter_v_0_1", "counter_offer", {"nonce": 12},
               after=resigned(lambda one: one[:64] + bytes((one[64] - 27,)))),
        vector("py_counter_signature_upper_case", "counter_offer", {"nonce": 13},
               after=upper_case("signature")),
        vector("py_counter_one_below", "counter_offer",
               {"counter_amount": "1499999", "max_price": "1499999", "nonce": 14}),
        vector("py_counter_minimum", "counter_offer", {"counter_amount": "50000", "nonce": 15}),
        vector("py_counter_skewed_300", "counter_offer",
               {"countered_at": NOW + 300, "expires_at": NOW + 3900, "nonce": 16}),
        vector("py_counter_at_its_end", "counter_offer", {"nonce": 17}, now=NOW + 3600),
    ]  # fmt: skip


def _accepts() -> list[Vector]:
    return [
        vector("py_accept", "counter_accept"),
        vector("py_accept_minimum", "counter_accept", {"accepted_amount": "50000", "nonce": 2}),
        vector("py_accept_ten_years_later", "counter_accept", {"nonce": 3}, now=NOW + 315_360_000),
        vector("py_accept_did_lower", "counter_accept",
               {"provider": make_did(CHAIN, SELLER.address), "nonce": 4}),
    ]  # fmt: skip


def _members() -> list[Vector]:
    """W12 and W14: what the peer coerces, drops or dies of."""

    def wrong(name: str, after: Change, kind: str = "counter_offer") -> Vector:
        return vector(f"py_{name}", kind, expect="malformed", after=after)

    return [
        wrong("nonce_1001_9", {"nonce": 1001.9}),
        wrong("nonce_true", {"nonce": True}),
        wrong("nonce_text", {"nonce": "1"}),
        wrong("nonce_negative", {"nonce": -1}),
        wrong("nonce_object", {"nonce": {}}),
        wrong("countered_at_negative", {"counteredAt": -5}),
        wrong("chain_text", {"chainId": "84532"}),
        wrong("decimals_6_9", {"decimals": 6.9}),
        wrong("decimals_true", {"decimals": True}),
        wrong("amount_number", {"counterAmount": 800_000}),
        wrong("amount_null", {"counterAmount": None}),
        wrong("expires_null", {"expiresAt": None}),
        wrong("memo", {"memo": "not signed"}),
        wrong("snake_case", {"tx_id": TX}),
        wrong("null_justification", {"justification": None}),
        wrong("text_justification", {"justification": "cheaper"}),
        wrong("quote_text_justification", {"justification": "dearer"}, "quote"),
        wrong("accept_currency", {"currency": "USDC"}, "counter_accept"),
        wrong("accept_justification", {"justification": {}}, "counter_accept"),
        *(wrong(f"no_{name}", drop(name)) for name in
          ("version", "txId", "currency", "decimals", "nonce", "maxPrice", "signature")),
        vector("py_type_of_tomorrow", "quote", expect="message_type_unsupported",
               after={"type": "agirails.quote.v2"}),
    ]  # fmt: skip


def _forms() -> list[Vector]:
    """1.5, 1.7, W14: texts that read alike and are not; signed as they stand where that works."""

    def wrong(name: str, kind: str = "counter_offer", **members: Any) -> Vector:
        return vector(f"py_{name}", kind, members, expect="schema_invalid")

    def bent(name: str, after: Change, kind: str = "counter_offer") -> Vector:
        return vector(f"py_{name}", kind, expect="schema_invalid", after=after)

    return [
        wrong("leading_zero", counter_amount="0800000"),
        wrong("leading_zeros_of_nothing", "quote", original_amount="00"),
        wrong("trailing_newline", counter_amount="800000\n"),
        wrong("arabic_digits", counter_amount="\u0668\u0660\u0660\u0660\u0660\u0660"),
        wrong("fullwidth_digits", quote_amount="\uff11\uff15\uff10\uff10\uff10\uff10\uff10"),
        wrong("underscores", max_price="2_000_000"),
        wrong("plus", counter_amount="+800000"),
        wrong("minus", counter_amount="-800000"),
        wrong("decimal_point", counter_amount="800000.0"),
        wrong("exponent", counter_amount="8e5"),
        wrong("hex_amount", counter_amount="0xc3500"),
        wrong("empty_amount", counter_amount=""),
        wrong("beyond_uint256", max_price=str(2**256)),
        wrong("four_thousand_digits", max_price="9" * 4_000),
        wrong("quote_leading_zero", "quote", quoted_amount="01500000"),
        wrong("accept_leading_zero", "counter_accept", accepted_amount="0800000"),
        wrong("version_two", version="1.0"),
        wrong("version_dev", version="1.0.0-dev"),
        wrong("version_12_bytes", version="123.456.7890"),
        wrong("version_arabic", version="\u0661.0.0"),
        wrong("decimals_18", decimals=18),
        bent("tx_id_upper", upper_case("txId")),
        bent("in_reply_to_upper", upper_case("inReplyTo")),
        bent("accept_tx_id_upper", upper_case("txId"), "counter_accept"),
        bent("tx_id_newline", {"txId": TX + "\n"}),
        bent("tx_id_bare", {"txId": TX[2:]}),
        bent("tx_id_shouted_prefix", {"txId": "0X" + TX[2:]}),
        bent("tx_id_short", {"txId": TX[:-1]}),
        vector("py_currency_lower", "counter_offer", {"currency": "usdc"},
               expect="currency_unsupported"),
        vector("py_currency_other", "quote", {"currency": "EURC"}, expect="currency_unsupported"),
        vector("py_2049_bytes", "counter_offer", {"justification": {"reason": "é" * 1_018}},
               expect="justification_too_large"),
        vector("py_chain_unconfigured", "counter_offer", expect="chain_unsupported")
        | {"domain": {"chainId": 8_453, "verifyingContract": KERNEL}},
    ]  # fmt: skip


def _dids() -> list[Vector]:
    """9.8: one grammar, for both parties; signed as they stand."""
    buyer, seller = checksummed(BUYER.address), checksummed(SELLER.address)
    spellings = {
        "no_chain": f"did:ethr:{seller}",
        "named_network": f"did:ethr:base-sepolia:{seller}",
        "hex_chain": f"did:ethr:0x14a34:{seller}",
        "leading_zero": f"did:ethr:0{CHAIN}:{seller}",
        "arabic_chain": f"did:ethr:\u0668\u0664\u0665\u0663\u0662:{seller}",
        "empty": "did:ethr:",
        "empty_chain": f"did:ethr::{seller}",
        "three_parts": f"did:ethr:{CHAIN}:{CHAIN}:{seller}",
        "shouted_prefix": f"did:ethr:{CHAIN}:0X{seller[2:]}",
        "shouted_method": f"DID:ETHR:{CHAIN}:{seller}",
        "no_prefix": f"did:ethr:{CHAIN}:{seller[2:]}",
        "short": f"did:ethr:{CHAIN}:{seller[:-1]}",
        "long": f"did:ethr:{CHAIN}:{seller}0",
        "newline": f"did:ethr:{CHAIN}:{seller}\n",
        "space": f" did:ethr:{CHAIN}:{seller}",
        "query": f"did:ethr:{CHAIN}:{seller}?x",
        "fragment": f"did:ethr:{CHAIN}:{seller}#controller",
        "zero": f"did:ethr:{CHAIN}:0x{'0' * 40}",
        "agirails": f"did:agirails:{CHAIN}:{seller}",
    }
    return [
        *(vector(f"py_did_{name}", "counter_offer", {"provider": text}, expect="did_invalid")
          for name, text in spellings.items()),
        vector("py_did_of_signer_without_chain", "counter_offer",
               {"consumer": f"did:ethr:{buyer}"}, expect="did_invalid"),
        vector("py_did_of_signer_other_chain", "counter_offer",
               {"consumer": f"did:ethr:1:{buyer}"}, expect="did_chain_mismatch"),
        vector("py_did_other_chain", "quote",
               {"consumer": f"did:ethr:8453:{buyer}"}, expect="did_chain_mismatch"),
        vector("py_did_alone", "counter_accept", {"consumer": did(SELLER)}, expect="same_party"),
        vector("py_did_alone_in_two_spellings", "counter_offer",
               {"provider": make_did(CHAIN, BUYER.address)}, expect="same_party"),
    ]  # fmt: skip


def _bands() -> list[Vector]:
    """1.7: amounts and times, each one step outside."""

    def counter(name: str, expect: str, now: int | None = None, **members: Any) -> Vector:
        return vector(f"py_{name}", "counter_offer", members, expect=expect, now=now)

    def quote(name: str, expect: str, **members: Any) -> Vector:
        return vector(f"py_{name}", "quote", members, expect=expect)

    return [
        counter("below_minimum", "amount_below_minimum", counter_amount="49999"),
        counter("zero", "amount_below_minimum", counter_amount="0"),
        counter("equal", "counter_not_below_quote", counter_amount="1500000"),
        counter("over_max_price", "above_max_price", counter_amount="800000", max_price="799999"),
        counter("more_than_a_kernel_locks", "amount_above_maximum",
                counter_amount=str(10**15 + 1), quote_amount=str(10**15 + 2)),
        counter("expired_1_s", "offer_expired", now=NOW + 3_601),
        counter("expired_30_s", "offer_expired", now=NOW + 3_630),
        counter("expired_31_s", "message_expired", now=NOW + 3_631),
        counter("expires_at_zero", "message_expired", expires_at=0),
        counter("expires_when_made", "expiry_before_creation", expires_at=NOW),
        counter("expires_before_made", "expiry_before_creation", countered_at=NOW + 200,
                expires_at=NOW + 100),
        counter("hour_and_a_second", "ttl_exceeded", expires_at=NOW + 3_601),
        counter("ten_years", "ttl_exceeded", expires_at=NOW + 315_360_000),
        counter("from_the_future", "created_in_future", countered_at=NOW + 301,
                expires_at=NOW + 3_900),
        quote("dumping", "quote_below_original", quoted_amount="499999"),
        quote("over_its_max_price", "above_max_price", max_price="1499999"),
        quote("quote_below_minimum", "amount_below_minimum", quoted_amount="49999",
              original_amount="1"),
        quote("quote_above_maximum", "amount_above_maximum", quoted_amount=str(10**15 + 1),
              max_price=str(10**16)),
        quote("day_and_a_second", "ttl_exceeded", expires_at=NOW + 86_401),
        quote("quote_from_the_future", "created_in_future", quoted_at=NOW + 301),
        vector("py_accept_below_minimum", "counter_accept", {"accepted_amount": "49999"},
               expect="amount_below_minimum"),
        vector("py_accept_from_the_future", "counter_accept", {"accepted_at": NOW + 301},
               expect="created_in_future"),
    ]  # fmt: skip


def _signatures() -> list[Vector]:
    """401 and the form of signatures; attacks 1, 7 and 14, W15."""

    def forged(name: str, expect: str = "signature_invalid", kind: str = "counter_offer",
               **rest: Any) -> Vector:  # fmt: skip
        return vector(f"py_{name}", kind, expect=expect, **rest)

    order = ORDER.to_bytes(32, "big")
    return [
        forged("high_s", after=resigned(high_s)),
        forged("quote_high_s", kind="quote", after=resigned(high_s)),
        forged("accept_high_s", kind="counter_accept", after=resigned(high_s)),
        forged("flipped_v", after=resigned(lambda one: one[:64] + bytes((55 - one[64],)))),
        forged("v_2", after=resigned(lambda one: one[:64] + b"\x02")),
        forged("v_37", after=resigned(lambda one: one[:64] + b"\x25")),
        forged("r_zero", after=resigned(lambda one: bytes(32) + one[32:])),
        forged("s_zero", after=resigned(lambda one: one[:32] + bytes(32) + one[64:])),
        forged("r_is_the_order", after=resigned(lambda one: order + one[32:])),
        forged("s_is_the_order", after=resigned(lambda one: one[:32] + order + one[64:])),
        forged("one_bit", after=resigned(lambda one: bytes((one[0] ^ 1,)) + one[1:])),
        forged("by_the_provider", signer=SELLER),
        forged("accept_by_the_consumer", kind="counter_accept", signer=BUYER),
        forged("other_kernel", kernel="0x" + "bb" * 20),
        forged("amount_raised", after={"counterAmount": "800001"}),
        forged("moved_to_another_tx", after={"txId": "0x" + "ac" * 32}),
        forged("did_respelled", after={"consumer": make_did(CHAIN, BUYER.address)}),
        forged("justification_added", after={"justification": {"reason": "later"}}),
        forged("justification_key_added", members={"justification": {"reason": "a"}},
               after={"justification": {"reason": "a", "extra": 1}}),
        forged("justification_null_dropped", members={"justification": {"reason": None, "a": 1}},
               after={"justification": {"a": 1}}),
        forged("64_bytes", "signature_malformed", after=resigned(lambda one: one[:64])),
        forged("66_bytes", "signature_malformed", after=resigned(lambda one: one + b"\0")),
        forged("no_bytes", "signature_malformed", after={"signature": "0x"}),
        forged("bare", "signature_malformed", after={"signature": "11" * 65}),
        forged("newline", "signature_malformed", after={"signature": "0x" + "11" * 65 + "\n"}),
        forged("odd", "signature_malformed", after={"signature": "0x" + "1" * 131}),
        forged("spaced", "signature_malformed", after={"signature": "0x" + "1 " * 65}),
    ]  # fmt: skip


def _texts() -> list[Vector]:
    """1.5: the same message in another spelling, and texts that have no one meaning."""
    kind = "counter_offer"
    rate, tiny = {"justification": {"marketRate": 0}}, {"justification": {"marketRate": 1e-7}}
    face = {"justification": {"\U0001f600": "\ufb01"}}
    return [
        spelled("py_text_minus_zero", kind, '"marketRate":0', '"marketRate":-0', "ok", **rate),
        spelled("py_text_zero_point", kind, '"marketRate":0', '"marketRate":0.0e5', "ok", **rate),
        spelled("py_text_tiny", kind, "1e-07", "0.00000010", "ok", **tiny),
        spelled("py_text_escaped", kind, "\U0001f600", "\\uD83D\\uDE00", "ok", **face),
        spelled("py_text_spaced", "quote", ":", "\t:\r\n ", "ok"),
        *(
            spelled(f"py_text_{name}", kind, '"nonce":1', new, "malformed")
            for name, new in {
                "twice": '"nonce":2,"nonce":1',
                "twice_escaped": '"nonce":1,"no\\u006ece":1',
                "nonce_float": '"nonce":1.0',
                "nonce_exponent": '"nonce":1e0',
                "nonce_2_53": '"nonce":9007199254740992',
                "nonce_2_256": '"nonce":' + str(2**256),
                "infinity": '"nonce":Infinity',
                "nan": '"nonce":NaN',
                "overflow": '"nonce":1e999',
                "leading_zero": '"nonce":01',
                "single_quotes": "'nonce':1",
                "comment": '"nonce":1/**/',
            }.items()
        ),
        *(
            spelled(f"py_text_rate_{name}", kind, '"marketRate":0', f'"marketRate":{new}',
                    "malformed", **rate)
            for name, new in {
                "2_53_plus_1": "9007199254740993",
                "30_digits": "123456789012345678901234567890",
                "1e20": "1e20",
                "lone_surrogate": '"\\ud800"',
                "deep": "[" * 31 + "]" * 31,
                "twice": '0,"marketRate":0',
            }.items()
        ),
    ]  # fmt: skip


def _requests() -> list[Vector]:
    def wrong(name: str, expect: str, now: int | None = None, **members: Any) -> Vector:
        return vector(name, "request", members, expect=expect, now=now)

    return [
        vector("request", "request"),
        vector("request_60_s_old", "request", now=NOW + 60),
        vector("request_60_s_early", "request", now=NOW - 60),
        wrong("request_61_s_old", "request_stale", now=NOW + 61),
        wrong("request_61_s_early", "request_stale", now=NOW - 61),
        wrong("request_spaced_service", "schema_invalid", service="two words"),
        wrong("request_no_service", "schema_invalid", service=""),
        wrong("request_long_service", "schema_invalid", service="s" * 129),
        wrong("request_leading_zero", "schema_invalid", amount="0500000"),
        wrong("request_over_max_price", "above_max_price", amount="2000001"),
        wrong("request_below_minimum", "amount_below_minimum", amount="49999"),
        wrong("request_did", "did_invalid", consumer="did:ethr:" + BUYER.address),
        vector("request_by_another", "request", expect="signature_invalid", signer=SELLER),
        vector("request_deadline_moved", "request", expect="signature_invalid",
               after={"deadline": NOW + 86_401}),
        vector("request_with_type", "request", expect="malformed",
               after={"type": "agirails.quoterequest.v1"}),
        vector("request_issued_text", "request", expect="malformed", after={"issuedAt": str(NOW)}),
    ]  # fmt: skip


def _reads() -> list[Vector]:
    return [
        vector("read", "read"),
        vector("read_inbox", "read", {"tx_id": ZERO}),
        vector("read_checksummed", "read", {"reader": checksummed(BUYER.address)}),
        vector("read_60_s_old", "read", now=NOW + 60),
        vector("read_61_s_old", "read", expect="proof_invalid", now=NOW + 61),
        vector("read_61_s_early", "read", expect="proof_invalid", now=NOW - 61),
        vector("read_by_another", "read", expect="signature_invalid", signer=SELLER),
        vector("read_in_seconds", "read", {"issued_at": NOW}, expect="proof_invalid"),
        vector("read_of_another_tx", "read", expect="signature_invalid",
               after={"txId": "0x" + "ac" * 32}),
        vector("read_high_s", "read", expect="signature_invalid", after=resigned(high_s)),
        vector("read_tx_upper", "read", expect="schema_invalid", after=upper_case("txId")),
        vector("read_reader_short", "read", expect="schema_invalid",
               after={"reader": BUYER.address[:-1]}),
        vector("read_with_nonce", "read", expect="malformed", after={"nonce": 1}),
    ]  # fmt: skip


def files() -> dict[str, str]:
    """Every file this side writes, by its path below the folder, with its text."""
    groups = {
        "quotes.json": _quotes(),
        "counter_offers.json": _counters(),
        "counter_accepts.json": _accepts(),
        "texts.json": _texts(),
        "refused_members.json": _members(),
        "refused_forms.json": _forms(),
        "refused_dids.json": _dids(),
        "refused_bands.json": _bands(),
        "refused_signatures.json": _signatures(),
        "access/requests.json": _requests(),
        "access/reads.json": _reads(),
    }
    return {
        name: json.dumps(vectors, indent=1, ensure_ascii=True) + "\n"
        for name, vectors in groups.items()
    }


def main() -> None:
    """Write them."""
    for name, text in files().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
