"""Every scene × every sender × every kind of message, against the state table of decision B9.

The table below is written from the decision's text, not from ``machine.py``: a row lists states,
who may speak, what may be said, and the state after. What no row lists must be refused, and must
leave the session as it was. The scenes are reached by real messages (``scenes.py``).

Words: ``principal`` inviter or invitee; ``other``/``author`` the side that did not make, or made,
what the message refers to; ``party`` a principal or its binding delegate. In CONVERSING, AGREEING
and EXECUTING a binding delegate has its principal's rows, except DELEGATE, ESCALATE and CLOSE.
``=`` stay, ``<`` back to where the state was entered from, once no other escalation runs;
``uncalled`` a principal that has none running.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any, NamedTuple

import pytest

from tests.dialects.asp.scenes import SCENES, scene
from tests.dialects.asp.stage import DAY, NO_PROOF, NO_SIGNATURE, START_MS, URIS, Stage
from treaty.core.session import Session
from treaty.dialects.asp import codec
from treaty.dialects.asp.machine import RULES, STATES, WIRE_STATES, wire_state
from treaty.dialects.asp.messages import Performative
from treaty.errors import TreatyError
from treaty.wire.canonical import canonical
from treaty.wire.instants import format_instant

B9 = """
IDLE                                       anyone     invite                            INVITED
INVITED                                    invitee    accept:inv                        INVITED_ACCEPTED
INVITED                                    invitee    reject:inv                        FAILED
INVITED                                    invitee    counter:inv                       INVITED_COUNTERED
INVITED_COUNTERED                          inviter    accept:inv2                       INVITED_ACCEPTED
INVITED_COUNTERED                          inviter    reject:inv2                       INVITED
INVITED INVITED_COUNTERED INVITED_ACCEPTED inviter    withdraw:inv                      FAILED
INVITED_ACCEPTED                           principal  identity                          INTRODUCED
INTRODUCED                                 principal  propose ask inform identity observe  CONVERSING
CONVERSING                                 principal  propose inform identity ask clarify observe  =
CONVERSING                                 other      counter:open                      =
CONVERSING                                 author     withdraw:open                     =
CONVERSING                                 other      accept:open reject:open           =
CONVERSING EXECUTING                       principal  delegate                          =
CONVERSING EXECUTING                       other      accept:delegation reject:delegation  =
CONVERSING EXECUTING                       author     withdraw:delegation               =
CONVERSING EXECUTING                       delegate   identity                          =
CONVERSING AGREEING EXECUTING              advisory   inform ask observe clarify        =
CONVERSING AGREEING                        advisory   identity                          =
EXECUTING                                  principal  propose                           =
EXECUTING                                  other      counter:open accept:open reject:open  =
EXECUTING                                  author     withdraw:open                     =
CONVERSING EXECUTING                       principal  commit                            AGREEING
AGREEING                                   other      accept:offered                    EXECUTING
AGREEING                                   other      reject:offered counter:offered    <
AGREEING                                   author     withdraw:offered                  <
AGREEING                                   principal  clarify inform identity ask observe  =
EXECUTING                                  principal  inform ask clarify observe        =
CONVERSING AGREEING EXECUTING              principal  escalate                          ESCALATED
ESCALATED                                  uncalled   escalate                          =
ESCALATED                                  authority  resume                            <
ESCALATED                                  authority  abort:common abort:consent        CLOSED
ESCALATED                                  authority  abort:offer                       <
ESCALATED                                  authority  abort:end                         CLOSING
ESCALATED                                  party      report                            =
ESCALATED                                  principal  close                             CLOSING
INTRODUCED CONVERSING EXECUTING            principal  close                             CLOSING
CLOSING                                    other      close                             CLOSED
CLOSING                                    author     close                             =
EXECUTING ESCALATED CLOSING                principal  offer                             =
EXECUTING ESCALATED CLOSING                principal  consent                           CLOSED
CLOSED FAILED                              principal  close offer                       =
AGREEING EXECUTING ESCALATED CLOSING CLOSED FAILED  obliged    claim                    =
AGREEING EXECUTING ESCALATED CLOSING CLOSED FAILED  party      confirm                  =
INVITED INVITED_COUNTERED INVITED_ACCEPTED INTRODUCED CONVERSING AGREEING EXECUTING ESCALATED CLOSING  revoked  identity  =
"""  # noqa: E501

BINDING_PLACES = {"CONVERSING", "AGREEING", "EXECUTING"}
NOT_FOR_DELEGATES = {"delegate", "escalate", "close", "offer", "consent"}


class Row(NamedTuple):
    states: tuple[str, ...]
    who: str
    said: tuple[str, ...]
    next: str


def rows() -> Iterator[Row]:
    for line in B9.strip().splitlines():
        words = line.split()
        places = [word for word in words[:-1] if word in STATES]
        who, *said = words[len(places) : -1]
        yield Row(tuple(places), who, tuple(said), words[-1])


ROWS = tuple(rows())


class Call(NamedTuple):
    """Who has called whom."""

    escalator: str
    authority: str


@dataclass(frozen=True)
class Facts:
    """What is true in a scene, told by hand; nothing is read from the session."""

    state: str
    back: str = ""
    """Where AGREEING and ESCALATED return to."""
    things: str = ""
    """``inv``, ``inv2``: (counter-)invitation; ``table``: pa, pb, da, db are open."""
    offered: str = ""
    """The commitment that may be accepted, ``name/author``."""
    bound: bool = False
    """``cmt`` is bound and not settled."""
    cmt: bool = False
    """``cmt`` exists."""
    owes: bool = False
    """beta has not yet claimed its part of ``cmt``."""
    calls: dict[str, Call] = field(default_factory=dict)
    """Running escalations by their ids."""
    closer: str = ""
    """Whose CLOSE is in, in CLOSING."""
    offer_by: str = ""
    """Who has offered to end."""
    both_closed: bool = False


TALK = {"things": "inv table"}
DEAL: dict[str, Any] = {**TALK, "cmt": True, "bound": True}
OPEN: dict[str, Any] = {**DEAL, "owes": True}
UMPIRE = {"calls": {"esc": Call("alpha", "umpire")}}
BOSS = {"calls": {"esc": Call("alpha", "boss")}}
BOTH = {"calls": {"esc": Call("alpha", "boss"), "esc2": Call("beta", "chief")}}

FACTS = {
    "idle": Facts("IDLE"),
    "invited": Facts("INVITED", things="inv"),
    "invited_countered": Facts("INVITED_COUNTERED", things="inv inv2"),
    "invited_again": Facts("INVITED", things="inv inv2"),
    "invited_accepted": Facts("INVITED_ACCEPTED", things="inv"),
    "half_introduced": Facts("INVITED_ACCEPTED", things="inv"),
    "introduced": Facts("INTRODUCED", things="inv"),
    "conversing": Facts("CONVERSING", things="inv"),
    "in_company": Facts("CONVERSING", **TALK),
    "agreeing": Facts("AGREEING", "CONVERSING", offered="cmt/alpha", cmt=True, **TALK),
    "agreeing_again": Facts("AGREEING", "EXECUTING", offered="second/beta", **OPEN),
    "executing": Facts("EXECUTING", **OPEN),
    "executing_claimed": Facts("EXECUTING", **DEAL),
    "executing_offered": Facts("EXECUTING", offer_by="alpha", **OPEN),
    "executing_settled": Facts("EXECUTING", cmt=True, **TALK),
    "escalated": Facts("ESCALATED", "CONVERSING", **UMPIRE, **TALK),
    "escalated_agreeing": Facts(
        "ESCALATED", "AGREEING", calls={"esc": Call("beta", "umpire")}, cmt=True, **TALK
    ),
    "escalated_executing": Facts("ESCALATED", "EXECUTING", **UMPIRE, **OPEN),
    "escalated_one_sided": Facts("ESCALATED", "CONVERSING", **BOSS, **TALK),
    "escalated_one_sided_executing": Facts("ESCALATED", "EXECUTING", **BOSS, **OPEN),
    "escalated_one_sided_offered": Facts("ESCALATED", "EXECUTING", offer_by="beta", **BOSS, **OPEN),
    "escalated_by_both": Facts("ESCALATED", "CONVERSING", **BOTH, **TALK),
    "escalated_by_both_executing": Facts("ESCALATED", "EXECUTING", **BOTH, **OPEN),
    "escalated_by_both_offered": Facts("ESCALATED", "EXECUTING", offer_by="beta", **BOTH, **OPEN),
    "escalated_by_both_agreeing": Facts(
        "ESCALATED",
        "AGREEING",
        cmt=True,
        **TALK,
        calls={"esc": Call("alpha", "umpire"), "esc2": Call("beta", "chief")},
    ),
    "escalated_to_one": Facts(
        "ESCALATED",
        "EXECUTING",
        **OPEN,
        calls={"esc": Call("alpha", "umpire"), "esc2": Call("beta", "umpire")},
    ),
    "closing": Facts("CLOSING", closer="alpha", **TALK),
    "closing_claimed": Facts("CLOSING", closer="alpha", **DEAL),
    "closed": Facts("CLOSED", both_closed=True, **TALK),
    "closed_live": Facts("CLOSED", both_closed=True, **DEAL),
    "closed_silent": Facts("CLOSED", **DEAL),
    "failed": Facts("FAILED", things="inv"),
}

SIDES = {"alpha": "alpha", "gamma": "alpha", "beta": "beta", "delta": "beta"}
ACTORS = (*URIS, "revoked alpha")
REFERENCES = {"inv": "alpha", "inv2": "beta", "pa": "alpha", "pb": "beta", "da": "alpha",
              "db": "beta", "cmt": "alpha", "second": "beta", "nothing": ""}  # fmt: skip
LATER = format_instant(START_MS + 3 * DAY)


def messages() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(what it says, to what it refers, envelope members): all thirteen performatives."""
    proposal = {"proposalId": "new", "subject": "s", "terms": {}}
    yield "invite", "", {"PROPOSE": {**proposal, "type": "session-invitation"}}
    yield "propose", "", {"PROPOSE": {**proposal, "type": "terms"}}
    for name in REFERENCES:
        yield "accept", name, {"ACCEPT": {"referenceId": name}}
        yield "reject", name, {"REJECT": {"referenceId": name, "code": "c", "reason": "r"}}
        counter = {"referenceId": name, "counterProposalId": "new", "terms": {}}
        yield "counter", name, {"COUNTER": counter}
        yield "withdraw", name, {"WITHDRAW": {"referenceId": name}}
    for kind in ("progress", "result", "error", "note"):
        yield f"inform {kind}", "", {"INFORM": {"informType": kind, "data": {}}}
    yield "identity", "", {"INFORM": {"informType": "identity"}}
    for name, decision in product(("esc", "esc2"), ("resume", "abort")):
        data = {"escalationId": name, "decision": decision}
        yield decision, name, {"INFORM": {"informType": "resolution", "data": data}}
    for status, said in (("fulfilled", "claim"), ("confirmed", "confirm")):
        data = {"commitmentId": "cmt", "status": status}
        yield said, "cmt", {"INFORM": {"informType": "result", "data": data}}
    yield "ask", "", {"QUERY": {"queryId": "new", "queryType": "status"}}
    yield "clarify", "inv", {"CLARIFY": {"referenceId": "inv", "question": "?"}}
    yield "observe", "", {"OBSERVE": {"subject": "s", "data": {}}}
    duty = {"party": URIS["beta"], "action": "a", "deadline": LATER}
    duty["verificationMethod"] = "counterparty-confirm"
    yield "commit", "", {"COMMIT": {"commitmentId": "new", "obligations": {"provider": duty}}}
    delegation = {"delegationId": "new", "targetAgent": "agent://advice.example/new"}
    delegation |= {"scope": "s", "authority": "advisory", "expiresAt": LATER}
    yield "delegate", "", {"DELEGATE": delegation}
    escalation = {"escalationId": "new", "reason": "r", "authority": "agent://third.example"}
    yield "escalate", "", {"ESCALATE": escalation}
    # `expired` is `failed` with a reason that must be so: see test_turns.
    for reason in ("completed", "cancelled", "failed"):
        yield f"close {reason}", "", {"CLOSE": {"reason": reason}}


MESSAGES = tuple(messages())


def words_for(facts: Facts, side: str, said: str, reference: str) -> str | None:
    """The table's word for a message in this scene; None for what the scene has not got."""
    things = facts.things.split()
    if said in ("accept", "reject", "counter", "withdraw"):
        if reference in ("inv", "inv2"):
            return f"{said}:{reference}" if reference in things else None
        if reference in ("pa", "pb", "da", "db"):
            word = "open" if reference[0] == "p" else "delegation"
            return f"{said}:{word}" if "table" in things else None
        if reference == facts.offered.partition("/")[0] != "":
            return f"{said}:offered"
        return f"{said}:done" if reference == "cmt" and facts.cmt else None
    if said.startswith("inform "):
        is_report = facts.state == "ESCALATED" and said != "inform note"
        return "report" if is_report else "inform"
    if said in ("claim", "confirm") and facts.state in ("INTRODUCED", "CONVERSING"):
        return "inform"
    if said == "clarify":
        return "clarify" if "inv" in things else None
    if said == "abort":
        return (
            f"abort:{_ending_by(facts, facts.calls[reference])}"
            if reference in facts.calls
            else said
        )
    if said.startswith("close "):
        return _close_word(facts, side, said.removeprefix("close "))
    return said


def _ending_by(facts: Facts, call: Call) -> str:
    """An abort by a common authority ends all; by another one it is a CLOSE ``cancelled``."""
    if call.authority == "umpire":
        return "common"
    if not facts.bound:
        return "end"
    return "offer" if facts.offer_by in ("", call.escalator) else "consent"


def _close_word(facts: Facts, side: str, reason: str) -> str:
    if reason == "completed" or not facts.bound:
        return "close"
    is_answer = facts.offer_by not in ("", side) and reason == "cancelled"
    return "consent" if is_answer else "offer"


def is_one(facts: Facts, actor: str, said: str, reference: str, who: str) -> bool:
    """Is this word of the ``who`` column true of the actor?"""
    side = SIDES.get(actor, "")
    is_binding = actor == "delta" and facts.state in BINDING_PLACES
    if said in NOT_FOR_DELEGATES:
        is_binding = False
    is_principal = actor in ("alpha", "beta") or is_binding
    author = facts.closer if said == "close" else REFERENCES.get(reference, "")
    return {
        "anyone": True,
        "inviter": actor == "alpha",
        "invitee": actor == "beta",
        "principal": is_principal,
        "party": actor in ("alpha", "beta", "delta"),
        "other": is_principal and side != author,
        "author": is_principal and side == author,
        "advisory": actor == "gamma",
        "delegate": actor in ("gamma", "delta"),
        "authority": reference in facts.calls and actor == facts.calls[reference].authority,
        "uncalled": actor in ("alpha", "beta") and actor not in _callers(facts),
        "obliged": side == "beta" and facts.owes,
        "revoked": actor == "revoked alpha",
    }[who]


def is_here(facts: Facts, actor: str) -> bool:
    """Is the actor a participant of this scene?"""
    if actor in ("alpha", "beta"):
        return facts.state != "IDLE"
    if actor in ("gamma", "delta"):
        return "table" in facts.things
    return is_authority(facts, actor)


def is_authority(facts: Facts, actor: str) -> bool:
    """Has somebody called the actor?"""
    return actor in (one.authority for one in facts.calls.values())


def _callers(facts: Facts) -> list[str]:
    return [one.escalator for one in facts.calls.values()]


class Verdict(NamedTuple):
    """What must happen: the state after, or the reasons that may be given."""

    state: str = ""
    reasons: frozenset[str] = frozenset()
    beneath: str = ""


def refusal(*reasons: str) -> Verdict:
    return Verdict(reasons=frozenset(reasons))


UNKNOWN = ("proposal_unknown", "reference_unknown")


def expected(name: str, actor: str, said: str, reference: str) -> Verdict:
    """What B9 says of this message in this scene."""
    facts = FACTS[name]
    if actor == "revoked alpha":
        return _expected_of_revoked(facts, said)
    if facts.state != "IDLE" and not is_here(facts, actor):
        return refusal("unknown_session")
    if _is_beside_the_escalation(facts, actor):
        return _expected_beneath(name, actor, said, reference)
    word = words_for(facts, SIDES.get(actor, ""), said, reference)
    if word is None:
        return refusal("transition_invalid", *UNKNOWN)
    if said in ("resume", "abort") and is_authority(facts, actor) and reference not in facts.calls:
        return refusal("reference_unknown")
    if said in ("claim", "confirm") and word != "inform" and not facts.bound:
        return refusal("transition_invalid", *([] if facts.cmt else UNKNOWN))
    found = [
        row
        for row in ROWS
        if facts.state in row.states
        and word in row.said
        and is_one(facts, actor, word, reference, row.who)
    ]
    if not found or _is_exception(name, facts, actor, word, said):
        return refusal("transition_invalid")
    if said == "close completed" and facts.owes:
        return refusal("obligation_open")
    return Verdict(_state_after(name, facts, actor, found[0], word))


def _is_exception(name: str, facts: Facts, actor: str, word: str, said: str) -> bool:
    """The prose beside the table."""
    once_each = name == "half_introduced" and actor == "alpha" and word == "identity"
    countered_once = name == "invited_again" and word == "counter:inv"
    # A CLOSE in a later state is about a bound commitment, from a party whose own is not in yet,
    # or who replaces it while the other's is not.
    is_late = facts.state in ("CLOSED", "FAILED") and said.startswith("close ")
    too_late = is_late and (not facts.bound or facts.both_closed)
    return once_each or countered_once or too_late


def _state_after(name: str, facts: Facts, actor: str, row: Row, word: str) -> str:
    if row.next == "INTRODUCED" and name == "invited_accepted":
        return "INVITED_ACCEPTED"  # "when both have"
    if row.next == "=" or (row.next == "<" and len(facts.calls) > 1):
        return facts.state
    return facts.back if row.next == "<" else row.next


def _expected_of_revoked(facts: Facts, said: str) -> Verdict:
    if said != "identity":
        return refusal("key_revoked")
    is_over = facts.state in ("CLOSED", "FAILED")
    return refusal("transition_invalid") if is_over else Verdict(facts.state)


def _is_beside_the_escalation(facts: Facts, actor: str) -> bool:
    """An authority that not both had listed pauses only the side that called it."""
    callers = _callers(facts)
    is_common = any(one.authority == "umpire" for one in facts.calls.values())
    return bool(callers) and not is_common and SIDES.get(actor, callers[0]) not in callers


def _expected_beneath(name: str, actor: str, said: str, reference: str) -> Verdict:
    """The other side goes on as if nothing had happened; the escalation goes on as well."""
    twin = {
        "escalated_one_sided": "in_company",
        "escalated_one_sided_executing": "executing",
        "escalated_one_sided_offered": "executing_offered_by_beta",
    }[name]
    verdict = expected(twin, actor, said, reference)
    if verdict.state == "ESCALATED":
        return Verdict("ESCALATED", beneath=FACTS[twin].state)
    if verdict.state in ("", "CLOSING", "CLOSED"):
        return verdict
    return Verdict("ESCALATED", beneath=verdict.state)


FACTS["executing_offered_by_beta"] = Facts("EXECUTING", offer_by="beta", **OPEN)


def stage_for(name: str, actor: str) -> Stage:
    stage = scene(name)
    return stage.with_revoked("alpha") if actor == "revoked alpha" else stage


def attempt(stage: Stage, actor: str, said: str, content: dict[str, Any]) -> str:
    """Say it, unsigned (who signs is another test's subject); the reason, or the empty text."""
    name = actor.removeprefix("revoked ")
    speaker = getattr(stage, name)
    ((performative, body),) = content.items()
    if said == "identity":
        body = {**body, "data": {"agentCard": speaker.card()}}
    if said == "counter":
        body = {**body, "terms": {}}
    recipient = URIS["beta" if name != "beta" else "alpha"] if said == "invite" else None
    document = speaker.draft(performative, body, proof=False, recipient=recipient)
    assert document["sender"]["dpopProof"] == NO_PROOF
    document["integrity"] |= {"hash": "sha256:" + "7" * 64, "signature": NO_SIGNATURE}
    envelope = codec.decode(canonical(document))
    try:
        stage.accept_message(envelope, None)
    except TreatyError as error:
        return error.code
    return ""


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("name", SCENES)
def test_only_what_the_table_lists_is_accepted(name: str, actor: str) -> None:
    if actor == "revoked alpha" and name == "idle":
        actor = "alpha"
    start = stage_for(name, actor)
    before, shown = start.conversation, repr(start.conversation)
    wrong = []
    for said, reference, content in MESSAGES:
        verdict = expected(name, actor, said, reference)
        stage = start.fork()
        reason = attempt(stage, actor, said, content)
        told = reason or stage.state
        if reason and stage.conversation is not before:
            wrong.append(f"{said} {reference}: refused, but something changed")
        if verdict.beneath and stage.conversation.session.returns[-1:] != (verdict.beneath,):
            wrong.append(f"{said} {reference}: not {verdict.beneath} beneath")
        if (reason and reason not in verdict.reasons) or (not reason and told != verdict.state):
            wrong.append(f"{said} {reference}: {told}, not {verdict}")

    assert not wrong, "\n".join(wrong)
    assert repr(before) == shown


def test_each_scene_stands_where_its_name_says() -> None:
    assert {name: scene(name).state for name in SCENES} == {
        name: FACTS[name].state for name in SCENES
    }


def test_the_scenes_cover_every_state_and_the_messages_every_performative() -> None:
    assert {facts.state for facts in FACTS.values()} == set(STATES)
    assert {name for _, _, content in MESSAGES for name in content} == set(Performative.__members__)


def test_each_row_of_the_table_is_used() -> None:
    """A row that nothing reaches would prove nothing."""
    used: set[int] = set()
    for facts in FACTS.values():
        for actor in ACTORS:
            for said, reference, _ in MESSAGES:
                word = words_for(facts, SIDES.get(actor, ""), said, reference) or ""
                used |= {
                    number
                    for number, row in enumerate(ROWS)
                    if facts.state in row.states
                    and word in row.said
                    and is_one(facts, actor, word, reference, row.who)
                }

    assert used == set(range(len(ROWS)))


def test_no_move_of_the_machine_leaves_a_terminal_state() -> None:
    leaving = [
        move
        for moves in RULES.moves.values()
        for move in moves
        if move.state in RULES.terminal and move.next != "="
    ]

    assert not leaving


@pytest.mark.parametrize(
    ("state", "returns", "shown"),
    [
        ("INVITED_COUNTERED", (), "INVITED"),
        ("INVITED_ACCEPTED", (), "INVITED"),
        ("CLOSING", ("CONVERSING",), "CONVERSING"),
        ("CLOSING", ("EXECUTING",), "EXECUTING"),
        ("CLOSING", ("EXECUTING", "ESCALATED"), "EXECUTING"),
        ("AGREEING", ("EXECUTING",), "AGREEING"),
        ("ESCALATED", ("CONVERSING",), "ESCALATED"),
    ],
)
def test_a_substate_is_shown_as_one_of_the_nine(
    state: str, returns: tuple[str, ...], shown: str
) -> None:
    assert wire_state(state, returns) == shown
    assert shown in WIRE_STATES
    assert Session(state, returns).state == state


def test_the_state_on_the_wire_is_always_one_of_the_nine() -> None:
    assert len(WIRE_STATES) == 9
    assert {scene(name).conversation.wire_state for name in SCENES} == set(WIRE_STATES)
