"""Commands that go wrong in every way, for the tests of ``root``."""

from __future__ import annotations

import click

from treaty.errors import MisuseError, Refused, UnavailableError

ERRORS = {
    "refused": Refused("not now", "position_held"),
    "misused": MisuseError("the caller is wrong"),
    "unavailable": UnavailableError("nobody\x1b[31m there"),
    "disk": OSError(28, "No space left on device", "deal.json"),
    "bug": KeyError("surprise"),
    "slow": TimeoutError(),
    "interrupted": KeyboardInterrupt(),
}


@click.command()
@click.argument("how")
def trip(how: str) -> None:
    """Go wrong."""
    raise ERRORS[how]


@click.command()
def flood() -> None:
    """Print more than any pipe holds."""
    for _ in range(100_000):
        click.echo("one more line of text")
