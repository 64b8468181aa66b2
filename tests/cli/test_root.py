"""The ``treaty`` command: light to start, and clear when something goes wrong."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from tests.cli.town import environment, run
from treaty import __version__
from treaty.cli.root import COMMANDS, root

# What help must not load: each takes longer than all the rest.
HEAVY = ("asyncio", "cryptography", "httpx", "nacl", "rich", "sqlite3", "starlette", "uvicorn")


def test_help_lists_every_command() -> None:
    done = run("--help")

    assert done.exit_code == 0
    width = max(map(len, COMMANDS)) + 2
    for name, (_, line) in COMMANDS.items():
        assert f"  {name:<{width}}{line}" in done.stdout.splitlines()


def test_every_name_in_the_table_is_a_command_with_that_name() -> None:
    context = click.Context(root)
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        assert command.name == name


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help_loads_nothing_heavy(name: str, tmp_path) -> None:
    code = (
        "import sys\nfrom treaty.cli.root import root\n"
        f"try: root({[name, '--help'] if name else ['--help']!r}, prog_name='treaty')\n"
        f"finally: print('loaded', *sorted({HEAVY!r} & sys.modules.keys()))"
    ).replace(f"{HEAVY!r}", f"set({HEAVY!r})")
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(tmp_path)
    )

    assert done.stdout.startswith(f"Usage: treaty {name}".rstrip()), done.stderr
    expected = "loaded" if name != "demo" else "loaded asyncio"
    assert done.stdout.splitlines()[-1] == expected


def test_version() -> None:
    assert run("--version").stdout == f"treaty {__version__}\n"


def test_it_runs_as_a_module(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "treaty.cli", "--version"],
        capture_output=True,
        text=True,
        env=environment(tmp_path),
    )

    assert (done.returncode, done.stdout) == (0, f"treaty {__version__}\n")


def test_without_a_command_it_says_what_there_is() -> None:
    done = run()

    assert done.exit_code == 2
    assert "verify" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sesion", "list"], "there is no command 'sesion'; did you mean session?"),
        (["qqq"], "there is no command 'qqq'"),
        (["--colour"], "No such option '--colour'."),
        (["session", "burn"], "No such command 'burn'."),
        (["verify"], "Missing argument 'FILE [FILE]'."),
    ],
)
def test_misuse_is_two_lines_and_exit_code_2(words: list[str], said: str) -> None:
    done = run(*words)
    first, second = done.stderr.splitlines()

    assert done.exit_code == 2
    assert first == f"error: {said}"
    assert second.startswith("try: treaty")
    assert second.endswith(" --help")


@pytest.fixture
def tripping(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("trip", "flood"):
        monkeypatch.setitem(COMMANDS, name, (f"tests.cli.trips:{name}", "Go wrong."))


@pytest.mark.parametrize(
    ("how", "code", "line"),
    [
        ("refused", 1, "error: not now (position_held)"),
        ("misused", 2, "error: the caller is wrong"),
        ("unavailable", 1, "error: nobody\\x1b[31m there (unavailable)"),
        ("disk", 1, "error: deal.json: No space left on device"),
        ("slow", 1, "error: it took too long (timeout)"),
        ("bug", 1, "error: an unexpected KeyError: 'surprise' (internal)"),
    ],
)
def test_an_error_says_what_and_ends_with_its_code(
    tripping: None, how: str, code: int, line: str
) -> None:
    done = run("trip", how)

    assert done.exit_code == code
    assert done.stderr.splitlines()[0] == line
    assert len(done.stderr.splitlines()) <= 2
    assert "Traceback" not in done.output
    assert done.stdout == ""


def test_debug_shows_the_traceback_and_changes_no_exit_code(tripping: None) -> None:
    done = run("--debug", "trip", "refused")

    assert done.exit_code == 1
    assert "Traceback (most recent call last)" in done.stderr
    assert "in trip" in done.stderr


def test_an_interrupt_is_quiet(tripping: None) -> None:
    done = run("trip", "interrupted")

    assert done.exit_code == 130
    assert done.output.strip() == ""


def test_a_closed_pipe_is_quiet(tmp_path) -> None:
    code = (
        "from treaty.cli.root import COMMANDS, root\n"
        "COMMANDS['flood'] = ('tests.cli.trips:flood', 'Go wrong.')\n"
        "root(['flood'], prog_name='treaty')"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(tmp_path),
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline() == "one more line of text\n"
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait() == 1
