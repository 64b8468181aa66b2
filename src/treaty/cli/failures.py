"""How a command says that it failed: what happened, what to do, and the exit code.

Two lines on standard error, ``error: …`` and ``try: …``; the reason code in brackets is stable
(``docs/reasons.md``). Text of strangers is shown escaped.
"""

from __future__ import annotations

from typing import Final

import click

from treaty.cli.terminal import clean, warn
from treaty.errors import MisuseError, TreatyError

FAILED: Final = 1
MISUSED: Final = 2

ADVICE: Final = {
    "unknown_agent": "register it first: treaty agent register URI --node URL",
    "unknown_session": "list those you have: treaty session list --as AGENT",
    "unauthorized": "check whose key it is: treaty agent show URI",
    "signature_invalid": "check whose key it is: treaty agent show URI",
    "proof_invalid": "check the clock of this machine; proofs are good for 60 s",
    "key_revoked": "whoever has the next key puts it in force: treaty agent revoke URI",
    "card_conflict": "another key holds this name at the node; use that key, or another URI",
    "escrow_unfunded": (
        "the node's operator funds the account: "
        "treaty ledger fund AGENT AMOUNT CURRENCY --operator-key FILE"
    ),
    "currency_unsupported": "the node's operator sets rates: treaty serve --usd-rate EUR=1.08",
    "ceiling_exceeded": "see the ceiling of both parties: treaty trust show AGENT",
    "duplicate": "this is there already; what is new needs an --id of its own",
    "rate_limited": "wait a little, then repeat the command",
    "overloaded": "wait a little, then repeat the command",
    "too_large": "give less; the limits are in the documentation of the command",
    "unavailable": "see that the node runs and the address is right: treaty serve --help",
    "internal": "run it again as treaty --debug …, and report what it prints",
}
"""Reason code -> what to do about it, where the command does not know better."""


class Failed(click.ClickException):
    """A command that could not be carried out."""

    exit_code = FAILED

    def __init__(self, what: str, *, code: str | None = None, advice: str | None = None) -> None:
        super().__init__(what)
        self.code = code
        self.advice = advice or (ADVICE.get(code) if code else None)


class Misused(Failed):
    """A command that was called wrongly, or given a file that is none of its kind."""

    exit_code = MISUSED


def failed_by(error: Exception) -> Failed:
    """Put an exception into words."""
    if isinstance(error, MisuseError):
        return Misused(error.detail)
    if isinstance(error, TreatyError):
        return Failed(error.detail, code=error.code)
    if isinstance(error, TimeoutError):
        return Failed("it took too long", code="timeout", advice=ADVICE["overloaded"])
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Failed(f"{where}{error.strerror or error}", advice="check the path and its rights")
    what = f"an unexpected {type(error).__name__}: {error}"
    return Failed(what, code="internal")


def show(error: click.ClickException) -> None:
    """Write an error to standard error, in at most two lines."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return
    advice = error.advice if isinstance(error, Failed) else None
    if isinstance(error, click.UsageError) and error.ctx is not None:
        advice = f"{error.ctx.command_path} --help"
    code = f" ({error.code})" if isinstance(error, Failed) and error.code else ""
    warn("error:", clean(error.format_message()) + clean(code), style="bold red")
    if advice:
        warn("try:", clean(advice), style="bold")
