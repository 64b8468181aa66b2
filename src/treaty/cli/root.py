"""The ``treaty`` command: its table of commands, and what becomes of errors.

A command's module is imported when the command is called, not before: ``treaty --help`` reads
the table below and nothing else. Errors leave here as two lines on standard error and an exit
code: 0 done, 1 failed, 2 misused, 130 interrupted (``failures``).

Read next: ``options``, what the commands have in common.
"""

from __future__ import annotations

import errno
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final

import click

from treaty import __version__
from treaty.cli.failures import failed_by, show

INTERRUPTED: Final = 130
"""128 and the number of SIGINT, as shells have it."""

COMMANDS: Final = {
    "demo": ("treaty.cli.demo:demo", "Watch a real deal between three processes."),
    "serve": ("treaty.cli.serve:serve", "Run a node: registry, sessions, clearing, trust."),
    "agent": ("treaty.cli.agent:agent", "Make, register and show agents."),
    "discover": ("treaty.cli.discover:discover", "Find agents that offer a capability."),
    "session": ("treaty.cli.session:session", "List and show sessions."),
    "inbox": ("treaty.cli.inbox:inbox", "List what waits for you, and decide."),
    "dispute": ("treaty.cli.dispute:dispute", "File and rule disputes about commitments."),
    "trust": ("treaty.cli.trust:trust", "Show trust scores, and attest as an operator."),
    "ledger": ("treaty.cli.ledger:ledger", "Show accounts; move money in and out."),
    "quote": ("treaty.cli.quote:quote", "Buy over a quote channel: ask, counter, accept."),
    "route": ("treaty.cli.route:route", "Choose among providers' offers, and say why."),
    "run": ("treaty.cli.route:run", "Choose a provider, let it work, check its evidence."),
    "mrp": ("treaty.cli.mrp:mrp", "Say the messages of MRP one by one, to try a provider."),
    "decisions": ("treaty.cli.decisions:decisions", "Read again what was decided, and why."),
    "offers": ("treaty.cli.offers:offers", "Learn why your offers lost, of what buyers told."),
    "bridge": ("treaty.cli.bridge:bridge", "Offer an OpenAPI service or MCP server over MRP."),
    "publish": ("treaty.cli.publish:publish", "List a provider in a registry of providers."),
    "learn": ("treaty.cli.learn:learn", "Show what an agent has learnt, privately."),
    "export": ("treaty.cli.export:export", "Write a session as a deal file."),
    "roots": ("treaty.cli.roots:roots", "Export a node's keys, to verify deals with."),
    "validate": ("treaty.cli.validate:validate", "Say whether files are MRP envelopes."),
    "verify": ("treaty.cli.verify:verify", "Check deal files offline, claim by claim."),
}
"""Name -> where the command is, and its help in one line."""


class Root(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names, in the order of the table."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        """Import a command; None for a name that is not in the table."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the table, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, n=1)
            meant = f"; did you mean {near[0]}?" if near else ""
            ctx.fail(f"there is no command {name!r}{meant}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command, and put every error into words."""
        try:
            result = super().invoke(ctx)
            # Here and not at exit, so that a closed pipe is noticed where it can be handled.
            sys.stdout.flush()
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise
            if ctx.params.get("debug"):
                traceback.print_exc()
            raise failed_by(error) from error
        return result

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run as a program: errors are shown, and the exit code says how it went."""
        run = super().main
        if not standalone_mode:
            return run(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = run(args, prog_name, complete_var, standalone_mode=False, **extra)
        except click.ClickException as error:
            show(error)
            code = error.exit_code
        except click.Abort:
            code = INTERRUPTED
        sys.exit(code if isinstance(code, int) else 0)


@click.command(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="treaty", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def root(debug: bool) -> None:
    """Deals between software agents: negotiate, bind, carry out, settle, prove.

    Commands that talk to a node take --node URL (or TREATY_NODE); those that act as an agent
    take --as AGENT. Keys and own copies lie in TREATY_HOME, by default .treaty in your home.
    Exit codes: 0 done, 1 failed, 2 misused.
    """
    assert debug in (True, False)
