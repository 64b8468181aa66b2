"""``treaty route`` and ``treaty run``: exit codes, the JSON of a decision, and what people see."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agent.stalls import Reply, Stall, evidence, open_stalls, reply_to, seed_stall
from tests.cli.town import process, run

SEED = (
    *("--url", "https://example.com/pricing", "--max-cost", "0.02", "--max-latency-ms", "400"),
    *("--residency", "us", "--retention-days", "0", "--policy", "no_training"),
    *("--policy", "no_pii", "--proof", "attestation", "--format", "markdown"),
)
INTENT = "summarize pricing"


@pytest.fixture
def a() -> Iterator[Stall]:
    """The provider of the seed's offer A."""
    with open_stalls(one := seed_stall("a")):
        yield one


@pytest.fixture
def b() -> Iterator[Stall]:
    """The provider of the seed's offer B."""
    with open_stalls(one := seed_stall("b")):
        yield one


class Buyer:
    """A user with a home."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *words: object) -> Any:
        return run(*words, env={"TREATY_HOME": str(self.home), "NO_COLOR": "1"})

    def json(self, *words: object, code: int = 0) -> Any:
        """What ``--json`` prints."""
        done = self(*words, "--json")
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)


@pytest.fixture
def buyer(tmp_path: Path) -> Buyer:
    """A user with an empty home."""
    return Buyer(tmp_path / "home")


def of(*stalls: Stall) -> tuple[str, ...]:
    """The words that name whom to ask."""
    return tuple(word for one in stalls for word in ("--manifest", one.manifest_url))


def test_the_decision_for_programs(buyer: Buyer, a: Stall, b: Stall) -> None:
    told = buyer.json("route", INTENT, *of(b, a), *SEED)

    assert {"decision_id", "winner", "why_won", "considered"} <= told.keys()
    assert told["winner"]["provider"] == "service:a"
    assert told["winner"]["route_id"] == "route-us-fast"
    assert len(told["why_won"]) == 3
    for one in told["considered"]:
        assert {"provider", "route_id", "verdict", "reasons"} <= one.keys()
        for reason in one["reasons"]:
            assert list(reason) == sorted(reason)
            assert set(reason) == {"code", "field", "required", "got", "text"}
    won, lost = told["considered"]
    assert (won["verdict"], won["reasons"]) == ("won", [])
    assert lost["verdict"] == "rejected"
    assert [(one["code"], one["required"], one["got"]) for one in lost["reasons"]] == [
        ("policy_mismatch", ["no_training", "no_pii"], ["no_pii"]),
        ("latency_miss", 400, 520),
        ("retention_risk", 0, 14),
    ]
    assert a.said("EXECUTE") == []


def test_the_decision_for_people(buyer: Buyer, a: Stall, b: Stall) -> None:
    done = buyer("route", INTENT, *of(a, b), *SEED)

    assert done.exit_code == 0
    for text in ("route-us-fast of service:a wins", "0.018 ≤ 0.02", "280ms ≤ 400ms"):
        assert text in done.stdout
    for code in ("policy_mismatch", "latency_miss", "retention_risk"):
        assert code in done.stdout


def test_no_acceptable_offer_is_exit_1(buyer: Buyer, b: Stall) -> None:
    told = buyer.json("run", INTENT, *of(b), *SEED, code=1)

    assert (told["winner"], told["status"]) == (None, "no_winner")
    assert buyer("route", INTENT, *of(b), *SEED).exit_code == 1


def test_a_run_for_programs_and_people(buyer: Buyer, a: Stall) -> None:
    told = buyer.json("run", INTENT, *of(a), *SEED)
    done = buyer("run", INTENT, *of(a), *SEED)

    assert told["status"] == "done"
    assert told["negotiation"]["agreement"] == "agreement-1"
    assert told["evidence"]["outputs"][0]["type"] == "markdown"
    assert told == buyer.json("decisions", "show", told["decision_id"])
    assert told["claims"][0]["name"] == "reply"
    assert "Pricing summary" in done.stdout
    assert done.exit_code == 0


def test_evidence_that_fails_is_exit_1(buyer: Buyer) -> None:
    short = seed_stall("a")
    short.answers["/mrp/execute"] = lambda _, request: evidence(request, attestations=[])
    with open_stalls(short):
        told = buyer.json("run", INTENT, *of(short), *SEED, code=1)

    assert {"name": "attestations", "verdict": "failed"}.items() <= told["claims"][2].items()
    assert told["evidence"]["outputs"]


def test_an_error_is_exit_1_and_no_evidence(buyer: Buyer) -> None:
    def fails(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        said = {"code": "MRP_INTERNAL_ERROR", "message": "a\n\x1b[31mb", "retryable": False}
        return reply_to(stall, request, "ERROR", said)

    with open_stalls(stall := seed_stall("a", answers={"/mrp/execute": fails})):
        told = buyer.json("run", INTENT, *of(stall), *SEED, code=1)
        done = buyer("run", INTENT, *of(stall), *SEED)

    assert "evidence" not in told
    assert (done.exit_code, "\x1b" in done.stdout) == (1, False)
    assert "MRP_INTERNAL_ERROR" in done.stdout


def test_a_stranger_writes_nothing_to_the_terminal(buyer: Buyer) -> None:
    evil = "\x1b]0;owned\x07\u202e"
    stall = seed_stall("a", answers={})
    stall.sender = f"service:{evil}"
    stall.offers[0]["policy"] = [evil, "no_training", "no_pii"]
    stall.offers.append({"route_id": evil, "capability": evil, "confidence": evil})
    output = [{"type": "markdown", "value": f"line\n{evil}"}]
    stall.answers["/mrp/execute"] = lambda _, request: evidence(request, outputs=output)
    stall.answers["/mrp/negotiate"] = {"accepted": False, "reason": f"not implemented {evil}"}
    with open_stalls(stall):
        done = buyer("run", INTENT, *of(stall), *SEED)
        shown = buyer("decisions", "show", "--last")
        listed = buyer("decisions", "list")

    for one in (done, shown, listed):
        assert one.exit_code == 0, one.output
        assert not set("\x1b\x07\u202e") & set(one.output)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--manifest", "nonsense"),
        ("--manifest", "file:///etc/passwd"),
        ("--manifest", "http://user:pw@a.example/"),
        ("--registry", "http://127.0.0.1:1"),
        ("--manifest", "http://127.0.0.1:1", "--input", "x"),
        ("--manifest", "http://127.0.0.1:1", "--input", "file=x"),
        ("--manifest", "http://127.0.0.1:1", "--input", "url=nonsense"),
        ("--manifest", "http://127.0.0.1:1", "--input", "json={"),
        ("--manifest", "http://127.0.0.1:1", "--max-cost", "-1"),
        ("--manifest", "http://127.0.0.1:1", "--max-cost", "NaN"),
        ("--manifest", "http://127.0.0.1:1", "--max-cost", "1e3"),
        ("--manifest", "http://127.0.0.1:1", "--max-cost", "0.1234567890123456"),
        ("--manifest", "http://127.0.0.1:1", "--max-latency-ms", "1.5"),
        ("--manifest", "http://127.0.0.1:1", "--retention-days", "-1"),
        ("--manifest", "http://127.0.0.1:1", "--policy", " "),
        ("--manifest", "http://127.0.0.1:1", "--allowed-domain", "exa mple.com"),
        ("--manifest", "http://127.0.0.1:1", "--allowed-domain", "https://example.com"),
        ("--manifest", "http://127.0.0.1:1", "--allowed-domain", "example.com/path"),
        ("--manifest", "http://127.0.0.1:1", "--allowed-domain", "example.com:8080"),
        ("--manifest", "http://127.0.0.1:1", "--allowed-domain", "me@example.com"),
        ("--manifest", "http://127.0.0.1:1", "--window-ms", "0"),
        ("--manifest", "http://127.0.0.1:1", "--nonsense"),
    ],
)
@pytest.mark.parametrize("command", ["route", "run"])
def test_misuse_is_exit_2(buyer: Buyer, command: str, words: tuple[str, ...]) -> None:
    assert buyer(command, INTENT, *words).exit_code == 2


def test_an_intent_says_something(buyer: Buyer, a: Stall) -> None:
    assert buyer("route", " ", *of(a)).exit_code == 2
    assert buyer("route").exit_code == 2


def test_nobody_there_is_no_acceptable_offer(buyer: Buyer) -> None:
    told = buyer.json("route", "x", "--manifest", "http://127.0.0.1:9/mrp/manifest", code=1)

    (silent,) = told["unanswered"]
    assert silent["manifest_url"] == "http://127.0.0.1:9/mrp/manifest"


def registry_of(*stalls: Stall) -> Stall:
    entries = [{"id": one.sender, "name": "n", "manifest_url": one.manifest_url} for one in stalls]
    path = "/mrp/registry/query?limit=50&capability=summarize"
    return Stall(answers={path: Reply(json.dumps({"results": entries}).encode())})


def test_what_a_registry_names_on_this_machine_needs_leave(buyer: Buyer, a: Stall) -> None:
    with open_stalls(registry := registry_of(a)):
        words = ("route", "x", "--registry", registry.url, "--capability", "summarize")
        refused = buyer.json(*words, code=1)
        allowed = buyer.json(*words, "--allow-loopback")

        said = buyer(*words)

    assert refused["unanswered"][0]["code"] == "address_forbidden"
    assert "--allow-loopback" in said.stdout
    assert allowed["winner"]["provider"] == "service:a"


def test_a_manifest_does_not_lead_elsewhere_on_this_machine(buyer: Buyer, a: Stall) -> None:
    """One that the user typed leads back to its own origin alone."""
    endpoints = {name: f"{a.url}/mrp/{name}" for name in ("discover", "negotiate", "execute")}
    with open_stalls(other := seed_stall("b", manifest={"endpoints": endpoints})):
        told = buyer.json("route", "x", *of(other), code=1)
        buyer.json("route", "x", *of(other), "--allow-loopback")

    assert told["winner"] is None
    assert len(a.came) == 1


def test_inputs_of_every_kind_are_sent(buyer: Buyer, a: Stall) -> None:
    inputs = ("--input", "text=a=b", "--input", 'json={"a":[1]}', "--input", "markdown=# x")
    buyer.json("route", "x", *of(a), *inputs, "--input", "url=https://e.example/", "--url",
               "https://f.example/")  # fmt: skip

    assert a.said("DISCOVER")[0]["payload"]["inputs"] == [
        {"type": "text", "value": "a=b"},
        {"type": "json", "value": {"a": [1]}},
        {"type": "markdown", "value": "# x"},
        {"type": "url", "value": "https://e.example/"},
        {"type": "url", "value": "https://f.example/"},
    ]


@pytest.mark.slow
def test_one_that_waits_keeps_nobody_from_deciding(buyer: Buyer, tmp_path: Path, a: Stall) -> None:
    """A provider may work for minutes; the file is held for the writes alone."""
    at_work, done = threading.Event(), threading.Event()

    def slow(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        at_work.set()
        done.wait(60)
        return evidence(request)

    stall = seed_stall("a", answers={"/mrp/execute": slow})
    with open_stalls(stall), process(buyer.home, "run", INTENT, *of(stall), *SEED) as one:
        assert at_work.wait(60)
        told = buyer.json("run", "another", *of(a), *SEED)
        done.set()
        assert one.wait(60) == 0

    found = buyer.json("decisions", "list")["decisions"]
    assert [one["status"] for one in found] == ["done", "done"]
    assert told["decision_id"] == found[0]["decision_id"]


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_what_it_gave_away(tmp_path: Path) -> None:
    running: list[Any] = []

    def kill(stall: Stall, request: dict[str, Any]) -> dict[str, Any]:
        running[0].kill()
        running[0].wait()
        return evidence(request)

    stall = seed_stall("a", answers={"/mrp/execute": kill})
    with open_stalls(stall), process(tmp_path, "run", INTENT, *of(stall), *SEED) as one:
        running.append(one)
        assert one.wait(60) == -signal.SIGKILL
    kept = Buyer(tmp_path).json("decisions", "show", "--last")

    assert kept["status"] == "executing"
    assert kept["job_id"] == stall.said("EXECUTE")[0]["payload"]["job"]["id"]
    assert kept["winner"]["route_id"] == "route-us-fast"
    assert "evidence" not in kept


def test_decisions_lie_where_they_are_told_to(buyer: Buyer, a: Stall, tmp_path: Path) -> None:
    db = tmp_path / "deep" / "mine.db"
    told = buyer.json("route", "x", *of(a), "--db", db)

    assert buyer.json("decisions", "show", "--last", "--db", db)["winner"] == told["winner"]
    assert buyer.json("decisions", "list") == {"decisions": [], "count": 0}


def test_an_address_stands_for_an_intent_and_its_options(buyer: Buyer, a: Stall) -> None:
    address = (
        "mrp://capability/summarize?intent=summarize%20pricing&budget=0.02&policy=no_pii"
        "&data_residency=us&data_retention_days=0&max_latency_ms=400"
    )

    told = buyer.json("route", address, *of(a), "--policy", "no_training")

    assert told["intent"] == "summarize pricing"
    assert {"include_unmatched": True, **told["constraints"]} == {
        "include_unmatched": True,
        "max_cost": 0.02,
        "max_latency_ms": 400,
        "data_residency": "us",
        "data_retention_days": 0,
        "policy": ["no_training"],
        "capability": "summarize",
    }


@pytest.mark.parametrize(
    "address",
    ["mrp://route/r", "mrp://x/y", "mrp://capability/a?budget=x", "mrp://capability/a?b=1"],
)
def test_an_address_that_is_none_of_a_capability_is_misuse(
    buyer: Buyer, a: Stall, address: str
) -> None:
    assert buyer("route", address, *of(a)).exit_code == 2
