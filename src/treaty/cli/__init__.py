"""The command line: one module per noun, text for people, ``--json`` for programs.

May import everything; nothing imports it. Start at ``root``, the group all commands hang on.
"""

from __future__ import annotations


def main() -> None:
    """Run the ``treaty`` command. The commands are loaded here, not when the package is."""
    from treaty.cli.root import root

    root(prog_name="treaty")
