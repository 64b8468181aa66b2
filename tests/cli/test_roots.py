"""``treaty roots export``: a node's keys, from its address or from its own database."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.town import NODE, Town
from treaty import app
from treaty.core.deal import read_roots


def test_a_node_is_registry_host_and_clearing_and_its_operator_attests(
    town: Town, roots_file: Path
) -> None:
    roots = read_roots(json.loads(roots_file.read_bytes()))

    assert roots.registry == roots.host == roots.clearing
    assert [one.uri for one in roots.registry] == [NODE]
    assert [one.uri for one in roots.attester] == ["agent://node.example/operator"]
    operator = app.public_key_at(app.key_beside(town.db, "operator"))
    assert operator is not None
    assert roots.attester[0].key_id == operator.key_id


def test_the_database_gives_the_same_keys_as_the_address(town: Town) -> None:
    asked = town.read("roots", "export")
    read = town.read("roots", "export", "--db", town.db)

    heads = [one.pop("logHead") for one in (asked, read)]
    assert asked == read
    assert heads[0]["root"] == heads[1]["root"]
    assert heads[0]["integrity"]["keyId"] == asked["host"][0]["keyId"]


def test_people_are_told_to_check_the_keys_by_another_way(town: Town) -> None:
    done = town.run("roots", "export")
    roots = json.loads(done.stdout)

    assert f"node {NODE} has the key {roots['host'][0]['keyId']}" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("check these key ids with the operator")
    assert town.run("roots", "export", "--json").stderr == ""


def test_a_database_without_its_keys_gives_no_head_and_no_attester(
    town: Town, tmp_path: Path
) -> None:
    copy = tmp_path / "node.db"
    for suffix in ("", "-wal"):
        source = Path(f"{town.db}{suffix}")
        if source.exists():
            Path(f"{copy}{suffix}").write_bytes(source.read_bytes())
    done = town.run("roots", "export", "--db", copy)
    roots = json.loads(done.stdout)

    assert roots["logHead"] is None
    assert roots["attester"] == []
    assert [one["uri"] for one in roots["host"]] == [NODE]
    assert "no log head" in done.stderr
