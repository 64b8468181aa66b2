"""Envelopes changed in one to three places: what a hasty or a hostile peer might send."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

from hypothesis import strategies as st

from tests.dialects.mrp.made import SEED, document, seeded

ARTIFACT: Final = {"type": "artifact", "uri": "https://x/y", "hash": "sha256:ab", "size": 3}
STARTS: Final[list[dict[str, Any]]] = [
    *(seeded(name) for name in SEED),
    document("ERROR", {"code": "MRP_X", "message": "m", "retryable": False, "details": {}}),
    document("HELLO", {"schemas": ["0.1"], "proofs": ["attestation"]}),
    document("JOB_ACCEPTED", {"job_id": "job-1", "status": "accepted", "status_url": "/s"}),
    document("JOB_STATUS", {"job_id": "job-1", "status": "running", "progress": 0.5}),
    document(
        "STREAM_CHUNK",
        {"stream_id": "s-1", "sequence": 0, "final": True, "chunk": {"type": "text", "value": ""}},
    ),
    document("EVIDENCE", {"route_id": "r", "job_id": "j", "outputs": [ARTIFACT]}),
    document(
        "EXECUTE",
        {"route_id": "r", "inputs": [{"type": "json", "value": {"a": [1]}}], "job": {"id": "j"}},
        trace={"root": "r", "parent": "p"},
        nonce="n",
        idempotency_key="k",
        expires_at="2030-01-01T00:00:00Z",
        auth={
            "type": "signed",
            "scopes": ["mrp:execute"],
            "signature": {"alg": "EdDSA", "key_id": "k", "value": "v"},
        },
    ),
]

NAMES: Final = (
    *("type", "value", "uri", "hash", "size", "mime", "id", "extra", "in_reply_to", "receiver"),
    *("max_cost", "max_latency_ms", "policy", "route_id", "caused_by", "signature", "proofs"),
)
VALUES: Final[list[Any]] = [
    None, True, False, 0, 1, -1, 2, 400.0, 400.5, -0.5, 1.5, 2**70, "", "x", "abcdefgh", "0.1",
    "9.9", "1", "MRP_A", "mrp_a", "sha256:", "md5:x", "artifact", "text", "file", "DISCOVER",
    "ERROR", "OFFER", "HELLO", [], [""], [1], [None], {}, {"id": "abc"}, {"id": "ab"}, {"a": 1},
    {"type": "text"}, {"type": "text", "value": None}, [{"type": "text", "value": 1}], ARTIFACT,
    [ARTIFACT], {**ARTIFACT, "value": 1}, [{"route_id": "r", "capability": "c"}], [{}],
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, but for the document itself."""
    children: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    return [
        place
        for name, child in children
        for place in ((*path, name), *places(child, (*path, name)))
    ]


def _change(whole: Any, path: tuple[Any, ...], how: str, name: str, value: Any) -> None:
    parent = whole
    for step in path[:-1]:
        parent = parent[step]
    if how == "drop":
        del parent[path[-1]]
    elif how == "add" and isinstance(parent, dict):
        parent[name] = value
    else:
        parent[path[-1]] = value


@st.composite
def mutants(draw: st.DrawFn, values: list[Any] = VALUES) -> dict[str, Any]:
    """A lawful envelope with one to three changes."""
    whole = deepcopy(draw(st.sampled_from(STARTS)))
    for _ in range(draw(st.integers(1, 3))):
        known = places(whole)
        if not known:
            break
        how = draw(st.sampled_from(("drop", "set", "set", "set", "add")))
        _change(
            whole,
            draw(st.sampled_from(known)),
            how,
            draw(st.sampled_from(NAMES)),
            deepcopy(draw(st.sampled_from(values))),
        )
    return whole
