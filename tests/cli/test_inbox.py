"""``treaty inbox``: a person sees what waits and decides it, with her own key and real commands."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.cli.town import ALPHA, BETA, STRANGER, run, serving
from treaty import app
from treaty.agent import Service, serve
from treaty.agent.deal import Deal
from treaty.cli.failures import Misused
from treaty.cli.inbox import Waiting, several

PERSON = "agent://acme.com/people/finance"


@dataclass
class Office:
    """A running node, a person with a key, and the homes of everybody."""

    url: str
    home: Path

    def run(self, *words: str) -> Result:
        env = {"TREATY_HOME": str(self.home / "person"), "TREATY_NODE": self.url}
        return run(*words, env=env)

    def read(self, *words: str) -> Any:
        done = self.run(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    home = tmp_path_factory.mktemp("office")
    with serving(home / "node", "--db", str(home / "node.db")) as node:
        here = Office(node["url"], home)
        here.read("agent", "new", PERSON, "--name", "Finance")
        yield here


async def talk(office: Office, authorities: list[str]) -> tuple[str, str]:
    """Alpha and Beta talk; Alpha calls the person. Gives session and escalation."""
    agents = {
        uri: app.Agent(uri, node=office.url, home=office.home / uri.rsplit("/", 1)[1])
        for uri in (ALPHA, BETA)
    }
    async with agents[BETA] as beta, agents[ALPHA] as alpha:
        serving_beta = asyncio.create_task(serve(beta, Service()))
        try:
            terms = {"authorities": [{"uri": one} for one in authorities]}
            deal = await alpha.invite(BETA, subject="GPUs", terms=terms)
            await deal.line.send(*observation())
            await deal.escalate(PERSON, "More than I may spend.", options=["180 USD"])
            (running,) = deal.conversation.escalations.values()
            return deal.id, running.id
        finally:
            serving_beta.cancel()
            with suppress(asyncio.CancelledError):
                await serving_beta


async def talk_of_both(office: Office) -> tuple[str, str, str]:
    """Each party calls the person with a question of its own. Gives session and both names."""
    agents = {
        uri: app.Agent(uri, node=office.url, home=office.home / uri.rsplit("/", 1)[1])
        for uri in (ALPHA, BETA)
    }
    async with agents[BETA] as beta, agents[ALPHA] as alpha:
        serving_beta = asyncio.create_task(serve(beta, Service()))
        try:
            deal = await alpha.invite(BETA, subject="GPUs")
            await deal.line.send(*observation())
            await deal.escalate(PERSON, "Too dear?")
            other = await beta.join(deal.id, ALPHA)
            await other.until(lambda now: now.state == "ESCALATED")
            await other.escalate(PERSON, "Too cheap?")
            first, second = other.conversation.escalations.values()
            return deal.id, first.id, second.id
        finally:
            serving_beta.cancel()
            with suppress(asyncio.CancelledError):
                await serving_beta


def observation() -> Any:
    from treaty.dialects.asp.messages import Performative

    return Performative.OBSERVE, {"subject": "price", "data": {}}


async def seen_by_alpha(office: Office, session: str) -> Deal:
    """The session as Alpha's own copy shows it, after catching up."""
    async with app.Agent(ALPHA, node=office.url, home=office.home / "alpha") as alpha:
        return await alpha.resume(session)


def test_nothing_waits_at_first(office: Office) -> None:
    assert office.read("inbox", "--as", PERSON) == {"agent": PERSON, "waiting": []}
    assert "nothing waits" in office.run("inbox", "--as", PERSON).stdout


@pytest.mark.parametrize(
    ("authorities", "decision", "state"),
    [
        ([PERSON], "resume", "CONVERSING"),
        ([PERSON], "abort", "CLOSED"),
        # Named by one side alone, it speaks for that side: its abort is Alpha's CLOSE.
        ([], "abort", "CONVERSING"),
    ],
)
def test_what_a_person_decides_happens(
    office: Office, authorities: list[str], decision: str, state: str
) -> None:
    session, escalation = asyncio.run(talk(office, authorities))
    (waiting,) = office.read("inbox", "--as", PERSON)["waiting"]
    assert waiting == {
        "kind": "decision",
        "session": session,
        "from": ALPHA,
        "waiting": True,
        "state": "ESCALATED",
        "until": waiting["until"],
        "id": escalation,
        "says": "More than I may spend.",
        "options": ["180 USD"],
    }
    told = office.read(
        "inbox", "decide", escalation, decision, "--note", "As discussed.", "--as", PERSON
    )
    assert (told["decision"], told["state"]) == (decision, state)

    # It is the person's own signed message, which Alpha's copy has checked.
    deal = asyncio.run(seen_by_alpha(office, session))
    said = deal.messages[-1]
    assert (said.sender, said.hash) == (PERSON, told["hash"])
    assert said.content["data"]["note"] == "As discussed."
    assert office.read("inbox", "--as", PERSON)["waiting"] == []
    kept = office.read("inbox", "--as", PERSON, "--all")["waiting"]
    assert [one["waiting"] for one in kept if one["session"] == session] == [False]

    again = office.run("inbox", "decide", escalation, decision, "--as", PERSON)
    assert again.exit_code == 1
    assert "waits no longer" in again.stderr


def test_a_person_reads_a_table_and_may_name_the_session(office: Office) -> None:
    session, escalation = asyncio.run(talk(office, [PERSON]))
    listed = office.run("inbox", "--as", PERSON)
    assert escalation in listed.stdout
    assert "More than I may spend." in listed.stdout
    # What it says to run next can be pasted; so can the session's name instead.
    (hint,) = [line for line in listed.stderr.splitlines() if ": treaty " in line]
    words = shlex.split(hint.partition(": treaty ")[2])
    assert words == ["inbox", "decide", escalation, "resume", "--as", PERSON]
    done = office.run("inbox", "--as", PERSON, "decide", session, "resume")
    assert done.exit_code == 0, done.output
    assert f"session {session} is CONVERSING" in done.stdout


def test_what_both_parties_ask_is_listed_and_decided_one_by_one(office: Office) -> None:
    session, first, second = asyncio.run(talk_of_both(office))
    waiting = office.read("inbox", "--as", PERSON)["waiting"]
    assert [(one["id"], one["from"], one["says"]) for one in waiting] == [
        (first, ALPHA, "Too dear?"),
        (second, BETA, "Too cheap?"),
    ]
    alphas = {"TREATY_HOME": str(office.home / "alpha"), "TREATY_NODE": office.url}
    shown = run("session", "show", session, "--as", ALPHA, "--node", office.url, env=alphas).stdout
    rows = [line.split() for line in shown.splitlines() if " until" in line or " esc_" in line]
    assert [row[:3] for row in rows] == [
        ["escalationId", "by", "authority"],
        [first, ALPHA, PERSON],
        [second, BETA, PERSON],
    ]
    both = office.run("inbox", "decide", session, "resume", "--as", PERSON)
    assert both.exit_code == 2
    assert f"name one: {first}, {second}" in " ".join(both.stderr.split())
    assert office.read("inbox", "decide", second, "resume", "--as", PERSON)["state"] == "ESCALATED"
    (left,) = office.read("inbox", "--as", PERSON)["waiting"]
    assert left["id"] == first
    told = office.read("inbox", "decide", session, "resume", "--as", PERSON)
    assert (told["escalationId"], told["state"]) == (first, "CONVERSING")


def test_nobody_decides_what_waits_for_another(office: Office) -> None:
    _, escalation = asyncio.run(talk(office, [PERSON]))
    office.read("agent", "new", STRANGER, "--name", "Nobody")
    done = office.run("inbox", "decide", escalation, "resume", "--as", STRANGER)
    assert done.exit_code == 1
    assert "ever waited" in done.stderr
    office.read("inbox", "decide", escalation, "resume", "--as", PERSON)


def test_whose_inbox_has_to_be_said(office: Office) -> None:
    for words in (("inbox",), ("inbox", "decide", "esc_1", "resume")):
        done = office.run(*words)
        assert done.exit_code == 2
        assert "--as" in done.stderr
    assert office.run("inbox", "decide", "esc_1", "perhaps", "--as", PERSON).exit_code == 2


def test_one_id_in_several_sessions_is_told_apart_by_the_session() -> None:
    twins = [
        Waiting("decision", session, ALPHA, True, "ESCALATED", "", "esc_1", "Too dear?", ())
        for session in ("s1", "s2")
    ]
    refused = several("esc_1", PERSON, twins)
    assert isinstance(refused, Misused)
    assert refused.advice == "name the session: s1, s2"
