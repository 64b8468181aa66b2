"""JSON as Python's ``json`` reads it, for saying what lax peers would say.

Nothing that is acted on, hashed or signed is read here; that is ``canonical.read_json``. NaN,
infinities, lone surrogates and names given twice (the last one holds) are all taken; an integer
beyond 64 bits may come as the nearest double.
"""

from __future__ import annotations

import json
from typing import Any, Final

import orjson

from treaty.errors import WireError

_BRACKETS_ORJSON: Final = 512
"""orjson nests to 1,024; where there might be more than this, Python's reader decides."""


def read_lax_json(raw: bytes, *, size_max: int) -> Any:
    """Read one document of at most ``size_max`` bytes. Raises ``WireError``."""
    if len(raw) > size_max:
        raise WireError(f"{len(raw)} bytes of JSON, the limit is {size_max}", "too_large")
    if raw.count(b"[") + raw.count(b"{") <= _BRACKETS_ORJSON:
        # It reads the same wherever it reads at all, and faster.
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:
            pass
    try:
        return json.loads(raw.decode("utf-8"))
    except RecursionError:
        raise WireError("not JSON: nested too deep") from None
    except ValueError as error:
        # Not UTF-8, not JSON, or an integer of thousands of digits.
        raise WireError(f"not JSON: {error}") from None
