"""Files that commands write: whole or not at all, and never left half written.

Read next: ``terminal`` for what goes to standard output.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from treaty.cli.terminal import show_json
from treaty.wire.canonical import Json, canonical

PRIVATE: Final = 0o600
PUBLIC: Final = 0o666
"""What the umask leaves of it."""


def write_json(value: Mapping[str, Json], out: Path | None, *, mode: int = PUBLIC) -> None:
    """Write a JSON document to a file, in canonical form, or to standard output."""
    if out is None:
        show_json(value)
        return
    beside = out.with_name(f".{out.name}.{secrets.token_hex(6)}.new")
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(handle, "wb") as file:
            file.write(canonical(dict(value)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(out)
    finally:
        beside.unlink(missing_ok=True)
