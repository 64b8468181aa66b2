"""``treaty session``: sessions from own copies, from a node's database, and live."""

from __future__ import annotations

from tests.cli.town import ALPHA, BETA, STRANGER, UNKNOWN, Town


def test_own_sessions_are_listed(town: Town) -> None:
    listed = town.read("session", "list", "--as", ALPHA)

    assert listed["total"] == 1
    (one,) = listed["sessions"]
    assert one["session"] == town.session
    assert one["state"] == "CLOSED"
    assert (one["inviter"], one["invitee"]) == (ALPHA, BETA)
    assert one["subject"] == "GPU compute"
    assert one["messageCount"] == 14


def test_both_parties_and_the_node_list_the_same(town: Town) -> None:
    alphas = town.read("session", "list", "--as", ALPHA)
    betas = town.read("session", "list", "--as", BETA)
    nodes = town.read("session", "list", "--db", town.db)

    assert alphas == nodes
    assert [one["session"] for one in betas["sessions"]] == [town.session]


def test_a_person_reads_a_table(town: Town) -> None:
    lines = town.run("session", "list", "--as", ALPHA).stdout.splitlines()

    assert lines[0].split() == [
        *("session", "state", "inviter", "invitee", "subject", "messages", "last", "entry")
    ]
    assert lines[1].startswith(f"{town.session}  CLOSED  {ALPHA}  {BETA}  GPU compute")


def test_an_agent_without_sessions_has_an_empty_list(town: Town) -> None:
    uri = "agent://quiet.example/one"
    town.run("agent", "new", uri)

    assert town.read("session", "list", "--as", uri) == {"sessions": [], "total": 0}
    assert "no sessions" in town.run("session", "list", "--as", uri).stdout


def test_somebody_without_a_key_is_told_how_to_make_one(town: Town) -> None:
    done = town.fail("session", "list", "--as", STRANGER)

    assert done.exit_code == 2
    assert done.stderr.splitlines()[1] == f"try: treaty agent new {STRANGER}"


def test_whose_sessions_has_to_be_said(town: Town) -> None:
    done = town.fail("session", "list")

    assert done.exit_code == 2
    assert "--as" in done.stderr


def test_a_session_is_shown_with_everything_that_counts(town: Town) -> None:
    shown = town.read("session", "show", town.session, "--as", ALPHA, "--messages")

    (commitment,) = shown["commitments"]
    assert commitment["state"] == "FULFILLED"
    assert commitment["escrow"]["amount"] == "180.00"
    assert [line["movement"] for line in shown["escrow"]] == ["reserve", "settle"]
    (outcome,) = shown["outcomes"]
    assert outcome["scores"][ALPHA]["before"]["score"] == 49
    assert outcome["scores"][ALPHA]["after"]["score"] == 60.8
    assert len(shown["messages"]) == 14
    assert shown["messages"][0]["performative"] == "PROPOSE"
    assert shown["messages"][-1]["gist"] == "completed, rates 4 of 5"


def test_the_same_session_looks_the_same_from_everywhere(town: Town) -> None:
    show = ("session", "show", town.session, "--messages")
    own = town.read(*show, "--as", ALPHA)
    filed = town.read(*show, "--db", town.db)
    live = town.read(*show, "--as", BETA, "--node", town.url)

    sources = {one.pop("source") for one in (own, filed, live)}
    assert own == filed == live
    assert sources == {
        f"own copy of {ALPHA}, verified",
        f"database {town.db}",
        f"node {town.url}, verified",
    }


def test_only_the_last_messages_are_shown_unless_all_are_asked_for(town: Town) -> None:
    last = town.read("session", "show", town.session, "--as", ALPHA)["messages"]
    every = town.read("session", "show", town.session, "--as", ALPHA, "--messages")["messages"]

    assert last == every[-5:]


def test_a_person_reads_state_money_trust_and_messages(town: Town) -> None:
    text = town.run("session", "show", town.session, "--as", ALPHA, "--messages").stdout

    for said in (
        "state       CLOSED",
        "FULFILLED",
        "180.00 USD posted, 0.00 USD back",
        "49 (level 1)  60.8 (level 2)",
        "messages, 14 of 14",
        "2x A100, 24 h, $3.75/h, 99.95 %",
    ):
        assert said in text


def test_an_unknown_session_is_a_failure_with_a_reason(town: Town) -> None:
    for place in (("--as", ALPHA), ("--db", town.db), ("--as", ALPHA, "--node", town.url)):
        done = town.fail("session", "show", UNKNOWN, *place)

        assert done.exit_code == 1
        assert "(unknown_session)" in done.stderr.splitlines()[0]


def test_what_is_no_session_id_is_misuse(town: Town) -> None:
    done = town.fail("session", "show", "the-first-one", "--as", ALPHA)

    assert done.exit_code == 2
    assert "'the-first-one' is no session id" in done.stderr


def test_a_file_that_is_no_nodes_store_is_named(town: Town, tmp_path) -> None:
    other = tmp_path / "other.db"
    other.write_bytes(b"not a database, but long enough to look like one" * 100)
    done = town.fail("session", "list", "--db", other)

    assert done.exit_code == 1
    assert str(other) in done.stderr
    assert "treaty serve --db FILE" in done.stderr


def test_an_agents_own_store_is_not_a_nodes(town: Town) -> None:
    (store,) = (town.home / "keys").glob("*alpha*.db")
    done = town.fail("session", "list", "--db", store)

    assert "is not the store of a node" in done.stderr
