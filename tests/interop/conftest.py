"""The fixtures of this folder: the real peers, and daemons side by side."""

from __future__ import annotations

from tests.interop.agirails_venv import agirails, peer
from tests.interop.daemons import both, ours
from tests.interop.mrpd_venv import mrpd

__all__ = ["agirails", "both", "mrpd", "ours", "peer"]
