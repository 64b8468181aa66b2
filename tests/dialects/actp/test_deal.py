"""Making a deal file of the quote channel: what is in it, what is left out, and its schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import treaty.dialects.actp
from tests.dialects.actp.messages_made import AT_MS, TX
from tests.dialects.actp.negotiations import (
    ACCEPT_2,
    COUNTER,
    FIRST,
    SECOND,
    by_acceptance,
    by_quote,
    negotiated,
    walked,
)
from treaty.dialects.actp.codec import decode, encode
from treaty.dialects.actp.deal import Line, make_deal
from treaty.dialects.actp.hashes import message_hash
from treaty.errors import MisuseError

VALIDATOR = Draft202012Validator(
    json.loads((Path(treaty.dialects.actp.__file__).parent / "deal.schema.json").read_text("utf-8"))
)


@pytest.mark.parametrize("made", [by_acceptance, by_quote, walked])
def test_a_deal_file_is_what_its_schema_says(made) -> None:
    assert list(VALIDATOR.iter_errors(made())) == []


def test_the_schema_takes_no_further_member() -> None:
    assert list(VALIDATOR.iter_errors(by_quote() | {"ceiling": "2000000"}))


def test_the_messages_are_the_texts_that_travelled() -> None:
    deal = by_acceptance()

    spoken = [decode(raw.encode()) for raw in deal["raw"]]
    assert spoken[0] == FIRST
    assert spoken[-1] == ACCEPT_2
    assert deal["messages"] == [json.loads(raw) for raw in deal["raw"]]
    assert deal["hashes"] == [message_hash(one) for one in spoken]


def test_bytes_as_received_are_kept_with_their_spaces() -> None:
    raw = json.dumps(json.loads(encode(FIRST)), indent=1).encode()

    deal = make_deal(negotiated(lines=[Line(FIRST, AT_MS, raw)]))

    assert deal["raw"] == [raw.decode()]


def test_an_agreement_says_what_would_be_committed_and_that_nothing_was_sent() -> None:
    deal = by_quote()

    assert deal["intended"] == {
        "function": "acceptQuote(bytes32,uint256)",
        "txId": TX,
        "newAmount": SECOND.quoted_amount,
    }
    assert deal["accepted"]["messageHash"] == message_hash(SECOND)
    assert deal["receipts"] == []


def test_whoever_walked_intends_nothing() -> None:
    deal = walked()

    assert (deal["accepted"], deal["intended"]) == (None, None)
    assert deal["budget"] == {"outcome": "released"}


@pytest.mark.parametrize("changes", [{"state": "AGREED"}, {"accepted": COUNTER}])
def test_agreed_and_an_acceptance_go_together(changes) -> None:
    with pytest.raises(MisuseError):
        make_deal(negotiated(FIRST, **changes))


GOLDEN = Path(__file__).parents[3] / "conformance" / "vectors" / "actp_deals"


@pytest.mark.parametrize(
    ("name", "made"), [("by_acceptance", by_acceptance), ("by_quote", by_quote), ("walked", walked)]
)
def test_the_golden_deals_are_made_again_byte_for_byte(name: str, made) -> None:
    kept = (GOLDEN / f"{name}.json").read_text("utf-8")

    assert json.dumps(made(), indent=1, ensure_ascii=False) + "\n" == kept
