"""The deal layer for software agents: find, negotiate, bind, carry out, settle, prove.

The front door. It names the few things most programs need and loads each at first use, so
that ``import treaty`` costs nothing and the rooms behind it stay independent:

* ``treaty.Agent``: a buyer or a provider (room ``agent``, given its ports by ``app``).
* ``treaty.capability``: the decorator that makes a function something others can ask for.
* ``treaty.local_node``: a real node inside your program, to try things with.
* ``treaty.verify``: check a deal file claim by claim; the answer is a ``treaty.Report``.
* ``treaty.TreatyError``: the root of everything raised on purpose (``treaty.errors``).

Start reading at ``docs/glossary.md``, then ``treaty.wire`` and upwards.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from treaty.errors import TreatyError

__version__ = "0.1.0"

__all__ = ["Agent", "Report", "TreatyError", "__version__", "capability", "local_node", "verify"]

_LAZY: Final = {
    **dict.fromkeys(("Agent", "Report", "local_node", "verify"), "treaty.app"),
    "capability": "treaty.agent.capability",
}


def __getattr__(name: str) -> Any:
    """Load a public name at its first use (PEP 562)."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
