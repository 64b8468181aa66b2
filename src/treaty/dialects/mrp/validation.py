"""Bytes in, verdict out: whether they are an MRP envelope, as a profile reads it (15).

Laws:

1. ``compat`` gives mrpd 0.1.1's verdict on every document, down to what Python's ``json`` takes:
   NaN, names given twice, lone surrogates. It is for ``treaty validate`` alone.
2. ``strict`` wants JSON of one meaning (``wire.canonical.read_json``) and the newer forms.
3. Whoever acts on a message asks ``codec.decode``, which is never laxer about the JSON than
   ``strict``: what has two meanings cannot be signed, and need not be served.
"""

from __future__ import annotations

from typing import Any, Final

from treaty.dialects.mrp.checking import CHECK_ENVELOPE, Fault
from treaty.dialects.mrp.choices import DEPTH_MAX, Profile
from treaty.errors import WireError
from treaty.wire.canonical import read_json
from treaty.wire.lax import read_lax_json

DOCUMENT_BYTES_MAX: Final = 16 * 1024 * 1024
"""Largest document that is judged."""

_check_compat: Final = CHECK_ENVELOPE[Profile.COMPAT]
_check_strict: Final = CHECK_ENVELOPE[Profile.STRICT]


def validate(raw: bytes, profile: Profile = Profile.COMPAT) -> Fault | None:
    """Judge one document; None says that it is a valid envelope. Raises nothing."""
    try:
        if profile is Profile.STRICT:
            value: Any = read_json(raw, size_max=DOCUMENT_BYTES_MAX, depth_max=DEPTH_MAX)
            return _check_strict(value)
        return _check_compat(read_lax_json(raw, size_max=DOCUMENT_BYTES_MAX))
    except WireError as error:
        return Fault("", error.detail)
