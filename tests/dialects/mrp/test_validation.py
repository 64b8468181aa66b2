"""Verdicts: the protocol's published cases in both profiles, and JSON of one meaning in strict."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.make_mrp_vectors import GROUPS, main
from tests.dialects.mrp.made import document, payload, raw, seeded
from tests.dialects.mrp.texts import LEAST, TEXTS
from treaty.cli.validate import VALID, fixtures_folder
from treaty.dialects.mrp.choices import Profile
from treaty.dialects.mrp.validation import validate


def verdicts(body: bytes) -> tuple[bool, bool]:
    return (validate(body, Profile.COMPAT) is None, validate(body, Profile.STRICT) is None)


def discover(**members: Any) -> dict[str, Any]:
    return document("DISCOVER", {"intent": "x", **members})


FAILURE = {"code": "MRP_X", "message": "m", "retryable": True}
ARTIFACT = {"type": "artifact", "uri": "u", "hash": "sha256:x"}

# Document; is it valid in compat, and in strict.
CASES: list[tuple[Any, bool, bool]] = [
    (discover(), True, True),
    (document("OFFER", {"offers": []}), True, True),
    (document("HELLO", {"anything": 1}), True, False),
    (document("JOB_ACCEPTED", {}), True, False),
    (document("JOB_STATUS", {"job_id": "job"}), True, False),
    (document("STREAM_CHUNK", {"x": None}), True, False),
    *((document(one, {}), True, True) for one in ("HELLO",)),
    (document("OFFER", {"offers": []}, in_reply_to=None), True, False),
    (document("OFFER", {"offers": []}, receiver=None), True, False),
    (document("EXECUTE", {"route_id": "r"}, in_reply_to=None), True, False),
    (document("EVIDENCE", {"route_id": "r"}, receiver=None), True, False),
    (document("ERROR", FAILURE, in_reply_to=None), True, False),
    (document("DISCOVER", {"intent": "x"}, in_reply_to=None, receiver=None), True, True),
    (document("HELLO", {}, receiver=None, in_reply_to=None), True, True),
    (discover() | {"timestamp": "yesterday"}, True, False),
    (discover() | {"timestamp": "2025-02-30T00:00:00Z"}, True, False),
    (discover() | {"timestamp": "2025-12-31T23:59:59Z"}, True, True),
    (discover() | {"timestamp": "0000-01-01T00:00:00Z"}, True, False),
    (discover() | {"timestamp": "2025-01-01T00:00:00.123456Z"}, True, True),
    (discover() | {"timestamp": "2025-01-01t00:00:00z"}, True, True),
    (discover() | {"timestamp": "2025-01-01T00:00:00+00:00"}, True, True),
    (discover() | {"timestamp": "2025-01-01T00:00:00+02:00"}, True, False),
    (discover() | {"expires_at": "never"}, True, False),
    (discover() | {"mrp_version": "9.9"}, True, False),
    (discover() | {"mrp_version": "0.2"}, True, True),
    (discover() | {"mrp_version": "0.1\n"}, True, False),
    (discover() | {"mrp_version": "1"}, False, False),
    (discover() | {"msg_id": "abc"}, False, False),
    (document("DISCOVER", {"intent": "x"}, msg_id=None), False, False),
    (discover() | {"msg_type": "NOPE"}, False, False),
    (discover() | {"extra": 1}, False, False),
    (discover() | {"sender": None}, False, False),
    (discover() | {"sender": "agent:x"}, False, False),
    (discover() | {"sender": {"id": "a"}}, False, False),
    (discover() | {"receiver": None}, False, False),
    (discover() | {"auth": {"type": "basic"}}, False, False),
    (discover() | {"auth": {"type": "bearer", "delegation": {}}}, True, True),
    (document("DISCOVER", {}), False, False),
    (discover(intent=""), False, False),
    (discover(more=1), False, False),
    (discover(constraints={"max_cost": -1}), False, False),
    (discover(constraints={"max_cost": True}), False, False),
    (discover(constraints={"max_latency_ms": 400.5}), False, False),
    (discover(constraints={"max_latency_ms": 400.0, "more": [1]}), True, True),
    (discover(inputs=[{"type": "file", "value": "x"}]), False, False),
    (discover(inputs=[{**ARTIFACT, "hash": "md5:x"}]), False, False),
    (discover(inputs=[{**ARTIFACT, "uri": ""}]), False, False),
    (document("ERROR", {**FAILURE, "caused_by": "12345678"}), False, True),
    (document("ERROR", {**FAILURE, "code": "bad"}), False, False),
    (document("NEGOTIATE", {"route_id": "r", "accepted": False}), False, False),
    (document("NEGOTIATE", {"route_id": "r", "delegation": {}}), False, False),
    (document("EVIDENCE", {"route_id": "r", "outputs": [{"type": "markdown"}]}), False, False),
    (document("EVIDENCE", {"route_id": "r", "outputs": [{**ARTIFACT, "value": 1}]}), False, False),
    (
        document(
            "EVIDENCE",
            {"route_id": "r", "outputs": [{"type": "text", "value": None, "mime": "", "hash": ""}]},
        ),
        True,
        True,
    ),
    ([], False, False),
    (5, False, False),
]


@pytest.mark.parametrize(("case", "compat", "strict"), CASES)
def test_a_document_has_its_verdict_in_both_profiles(case, compat: bool, strict: bool) -> None:
    assert verdicts(raw(case)) == (compat, strict)


STRICT_REFUSES = (
    "nan", "infinity", "overflow", "name twice", "name twice by escape", "lone surrogate",
    "lone surrogate as name", "nested 600", "version and newline", "latency vast",
)  # fmt: skip


@pytest.mark.parametrize("name", STRICT_REFUSES)
def test_json_of_more_than_one_meaning_is_valid_in_compat_alone(name: str) -> None:
    assert verdicts(TEXTS[name]) == (True, False)


@pytest.mark.parametrize("name", TEXTS)
def test_strict_is_never_laxer_than_compat(name: str) -> None:
    compat, strict = verdicts(TEXTS[name])

    assert compat or not strict


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (raw(discover(constraints={"max_cost": -1})), "payload.constraints.max_cost: must be 0"),
        (raw(discover(inputs=[{"type": "url", "value": 1}, {"type": "x"}])), "payload.inputs[1]."),
        (raw(discover(constraints={"policy": ["a", 5]})), "payload.constraints.policy[1]: must"),
        (raw(discover(more=1)), "payload: has no place for 'more'"),
        (raw(discover() | {"sender": {}}), "sender: has no id"),
        (b"[]", "must be an object"),
        (b"nope", "not JSON"),
        (LEAST + b" " * 17_000_000, "the limit is 16777216"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(body: bytes, text: str) -> None:
    fault = validate(body)

    assert fault is not None
    assert text in fault.text


@pytest.mark.parametrize("group", VALID)
def test_every_fixture_is_what_its_folder_says(group: str) -> None:
    paths = sorted((fixtures_folder() / group).glob("*.json"))

    assert len(paths) == len(GROUPS[group]())
    assert {path.name: verdicts(path.read_bytes()) for path in paths} == {
        path.name: VALID[group] for path in paths
    }


def test_the_fixtures_are_those_that_are_made(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("conformance.make_mrp_vectors.FIXTURES", tmp_path)
    main()

    for group in VALID:
        for path in (tmp_path / group).iterdir():
            assert path.read_bytes() == (fixtures_folder() / group / path.name).read_bytes()


@given(st.binary(max_size=100) | st.text(max_size=40).map(str.encode))
def test_any_bytes_have_a_verdict(body: bytes) -> None:
    assert verdicts(body) == (False, False)


def test_a_seed_payload_is_judged_as_a_whole() -> None:
    broken = payload("offer_a")
    broken["offers"][0]["confidence"] = 2

    assert verdicts(raw(seeded("offer_b", **broken))) == (False, False)
    assert json.loads(LEAST)["payload"]["intent"] == "x"
