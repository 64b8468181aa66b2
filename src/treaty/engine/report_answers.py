"""What a trust node answers to a report, read as a stranger's word (ASP B16).

Read next: ``reports``, which asks.
"""

from __future__ import annotations

from collections.abc import Mapping

from treaty.core.trust import COMPONENTS, Outcome, record_from_json
from treaty.core.trust_reports import MEMBER, departures, read_report
from treaty.engine.dialect import NamedNode
from treaty.engine.fetching import Fetched
from treaty.errors import REASONS, SignatureError, WireError, shown
from treaty.identity.keys import PublicKey, read_public_key
from treaty.identity.records import open_record
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json

LEVEL_MOST = 4


def reason_in(answer: Fetched) -> str:
    """The reason in an answer, if it is one that is known."""
    try:
        body = read_json(answer.body)
    except WireError:
        body = None
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, str) and code in REASONS else "unspecified"


def agents_of(record: Mapping[str, Json]) -> list[str]:
    """The two agents that a report is about."""
    parties = fields.items(record, "parties", most=2)
    return [fields.agent(one, "agent") for one in parties if isinstance(one, dict)]


def read_answer(
    answer: Mapping[str, Json], node: NamedNode, record: Mapping[str, Json]
) -> dict[str, Json]:
    """What a trust node answered, if it holds: its signed entry of exactly this report.

    Raises ``SignatureError`` and ``WireError``.
    """
    trust = fields.obj(answer, "trust")
    key: PublicKey = read_public_key(trust.get("publicKey"))
    if key.key_id != node.key_id:
        raise SignatureError(f"the answer is by {key.key_id}, not by {shown(node.key_id)}")
    entry = open_record("outcome", answer.get("record"), key).value
    if entry.get(MEMBER) != dict(record):
        raise WireError("the trust node's entry is of another report")
    logged = record_from_json("outcome", entry)
    assert isinstance(logged, Outcome)
    for detail in departures(logged, read_report(entry[MEMBER])):
        raise WireError(f"the trust node's entry: {detail}")
    scores = fields.obj(answer, "scores")
    return {
        "commitmentId": fields.ident(record, "commitment"),
        "index": fields.integer(answer, "index"),
        "record": entry,
        "scores": {agent: _change(fields.obj(scores, agent)) for agent in agents_of(record)},
        "trust": {"uri": node.uri, "keyId": key.key_id, "publicKey": key.text},
    }


def _change(change: Mapping[str, Json]) -> dict[str, Json]:
    return {name: _score(fields.obj(change, name)) for name in ("before", "after")}


def _score(value: Mapping[str, Json]) -> dict[str, Json]:
    parts = fields.obj(value, "components")
    numbers = {"score": value.get("score"), **parts}
    if parts.keys() != set(COMPONENTS) or not all(map(_is_score, numbers.values())):
        raise WireError("a score is made of eight components, numbers from 0 to 100")
    level = fields.integer(value, "level", most=LEVEL_MOST)
    return {"score": value.get("score"), "level": level, "components": parts}


def _is_score(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100
