"""The fixtures of this folder: the real peers, and daemons side by side."""

from __future__ import annotations

from tests.interop.agirails_venv import agirails, peer
from tests.interop.daemons import both, ours
from tests.interop.mcp_venv import mcp_server
from tests.interop.mrpd_venv import mrpd

__all__ = ["agirails", "both", "mcp_server", "mrpd", "ours", "peer"]
