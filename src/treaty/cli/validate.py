"""``treaty validate``: say whether files are MRP envelopes, as one of two profiles reads them.

Read next: ``treaty.dialects.mrp.validation``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from treaty.cli.options import json_option

if TYPE_CHECKING:
    from treaty.dialects.mrp.checking import Fault
    from treaty.dialects.mrp.choices import Profile

STDIN: Final = "-"
VALID: Final = {"valid": (True, True), "invalid": (False, False)} | {
    "compat_only": (True, False),
    "strict_only": (False, True),
}
"""Folder of fixtures -> whether they are valid in compat, and in strict."""

_FILE: Final = click.Path(exists=True, dir_okay=False, allow_dash=True)


@click.command()
@click.argument("files", nargs=-1, metavar="[FILE]...", type=_FILE)
@click.option(
    "--path",
    "paths",
    multiple=True,
    type=_FILE,
    metavar="FILE",
    help="A file, or - for standard input; may be repeated.",
)
@click.option(
    "--fixtures",
    is_flag=True,
    help="Judge the fixtures that come with treaty: valid must pass, invalid must fail.",
)
@click.option(
    "--profile",
    type=click.Choice(["compat", "strict"]),
    default="compat",
    show_default=True,
    help="As mrpd 0.1.1 reads it, or as the newer schemas do, in JSON of one meaning.",
)
@json_option
def validate(
    files: tuple[str, ...], paths: tuple[str, ...], fixtures: bool, profile: str, as_json: bool
) -> None:
    """Say whether files are MRP envelopes: OK, or INVALID and why.

    Without a file, standard input is read. Exits with 0 only when all are valid.
    """
    from treaty.cli.failures import FAILED, Misused
    from treaty.dialects.mrp.choices import Profile

    named = (*files, *paths)
    if fixtures and named:
        raise Misused("the fixtures, or files", advice="treaty validate --help")
    chosen = Profile(profile)
    if fixtures:
        is_good = _fixtures(chosen, as_json)
    else:
        results = [(_label(name), _judged(name, chosen)) for name in named or (STDIN,)]
        _show(results, chosen, as_json)
        is_good = all(fault is None for _, fault in results)
    if not is_good:
        click.get_current_context().exit(FAILED)


def _label(name: str) -> str:
    return "stdin" if name == STDIN else name


def _judged(name: str, profile: Profile) -> Fault | None:
    from treaty.dialects.mrp.validation import DOCUMENT_BYTES_MAX, validate

    with click.open_file(name, "rb") as file:
        raw: bytes = file.read(DOCUMENT_BYTES_MAX + 1)
    return validate(raw, profile)


def _show(results: list[tuple[str, Fault | None]], profile: Profile, as_json: bool) -> None:
    from treaty.cli.terminal import clean, show_json

    if as_json:
        listed = [
            {
                "label": label,
                "valid": fault is None,
                "where": fault.where if fault else None,
                "detail": fault.what if fault else None,
            }
            for label, fault in results
        ]
        show_json({"ok": all(one["valid"] for one in listed), "profile": profile, "files": listed})
        return
    for label, fault in results:
        if fault is not None:
            click.echo(f"INVALID ({clean(label)}): {clean(fault.text)}")
        else:
            click.echo("OK" if len(results) == 1 else f"OK ({clean(label)})")


def fixtures_folder() -> Path:
    """Where the fixtures lie: in the installed package, or in the repository."""
    packaged = Path(__file__).parents[1] / "fixtures" / "mrp"
    if packaged.is_dir():
        return packaged
    return Path(__file__).parents[3] / "conformance" / "vectors" / "mrp" / "fixtures"


def _fixtures(profile: Profile, as_json: bool) -> bool:
    from treaty.cli.terminal import show_json

    results = list(_judged_fixtures(profile))
    wrong = [label for label, expected, fault in results if expected != (fault is None)]
    if as_json:
        show_json({"ok": not wrong, "profile": profile, "count": len(results), "wrong": wrong})
        return not wrong
    for label, expected, fault in results:
        if expected and fault is not None:
            click.echo(f"INVALID ({label}): {fault.text}")
        elif not expected:
            said = "EXPECTED FAIL" if fault is not None else "INVALID FIXTURE PASSED"
            click.echo(f"{said} ({label})")
    if not wrong:
        click.echo("OK (fixtures)")
    return not wrong


def _judged_fixtures(profile: Profile) -> Iterator[tuple[str, bool, Fault | None]]:
    folder = fixtures_folder()
    for group, (in_compat, in_strict) in VALID.items():
        expected = in_compat if profile == "compat" else in_strict
        found = sorted((folder / group).glob("*.json"))
        if not found:
            from treaty.cli.failures import Failed

            raise Failed(f"there are no fixtures in {folder / group}")
        for path in found:
            yield f"{group}/{path.name}", expected, _judged(str(path), profile)
