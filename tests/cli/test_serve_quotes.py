"""``treaty serve --policy``: a real process that sells, by the seed's file, over kill -9."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.town import environment, process, run, serving
from tests.house.reading import ROOT
from treaty import app
from treaty.app.quotes import evm_signer
from treaty.dialects.actp import codec
from treaty.dialects.actp.builders import CounterOfferBuilder, build_request
from treaty.dialects.actp.chains import BASE_SEPOLIA, KNOWN_KERNELS, MOCK
from treaty.dialects.actp.dids import make_did
from treaty.dialects.actp.hashes import message_hash
from treaty.dialects.actp.messages import CounterAccept, PriceQuote
from treaty.dialects.actp.rules import verify_accept, verify_quote
from treaty.errors import MisuseError, Refused
from treaty.identity.secp256k1 import EvmSigner

SEED = ROOT / "examples" / "provider-policy.yaml"
MORTAL = ROOT / "tests" / "demo" / "mortal_node.py"
BUYER = EvmSigner(b"\x11" * 32)
SECRET = "22" * 32
PROVIDER = EvmSigner(b"\x22" * 32).address
TX = "0x" + "ab" * 32
NONCES = count(1)


def offer(amount: int, tx_id: str = TX, quote: PriceQuote | None = None) -> bytes:
    """A counter's body, to our quote or to an invented one."""
    builder = CounterOfferBuilder(MOCK, BUYER)
    if quote is not None:
        answer = builder.answer(
            quote, counter_amount=amount, nonce=next(NONCES), at_ms=app.now_ms()
        )
        return codec.encode(answer)
    counter = builder.build(
        tx_id=tx_id,
        provider=make_did(BASE_SEPOLIA, PROVIDER),
        quote_amount=1_500_000,
        counter_amount=amount,
        max_price=2_000_000,
        in_reply_to="0x" + "bb" * 32,
        chain_id=BASE_SEPOLIA,
        nonce=next(NONCES),
        at_ms=app.now_ms(),
    )
    return codec.encode(counter)


def post(url: str, body: bytes, tx_id: str = TX) -> httpx.Response:
    path = f"{url}/quote-channel/{BASE_SEPOLIA}/{tx_id}"
    headers = {"content-type": "application/json"}
    return httpx.post(path, content=body, headers=headers, trust_env=False)


def reply(answer: httpx.Response) -> Any:
    """The signed reply of an answer, verified."""
    message = codec.decode_envelope(answer.json()["reply"])
    if isinstance(message, PriceQuote):
        return verify_quote(message, MOCK, at_ms=app.now_ms()).value
    assert isinstance(message, CounterAccept)
    return verify_accept(message, MOCK, at_ms=app.now_ms()).value


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider's account stands in the environment of new processes."""
    kept = environment

    def with_key(home: Path, **more: str) -> dict[str, str]:
        return kept(home, TREATY_EVM_KEY=SECRET, **more)

    monkeypatch.setattr("tests.cli.town.environment", with_key)


@pytest.mark.usefixtures("key")
def test_the_seeds_file_sells_end_to_end(tmp_path: Path) -> None:
    with serving(tmp_path, "--policy", SEED, "--mock") as told:
        url = told["url"]
        assert told["provider"] == PROVIDER
        assert told["policy"]["max_active_negotiations"] == 50
        assert told["policy"]["ttl_seconds"] == 300
        front = httpx.get(url, trust_env=False).json()
        assert (front["status"], front["provider"]) == ("ok", PROVIDER)
        asked = build_request(
            MOCK,
            BUYER,
            tx_id=TX,
            chain_id=BASE_SEPOLIA,
            service="translate",
            amount=500_000,
            max_price=2_000_000,
            deadline=app.now_ms() // 1_000 + 3_600,
            at_ms=app.now_ms(),
        )
        answer = httpx.post(
            f"{url}/actp/quote-requests", content=codec.encode_request(asked), trust_env=False
        )
        first = codec.decode(answer.content)
        assert isinstance(first, PriceQuote)
        assert first.units == 1_000_000
        second = reply(post(url, offer(600_000, quote=first)))
        assert second.units == 850_000
        final = offer(800_000, quote=second)
        accept = reply(post(url, final))
        assert (accept.type, accept.units) == ("agirails.counteraccept.v1", 800_000)
        assert accept.in_reply_to == message_hash(codec.decode(final))


@pytest.mark.usefixtures("key")
def test_people_are_told_who_sells_and_no_private_figure(tmp_path: Path) -> None:
    with process(tmp_path, "serve", "--port", 0, "--policy", SEED, "--mock") as running:
        assert running.stdout is not None
        assert running.stderr is not None
        lines = [running.stdout.readline() for _ in range(12)]
        running.terminate()
        out, err = running.communicate(timeout=20)
    text = "".join(lines) + out
    assert "sells as" in text
    assert PROVIDER in text.lower()
    assert "concede" in text
    assert "two re-quotes reveal the floor" in err
    for private in ("500000", "1000000", "1_000_000", "10000000", "500,000"):
        assert private not in text + err


@pytest.mark.usefixtures("key")
def test_replies_rounds_nonces_and_places_survive_a_restart(tmp_path: Path) -> None:
    db = tmp_path / "node.db"
    policy = tmp_path / "policy.yaml"
    policy.write_text(SEED.read_text().replace("50\n", "1\n"))
    given = []
    with serving(tmp_path, "--policy", policy, "--mock", "--db", db) as told:
        opening = offer(600_000)
        before = post(told["url"], opening)
        given.append(reply(before).nonce)
    with serving(tmp_path, "--policy", policy, "--mock", "--db", db) as told:
        again = post(told["url"], opening)
        assert (again.status_code, again.json()["duplicate"]) == (200, True)
        assert again.json()["reply"] == before.json()["reply"]
        other = "0x" + "cd" * 32
        assert post(told["url"], offer(600_000, other), other).status_code == 503
        second = reply(post(told["url"], offer(600_000, quote=reply(before))))
        assert second.units == 745_000
        given.append(second.nonce)
        ended = post(told["url"], offer(600_000, quote=second)).json()
        assert ended["verdict"]["action"] == "REJECT"
        accepted = reply(post(told["url"], offer(1_100_000, other), other))
        assert accepted.units == 1_100_000
    assert given == sorted(set(given))


def free_port() -> int:
    """A port nobody listens on; a node that keeps its address writes nothing when it starts."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def mortal(home: Path, mode: str, number: int, *words: object) -> Iterator[dict[str, Any]]:
    """A provider that is killed at a chosen commit."""
    command = [sys.executable, str(MORTAL), mode, str(number), "--", "serve"]
    env = environment(home, TREATY_EVM_KEY=SECRET)
    with subprocess.Popen(
        [*command, "--json", *map(str, words)], stdout=subprocess.PIPE, text=True, env=env
    ) as running:
        try:
            assert running.stdout is not None
            yield {**json.loads(running.stdout.readline()), "process": running}
        finally:
            running.kill()


@pytest.mark.usefixtures("key")
def test_killed_between_reply_and_answer_the_replay_gives_the_stored_reply(tmp_path: Path) -> None:
    db = tmp_path / "node.db"
    options = ("--policy", SEED, "--mock", "--db", db, "--port", free_port())
    with serving(tmp_path, *options):
        pass
    opening = offer(600_000)
    with mortal(tmp_path, "after", 1, *options) as told:
        with pytest.raises(httpx.TransportError):
            post(told["url"], opening)
        assert told["process"].wait(20) == -9
    with serving(tmp_path, *options) as told:
        answer = post(told["url"], opening)
        assert (answer.status_code, answer.json()["duplicate"]) == (200, True)
        stored = reply(answer)
        assert stored.units == 850_000
        # What comes next gets a nonce that was never given before.
        later = reply(post(told["url"], offer(600_000, quote=stored)))
        assert later.nonce > stored.nonce


@pytest.mark.usefixtures("key")
def test_killed_before_the_commit_nothing_was_said(tmp_path: Path) -> None:
    db = tmp_path / "node.db"
    options = ("--policy", SEED, "--mock", "--db", db, "--port", free_port())
    with serving(tmp_path, *options):
        pass
    opening = offer(600_000)
    with mortal(tmp_path, "before", 1, *options) as told:
        with pytest.raises(httpx.TransportError):
            post(told["url"], opening)
        assert told["process"].wait(20) == -9
    with serving(tmp_path, *options) as told:
        answer = post(told["url"], opening)
        assert (answer.status_code, answer.json()["duplicate"]) == (201, False)


# Keys, chains, files that are none.


def test_without_chains_it_is_the_known_kernel_and_a_fresh_account(tmp_path: Path) -> None:
    with serving(tmp_path, "--policy", SEED) as told:
        assert told["chains"] == {str(BASE_SEPOLIA): KNOWN_KERNELS[BASE_SEPOLIA]}
        assert told["provider"].startswith("0x")


@pytest.mark.usefixtures("key")
def test_chains_and_kernels_are_given_by_whoever_serves(tmp_path: Path) -> None:
    kernel = "0x" + "aA" * 20
    chain = ("--chain", f"1={kernel}", "--chain", f"10={kernel}")
    with serving(tmp_path, "--policy", SEED, *chain) as told:
        assert told["chains"] == {"1": kernel.lower(), "10": kernel.lower()}
        assert post(told["url"], offer(600_000)).json()["code"] == "chain_unsupported"


def test_a_kept_provider_needs_a_kept_key(tmp_path: Path) -> None:
    done = run("serve", "--policy", SEED, "--db", tmp_path / "n.db", env=environment(tmp_path))

    assert done.exit_code == 2
    assert "TREATY_PASSPHRASE" in done.stderr
    assert "TREATY_EVM_KEY" in done.stderr


def test_a_keystore_is_made_once_and_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TREATY_PASSPHRASE", "correct horse")
    monkeypatch.delenv("TREATY_EVM_KEY", raising=False)
    path = tmp_path / "provider.json"
    first = evm_signer(path, None)
    again = evm_signer(path, None)
    monkeypatch.setenv("TREATY_PASSPHRASE", "wrong")

    assert first.address == again.address
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Refused, match="passphrase does not open"):
        evm_signer(path, None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--mock",), "need --policy"),
        (("--evm-key", "k"), "need --policy"),
        (("--policy", SEED, "--mock", "--chain", "1=0x" + "a" * 40), "leave out --chain"),
        (("--policy", SEED, "--chain", "1=0x12"), "is no chain"),
        (("--policy", SEED, *["--chain", "1=0x" + "a" * 40] * 2), "twice"),
    ],
)
def test_contradictions_are_misuse(words: tuple[object, ...], message: str) -> None:
    done = run("serve", *words)

    assert done.exit_code == 2
    assert message in done.stderr


def test_a_policy_that_cannot_be_used_is_refused_with_its_line(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("pricing:\n  min_acceptable_amount: 500000\n  idael_amount: 1\n")
    done = run("serve", "--policy", policy, env=environment(tmp_path))

    assert done.exit_code == 1
    assert "line 3" in done.stderr
    assert "idael_amount" in done.stderr


@pytest.mark.parametrize("secret", ["", "zz" * 32, "11" * 31, "00" * 32])
def test_a_key_in_the_environment_must_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("TREATY_EVM_KEY", secret)
    monkeypatch.delenv("TREATY_PASSPHRASE", raising=False)

    with pytest.raises(MisuseError, match="TREATY_EVM_KEY"):
        evm_signer(None, tmp_path / "node.db")
