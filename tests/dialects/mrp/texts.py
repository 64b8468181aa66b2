"""Documents as bytes, where the spelling of the JSON itself is what matters."""

from __future__ import annotations

import json
from typing import Final

from tests.dialects.mrp.made import document

_WHOLE: Final = document("DISCOVER", {"intent": "x", "constraints": {"max_cost": 1}})
LEAST: Final = json.dumps(_WHOLE).encode()


def _swap(old: bytes, new: bytes) -> bytes:
    assert old in LEAST
    return LEAST.replace(old, new)


def _nested(depth: int) -> bytes:
    return _swap(b'"max_cost": 1', b'"deep": ' + b"[" * depth + b"]" * depth)


TEXTS: Final = {
    "plain": LEAST,
    "empty": b"",
    "blank": b"  \n",
    "list": b"[]",
    "number": b"5",
    "null": b"null",
    "word": b"nope",
    "nan": _swap(b'"max_cost": 1', b'"max_cost": NaN'),
    "infinity": _swap(b'"max_cost": 1', b'"max_cost": Infinity'),
    "minus infinity": _swap(b'"max_cost": 1', b'"max_cost": -Infinity'),
    "overflow": _swap(b'"max_cost": 1', b'"max_cost": 1e999'),
    "latency nan": _swap(b'"max_cost": 1', b'"max_latency_ms": NaN'),
    "latency whole": _swap(b'"max_cost": 1', b'"max_latency_ms": 4e2'),
    "latency vast": _swap(b'"max_cost": 1', b'"max_latency_ms": ' + b"9" * 400),
    "thousands of digits": _swap(b'"max_cost": 1', b'"max_cost": ' + b"9" * 5_000),
    "name twice": LEAST.replace(b'{"mrp_version"', b'{"msg_id": 5, "mrp_version"'),
    "name twice, last bad": LEAST[:-1] + b', "msg_id": 5}',
    "name twice by escape": LEAST.replace(b'{"mrp_version"', b'{"msg\\u005fid": 5, "mrp_version"'),
    "lone surrogate": _swap(b'"intent": "x"', b'"intent": "\\ud800"'),
    "lone surrogate as name": _swap(b'"max_cost": 1', b'"\\udc00": 1'),
    "surrogates short of eight": _swap(b'"msg_id": "', b'"msg_id": "\\ud83d\\ude00", "nonce": "'),
    "mark before": b"\xef\xbb\xbf" + LEAST,
    "not utf-8": _swap(b'"intent": "x"', b'"intent": "\xff"'),
    "overlong utf-8": _swap(b'"intent": "x"', b'"intent": "\xc0\x80"'),
    "surrogate in utf-8": _swap(b'"intent": "x"', b'"intent": "\xed\xa0\x80"'),
    "control character": _swap(b'"intent": "x"', b'"intent": "\x01"'),
    "line in a string": _swap(b'"intent": "x"', b'"intent": "a\r\nb"'),
    "deleted character": _swap(b'"intent": "x"', b'"intent": "\x7f"'),
    "carriage returns between": LEAST.replace(b", ", b",\r\n"),
    "form feed between": LEAST.replace(b", ", b",\x0c"),
    "no-break space between": LEAST.replace(b", ", b",\xc2\xa0"),
    "something after": LEAST + b" x",
    "two documents": LEAST + LEAST,
    "comma at the end": LEAST[:-1] + b",}",
    "single quotes": LEAST.replace(b'"', b"'"),
    "comment": LEAST + b"// x",
    "leading zero": _swap(b'"max_cost": 1', b'"max_cost": 01'),
    "plus": _swap(b'"max_cost": 1', b'"max_cost": +1'),
    "point at the end": _swap(b'"max_cost": 1', b'"max_cost": 1.'),
    "minus zero": _swap(b'"max_cost": 1', b'"max_cost": -0'),
    "nested 40": _nested(40),
    "nested 600": _nested(600),
    "nested 20000": _nested(20_000),
    "version and newline": _swap(b'"mrp_version": "0.1"', b'"mrp_version": "0.1\\n"'),
    "version of other digits": _swap(
        b'"mrp_version": "0.1"', '"mrp_version": "\u0660.\u0661"'.encode()
    ),
    "nul": LEAST + b"\x00",
}
"""By name; what each is worth in a profile is the tests' to say."""
