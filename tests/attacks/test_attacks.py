"""Attacks that were found on the peer, tried here where no other test does it end to end.

``docs/spec/actp.md`` has the whole list, each with its test or why there is none yet.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.attacks.shop import shop
from tests.engine.quote_stage import BUYER, CHAIN, PROVIDER, tx
from treaty.dialects.actp import codec
from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.policy import PolicyError
from treaty.dialects.actp.policy_reading import read_policy
from treaty.dialects.actp.typed import digest_of
from treaty.errors import MisuseError, TreatyError
from treaty.http.quote_client import QuoteClient
from treaty.store.evm_keys import create_evm_key, load_evm_key

pytestmark = pytest.mark.anyio


async def test_attack_02_a_provider_that_points_elsewhere_is_not_followed() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        where = {"location": "http://169.254.169.254/latest"}
        return httpx.Response(307, headers=where, stream=httpx.ByteStream(b"{}"))

    client = QuoteClient("https://provider.example", transport=httpx.MockTransport(answer))
    try:
        with pytest.raises(TreatyError):
            await client.counter(CHAIN, tx(1), b"{}")
    finally:
        await client.close()
    assert asked == [f"https://provider.example/quote-channel/{CHAIN}/{tx(1)}"]


async def test_attack_07_a_tampered_envelope_does_not_keep_the_genuine_one_out() -> None:
    async with shop() as here:
        genuine = here.offer(amount=600_000)
        for tampered in (
            replace(genuine, counter_amount="50000"),
            replace(genuine, justification={"reason": "changed"}),
            replace(genuine, max_price="9000000"),
        ):
            assert (await here.say(tampered)).status_code == 401

        answer = await here.say(genuine)
        assert (answer.status_code, answer.json()["duplicate"]) == (201, False)


async def test_attack_09_an_unsigned_member_is_refused_and_never_kept() -> None:
    async with shop() as here:
        document = json.loads(codec.encode(here.offer()))
        for place in (document, document["message"]):
            place["note"] = "pay me twice"
            answer = await here.post(document)
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed")
            del place["note"]
        assert (await here.post(document)).status_code == 201


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "pricing: {}",
        "pricing:\n  min_acceptable_amount: 500000",
        "pricing:\n  ideal_amount: 1000000\n  hard_cap: 10000000",
        "pricing:\n  min_acceptable: {amount: 1}\n  ideal: {amount: 2}",
    ],
)
def test_attack_11_half_a_policy_is_no_policy(text: str) -> None:
    with pytest.raises(PolicyError):
        read_policy(text.encode())


async def test_attack_14_a_hundred_posts_of_one_counter_have_one_effect() -> None:
    async with shop() as here:
        counter = here.offer(amount=600_000)
        answers = await asyncio.gather(*[here.say(counter) for _ in range(50)])
        answers += [await here.say(counter) for _ in range(50)]

        assert sorted(one.status_code for one in answers) == [200] * 99 + [201]
        assert len({json.dumps(one.json()["reply"]) for one in answers}) == 1


def test_attack_15_a_link_to_a_key_that_others_read_is_not_used(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept", tmp_path / "link"
    create_evm_key(kept, passphrase="word")
    kept.chmod(0o644)
    link.symlink_to(kept)

    with pytest.raises(MisuseError):
        load_evm_key(link, passphrase="word")
    with pytest.raises(MisuseError):
        # Nothing is written through a link either: the name is taken.
        create_evm_key(link, passphrase="word")


async def test_attack_17_no_page_of_another_origin_is_let_in() -> None:
    async with shop() as here:
        origin = {"origin": "https://evil.example"}
        answers = [
            await here.post(codec.encode(here.offer()), **origin),
            await here.http.get("/", headers=origin),
            await here.http.options(
                f"/quote-channel/{CHAIN}/{tx(1)}",
                headers={**origin, "access-control-request-method": "POST"},
            ),
        ]
        for answer in answers:
            assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_attack_38_the_kernel_is_ours_to_name_and_never_the_callers() -> None:
    async with shop() as here:
        counter = here.offer()
        own = Chains({CHAIN: "0x" + "ee" * 20})
        digest = digest_of(counter, own.separator(CHAIN))
        moved = replace(counter, signature="0x" + BUYER.sign_digest(digest).hex())
        assert (await here.say(moved)).status_code == 401

        document = json.loads(codec.encode(moved))
        for name in ("kernelAddress", "kernel", "verifyingContract"):
            spelled = {**document, "message": {**document["message"], name: "0x" + "ee" * 20}}
            assert (await here.post(spelled)).json()["code"] == "malformed"
        assert PROVIDER.address in (await here.http.get("/")).text.lower()
