"""``treaty agent``: keys that are made once, and cards that grow by versions."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.cli.town import ALPHA, STRANGER, Town, run
from treaty import app
from treaty.cli import nodes
from treaty.cli.agent import MADE
from treaty.identity.cards import make_card, open_card


def _home(path: Path) -> dict[str, str | None]:
    return {"TREATY_HOME": str(path), "TREATY_NODE": None, "TREATY_PASSPHRASE": None}


def test_a_new_agent_has_a_key_for_its_owner_alone(tmp_path: Path) -> None:
    done = run("agent", "new", STRANGER, "--json", env=_home(tmp_path))
    document = json.loads(done.stdout)
    path = Path(document["key"]["file"])

    assert done.exit_code == 0
    assert document["agent"] == STRANGER
    assert document["card"] is None
    assert path.is_relative_to(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert app.signer_at(path).key.key_id == document["key"]["keyId"]
    assert app.signer_at(path).key.text == document["key"]["publicKey"]


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    first = run("agent", "new", STRANGER, "--json", env=_home(tmp_path))
    path = Path(json.loads(first.stdout)["key"]["file"])
    before = path.read_bytes()
    done = run("agent", "new", STRANGER, env=_home(tmp_path))

    assert done.exit_code == 2
    assert f"{STRANGER} has a key already: {path}" in done.stderr
    assert path.read_bytes() == before


def test_a_passphrase_is_asked_for_twice_and_never_shown(tmp_path: Path) -> None:
    done = run(
        "agent", "new", STRANGER, "--passphrase", env=_home(tmp_path), input="secret\nsecret\n"
    )
    (path,) = (tmp_path / "keys").glob("*.json")

    assert done.exit_code == 0
    assert "locked" in json.loads(path.read_bytes())
    assert "secret" not in done.output
    assert app.signer_at(path, secret="secret").key.key_id in done.stdout


def test_a_passphrase_that_is_not_repeated_makes_no_key(tmp_path: Path) -> None:
    done = run("agent", "new", STRANGER, "--passphrase", env=_home(tmp_path), input="one\ntwo\n")

    assert done.exit_code == 130
    assert not (tmp_path / "keys").exists()


def test_a_card_is_registered_at_once_when_something_is_said_about_it(town: Town) -> None:
    uri = "agent://agents.example/one"
    made = town.read(
        "agent", "new", uri, "--name", "One", "--capability", "a.b", "--capability", "c"
    )
    shown = town.read("agent", "show", uri)

    assert made["card"]["capabilities"] == ["a.b", "c"]
    assert made["card"]["name"] == "One"
    assert made["card"]["endpoints"] == {"asp": f"{town.url}/v1/asp"}
    assert open_card(shown["card"]).card_hash == open_card(made["card"]).card_hash
    assert shown["key"] == made["key"]
    assert shown["trust"]["score"] == 49


def test_an_agent_is_registered_later_and_its_card_grows_by_versions(town: Town) -> None:
    uri = "agent://agents.example/two"
    town.run("agent", "new", uri)
    first = town.read("agent", "register", uri, "--name", "Two")["card"]
    same = town.read("agent", "register", uri)["card"]
    second = town.read("agent", "register", uri, "--capability", "tea.*"[:3])["card"]

    assert [one["version"] for one in (first, same, second)] == [1, 1, 2]
    assert [one["name"] for one in (first, same, second)] == ["Two", "Two", "Two"]
    assert second["capabilities"] == ["tea"]


def test_an_agent_says_that_it_judges_disputes_and_goes_on_saying_so(town: Town) -> None:
    uri = "agent://agents.example/judge"
    town.run("agent", "new", uri, "--name", "Judge")
    first = town.read("agent", "register", uri, "--arbitrates")["card"]
    second = town.read("agent", "register", uri, "--capability", "law")["card"]

    assert [one["version"] for one in (first, second)] == [2, 3]
    assert [one["arbitrates"] for one in (first, second)] == [True, True]


def test_what_the_command_does_not_know_stays_on_the_card(town: Town, monkeypatch) -> None:
    monkeypatch.setenv("TREATY_HOME", str(town.home))
    uri = "agent://agents.example/three"
    town.run("agent", "new", uri)
    card = make_card(
        app.signer_at(app.agent_key_path(uri)),
        uri=uri,
        name="Three",
        organization="Agents",
        org_id="org_three",
        capabilities=("tea",),
        endpoints={"asp": f"{town.url}/v1/asp"},
        extra={"pricing": {"pricePerHour": 3.5, "currency": "USD"}, "schemas": ["urn:x"]},
    )

    async def hand_in() -> None:
        async with nodes.at_node(town.url) as client:
            await client.register(card)

    nodes.wait_for(hand_in(), "registering")
    after = town.read("agent", "register", uri, "--name", "Tree")["card"]

    assert (after["name"], after["version"]) == ("Tree", 2)
    kept = after.keys() - MADE
    assert {name: after[name] for name in kept} == {name: card[name] for name in kept}
    assert (after["orgId"], after["capabilities"]) == ("org_three", ["tea"])


def test_a_name_that_belongs_to_another_key_is_refused(town: Town, tmp_path: Path) -> None:
    done = town.fail("agent", "new", ALPHA, "--node", town.url, env={"TREATY_HOME": str(tmp_path)})

    assert done.exit_code == 1
    assert "(card_conflict)" in done.stderr


def test_show_warns_of_a_card_with_another_key(town: Town, tmp_path: Path) -> None:
    env = {"TREATY_HOME": str(tmp_path)}
    town.run("agent", "new", ALPHA, env=env)

    assert (
        "the card shows another key than yours" in town.run("agent", "show", ALPHA, env=env).stdout
    )


def test_show_tells_people_key_card_and_trust(town: Town) -> None:
    text = town.run("agent", "show", ALPHA).stdout

    for said in ("organisation  Acme", "card          version 1", "trust         60.8, level 2"):
        assert said in text


def test_a_strangers_card_is_shown_as_not_yours(town: Town, tmp_path: Path) -> None:
    text = town.run("agent", "show", ALPHA, env={"TREATY_HOME": str(tmp_path)}).stdout

    assert "(not yours)" in text


def test_without_a_node_the_key_is_shown_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "OPTIONAL_MS", 50)
    env = {**_home(tmp_path), "TREATY_NODE": "http://127.0.0.1:9"}
    run("agent", "new", STRANGER, env=env)
    done = run("agent", "show", STRANGER, env=env)

    assert done.exit_code == 0
    assert "only the key is shown" in done.stderr
    assert "public key" in done.stdout


def test_an_agent_nobody_knows_is_a_failure(town: Town) -> None:
    done = town.fail("agent", "show", STRANGER)

    assert done.exit_code == 1
    assert "(unknown_agent)" in done.stderr
