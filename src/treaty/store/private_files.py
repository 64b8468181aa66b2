"""Small files that are secrets: written whole, once, and readable by their owner alone.

Laws: a file is 0600 in a directory made 0700; it appears whole or not at all, is on disk before
``write_new`` returns, and is never overwritten. One that others can read is not used, since
nobody knows who has read it.

Read next: ``keys`` and ``evm_keys``, which say what stands in them.
"""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from treaty.errors import MisuseError, WireError

FILE_BYTES_MAX: Final = 4096
FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700


def write_new(path: Path, content: bytes) -> None:
    """Write a file whole: beside ``path``, synced, and given its name only then.

    Missing directories are made, the last one 0700. Raises ``FileExistsError`` when the name is
    taken, ``OSError`` when the disk refuses.
    """
    path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, FILE_MODE)  # whatever the umask took away
            file.write(content)
            file.flush()
            os.fsync(handle)
        # A link, unlike a rename, fails when the name is taken.
        os.link(beside, path)
    finally:
        beside.unlink()
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_private(path: Path) -> bytes:
    """Read a file of at most 4 KiB that nobody else can read.

    Raises ``MisuseError`` when others can or it is no file, ``WireError`` (``too_large``), and
    ``OSError`` when the disk refuses.
    """
    # Not blocking: a named pipe in the file's place would otherwise hold us forever. The mode is
    # that of the file opened, not of whatever has the name a moment later.
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise MisuseError(f"{path} is not a file")
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise MisuseError(
                f"{path} can be read or written by others; if nobody else has seen it, "
                f"run `chmod 600 {path}`, otherwise replace the key"
            )
        raw = os.read(handle, FILE_BYTES_MAX + 1)
    finally:
        os.close(handle)
    if len(raw) > FILE_BYTES_MAX:
        raise WireError(f"{path} is too large for a key file", "too_large")
    return raw
