"""Messages for the tests: the seed's payloads in envelopes, and ways to change them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from treaty.dialects.mrp.codec import compose, decode, encode
from treaty.dialects.mrp.messages import Envelope

VECTORS: Final = Path(__file__).parents[3] / "conformance" / "vectors" / "mrp"
SEED: Final[Mapping[str, Any]] = {
    one["name"]: one for one in json.loads((VECTORS / "seed-transcript.json").read_text("utf-8"))
}
AT_MS: Final = 1_735_689_600_000
BUYER: Final = "agent:acme/router"
PROVIDER: Final = "service:fast/summarize"


def payload(name: str, **changes: Any) -> dict[str, Any]:
    """A copy of the seed's payload, members replaced."""
    return {**deepcopy(SEED[name]["payload"]), **changes}


def document(msg_type: str, body: Mapping[str, Any], /, **members: Any) -> dict[str, Any]:
    """An envelope that both profiles take, members replaced; None takes one away."""
    made = compose(
        msg_type,
        body,
        sender=BUYER,
        receiver=PROVIDER,
        in_reply_to="msg-before",
        at_ms=AT_MS,
        entropy=bytes(10),
    )
    return {name: one for name, one in {**made, **members}.items() if one is not None}


def seeded(name: str, **changes: Any) -> dict[str, Any]:
    """A message of the seed in its envelope."""
    return document(SEED[name]["msg_type"], payload(name, **changes))


def received(msg_type: str, body: Mapping[str, Any], /, **members: Any) -> Envelope:
    """The same as a receiver decodes it."""
    return decode(encode(document(msg_type, body, **members)))


def raw(value: Any) -> bytes:
    """Any JSON, also what treaty would not write."""
    return json.dumps(value).encode()


def encode_reply(msg_type: str, body: Mapping[str, Any], *, sender: str) -> bytes:
    """A provider's envelope as bytes, whatever its payload is."""
    return raw(document(msg_type, body, sender={"id": sender}, receiver={"id": BUYER}))
