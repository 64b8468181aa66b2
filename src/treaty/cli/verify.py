"""``treaty verify``: check deal files offline, claim by claim (decision B22).

Read next: ``treaty.core.deal`` for what a report is, and ``treaty.app.verify``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from treaty.cli.options import FILE_READ, json_option

if TYPE_CHECKING:
    from treaty.core.deal import Claim, Report
    from treaty.wire.canonical import Json

STDIN: Final = "-"
MARKS: Final = {"verified": "green", "failed": "bold red", "not checkable": "yellow"}
FILES_MAX: Final = 2
COMPARED: Final = "asp/0.1"
"""The dialect with a host, whose log two parties keep copies of."""


@click.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="FILE [FILE]",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
)
@click.option(
    "--roots",
    type=FILE_READ,
    metavar="FILE",
    help="The keys you trust, from treaty roots export; without them no identity is anchored.",
)
@click.option(
    "--require",
    multiple=True,
    metavar="CLAIM",
    help="Fail when this claim is not verified, even if it cannot be checked; may be repeated.",
)
@json_option
def verify(
    files: tuple[str, ...], roots: Path | None, require: tuple[str, ...], as_json: bool
) -> None:
    """Check a deal file against itself, and against the keys you trust.

    Each claim is verified, failed or not checkable. Two files are checked each by itself, and
    then compared: where a host signed two entries for one place, that convicts it. A FILE of -
    is standard input. Exits with 0 only when nothing failed.
    """
    from treaty.cli.failures import FAILED, Misused
    from treaty.cli.terminal import progress

    if len(files) > FILES_MAX or files.count(STDIN) > 1:
        raise Misused("one file, or two to compare", advice="treaty verify --help")
    with progress("checking"):
        anchors = None if roots is None else _read_roots(roots)
        deals = [_read_deal(name) for name in files]
        reports = [_check(name, deal, anchors) for name, deal in zip(files, deals, strict=True)]
        compared = _compare(files, reports, deals, anchors) if len(deals) == FILES_MAX else None
        reports, compared = _required(reports, compared, require)
    if as_json:
        _show_programs(reports, compared)
    else:
        _show_people(files, reports, compared)
    if not all(report.ok for report in (*reports, *([compared] if compared else []))):
        click.get_current_context().exit(FAILED)


def _read(name: str, most: int) -> bytes:
    from treaty.cli.failures import Misused

    with click.open_file(name, "rb") as file:
        raw: bytes = file.read(most + 1)
    if len(raw) > most:
        raise Misused(f"{name} has more than {most} bytes, the most that is read", code="too_large")
    return raw


def _read_deal(name: str) -> Json:
    from treaty.cli.failures import Misused
    from treaty.core.deal import DEAL_BYTES_MAX, read_deal
    from treaty.errors import WireError

    try:
        return read_deal(_read(name, DEAL_BYTES_MAX))
    except WireError as error:
        raise Misused(
            f"{name} is no deal file: {error.detail}", code=error.code, advice=_ADVICE
        ) from error


_ADVICE: Final = "give a file that `treaty export` or `treaty demo` wrote"


def _read_roots(path: Path) -> Json:
    from treaty.cli.failures import Misused
    from treaty.core.deal import ROOTS_BYTES_MAX, read_roots
    from treaty.errors import WireError
    from treaty.wire.canonical import read_json

    try:
        value = read_json(_read(str(path), ROOTS_BYTES_MAX), size_max=ROOTS_BYTES_MAX)
        read_roots(value)
    except WireError as error:
        advice = "give a file that `treaty roots export` wrote"
        raise Misused(f"{path}: {error.detail}", code=error.code, advice=advice) from error
    return value


def _check(name: str, deal: Json, anchors: Json) -> Report:
    from treaty import app
    from treaty.cli.failures import Misused
    from treaty.errors import WireError

    try:
        return app.verify(deal, anchors)
    except WireError as error:
        raise Misused(f"{name}: {error.detail}", code=error.code, advice=_ADVICE) from error


def _compare(
    names: Sequence[str], reports: Sequence[Report], deals: Sequence[Json], anchors: Json
) -> Report:
    from treaty import app
    from treaty.cli.failures import Misused

    for name, report in zip(names, reports, strict=True):
        if report.dialect != COMPARED:
            what = f"{name} is a deal of {report.dialect}; two copies are compared of {COMPARED}"
            raise Misused(what, advice="check them one by one")
    return app.compare(deals[0], deals[1], anchors)


def _required(
    reports: list[Report], compared: Report | None, require: Sequence[str]
) -> tuple[list[Report], Report | None]:
    """Turn what is required and not verified into failures, each claim where it is made."""
    if compared is None:
        return [report.require(require) for report in reports], None
    between = [name for name in require if compared.claim(name) is not None]
    within = [name for name in require if name not in between]
    return [report.require(within) for report in reports], compared.require(between)


def _show_programs(reports: Sequence[Report], compared: Report | None) -> None:
    from treaty.cli.terminal import show_json

    if compared is None:
        show_json(reports[0].to_json())
        return
    show_json(
        {
            "ok": compared.ok and all(report.ok for report in reports),
            "reports": [report.to_json() for report in reports],
            "comparison": compared.to_json(),
        }
    )


def _show_people(files: Sequence[str], reports: Sequence[Report], compared: Report | None) -> None:
    from treaty.cli.terminal import heading

    if compared is None:
        show_report(reports[0])
        return
    for name, report in zip(files, reports, strict=True):
        heading(name)
        show_report(report)
    heading("both copies together")
    show_report(compared)


def show_report(report: Report, what: str = "session") -> None:
    """A report for people: its first line, what it is about, and every claim."""
    from treaty.cli.terminal import say, show_table

    if not report.ok:
        style = "bold red"
    else:
        style = "bold yellow" if "not" in report.first_line else "bold green"
    say(report.first_line, style)
    say(f"{what} {report.session or 'unknown'}, {report.dialect}", "dim")
    rows = [
        ((claim.verdict.value, MARKS[claim.verdict.value]), claim.name, _detail(claim))
        for claim in report.claims
    ]
    show_table(("verdict", "claim", "detail"), rows, indent=2)


def _detail(claim: Claim) -> str:
    """What was found, and further places beside the one it names itself."""
    more = claim.where[1:]
    return f"{claim.detail}; also {', '.join(more)}" if more else claim.detail
