"""A clearing that reports to a town's trust node, honestly or not."""

from __future__ import annotations

from typing import Any

from tests.agent.local import ALPHA, BETA, Town, signer_of
from tests.engine.speaker import Speaker
from tests.simulation.clock import now_ms
from treaty.core.deal import Anchor
from treaty.dialects.asp.choices import SIGNING_PREFIX
from treaty.identity.keys import Ed25519Signer, sign_text
from treaty.identity.records import seal
from treaty.wire.digest import sha256_tag
from treaty.wire.instants import format_instant

CLEARING = "agent://far.example/clearing"
SESSION = "019526a1-8e1a-7000-8000-0000000000c1"
HEAD = sha256_tag(b"the last message of a session elsewhere")
EARLIER = sha256_tag(b"one before it")
LISTED = signer_of("far clearing")


def anchor(signer: Ed25519Signer = LISTED, uri: str = CLEARING) -> Anchor:
    """A clearing as an operator lists it."""
    return Anchor(uri, signer.key.key_id, signer.key.text)


def trusting(*clearings: Anchor, **options: Any) -> Town:
    """A town whose trust node lists these clearings; by itself the far one."""
    return Town(clearings=clearings or (anchor(),), **options)


async def known(town: Town) -> tuple[Speaker, Speaker]:
    """Alpha and Beta with cards at the trust node; Beta is vouched for."""
    alpha, beta = Speaker(town, "alpha", ALPHA), Speaker(town, "beta", BETA)
    await alpha.register()
    await beta.register()
    await town.attest(BETA)
    return alpha, beta


def shown(agent: str, signer: Ed25519Signer, tag: str) -> dict[str, Any]:
    """A message by its hash, as its sender signed it."""
    signature = sign_text(signer, f"{SIGNING_PREFIX}{tag}".encode())
    return {"sender": agent, "publicKey": signer.key.text, "hash": tag, "signature": signature}


def party(agent: str, number: int = 1, **changes: Any) -> dict[str, Any]:
    """A side that kept a deal of full value."""
    return {
        "agent": agent, "result": "kept", "v": "1", "escrow": "honoured", "number": number,
        **changes,
    }  # fmt: skip


def body(town: Town, **changes: Any) -> dict[str, Any]:
    """A report of a deal that Alpha and Beta both kept; ``changes`` replace members."""
    at = format_instant(now_ms())
    return {
        "session": SESSION,
        "head": HEAD,
        "commitment": "cmt",
        "clearing": CLEARING,
        "parties": [party(ALPHA, rating=4), party(BETA, rating=5)],
        "disputed": False,
        "at": at,
        "trust": {"uri": town.uri, "keyId": town.signer.key.key_id},
        "openedAt": at,
        "shown": [
            shown(BETA, signer_of("beta"), HEAD),
            shown(ALPHA, signer_of("alpha"), EARLIER),
        ],
        **changes,
    }


async def hand_in(
    town: Town, signer: Ed25519Signer = LISTED, **changes: Any
) -> tuple[dict[str, Any], bool]:
    """Sign a report and hand it in."""
    return await take(town, seal("outcome", body(town, **changes), signer))


async def take(town: Town, record: Any) -> tuple[dict[str, Any], bool]:
    """Hand a record in."""
    node = town.at_home()
    answer, new = await node.outcomes.report(record, node.anchor)
    return dict(answer), new
