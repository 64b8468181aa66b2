"""The client of a quote channel: addresses, refusals put into our words, and odd answers."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.dialects.actp.messages_made import CHAIN, TX, accept, counter, quote
from treaty.dialects.actp.codec import document_of, encode
from treaty.errors import (
    MisuseError,
    Refused,
    SignatureError,
    TreatyError,
    UnavailableError,
    WireError,
)
from treaty.http.quote_client import ANSWER_BYTES_MAX, QuoteClient, check_url

pytestmark = pytest.mark.anyio

VERDICT = {"action": "ACCEPT", "reason": "counter (1) >= ideal (1)", "recommended_amount": "1"}


def client(status: int, body: Any, **headers: str) -> QuoteClient:
    """A client of an endpoint that always answers this."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer(_request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, stream=httpx.ByteStream(raw), headers=headers)

    return QuoteClient("http://peer.test", transport=httpx.MockTransport(answer))


async def sent(one: QuoteClient) -> Any:
    return await one.counter(CHAIN, TX, encode(counter()))


async def test_a_signed_reply_comes_back_decoded() -> None:
    message = accept()
    envelope = {"type": message.type, "message": document_of(message)}
    body = {"accepted": True, "duplicate": True, "verdict": VERDICT, "reply": envelope}

    reply = await sent(client(200, body))

    assert (reply.reply, reply.signs, reply.is_repeat) == (message, True, True)


async def test_the_peers_verdict_is_known_to_be_unsigned() -> None:
    reply = await sent(client(201, {"accepted": True, "duplicate": False, "verdict": VERDICT}))

    assert (reply.reply, reply.signs, reply.action) == (None, False, "ACCEPT")
    nothing = {"accepted": True, "duplicate": False, "verdict": VERDICT, "reply": None}
    assert (await sent(client(201, nothing))).signs


async def test_a_quote_comes_back_decoded() -> None:
    message = quote()
    envelope = {"type": message.type, "message": document_of(message)}

    assert await client(201, envelope).ask(b"{}") == message


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (409, {"accepted": False, "reason": "used", "code": "nonce_conflict", "next_nonce": 7},
         Refused, "nonce_conflict"),
        (422, {"accepted": False, "reason": "Counter-offer expired"}, Refused, "policy_violation"),
        (401, {"accepted": False, "reason": "[SIGNATURE]"}, SignatureError, "signature_invalid"),
        (410, {"accepted": False, "reason": "Message expired"}, Refused, "proposal_expired"),
        (400, {"accepted": False, "reason": "Invalid JSON"}, WireError, "malformed"),
        (429, {"accepted": False, "reason": "slow", "code": "rate_limited"}, Refused,
         "rate_limited"),
        (503, {"reason": "full", "code": "negotiations_full"}, UnavailableError,
         "negotiations_full"),
        (500, b"Internal Server Error", UnavailableError, "unavailable"),
        (404, {"detail": "Not Found"}, Refused, "not_found"),
        (302, b"", UnavailableError, "unspecified"),
    ],
)  # fmt: skip
async def test_a_refusal_is_an_error_of_ours(
    status: int, body: Any, kind: type[TreatyError], code: str
) -> None:
    with pytest.raises(kind) as refused:
        await sent(client(status, body, location="http://127.0.0.1/other"))

    assert refused.value.code == code


async def test_a_refusal_says_which_nonce_is_free() -> None:
    body = {"accepted": False, "reason": "used", "code": "nonce_conflict", "next_nonce": 7}
    with pytest.raises(Refused) as refused:
        await sent(client(409, body))

    assert refused.value.data == {"next_nonce": 7}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"<html>", b"{}", {"accepted": "yes"}, {"accepted": True, "verdict": 7},
        {"accepted": True, "reply": {}}, {"accepted": True, "reply": {"type": "x", "message": {}}},
        {"accepted": True, "duplicate": 1}, b" " * (ANSWER_BYTES_MAX + 1),
    ],
)  # fmt: skip
async def test_another_answer_is_no_quote_channel(body: Any) -> None:
    with pytest.raises(UnavailableError):
        await sent(client(201, body))


async def test_nobody_there_is_unavailable() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(UnavailableError):
        await sent(QuoteClient("http://peer.test", transport=httpx.MockTransport(refuse)))


@pytest.mark.parametrize(
    "url",
    [
        "", "peer.test", "file:///etc/passwd", "gopher://x", "ftp://x/", "http://", "http:///x",
        "http://user:secret@peer.test", "http://@peer.test", "http://peer.test?x=1",
        "http://peer.test#x", "http://peer.test:99999", "http://[::1", "http://peer.test\\@x",
        "http://pe er.test", "http://b\u00fccher.test", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_an_address_is_http_without_credentials(url: str) -> None:
    with pytest.raises(MisuseError):
        check_url(url)


def test_one_slash_at_the_end_is_no_difference() -> None:
    assert check_url("https://peer.test:8443/base/") == "https://peer.test:8443/base"
