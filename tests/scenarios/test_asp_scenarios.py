"""Runs ``asp_*.txt``: every row on a real session, with signatures, host facts and escrow.

The grammar stands at the head of ``asp_escrow.txt``. After each refused row the session is the
same object as before it; after each row what is held, posted and voided adds up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dialects.asp.scenes import SCENES, scene
from tests.dialects.asp.stage import DAY, HOUR, MINUTE, SECOND, URIS, Stage, check_refused
from treaty.core.dispute import Dispute
from treaty.dialects.asp.folding import orders
from treaty.dialects.asp.machine import STATES
from treaty.dialects.asp.watching import measurements, wanted_checks
from treaty.errors import REASONS, TreatyError
from treaty.wire.instants import format_instant
from treaty.wire.money import money_from_json

HERE = Path(__file__).parent
UNITS_MS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
WRONG_HASH = "sha256:" + "5" * 64


def scenarios() -> Iterator[Any]:
    for path in sorted(HERE.glob("asp_*.txt")):
        for paragraph in path.read_text(encoding="utf-8").split("\n== ")[1:]:
            title, *lines = paragraph.strip().splitlines()
            rows = [re.split(r" {2,}", line.strip()) for line in lines if line.strip()]
            yield pytest.param(rows, id=f"{path.stem}: {title}")


def duration_ms(text: str) -> int:
    return int(text[:-1]) * UNITS_MS[text[-1]]


def plain(text: str) -> Any:
    """A JSON value without blanks, or a word."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def cents(text: str) -> int:
    return money_from_json({"amount": text, "currency": "USD"}, None).units


def options(words: list[str]) -> tuple[list[str], dict[str, str]]:
    plain = [word for word in words if "=" not in word]
    return plain, dict(word.split("=", 1) for word in words if "=" in word)


def perform(stage: Stage, action: str) -> None:
    """Do what the first column says."""
    first, *words = action.split()
    if first in ("wait", "lag", "outage"):
        getattr(stage, first)(duration_ms(words[0]))
    elif first in ("revoke", "fire"):
        getattr(stage, first)(*words)
    elif first == "answer":
        stage.answer(words[0], *(None if one == "nobody" else plain(one) for one in words[1:]))
    elif first == "measure":
        stage.measure(*map(int, words))
    elif first == "candidates":
        stage.candidates = stage.candidates[: int(words[0])]
    elif first == "rule":
        plain_words, extra = options(words)
        stage.rule(*plain_words, **{name: int(value) for name, value in extra.items()})
    elif first == "vote":
        plain_words, extra = options(words[2:])
        severity = {name: int(value) for name, value in extra.items()}
        stage.vote(words[0], int(words[1]), *plain_words, **severity)
    else:
        speak(stage, first, words[0], *options(words[1:]))


def speak(stage: Stage, name: str, verb: str, words: list[str], extra: dict[str, str]) -> None:
    actor = getattr(stage, name)
    changes: dict[str, Any] = {}
    if extra.pop("seed", None):
        changes["arbiterSeed"] = actor.seed(words[0])
    for key, value in extra.items():
        changes |= change(stage, verb, key, value)
    if verb == "counter" and words[-1] == "final":
        words.pop()
        changes["final"] = True
    if verb == "commit":
        changes = commitment_changes(changes)
    getattr(actor, verb)(*words, **changes)


def change(stage: Stage, verb: str, key: str, value: str) -> dict[str, Any]:
    """One ``key=value`` of a row as a keyword of the stage's method."""
    if key in ("until", "validUntil"):
        return {"valid_until": stage.now_ms + duration_ms(value)}
    if key == "expires":
        return {"expiresAt": format_instant(stage.now_ms + duration_ms(value))}
    if key == "hash":
        meant = {"wrong": WRONG_HASH, "head": stage.conversation.head}
        return {"referenceHash": meant[value]}
    if key == "head":
        return {"chainHead": WRONG_HASH if value == "wrong" else stage.conversation.head}
    if key == "count":
        return {"messageCount": stage.conversation.messages + int(value)}
    if key == "window":
        return {"window": duration_ms(value)}
    if key == "deadline":
        return {"provider.deadline": format_instant(stage.now_ms + duration_ms(value))}
    if key == "amount":
        return {"amount": None if value == "none" else money_number(value)}
    if key == "rating":
        return {"rating": int(value)}
    if key == "severity":
        return {"severity": int(value)}
    if key in ("penalty", "milestones", "intervals") or key.endswith(".check"):
        return conditions(stage, key, value)
    return {key: value if key == "to" else URIS.get(value, value)}


def conditions(stage: Stage, key: str, value: str) -> dict[str, Any]:
    """What a COMMIT says of checks, parts and penalties."""
    if key == "penalty":
        return {"escrow.penaltyBps": int(value)}
    if key.endswith(".check"):
        return {f"{key.removesuffix('check')}verification": verification(value)}
    return {"escrow.schedule": SCHEDULES[key](stage, value)}


METRIC = {"url": "https://metrics.example/gpu", "by": URIS["beta"]}


def verification(text: str) -> dict[str, Any]:
    """``/pointer:op:value`` compares, ``status`` asks for the status alone."""
    if text == "status":
        return METRIC
    pointer, op, value = text.split(":", 2)
    return {**METRIC, "pointer": pointer, "op": op, "expect": plain(value)}


def milestones(stage: Stage, text: str) -> dict[str, Any]:
    """``first:60:1h,second:120:2h:/uptime:>=:1``, and who gets the rest behind a slash."""
    listed, _, remainder = text.partition("/rest=")
    parts = []
    for one in listed.split(","):
        name, amount, span, *check = one.split(":", 3)
        deadline = format_instant(stage.now_ms + duration_ms(span))
        part = {"id": name, "amount": money_number(amount), "deadline": deadline}
        parts.append(part | ({"verification": verification(check[0])} if check else {}))
    return {"kind": "milestones", "parts": parts} | rest(remainder)


def intervals(_stage: Stage, text: str) -> dict[str, Any]:
    """``24x1h@0.9995``: so many, so long, measured against so much."""
    listed, _, remainder = text.partition("/rest=")
    count, _, others = listed.partition("x")
    span, _, sla = others.partition("@")
    return {
        "kind": "intervals",
        "parts": int(count),
        "intervalMs": duration_ms(span),
        "sla": plain(sla),
        "metric": verification("status"),
    } | rest(remainder)


def rest(owner: str) -> dict[str, Any]:
    return {"remainderTo": owner} if owner else {}


SCHEDULES = {"milestones": milestones, "intervals": intervals}


def money_number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdigit() else float(text)


def commitment_changes(changes: dict[str, Any]) -> dict[str, Any]:
    """``provider.method=x`` changes that member of the obligation, ``escrow.payer`` of escrow."""
    nested: dict[str, Any] = {}
    for key, value in changes.items():
        outer, _, inner = key.partition(".")
        if inner:
            name = {"method": "verificationMethod", "condition": "releaseCondition"}
            nested.setdefault(outer, {})[name.get(inner, inner)] = value
        else:
            nested[key] = value
    return nested


SHOWN = {"checking": "obligation", "measuring": "part"}


def check_result(stage: Stage, result: str) -> None:
    """Does the session stand as the last column says?"""
    for told in result.split(", "):
        check_told(stage, told.split())


def check_told(stage: Stage, words: list[str]) -> None:
    first, rest = words[0], words[1:]
    if first == "ok":
        return
    if first in STATES:
        assert stage.state == first
    elif first in ("held", "posted", "voided"):
        assert stage.money(*rest[1:])[first] == cents(rest[0]), stage.movements
    elif first == "fired":
        assert stage.fired == rest
        stage.fired.clear()
    elif first in ("buyer", "provider"):
        assert stage.duty(first).state == rest[0]
    elif first.startswith("part:"):
        duty = stage.commitment_of().duty(first)
        assert duty is not None
        assert duty.state == rest[0]
    elif first in ("checking", "measuring"):
        found = wanted_checks if first == "checking" else measurements
        names = [getattr(one, SHOWN[first]) for one in found(stage.conversation)]
        assert names == rest
    elif first in stage.conversation.disputes:
        check_dispute(stage.conversation.disputes[first], rest)
    elif first in stage.conversation.commitments:
        assert stage.commitment_of(first).state.name == rest[0]
    elif first in stage.conversation.proposals:
        assert stage.proposal_state(first) == rest[0]
    else:
        assert stage.conversation.delegations[first].state == rest[0]


def check_dispute(dispute: Dispute, words: list[str]) -> None:
    """``dsp VOTES`` is its phase, ``dsp RULED 60.00 timeout 3`` the ruling as well."""
    phase, *ruling = words
    assert dispute.phase == phase
    if ruling:
        found = dispute.ruling
        assert found is not None
        assert [found.to_payee, found.why, found.severity] == [
            cents(ruling[0]),
            ruling[1],
            int(ruling[2]),
        ]


def check_sums(stage: Stage) -> None:
    """Money is conserved, and what the clearing had to do is done."""
    for name, commitment in stage.conversation.commitments.items():
        money = stage.money(name)
        units = commitment.escrow.money.units if commitment.escrow else 0
        assert sum(money.values()) in (0, units)
        for share in commitment.shares:
            assert share.posted is None or 0 <= share.posted <= share.units
        if commitment.posted_units is not None:
            assert money == {
                "held": 0,
                "posted": commitment.posted_units,
                "voided": units - commitment.posted_units,
            }
    for dispute in stage.conversation.disputes.values():
        bond = stage.money(dispute.id)
        assert sum(bond.values()) == dispute.bond_units
        assert (bond["held"] == 0) == (dispute.ruling is not None)
    assert not orders(stage.conversation)


@pytest.mark.parametrize("rows", list(scenarios()))
def test_every_row_ends_as_it_says(rows: list[list[str]]) -> None:
    stage = Stage()
    for action, result in rows:
        try:
            stage = check_row(stage, action, result)
        except (AssertionError, TreatyError, pytest.fail.Exception) as error:
            raise AssertionError(f"{action}: {result}\n{error}") from error


def check_row(stage: Stage, action: str, result: str) -> Stage:
    if action.startswith("scene "):
        stage = scene(action.removeprefix("scene "))
    elif result in REASONS:
        with check_refused(stage, result):
            perform(stage, action)
    else:
        perform(stage, action)
    if result not in REASONS:
        check_result(stage, result)
    check_sums(stage)
    return stage


def test_the_scenes_named_in_the_files_exist() -> None:
    named = {
        name
        for path in HERE.glob("asp_*.txt")
        for name in re.findall(r"^scene (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert named
    assert named <= set(SCENES)
