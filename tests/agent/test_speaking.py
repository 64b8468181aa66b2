"""What a buyer says: lawful in both profiles, and a token or signature only where it belongs."""

from __future__ import annotations

import asyncio
import json
from itertools import count
from typing import Any

import pytest

from tests.agent.routed import BARE, order, router
from tests.agent.stalls import open_stalls, seed_stall
from treaty.agent.speaking import SENDER, Saying, Speaker
from treaty.dialects.mrp.choices import SIGNED_LIFE_MS_MAX, Profile
from treaty.dialects.mrp.codec import decode
from treaty.dialects.mrp.signing import check
from treaty.dialects.mrp.validation import validate
from treaty.identity.keys import Ed25519Signer
from treaty.wire.digest import sha256
from treaty.wire.instants import parse_instant

AT_MS = 1_772_892_000_000
SIGNER = Ed25519Signer(b"\x05" * 32)
TOKEN = "a-token-of-some-length"


def speaker(**members: Any) -> Speaker:
    chance = count()
    return Speaker(lambda: AT_MS, lambda n: sha256(str(next(chance)).encode())[:n], **members)


def said(one: Speaker, **members: Any) -> tuple[Saying, dict[str, Any]]:
    saying = one.say("DISCOVER", {"intent": "x"}, **{"receiver": "service:a", **members})
    return saying, json.loads(saying.wire)


def test_nobody_in_particular_says_a_lawful_message() -> None:
    saying, document = said(speaker(), in_reply_to="msg-1234", key="k")

    assert saying.wire == saying.kept
    assert saying.msg_id == document["msg_id"]
    assert document["sender"] == {"id": SENDER}
    assert "auth" not in document
    assert validate(saying.wire, Profile.COMPAT) is None
    assert validate(saying.wire, Profile.STRICT) is None


def test_what_no_schema_takes_is_left_out() -> None:
    _, document = said(speaker(), receiver="ab", in_reply_to="short")

    assert not {"receiver", "in_reply_to"} & document.keys()


def test_a_token_goes_over_the_wire_and_nowhere_else() -> None:
    saying, document = said(speaker(token=TOKEN), is_known=True)

    assert document["auth"] == {"type": "bearer", "token": TOKEN}
    assert TOKEN.encode() not in saying.kept
    assert validate(saying.wire) is None


def test_a_signature_binds_receiver_and_time() -> None:
    saying, document = said(speaker(signer=SIGNER), is_known=True)
    envelope = decode(saying.wire)

    check(envelope, SIGNER.key)
    assert saying.kept == saying.wire
    assert envelope.receiver == "service:a"
    assert envelope.nonce is not None
    assert AT_MS < parse_instant(envelope.expires_at) <= AT_MS + SIGNED_LIFE_MS_MAX
    assert document["sender"]["id"] == f"agent:treaty/{SIGNER.key.key_id}"
    assert validate(saying.wire) is None


@pytest.mark.parametrize("members", [{"token": TOKEN}, {"signer": SIGNER}])
def test_whom_only_a_registry_names_hears_from_nobody_in_particular(
    members: dict[str, Any],
) -> None:
    saying, document = said(speaker(**members), is_known=False)

    assert "auth" not in document
    assert document["sender"] == {"id": SENDER}
    assert TOKEN.encode() not in saying.wire


def test_a_token_is_not_shown() -> None:
    assert TOKEN not in repr(speaker(token=TOKEN))


def test_a_token_stays_at_the_origin_of_the_manifest() -> None:
    """A manifest may point anywhere; what it points to is not whom the user trusts."""
    a, other = seed_stall("a"), seed_stall("a")
    with open_stalls(a, other):
        a.manifest["endpoints"] = {
            "discover": "/mrp/discover",
            "execute": f"{other.url}/mrp/execute",
        }

        async def run() -> None:
            async with router(speaker=speaker(token=TOKEN)) as one:
                await one.run(order(a, wish=BARE))

        asyncio.run(run())

    assert a.said("DISCOVER")[0]["auth"]["token"] == TOKEN
    (execute,) = other.said("EXECUTE")
    assert "auth" not in execute
