"""One request to both daemons: each row of the peer's statuses, and where we decided otherwise.

A row says what the peer answers, measured in the same test, and what we answer. Rows without a
decision must agree in status and in the words of ``reason``; the others name the section of
``docs/spec/actp.md`` that says why they do not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pytest

from tests.interop.daemons import BUYER, CHAIN, PROVIDER, Both, did, tx
from treaty.dialects.actp import codec
from treaty.dialects.actp.chains import MOCK, Chains
from treaty.dialects.actp.messages import CounterOffer
from treaty.dialects.actp.typed import digest_of
from treaty.identity.secp256k1 import EvmSigner

# The environment may have to be made first.
pytestmark = [pytest.mark.timeout(300), pytest.mark.slow]

NUMBERS = count(1)
STRANGER = EvmSigner(b"\x33" * 32)
OWN_WORDS = ("schema_invalid", "did_invalid")
"""Where ours name the member and its form, and the peer's only that something is wrong."""
ARABIC = "".join(chr(0x660 + int(digit)) for digit in "1100000")


def offer(chains: Chains = MOCK, signer: EvmSigner = BUYER, **changes: Any) -> dict[str, Any]:
    """A counter of 1.10 to an invented quote of 1.50, signed with whatever is in it."""
    number, now = next(NUMBERS), int(time.time())
    members: dict[str, Any] = {
        "tx_id": tx(f"statuses {number}"),
        "consumer": did(BUYER),
        "provider": did(PROVIDER),
        "quote_amount": "1500000",
        "counter_amount": "1100000",
        "max_price": "2000000",
        "in_reply_to": "0x" + "bb" * 32,
        "countered_at": now,
        "expires_at": now + 3_600,
        "chain_id": CHAIN,
        "nonce": number,
        "signature": "",
    }
    message = CounterOffer(**{**members, **changes})
    digest = digest_of(message, chains.separator(CHAIN))
    signed = replace(message, signature="0x" + signer.sign_digest(digest).hex())
    return codec.document_of(signed)


def spoilt(**changes: Any) -> dict[str, Any]:
    """A counter with members changed after it was signed; None leaves a member out."""
    document = {**offer(), **changes}
    return {name: value for name, value in document.items() if value is not None}


@dataclass(frozen=True)
class Request:
    """What is posted, and where if not where it belongs."""

    body: Any
    tx_id: str | None = None
    chain: object = CHAIN


@dataclass(frozen=True)
class Row:
    """One case: the request, both statuses, and why they differ."""

    name: str
    make: Callable[[], Any]
    theirs: int
    ours: int
    decision: str = ""


def at(seconds: int) -> int:
    """So many seconds from now."""
    return int(time.time()) + seconds


def raw(text: str) -> Callable[[], Request]:
    """A body as it stands."""
    return lambda: Request(text.encode(), tx("raw"))


def edited(old: str, new: str) -> Callable[[], Request]:
    """A counter whose text is changed, for what no JSON writer would write."""

    def make() -> Request:
        document = offer()
        text = json.dumps({"type": document["type"], "message": document})
        assert old in text
        return Request(text.replace(old, new, 1).encode(), document["txId"])

    return make


def digits(name: str) -> Callable[[], Request]:
    """A counter whose ``name`` is another number, unsigned: it only matters that it is read."""

    def make() -> Request:
        document = offer()
        text = json.dumps({"type": document["type"], "message": document})
        key, _, value = name.partition("=")
        before = f'"{key}": {document[key]}'
        assert before in text
        return Request(text.replace(before, f'"{key}": {value}').encode(), document["txId"])

    return make


def twin() -> dict[str, Any]:
    """The same signature with the other s."""
    document = offer()
    told = bytes.fromhex(document["signature"][2:])
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high = (order - int.from_bytes(told[32:64], "big")).to_bytes(32, "big")
    document["signature"] = "0x" + (told[:32] + high + bytes([55 - told[64]])).hex()
    return document


def v_of_a_wallet(document: dict[str, Any]) -> dict[str, Any]:
    """27 and 28 written as 0 and 1."""
    told = bytes.fromhex(document["signature"][2:])
    return {**document, "signature": "0x" + (told[:64] + bytes([told[64] - 27])).hex()}


def elsewhere(**place: Any) -> Callable[[], Request]:
    """A lawful counter at another address than its own."""

    def make() -> Request:
        document = offer()
        body = {"type": document["type"], "message": document}
        return Request(body, **{"tx_id": document["txId"], **place})

    return make


def on_mainnet() -> Request:
    """A counter of the other chain, at its own address."""
    document = spoilt(chainId=8453)
    return Request({"type": document["type"], "message": document}, chain=8453)


def upper() -> Request:
    """A lawful counter at its own address, written in upper case."""
    document = offer()
    path = "0x" + document["txId"][2:].upper()
    return Request({"type": document["type"], "message": document}, path)


ROWS = [
    Row("fresh, accepted", offer, 201, 201),
    Row("fresh, countered", lambda: offer(counter_amount="600000"), 201, 201),
    Row("both forms of v", lambda: v_of_a_wallet(offer()), 201, 201),
    Row("the address in upper case", upper, 201, 201),
    Row("not JSON", raw("{"), 400, 400),
    Row("nothing", raw(""), 400, 400),
    Row("too deep", raw("[" * 50_000 + "]" * 50_000), 400, 413, "9.6"),
    Row("deep", raw('{"a":' + "[" * 5_000 + "]" * 5_000 + "}"), 400, 400),
    Row("not an object", raw("[1]"), 400, 400),
    Row("another type", raw('{"type":"agirails.quote.v1","message":{}}'), 400, 400),
    Row("no type", lambda: Request({"message": offer()}, tx("t")), 400, 400),
    Row("no message", raw('{"type":"agirails.counteroffer.v1"}'), 400, 400),
    Row("a member missing", lambda: spoilt(nonce=None), 400, 400),
    Row("no number", lambda: spoilt(nonce="x"), 400, 400),
    Row("path, other chain", elsewhere(chain=8453), 400, 400),
    Row("path, other transaction", elsewhere(tx_id=tx("elsewhere")), 400, 400),
    Row("path, no chain", elsewhere(chain="x"), 422, 422),
    Row("chain not configured", on_mainnet, 400, 400),
    Row("expired by a minute", lambda: offer(countered_at=at(-90), expires_at=at(-60)), 410, 410),
    Row("expired by 20 seconds", lambda: offer(countered_at=at(-90), expires_at=at(-20)), 422, 422),
    Row("another signer", lambda: offer(signer=STRANGER), 401, 401),
    Row("another kernel", lambda: offer(Chains({CHAIN: "0x" + "aa" * 20})), 401, 401),
    Row("a member changed", lambda: spoilt(counterAmount="1099999"), 401, 401),
    Row("a signature of nobody", lambda: spoilt(signature="0x" + "ff" * 64 + "1b"), 401, 401),
    Row("a short signature", lambda: spoilt(signature="0x" + "ab" * 64), 422, 422),
    Row("below the minimum", lambda: offer(counter_amount="49999"), 422, 422),
    Row("not below the quote", lambda: offer(counter_amount="1500000"), 422, 422),
    Row("above the maximum", lambda: offer(max_price="1000000"), 422, 422),
    Row("from the future", lambda: offer(countered_at=at(400), expires_at=at(900)), 422, 422),
    Row("another currency", lambda: offer(currency="EUR"), 422, 422),
    Row("other decimals", lambda: offer(decimals=7), 422, 422),
    Row("no DID", lambda: offer(consumer="alice"), 422, 422),
    # Where we decided otherwise.
    Row("below the floor", lambda: offer(counter_amount="400000"), 201, 201),
    Row("nonce -1", digits("nonce=-1"), 500, 400, "W12"),
    Row("nonce 2^256", digits(f"nonce={2**256}"), 500, 400, "W12"),
    Row("expiresAt 2^300", digits(f"expiresAt={2**300}"), 500, 400, "W12"),
    Row("counteredAt -5", digits("counteredAt=-5"), 500, 400, "W12"),
    Row("expiresAt Infinity", digits("expiresAt=Infinity"), 500, 400, "W12"),
    Row("an own high-s twin", twin, 201, 401, "9.4"),
    Row("lives two days", lambda: offer(expires_at=at(172_800)), 201, 422, "9.4"),
    Row("for another provider", lambda: offer(provider=did(STRANGER)), 201, 403, "9.3"),
    Row("to itself", lambda: offer(provider=did(BUYER)), 201, 422, "9.8"),
    Row("provider without address", lambda: offer(provider="did:ethr:"), 201, 422, "9.8"),
    Row("a DID of another chain", lambda: offer(consumer=did(BUYER, 8453)), 201, 422, "9.8"),
    Row("zeros in front", lambda: offer(counter_amount="01100000"), 201, 422, "9.4"),
    Row("Arabic digits", lambda: offer(counter_amount=ARABIC), 201, 422, "9.4"),
    Row("a trailing newline", lambda: offer(counter_amount="1100000\n"), 201, 422, "9.4"),
    Row("a fraction as nonce", digits("nonce=1.0"), 401, 400, "W14"),
    Row("an amount as number", lambda: spoilt(counterAmount=1_100_000), 201, 400, "W14"),
    Row("a number as text", lambda: spoilt(chainId=str(CHAIN)), 201, 400, "W14"),
    Row("decimals 6.9", lambda: spoilt(decimals=6.9), 201, 400, "W14"),
    Row("an unsigned member", lambda: spoilt(tip="1"), 201, 400, "9.4"),
    Row("an unlawful version", lambda: spoilt(version="1.0"), 422, 422),
    Row("another version", lambda: spoilt(version="9.9.9"), 201, 201),
    Row("an unsigned justification", lambda: spoilt(justification={"note": "x"}), 201, 401, "1.4"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_request_is_answered_as_the_table_says(row: Row, both: Both) -> None:
    made = row.make()
    if not isinstance(made, Request):
        made = Request({"type": made["type"], "message": made})
    path = made.tx_id or made.body["message"]["txId"]
    ours, theirs = (
        daemon.post(path, made.body, chain=made.chain) for daemon in (both.ours, both.theirs)
    )

    assert (theirs.status_code, ours.status_code) == (row.theirs, row.ours), (
        theirs.text,
        ours.text,
    )
    assert (row.theirs != row.ours) == bool(row.decision)
    said = ours.json()
    if ours.status_code < 400:
        check_verdicts(said, theirs.json(), row)
        return
    assert (said["accepted"], type(said["code"])) == (False, str)
    agreed = ours.status_code == theirs.status_code and "detail" not in theirs.json()
    if agreed and said["code"] not in OWN_WORDS:
        check_words(said["reason"], theirs.json()["reason"])


def check_verdicts(ours: dict[str, Any], theirs: dict[str, Any], row: Row) -> None:
    """The same decision, here with the signed message of it."""
    assert (ours["accepted"], ours["duplicate"]) == (True, False)
    assert theirs["accepted"] is True
    if row.name == "below the floor":
        # 9.5: a counter below the floor is answered as one at it; the peer tells them apart.
        assert (theirs["verdict"]["action"], ours["verdict"]["action"]) == ("REJECT", "COUNTER")
        return
    for name in ("action", "recommended_amount"):
        assert ours["verdict"][name] == theirs["verdict"][name]
    assert not any(sign.isdigit() for sign in ours["verdict"]["reason"])
    assert ours["reply"]["message"]["signature"]


def check_words(ours: str, theirs: str) -> None:
    """The peer's words, as far as they do not repeat an exception of its language."""
    if theirs.startswith("Malformed CounterOffer: "):
        assert ours.startswith("Malformed CounterOffer: ")
        return
    assert ours == theirs


def test_the_same_bytes_again_are_a_duplicate_on_both_sides(both: Both) -> None:
    document = offer()
    for daemon in (both.ours, both.theirs):
        first, again = daemon.counter(document), daemon.counter(document)
        assert (first.status_code, again.status_code) == (201, 200)
        assert (first.json()["duplicate"], again.json()["duplicate"]) == (False, True)
        assert first.json()["verdict"] == again.json()["verdict"]


def test_w11_another_counter_under_the_same_nonce_is_a_conflict_and_no_duplicate(
    both: Both,
) -> None:
    first = offer()
    same = {"tx_id": first["txId"], "nonce": first["nonce"]}
    second = offer(**same, counter_amount="1200000")
    answers = []
    for daemon in (both.ours, both.theirs):
        assert daemon.counter(first).status_code == 201
        answers.append(daemon.counter(second))

    assert [one.status_code for one in answers] == [409, 200]
    assert answers[0].json()["code"] == "nonce_conflict"
    assert answers[0].json()["next_nonce"] > first["nonce"]
    assert answers[1].json()["duplicate"] is True


def test_the_channel_of_the_peer_cannot_be_read_and_ours_by_its_parties_alone(both: Both) -> None:
    path = f"/quote-channel/{CHAIN}/{tx('read')}"

    assert both.theirs.http.get(path).status_code == 405
    assert both.ours.http.get(path).status_code == 401


def test_health_is_told_in_the_same_members(both: Both) -> None:
    ours, theirs = (daemon.http.get("/").json() for daemon in (both.ours, both.theirs))

    assert ours.keys() == theirs.keys()
    assert (ours["status"], ours["chains"]) == (theirs["status"], theirs["chains"])
    assert ours["provider"].lower() == PROVIDER.address


def test_w21_the_recipes_addresses_exist_here_alone(both: Both) -> None:
    assert both.theirs.http.get("/healthz").status_code == 404
    assert both.ours.http.get("/healthz").json()["negotiations_active"] >= 0
