"""The real mrpd client against our provider and registry: its own commands, end to end."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.interop.mrpd_venv import Mrpd
from tests.interop.providers import PRICING, Provider, Site, envelope, provider, site
from treaty.wire.digest import sha256_tag

pytestmark = pytest.mark.slow


class Town(NamedTuple):
    """A provider, a site, and the peer's commands."""

    provider: Provider
    site: Site
    mrpd: Mrpd
    folder: Path

    def run(
        self, name: str, *options: str, page: str = "/pricing.html"
    ) -> subprocess.CompletedProcess[str]:
        """``mrpd run`` in a home of its own."""
        url = self.site.url + page
        return self.mrpd.run(
            "run", "summarize pricing", "--url", url, *options, home=self.folder / name
        )


ENTRIES = [
    {
        "id": f"service:listed/{number}",
        "name": name,
        "manifest_url": f"http://listed-{number}.example/mrp/manifest",
        "capabilities": capabilities,
        "policies": policies,
        "proofs": proofs,
        "trust": {"score": score},
    }
    for number, (name, capabilities, policies, proofs, score) in enumerate(
        [
            ("Alpha", ["summarize_url"], ["no_training"], ["attestation"], 0.9),
            ("Beta", ["summarize_url"], ["no_training"], [], 0.9),
            ("Gamma", ["summarize_url"], [], ["attestation"], 1),
            ("Delta", ["translate"], ["no_training"], ["attestation"], 0.5),
        ]
    )
]


@pytest.fixture(scope="module")
def town(mrpd: Mrpd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    entries = folder / "entries.json"
    entries.write_text(json.dumps(ENTRIES))
    options = ("--db", str(folder / "node.db"), "--registry-entries", str(entries))
    with site() as pages, provider(folder, *options) as here:
        yield Town(here, pages, mrpd, folder)


def printed(done: subprocess.CompletedProcess[str]) -> Any:
    """The envelope a command prints behind its words."""
    return json.loads(done.stdout[done.stdout.index("\n{") :])


def test_a_page_is_worked_on_from_the_manifest_alone(town: Town) -> None:
    options = ("--manifest-url", town.provider.manifest, "--policy", "no_pii", "--max-cost", "0.02")
    done = town.run("one", *options)
    evidence = printed(done)
    (bundle,) = (town.folder / "one" / ".mrpd" / "evidence").iterdir()
    kept = json.loads(bundle.read_text())
    file = town.folder / "evidence.json"
    file.write_text(json.dumps(evidence))
    judged = town.mrpd.run("validate", "--path", file, home=town.folder)

    assert done.returncode == 0, done.stdout
    assert evidence["msg_type"] == "EVIDENCE"
    (output,) = evidence["payload"]["outputs"]
    assert output["type"] == "markdown"
    assert "Pro $20" in output["value"], "what summarize, which is built in, made of the page"
    assert evidence["payload"]["provenance"]["source_hashes"] == [sha256_tag(PRICING)]
    assert (judged.returncode, judged.stdout.strip()) == (0, "OK")
    for step in ("discover", "execute"):
        exchange = kept["transcript"][step]
        assert exchange["response"]["in_reply_to"] == exchange["request"]["msg_id"]
        assert exchange["response"]["receiver"] == {"id": "agent:mrpd/client"}
    assert kept["job_id"] == evidence["payload"]["job_id"] == bundle.stem


def test_the_registry_leads_to_us(town: Town) -> None:
    done = town.run("two", "--registry", town.provider.url, "--capability", "digest")

    assert done.returncode == 0, done.stdout
    assert f"Selected entry: {town.provider.told['mrpProvider']}/digest" in done.stdout


def test_a_capability_of_several_is_reached_through_its_own_manifest(town: Town) -> None:
    town.site.pages["/ready"] = b"x"
    options = ("--registry", town.provider.url, "--capability", "slowly")
    done = town.run("slowly", *options, page="/ready")

    assert printed(done)["payload"]["outputs"] == [{"type": "text", "value": "done"}] or (
        printed(done)["payload"]["outputs"] == [{"type": "markdown", "value": "done"}]
    )


def test_the_peer_ranks_what_we_list_by_its_own_formula(town: Town) -> None:
    options = ("--capability", "summarize_url", "--policy", "no_training")
    done = town.mrpd.run("route", "x", *options, "--registry", town.provider.url, home=town.folder)

    assert done.returncode == 0
    assert "Winner: score=84.00 id=service:listed/0 name=Alpha" in done.stdout
    assert "Beta" in done.stdout
    assert "fewer proofs" in done.stdout


def test_a_filter_nobody_fits_leaves_the_near_misses(town: Town) -> None:
    options = ("--capability", "summarize_url", "--policy", "no_such_policy")
    done = town.mrpd.run("route", "x", *options, "--registry", town.provider.url, home=town.folder)

    assert done.returncode == 0
    assert "policy:no_such_policy" in done.stdout


@pytest.mark.parametrize("options", [("--policy", "no_such_policy"), ("--max-cost", "0.001")])
def test_what_nothing_satisfies_gets_no_offer(town: Town, options: tuple[str, str]) -> None:
    manifest = f"{town.provider.manifest}/digest"
    done = town.run("none", "--manifest-url", manifest, *options)

    assert done.returncode == 1
    assert "No offers returned." in done.stdout
    assert printed(done)["payload"] == {"offers": []}


def test_a_page_that_is_not_there_ends_in_an_error(town: Town) -> None:
    done = town.run("gone", "--manifest-url", town.provider.manifest, page="/gone.html")
    answer = printed(done)

    assert answer["msg_type"] == "ERROR"
    assert answer["payload"]["code"] == "MRP_INTERNAL_ERROR"
    assert "404" in answer["payload"]["message"]
    assert "Traceback" not in done.stderr


def test_many_clients_with_one_name_do_not_meet(town: Town) -> None:
    pages = [f"/page-{number}" for number in range(6)]
    town.site.pages.update({page: page.encode() for page in pages})

    def one(page: str) -> str:
        options = ("--manifest-url", f"{town.provider.manifest}/digest")
        return str(printed(town.run(f"many{page}", *options, page=page))["payload"]["outputs"])

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(one, pages))

    assert all(page in said for page, said in zip(pages, found, strict=True))


def test_slow_work_is_waited_for(town: Town) -> None:
    with ThreadPoolExecutor(1) as pool:
        options = ("--manifest-url", f"{town.provider.manifest}/slowly")
        running = pool.submit(town.run, "slow", *options, page="/later")
        while "/later" not in town.site.asked:
            assert not running.done(), running.result().stdout
        town.site.pages["/later"] = b"x"
        done = running.result()

    assert (done.returncode, printed(done)["msg_type"]) == (0, "EVIDENCE")


def test_the_peer_publishes_our_manifest_in_our_registry(town: Town) -> None:
    options = ("--registry", town.provider.url, "--poll-seconds", "1")
    done = town.mrpd.run(
        "publish", "--manifest-url", town.provider.manifest, *options, home=town.folder
    )

    assert done.returncode == 0, done.stdout
    assert "Verified and published" in done.stdout
    assert town.provider.told["mrpProvider"] in done.stdout


def test_the_peer_publishes_another_provider_once_its_text_is_served(town: Town) -> None:
    manifest = {
        "capability_id": "capability:x/echo",
        "capability": "echo",
        "version": "0.1",
        "inputs": [],
        "outputs": [],
        "endpoints": {"discover": "/d", "execute": "/e"},
    }
    town.site.pages["/mrp/manifest"] = json.dumps(manifest).encode()
    command = [
        *(town.mrpd.folder / "bin" / "mrpd", "publish", "--registry", town.provider.url),
        *("--manifest-url", f"{town.site.url}/mrp/manifest", "--poll-seconds", "1"),
    ]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env={"HOME": str(town.folder), "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        seen: list[str] = []
        expected = ""
        for line in process.stdout:
            seen.append(line)
            expected = line.strip() if line.startswith("mrp-registry-challenge=") else expected
            if "Waiting…" in line and expected:
                path = f"/.well-known/mrp-registry-challenge/{expected.partition('=')[2]}"
                town.site.pages[path] = expected.encode()
        said = "".join(seen)
    listed = town.provider.get("/mrp/registry/query?capability=echo").json()["results"]

    assert process.returncode == 0, said
    assert "Waiting… (challenge_not_found)" in said
    assert "Verified and published" in said
    assert [one["manifest_url"] for one in listed] == [f"{town.site.url}/mrp/manifest"]


def test_the_peer_takes_every_answer_of_ours_for_a_message(town: Town) -> None:
    url = f"{town.site.url}/pricing.html"
    page = [{"type": "url", "value": url}]
    offered = town.provider.post("discover", envelope("DISCOVER", {"intent": "x", "inputs": page}))
    route = offered.json()["payload"]["offers"][0]["route_id"]
    work = {"route_id": route, "inputs": page}
    waiting = {"route_id": route, "inputs": page, "job": {"id": "job-1", "async": True}}
    answers = [
        offered,
        town.provider.post("hello", envelope("HELLO", {})),
        town.provider.post("negotiate", envelope("NEGOTIATE", work)),
        town.provider.post(
            "negotiate",
            envelope("NEGOTIATE", {**work, "constraints": {"max_cost": 0}}),
        ),
        town.provider.post("execute", envelope("EXECUTE", work)),
        town.provider.post("execute", envelope("EXECUTE", waiting)),
        town.provider.get("/mrp/status/job-1"),
        town.provider.post("discover", envelope("DISCOVER", {}, sender="a string")),
        town.provider.get("/mrp/status/nobody"),
        town.provider.get("/mrp/none"),
    ]
    lines = [answer.text for answer in answers]
    lines += town.provider.get("/mrp/stream/job-1").text.splitlines()

    with town.mrpd.validator() as judge:
        assert [line for line in lines if not judge(line.encode())] == []
        assert not judge(b"{}")
