"""Who reads: header proofs, each good for one question (B6)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.agent.local import Town, signer_of
from tests.simulation.clock import later, now_ms, simulated
from treaty.engine.readers import KEPT_MS
from treaty.errors import Refused, SignatureError
from treaty.identity.dpop import header_proof

URL = "http://node.example/v1/asp/sessions/x"


def proof(**changes: Any) -> str:
    stated: dict[str, Any] = {"method": "GET", "url": URL, "jti": "one", "at_ms": now_ms()}
    return header_proof(signer_of("alpha"), **{**stated, **changes})


@simulated
async def test_a_proof_names_the_key_that_asks() -> None:
    async with Town() as town:
        key = await town.at_home().readers.check(proof(), method="GET", url=URL)
        assert key == signer_of("alpha").key


@simulated
async def test_a_proof_is_good_for_one_question() -> None:
    async with Town() as town:
        check = town.at_home().readers.check
        await check(proof(), method="GET", url=URL)
        with pytest.raises(Refused) as caught:
            await check(proof(), method="GET", url=URL)
        assert caught.value.code == "proof_replayed"

        await check(proof(jti="two"), method="GET", url=URL)


@simulated
async def test_a_proof_is_good_for_one_question_across_a_restart() -> None:
    async with Town() as town:
        token = proof()
        await town.at_home().readers.check(token, method="GET", url=URL)
        await town.stop()
        await town.wake()

        with pytest.raises(Refused):
            await town.at_home().readers.check(token, method="GET", url=URL)


@simulated
async def test_a_proof_that_is_still_fresh_is_still_known() -> None:
    async with Town() as town:
        token = proof()
        await town.at_home().readers.check(token, method="GET", url=URL)
        await later(50_000)
        with pytest.raises(Refused) as caught:
            await town.at_home().readers.check(token, method="GET", url=URL)
        assert caught.value.code == "proof_replayed"


@simulated
async def test_of_many_at_once_one_is_answered() -> None:
    async with Town() as town:
        token = proof()
        checks = (town.at_home().readers.check(token, method="GET", url=URL) for _ in range(8))
        answers = await asyncio.gather(*checks, return_exceptions=True)

        assert sum(not isinstance(one, BaseException) for one in answers) == 1


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "no.proof",
        "a.b.c",
        lambda: proof(method="POST"),
        lambda: proof(url=URL + "/messages"),
        lambda: proof(at_ms=now_ms() - 61_000),
        lambda: proof(at_ms=now_ms() + 62_000),
    ],
)
def test_a_proof_that_does_not_hold_is_refused(token: Any) -> None:
    @simulated
    async def check() -> None:
        async with Town() as town:
            shown = token() if callable(token) else token
            with pytest.raises(SignatureError) as caught:
                await town.at_home().readers.check(shown, method="GET", url=URL)
            assert caught.value.code == "proof_invalid"

    check()


@simulated
async def test_used_proofs_are_forgotten_when_they_are_too_old_anyway() -> None:
    async with Town() as town:
        token = proof()
        await town.at_home().readers.check(token, method="GET", url=URL)
        scope = f"read/{signer_of('alpha').key.key_id}"
        assert await town.inner.nonce(scope, "one") is not None
        await later(KEPT_MS + 10_000)

        assert await town.inner.nonce(scope, "one") is None
        with pytest.raises(SignatureError):
            await town.at_home().readers.check(token, method="GET", url=URL)
