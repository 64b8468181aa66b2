"""Reports and roots: what checking any deal gives, and whom the reader trusts beforehand."""

from __future__ import annotations

from typing import Any

import pytest

from treaty.core.deal import (
    DEAL_DEPTH_MAX,
    DETAIL_CHARS_MAX,
    PLACES_MAX,
    UNANCHORED,
    Claim,
    Finding,
    Report,
    Roots,
    Verdict,
    judged,
    lack,
    read_deal,
    read_roots,
)
from treaty.errors import WireError
from treaty.identity.keys import Ed25519Signer

KEY = Ed25519Signer(b"k" * 32).key
ANCHOR = {"uri": "agent://node.example", "keyId": KEY.key_id, "publicKey": KEY.text}


def report(*claims: tuple[str, Verdict], anchored: bool = True) -> Report:
    made = tuple(Claim(name, verdict, "as found") for name, verdict in claims)
    return Report("asp/0.1", "s-1", anchored, made)


GOOD = ("bytes", Verdict.VERIFIED)
BAD = ("links", Verdict.FAILED)
OPEN = ("metric", Verdict.NOT_CHECKABLE)


@pytest.mark.parametrize(
    ("claims", "anchored", "first_line", "ok"),
    [
        ((GOOD,), True, "verified, every claim", True),
        ((GOOD, OPEN), True, "verified, but not checkable: metric", True),
        ((GOOD, OPEN), False, UNANCHORED, True),
        ((GOOD,), False, UNANCHORED, True),
        ((GOOD, BAD, OPEN), True, "failed: links", False),
        ((BAD, ("keys", Verdict.FAILED)), False, "failed: links, keys", False),
    ],
)
def test_the_first_line_never_hides_a_reservation(claims, anchored, first_line, ok) -> None:
    found = report(*claims, anchored=anchored)

    assert found.first_line == first_line
    assert found.ok is ok


def test_the_words_for_an_unanchored_deal_are_those_of_the_decision() -> None:
    assert UNANCHORED == "self-consistent, identities not anchored"


def test_a_required_claim_fails_when_it_cannot_be_checked() -> None:
    found = report(GOOD, OPEN).require(["metric", "bytes"])

    assert found.of(Verdict.FAILED) == ("metric",)
    assert found.of(Verdict.VERIFIED) == ("bytes",)
    assert found.claim("metric").detail == "required, but as found"


def test_a_required_claim_that_nobody_made_fails() -> None:
    found = report(GOOD).require(["discovery"])

    assert found.of(Verdict.FAILED) == ("discovery",)


def test_requiring_nothing_changes_nothing() -> None:
    assert report(GOOD, OPEN).require([]) == report(GOOD, OPEN)


def test_a_report_is_json_with_every_claim() -> None:
    claim = Claim("links", Verdict.FAILED, "message 7: broken", ("message 7",))
    found = Report("asp/0.1", "s-1", anchored=False, claims=(claim,)).to_json()

    assert found == {
        "treaty": "report/1",
        "dialect": "asp/0.1",
        "session": "s-1",
        "anchored": False,
        "ok": False,
        "firstLine": "failed: links",
        "claims": [
            {
                "name": "links",
                "verdict": "failed",
                "detail": "message 7: broken",
                "where": ["message 7"],
            }
        ],
    }


def test_what_nothing_speaks_against_is_verified() -> None:
    claims = judged(("bytes", "links"), [], {"bytes": "16 hashes"})

    assert claims[0] == Claim("bytes", Verdict.VERIFIED, "16 hashes")
    assert claims[1].verdict is Verdict.VERIFIED


def test_one_contradiction_fails_a_claim_whatever_else_is_open() -> None:
    findings = [
        lack("times", "log 1", "nobody knows"),
        Finding("times", "log 2", "too early"),
        Finding("times", "log 3", "too late"),
    ]
    (claim,) = judged(("times",), findings, {})

    assert claim.verdict is Verdict.FAILED
    assert claim.detail == "log 2: too early"
    assert claim.where == ("log 2", "log 3")


def test_what_only_lacks_something_is_not_checkable() -> None:
    (claim,) = judged(("keys",), [lack("keys", "", "no roots")], {})

    assert claim == Claim("keys", Verdict.NOT_CHECKABLE, "no roots")


def test_a_claim_names_a_bounded_number_of_places_each_once() -> None:
    findings = [Finding("bytes", f"log {n % 100}", "wrong" * 1_000) for n in range(1_000)]
    (claim,) = judged(("bytes",), findings, {})

    assert claim.where[:2] == ("log 0", "log 1")
    assert claim.where[PLACES_MAX] == f"and {100 - PLACES_MAX} more"
    assert len(claim.where) == PLACES_MAX + 1
    assert len(claim.detail) <= DETAIL_CHARS_MAX


def test_roots_are_read_by_role() -> None:
    head = {"size": 4, "root": "ab", "uri": "agent://node.example"}
    document = {
        "treaty": "roots/1",
        "registry": [ANCHOR],
        "host": [ANCHOR, ANCHOR],
        "clearing": [],
        "logHead": head,
        "chains": [{"chainId": 1}],
    }
    roots = read_roots(document)

    assert [len(one) for one in (roots.registry, roots.host, roots.clearing)] == [1, 2, 0]
    assert roots.registry[0].key_id == KEY.key_id
    assert roots.registry[0].public_key == KEY.text
    assert roots.attester == roots.metric == ()
    assert roots.log_head == head
    assert roots.chains == ({"chainId": 1},)


def test_roots_may_name_nobody() -> None:
    assert read_roots({"treaty": "roots/1"}) == Roots()


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"treaty": "roots/2"},
        {"treaty": "roots/1", "hosts": []},
        {"treaty": "roots/1", "host": {}},
        {"treaty": "roots/1", "host": ["agent://node.example"]},
        {"treaty": "roots/1", "host": [{**ANCHOR, "uri": "https://node.example"}]},
        {"treaty": "roots/1", "host": [{**ANCHOR, "keyId": KEY.key_id[:-1] + "_"}]},
        {"treaty": "roots/1", "host": [{**ANCHOR, "publicKey": KEY.key_id}]},
        {"treaty": "roots/1", "host": [{**ANCHOR, "publicKey": "W10"}]},
        {"treaty": "roots/1", "host": [{**ANCHOR, "publicKey": None}]},
        {"treaty": "roots/1", "host": [ANCHOR] * 1_001},
        {"treaty": "roots/1", "logHead": []},
        {"treaty": "roots/1", "chains": {}},
    ],
)
def test_wrong_roots_are_refused(document: Any) -> None:
    with pytest.raises(WireError):
        read_roots(document)


def test_a_deal_file_is_read_strictly() -> None:
    assert read_deal(b'{"treaty":"deal/1"}') == {"treaty": "deal/1"}
    for raw in (b'{"a":1,"a":2}', b"[NaN]", b"", b"[" * (DEAL_DEPTH_MAX + 1) + b"]" * 49):
        with pytest.raises(WireError):
            read_deal(raw)
