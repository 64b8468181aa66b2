"""``treaty demo`` as a newcomer runs it: three real processes, the seed's figures, one proof."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.demo.conftest import run_demo
from treaty import app

EXAMPLES = Path(__file__).parents[2] / "examples"
SEED = [
    "QUERY", "INFORM", "PROPOSE", "ACCEPT", "INFORM", "INFORM", "PROPOSE", "COUNTER",
    "PROPOSE", "ACCEPT", "COMMIT", "ACCEPT", "INFORM", "INFORM", "CLOSE", "CLOSE",
]  # fmt: skip


def messages(document):
    return [json.loads(e["raw"]) for e in document["events"] if e["event"] == "message"]


def facts(document, kind):
    records = [e["record"] for e in document["events"] if e["event"] == "fact"]
    return [record["data"] for record in records if record["fact"] == kind]


def test_the_sixteen_messages_of_the_seed_are_spoken_in_its_order(played):
    document, _ = played

    assert [one["performative"] for one in messages(document)] == SEED


def test_the_figures_are_those_of_the_seed(played):
    document, _ = played
    bodies = [one["content"]["body"] for one in messages(document)]

    prices = [bodies[i]["terms"]["pricePerHour"] for i in (6, 7, 8)]
    assert prices == [3.5, 4, 3.75]
    assert bodies[8]["terms"]["sla"] == {"uptimePercent": 99.95}
    assert bodies[10]["escrow"]["amount"] == "180.00"
    assert [bodies[i]["outcome"]["peerRating"] for i in (14, 15)] == [5, 4]


def test_the_escrow_is_reserved_and_then_posted_whole(played):
    document, _ = played

    moved = facts(document, "escrow")
    assert [one["movement"] for one in moved] == ["reserve", "settle"]
    assert moved[1]["posted"] == {"amount": "180.00", "currency": "USD"}
    assert moved[1]["voided"] == {"amount": "0.00", "currency": "USD"}


def test_trust_moves_from_49_to_60_8_and_the_provider_stays_at_91(played):
    document, _ = played
    told = [e for e in document["events"] if e["event"] == "trust"]

    scores = [(e["when"], e["trust"]["score"], e["trust"]["level"]) for e in told]
    assert scores == [("before", 49, 1), ("before", 91, 4), ("after", 60.8, 2), ("after", 91, 4)]


def test_the_provisioned_processes_were_real_and_are_gone(played):
    document, _ = played
    (started,) = [e["pids"] for e in document["events"] if e["event"] == "provisioned"]
    (stopped,) = [e["pids"] for e in document["events"] if e["event"] == "released"]

    assert len(set(started)) == 2
    assert stopped == started
    for pid in started:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_deal_file_verifies_and_a_changed_byte_does_not(played):
    document, out = played
    (path,) = out.glob("deal-asp*.json")
    (anchors,) = out.glob("roots-asp*.json")
    deal, roots = json.loads(path.read_text()), json.loads(anchors.read_text())

    assert [str(path), str(anchors)] == [document["deal"], document["roots"]]
    assert app.verify(deal, roots).ok
    deal["raw"][7] = deal["raw"][7].replace('"pricePerHour":4', '"pricePerHour":3')
    assert not app.verify(deal, roots).ok


def test_each_deal_keeps_the_roots_of_its_own_node(played):
    """A second run in the same folder has a node with another key."""
    document, out = played
    deal, roots = Path(document["deal"]), Path(document["roots"])

    assert roots.name.removeprefix("roots-") == deal.name.removeprefix("deal-")
    assert roots.read_text() == (out / "roots.json").read_text()


def test_other_parameters_make_another_deal(tmp_path):
    examples = tmp_path / "examples"
    shutil.copytree(EXAMPLES, examples)
    beta = examples / "beta.toml"
    changed = beta.read_text().replace('price = "4.00"', 'price = "3.90"')
    assert changed != beta.read_text()
    beta.write_text(changed.replace('floor = "3.75"', 'floor = "3.70"'))

    done = run_demo(tmp_path, "--json", "--examples", str(examples))

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    bodies = [one["content"]["body"] for one in messages(document)]
    assert [bodies[i]["terms"]["pricePerHour"] for i in (6, 7, 8)] == [3.5, 3.9, 3.7]
    assert bodies[10]["escrow"]["amount"] == "177.60"


def test_a_buyer_without_money_makes_the_demo_fail(tmp_path):
    examples = tmp_path / "examples"
    shutil.copytree(EXAMPLES, examples)
    alpha = examples / "alpha.toml"
    alpha.write_text(alpha.read_text().replace('fund = "500.00"', 'fund = "100.00"'))

    done = run_demo(tmp_path, "--examples", str(examples))

    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr


def test_the_screen_shows_phases_money_and_trust(screen):
    for phase in ("DISCOVER", "INVITE", "INTRODUCE", "CONVERSE", "AGREE", "EXECUTE", "CLOSE"):
        assert f"\n{phase}" in screen
    for shown in ("$3.50", "$4.00", "$3.75", "99.95", "$180.00", "49 -> 60.8", "level 1 -> 2"):
        assert shown in screen
