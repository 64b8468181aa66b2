"""The records of the trust log: their JSON, read strictly and written exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treaty.core.trust_records import (
    Attestation,
    Before,
    Endorsement,
    Identity,
    Outcome,
    Party,
    Violation,
    decimal_text,
    record_from_json,
    record_kind,
    record_to_json,
)
from treaty.errors import WireError

ALPHA = "agent://acme.com/procurement/alpha"
BETA = "agent://cloudprime.io/gpu/beta"
NODE = "agent://npayload.com/node"
AT = "2026-03-07T14:15:05.000Z"
AT_MS = 1_772_892_905_000
STANDING = {"score": "49.0", "provisional": True, "size": 7, "at": AT}

BODIES = {
    "identity": {"agent": ALPHA, "proof": "key", "by": NODE, "key": "eyJr", "at": AT},
    "attestation": {
        "agent": BETA,
        "components": {"IV": "100", "CH": "90", "PE": "68.25"},
        "weight": "200",
        "allowance": "100.5",
        "until": "2027-03-07T14:15:05.000Z",
        "reason": "known for years",
        "by": NODE,
        "at": AT,
    },
    "endorsement": {"endorser": BETA, "agent": ALPHA, "withdrawn": True, "at": AT},
    "violation": {"agent": ALPHA, "violation": "two-heads", "evidence": "sha256:ab", "at": AT},
    "outcome": {
        "session": "019526a1-8e1a-7000-8000-000000000001",
        "head": "sha256:cd",
        "commitment": "cmt_001",
        "clearing": NODE,
        "parties": [
            {
                "agent": ALPHA,
                "result": "kept",
                "v": "1",
                "escrow": "honoured",
                "rating": 4,
                "number": 1,
                "organisation": ALPHA,
                "before": STANDING,
                "q": "1",
                "w": "0.316666666667",
            },
            {"agent": BETA, "result": "breached", "v": "0.0001", "escrow": "failed"},
        ],
        "disputed": True,
        "severity": 3,
        "at": AT,
    },
}

RECORDS = {
    "identity": Identity(ALPHA, "key", AT_MS, NODE, "eyJr"),
    "attestation": Attestation(
        agent=BETA,
        components={"IV": Decimal(100), "CH": Decimal(90), "PE": Decimal("68.25")},
        weight=Decimal(200),
        until_ms=AT_MS + 365 * 86_400_000,
        by=NODE,
        at_ms=AT_MS,
        allowance=Decimal("100.5"),
        reason="known for years",
    ),
    "endorsement": Endorsement(BETA, ALPHA, AT_MS, withdrawn=True),
    "violation": Violation(ALPHA, "two-heads", "sha256:ab", AT_MS),
    "outcome": Outcome(
        session="019526a1-8e1a-7000-8000-000000000001",
        head="sha256:cd",
        commitment="cmt_001",
        clearing=NODE,
        parties=(
            Party(
                agent=ALPHA,
                kept=True,
                v=Decimal(1),
                escrow=True,
                rating=4,
                number=1,
                organisation=ALPHA,
                before=Before(Decimal("49.0"), True, 7, AT_MS),
                q=Decimal(1),
                w=Decimal("0.316666666667"),
            ),
            Party(agent=BETA, kept=False, v=Decimal("0.0001"), escrow=False),
        ),
        at_ms=AT_MS,
        disputed=True,
        severity=3,
    ),
}


@pytest.mark.parametrize("kind", BODIES)
def test_a_body_reads_as_its_record_and_writes_as_it_was(kind):
    record = record_from_json(kind, BODIES[kind])
    assert record == RECORDS[kind]
    assert record_kind(record) == kind
    assert record_to_json(record) == BODIES[kind]


@pytest.mark.parametrize("kind", BODIES)
def test_unknown_members_are_passed_over(kind):
    body = {**BODIES[kind], "later": {"x": [1, None]}, "integrity": {"hash": "sha256:…"}}
    assert record_from_json(kind, body) == RECORDS[kind]


@pytest.mark.parametrize(
    ("kind", "left_out"),
    [
        ("identity", ["by"]),
        ("identity", ["key"]),
        ("attestation", ["allowance", "reason"]),
        ("endorsement", ["withdrawn"]),
        ("outcome", ["disputed", "severity"]),
    ],
)
def test_optional_members_may_be_missing(kind, left_out):
    body = {name: value for name, value in BODIES[kind].items() if name not in left_out}
    record = record_from_json(kind, body)
    assert record != RECORDS[kind]
    assert record_from_json(kind, record_to_json(record)) == record


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *[("identity", name) for name in ("agent", "proof", "at")],
        *[("attestation", name) for name in ("agent", "components", "weight", "until", "by", "at")],
        *[("endorsement", name) for name in ("endorser", "agent", "at")],
        *[("violation", name) for name in ("agent", "violation", "evidence", "at")],
        *[
            ("outcome", name)
            for name in ("session", "head", "commitment", "clearing", "parties", "at")
        ],
    ],
)
def test_required_members_are_required(kind, name):
    body = {**BODIES[kind]}
    del body[name]
    with pytest.raises(WireError):
        record_from_json(kind, body)


def test_defaults_are_those_of_the_decision():
    bare = {name: value for name, value in BODIES["attestation"].items() if name != "allowance"}
    assert record_from_json("attestation", bare).allowance == 100
    bare = {name: value for name, value in BODIES["outcome"].items() if name != "disputed"}
    assert record_from_json("outcome", bare).disputed is False


def test_components_may_be_whole_numbers_and_unknown_ones_are_passed_over():
    body = {**BODIES["attestation"], "components": {"IV": 100, "CH": None, "XX": "lots"}}
    assert record_from_json("attestation", body).components == {"IV": Decimal(100)}


@pytest.mark.parametrize("kind", ["", "listing", "Outcome", "outcome "])
def test_an_unknown_kind_is_malformed(kind):
    with pytest.raises(WireError):
        record_from_json(kind, {})


@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("body", [None, [], "x", 7])
def test_what_is_no_object_is_malformed(kind, body):
    with pytest.raises(WireError):
        record_from_json(kind, body)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("identity", {"agent": "acme.com"}),
        ("identity", {"proof": ""}),
        ("identity", {"at": 1_772_892_905_000}),
        ("attestation", {"weight": "-1"}),
        ("attestation", {"weight": "1e3"}),
        ("attestation", {"weight": 1.5}),
        ("attestation", {"weight": True}),
        ("attestation", {"weight": 2**53}),
        ("attestation", {"weight": -1}),
        ("attestation", {"weight": "1000000.1"}),
        ("attestation", {"weight": "01"}),
        ("attestation", {"weight": "1."}),
        ("attestation", {"weight": "\uff11"}),
        ("attestation", {"weight": "NaN"}),
        ("attestation", {"components": {"IV": "100.1"}}),
        ("attestation", {"components": {"IV": "99.99999"}}),
        ("attestation", {"components": ["IV"]}),
        ("attestation", {"allowance": "much"}),
        ("endorsement", {"withdrawn": "yes"}),
        ("violation", {"evidence": "two words"}),
        ("outcome", {"parties": []}),
        ("outcome", {"parties": BODIES["outcome"]["parties"][:1]}),
        ("outcome", {"parties": BODIES["outcome"]["parties"][:1] * 2}),
        ("outcome", {"parties": BODIES["outcome"]["parties"] * 2}),
        ("outcome", {"parties": ["alpha", "beta"]}),
        ("outcome", {"severity": 0}),
        ("outcome", {"severity": 6}),
        ("outcome", {"disputed": "no"}),
    ],
)
def test_a_wrong_member_is_malformed(kind, change):
    with pytest.raises(WireError):
        record_from_json(kind, {**BODIES[kind], **change})


@pytest.mark.parametrize(
    "change",
    [
        {"result": "mostly"},
        {"result": None},
        {"escrow": "maybe"},
        {"v": "1.1"},
        {"v": "0.0000000000001"},
        {"v": None},
        {"rating": 0},
        {"rating": 6},
        {"rating": 4.5},
        {"number": 0},
        {"q": "2"},
        {"before": {"score": "91.0"}},
        {"before": {"score": "91.0", "provisional": 0}},
        {"before": {"score": "91.05", "provisional": False}},
        {"before": {"score": "100.1", "provisional": False}},
        {"before": "91.0"},
        {"before": {**STANDING, "size": -1}},
        {"before": {**STANDING, "at": "today"}},
        {"w": "x"},
    ],
)
def test_a_wrong_member_of_a_party_is_malformed(change):
    one, other = BODIES["outcome"]["parties"]
    with pytest.raises(WireError):
        record_from_json("outcome", {**BODIES["outcome"], "parties": [{**one, **change}, other]})


@pytest.mark.parametrize(
    ("value", "text"),
    [("100", "100"), ("1E+2", "100"), ("0E-12", "0"), ("0.00010", "0.0001"), ("68.2500", "68.25")],
)
def test_decimals_are_written_plainly(value, text):
    assert decimal_text(Decimal(value)) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["1", AT, ALPHA]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150)
@given(st.sampled_from(list(BODIES)), st.data())
def test_any_json_is_a_record_or_malformed(kind, data):
    names = st.sampled_from([*BODIES[kind], "score", "result"])
    body = {**BODIES[kind], **data.draw(st.dictionaries(names, JSON, max_size=3))}
    try:
        record = record_from_json(kind, body)
    except WireError as refusal:
        code = refusal.code
    else:
        code = "read"
        assert record_from_json(kind, record_to_json(record)) == record
    assert code in {"read", "malformed"}
