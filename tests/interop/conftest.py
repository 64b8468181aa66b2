"""The fixtures of this folder: agirails, its builders, and the two daemons side by side."""

from __future__ import annotations

from tests.interop.agirails_venv import agirails, peer
from tests.interop.daemons import both, ours

__all__ = ["agirails", "both", "ours", "peer"]
