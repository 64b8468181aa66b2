"""Who asks: as certain as the operator wants, and never more certain than it is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.http.nodes import signer
from treaty.dialects.mrp import codec, signing
from treaty.dialects.mrp.authority import GRACE_MS, NONCE_MS, Authority, Mode, Standing
from treaty.errors import Refused, TreatyError
from treaty.wire.digest import sha256
from treaty.wire.instants import format_instant

AT_MS = 1_772_892_000_000
PROVIDER = "service:treaty/us"
KEY = signer("agent://buyer.test/x")
TOKEN = "a-token-of-discovery"
TOKENS = {sha256(TOKEN.encode()).hex(): frozenset({"mrp:discover"})}


def asked(sign: bool = False, **members: Any) -> Any:
    """A message, signed or not."""
    document: dict[str, Any] = {
        "mrp_version": "0.1",
        "msg_id": "message-1",
        "msg_type": "DISCOVER",
        "timestamp": "2025-01-01T00:00:00Z",
        "sender": {"id": "agent:x"},
        "payload": {"intent": "x"},
        **members,
    }
    if sign:
        fresh = {"receiver": {"id": PROVIDER}, "nonce": "n-1", "expires_at": in_ms(60_000)}
        document = signing.sign({**document, **fresh, **members}, KEY)
    return codec.decode(codec.encode(document))


def in_ms(span_ms: int) -> str:
    return format_instant(AT_MS + span_ms)


def standing(message: Any, mode: Mode = Mode.NONE, endpoint: str = "discover") -> Standing:
    known = {KEY.key.key_id: KEY.key}
    authority = Authority(mode, TOKENS, known.get)
    return authority.standing(
        message, endpoint, provider=PROVIDER, address="192.0.2.7", at_ms=AT_MS
    )


BEARER = {"auth": {"type": "bearer", "token": TOKEN}}


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    ("message", "principal", "modes"),
    [
        (asked(), "from:192.0.2.7/agent:x", {Mode.NONE}),
        (asked(**BEARER), "token:", {Mode.NONE, Mode.BEARER}),
        (asked(sign=True), f"key:{KEY.key.key_id}", set(Mode)),
        (asked(auth={"type": "bearer", "token": "guess"}), "", set()),
        (asked(auth={"type": "mTLS"}), "from:192.0.2.7/agent:x", {Mode.NONE}),
    ],
)
def test_each_mode_takes_what_proves_as_much_or_more(
    mode: Mode, message: Any, principal: str, modes: set[Mode]
) -> None:
    if mode in modes:
        assert standing(message, mode).principal.startswith(principal)
        return
    with pytest.raises(TreatyError) as refused:
        standing(message, mode)
    assert refused.value.code == "auth_missing"


@pytest.mark.parametrize(
    ("scopes", "endpoint", "is_enough"),
    [
        ({"mrp:discover"}, "discover", True),
        ({"mrp:discover"}, "negotiate", False),
        ({"mrp:discover"}, "execute", False),
        ({"mrp:execute"}, "negotiate", True),
        ({"mrp:execute"}, "cancel", True),
        ({"mrp:execute"}, "discover", False),
        ({"mrp:negotiate"}, "negotiate", True),
        ({"mrp:negotiate"}, "execute", False),
        ({"mrp:*"}, "execute", True),
        (set(), "discover", False),
        ({"discover"}, "discover", False),
    ],
)
def test_a_scope_opens_its_endpoint(scopes: set[str], endpoint: str, is_enough: bool) -> None:
    authority = Authority(Mode.BEARER, {sha256(b"t").hex(): frozenset(scopes)})

    if is_enough:
        assert authority.bearer("t", endpoint).startswith("token:")
        return
    with pytest.raises(Refused) as refused:
        authority.bearer("t", endpoint)
    assert refused.value.code == "scope_missing"
    assert refused.value.data["required_scopes"]


def used(found: Standing) -> list[tuple[str, int]]:
    return [(one.scope, one.until_ms - AT_MS) for one in found.used]


def test_what_is_good_once_is_remembered_beyond_its_end() -> None:
    assert used(standing(asked())) == []
    assert used(standing(asked(nonce="n"))) == [("nonce", NONCE_MS)]
    assert used(standing(asked(nonce="n", expires_at=in_ms(5_000)))) == [
        ("nonce", 5_000 + GRACE_MS)
    ]
    assert used(standing(asked(nonce="n", expires_at="9999-01-01T00:00:00Z"))) == [
        ("nonce", NONCE_MS)
    ]
    assert used(standing(asked(**BEARER), Mode.BEARER)) == [("msg_id", NONCE_MS)]
    assert used(standing(asked(sign=True))) == [
        ("nonce", 60_000 + GRACE_MS),
        ("msg_id", 60_000 + GRACE_MS),
    ]


@pytest.mark.parametrize(
    ("expires", "reason"),
    [(in_ms(0), "envelope_expired"), (in_ms(-1), "envelope_expired"), ("soon", "malformed")],
)
def test_an_end_is_an_end_in_every_mode(expires: str, reason: str) -> None:
    for message in (asked(expires_at=expires), asked(sign=True, expires_at=expires)):
        with pytest.raises(TreatyError) as refused:
            standing(message)
        assert refused.value.code == reason


def test_a_signed_message_lives_for_five_minutes_at_most() -> None:
    assert standing(asked(sign=True, expires_at=in_ms(300_000)))
    with pytest.raises(TreatyError) as refused:
        standing(asked(sign=True, expires_at=in_ms(300_001)))
    assert refused.value.code == "lifetime_exceeded"


@pytest.mark.parametrize(
    "signature",
    [{"alg": "none", "key_id": "x", "value": "x"}, {"alg": "EdDSA", "key_id": "", "value": "x"}],
)
def test_a_signature_of_another_kind_is_none(signature: dict[str, str]) -> None:
    with pytest.raises(TreatyError):
        standing(asked(auth={"type": "signed", "signature": signature}))
    with pytest.raises(TreatyError):
        standing(asked(auth={"type": "signed"}))
