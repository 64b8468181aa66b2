"""``treaty trust log``, ``recompute`` and ``explain``: the log, and scores made from it again.

Read next: ``treaty.engine.trust_extract``, which checks, and ``treaty.core.trust_history``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from treaty.cli.options import (
    FILE,
    FILE_READ,
    agent_argument,
    db_option,
    instant,
    json_option,
    node_option,
)
from treaty.cli.trust_source import fetched, read_anchors, read_view, size_of, taken_from

if TYPE_CHECKING:
    from treaty.core.deal import Report
    from treaty.core.trust import Score
    from treaty.core.trust_history import Step

STEPS: Final = 50
"""Steps that ``explain`` shows unless told otherwise."""


def extract_option(function: Callable[..., None]) -> Callable[..., None]:
    """``--extract FILE``."""
    option = click.option(
        "--extract",
        type=FILE_READ,
        metavar="FILE",
        help="A trust log as `treaty trust log` wrote it; then no node is asked.",
    )
    return option(function)


def roots_option(function: Callable[..., None]) -> Callable[..., None]:
    """``--roots FILE``."""
    option = click.option(
        "--roots",
        type=FILE_READ,
        metavar="FILE",
        help="The keys you trust, from treaty roots export; without them no identity is anchored.",
    )
    return option(function)


@click.command(short_help="Write a node's whole trust log to a file.")
@node_option
@db_option
@click.option("--out", type=FILE, metavar="FILE", help="Write here instead of standard output.")
@json_option
def log(node: str | None, db: Path | None, out: Path | None, as_json: bool) -> None:
    """Write a node's trust log under its signed head, for recompute and explain.

    Standard output is JSON in any case; --json leaves out the remark on standard error.
    """
    from treaty.cli.nodes import wait_for
    from treaty.cli.output import write_json
    from treaty.cli.terminal import note

    taken, _ = wait_for(fetched(node, db, None), "reading the trust log")
    write_json(taken, out)
    if not as_json:
        records = taken["records"]
        assert isinstance(records, list)
        note(f"{len(records)} records; check the key of the node with its operator")


@click.command(short_help="Compute a score again from the log, and compare.")
@agent_argument
@extract_option
@click.option(
    "--expect",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="The score to compare with, as `treaty trust show --json` prints it.",
)
@click.option(
    "--at",
    type=instant,
    metavar="TIME",
    help="Compute the score of this time, as the log was then.",
)
@roots_option
@click.option(
    "--require",
    multiple=True,
    metavar="CLAIM",
    help="Fail when this claim is not verified, even if it cannot be checked; may be repeated.",
)
@node_option
@db_option
@json_option
def recompute(
    agent: str,
    extract: Path | None,
    expect: str | None,
    at: int | None,
    roots: Path | None,
    require: tuple[str, ...],
    node: str | None,
    db: Path | None,
    as_json: bool,
) -> None:
    """Compute an agent's score again from the trust log, and compare it to the last digit.

    The log is checked first: its root, every signature, and what the node stamped on each
    outcome. Without --extract the node is asked for its log and for the score it states. Exits
    with 0 only when nothing failed.
    """
    from treaty.cli.failures import FAILED
    from treaty.engine.trust_extract import believed, check_extract, recomputed
    from treaty.wire.instants import parse_instant

    taken, view = taken_from(agent, extract, node, db)
    view = read_view(expect) if expect is not None else None if at is not None else view
    anchors = None if roots is None else read_anchors(roots)
    report = check_extract(taken, agent, roots=anchors, view=view).require(require)
    stated = view if view is not None else taken.head
    at_ms = parse_instant(str(stated["at"])) if at is None else at
    ahead = taken if view is None else taken.before(size_of(view, taken))
    if at is not None:
        ahead = ahead.until(at)
    score = recomputed(ahead, agent, at_ms, believed(taken, anchors))
    _show_recomputed(score, report, at_ms, as_json=as_json)
    if not report.ok:
        click.get_current_context().exit(FAILED)


@click.command(short_help="Show which deal moved which component, by how much.")
@agent_argument
@extract_option
@click.option("--at", type=instant, metavar="TIME", help="Explain the score of this time.")
@click.option(
    "--last",
    type=click.IntRange(1),
    default=STEPS,
    show_default=True,
    metavar="N",
    help="Show the last N steps.",
)
@roots_option
@node_option
@db_option
@json_option
def explain(
    agent: str,
    extract: Path | None,
    at: int | None,
    last: int,
    roots: Path | None,
    node: str | None,
    db: Path | None,
    as_json: bool,
) -> None:
    """Show how an agent came by its score: each record of the log that moved it, and time.

    Computed here from the node's log; the steps sum to the score.
    """
    from treaty.core.trust_history import history
    from treaty.engine.trust_extract import believed
    from treaty.wire.instants import parse_instant

    taken, view = taken_from(agent, extract, node, db)
    stated = view if view is not None and at is None else taken.head
    at_ms = parse_instant(str(stated["at"])) if at is None else at
    anchors = None if roots is None else read_anchors(roots)
    ahead = taken if view is None else taken.before(size_of(view, taken))
    if at is not None:
        ahead = ahead.until(at)
    all_steps = history(ahead.records, agent, believed(taken, anchors), at_ms)
    _show_steps(agent, deque(all_steps, last), at_ms, as_json=as_json)


# What is shown.


def _show_recomputed(score: Score, report: Report, at_ms: int, *, as_json: bool) -> None:
    from treaty.cli.terminal import show_facts, show_json
    from treaty.cli.verify import show_report
    from treaty.core.trust import score_to_json
    from treaty.wire.instants import format_instant

    if as_json:
        made = {"ok": report.ok, "at": format_instant(at_ms), "score": score_to_json(score)}
        show_json({**made, "report": report.to_json()})
        return
    show_report(report, "score of")
    show_facts(
        [
            ("computed", (str(score.score), "bold")),
            ("level", str(score.level)),
            ("components", ", ".join(f"{n} {v}" for n, v in score.components.items())),
            ("as of", format_instant(at_ms)),
        ]
    )


def _show_steps(agent: str, steps: Sequence[Step], at_ms: int, *, as_json: bool) -> None:
    from treaty.cli.terminal import say, show_facts, show_json, show_table
    from treaty.core.trust_history import step_to_json
    from treaty.wire.instants import format_instant

    if as_json:
        rows = [step_to_json(step, agent) for step in steps]
        score = rows[-1]["after"] if rows else None
        show_json({"agent": agent, "at": format_instant(at_ms), "score": score, "steps": rows})
        return
    if not steps:
        say(f"the log says nothing of {agent}: it stands where everybody unknown does")
        return
    show_facts([("agent", (agent, "bold")), ("score", (str(steps[-1].after.score), "bold"))])
    table = [
        (
            "" if step.index is None else str(step.index),
            format_instant(step.at_ms)[:19],
            _what(step, agent),
            f"{step.before.score} → {step.after.score}",
            ", ".join(f"{name} {value.normalize():+f}" for name, value in step.moved.items()),
        )
        for step in steps
    ]
    show_table((">record", "when", "what", ">score", "moved"), table)


def _what(step: Step, agent: str) -> str:
    from treaty.core.trust import (
        Attestation,
        Endorsement,
        Identity,
        Outcome,
        Violation,
        decimal_text,
    )

    match step.record:
        case Outcome() as outcome:
            one, other = outcome.parties
            mine, theirs = (one, other) if one.agent == agent else (other, one)
            weight = "0" if step.weight is None else decimal_text(step.weight.w)
            result = "kept" if mine.kept else "breached"
            return f"{result} a deal with {theirs.agent}, weight {weight}"
        case Attestation() as attestation:
            return f"attested by {attestation.by}"
        case Endorsement() as endorsement:
            verb = "no longer endorsed" if endorsement.withdrawn else "endorsed"
            return f"{verb} by {endorsement.endorser}"
        case Identity() as identity:
            return f"proven: {identity.proof}"
        case Violation() as violation:
            return f"violation: {violation.violation}"
    return "time, and records of others"
