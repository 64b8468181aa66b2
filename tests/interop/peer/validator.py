"""Runs in mrpd's own environment: its validator, asked line by line.

A line is the base64 of a document; the answer is 1 for a valid one and 0 for all else, a
traceback included, as its command's exit code has it.
"""

import base64
import io
import sys

from mrpd.commands.validate import _validate_one


def judged(document: bytes) -> bool:
    try:
        # As its command opens a file: UTF-8, line ends of any kind.
        text = io.TextIOWrapper(io.BytesIO(document), encoding="utf-8").read()
        return _validate_one(text, "stdin", quiet=True)
    except Exception:  # noqa: BLE001 - whatever it raises is its no
        return False


for line in sys.stdin:
    sys.stdout.write(f"{int(judged(base64.b64decode(line)))}\n")
    sys.stdout.flush()
