"""The real mrpd is there, answers on a socket, and runs as a command."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.interop.mrpd_venv import Mrpd


@pytest.mark.slow
def test_the_peer_serves_and_runs(mrpd: Mrpd, tmp_path: Path) -> None:
    with mrpd.serve(tmp_path) as url:
        manifest = httpx.get(f"{url}/mrp/manifest", trust_env=False).json()

    assert manifest["capability"] == "summarize_url"
    assert mrpd.run("version", home=tmp_path).stdout.strip() == "mrpd 0.1.0"
