"""Make ``edge_cases.json``: Ed25519 keys and signatures at the rim of RFC 8032.

Plain affine arithmetic on edwards25519, written from RFC 8032 section 5.1 and independent of the
library that treaty uses. Deterministic: running it again gives the same file.

    cd conformance/vectors/ed25519 && python make_edge_cases.py > edge_cases.json
"""

from __future__ import annotations

import hashlib
import json

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT = pow(2, (P - 1) // 4, P)
SIGN = 1 << 255

Point = tuple[int, int]


def abscissa(y: int, odd: int) -> int | None:
    """The x of RFC 8032 section 5.1.3, taking x = 0 with the sign bit as 0."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P:
        return None
    return P - x if x and x & 1 != odd else x


def add(p: Point, q: Point) -> Point:
    """The complete addition law of the curve."""
    (x1, y1), (x2, y2) = p, q
    k = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P
    return x, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def times(n: int, p: Point) -> Point:
    """The multiple n p, by doubling."""
    total = (0, 1)
    while n:
        if n & 1:
            total = add(total, p)
        p, n = add(p, p), n >> 1
    return total


def encode(p: Point) -> bytes:
    """The canonical 32 bytes of a point."""
    return (p[1] | (p[0] & 1) << 255).to_bytes(32, "little")


def points_of_y(y: int) -> list[Point]:
    """The points that the two encodings of this y decode to."""
    found = (abscissa(y, odd) for odd in (0, 1))
    return [(x, y) for x in found if x is not None]


def order_eight() -> Point:
    """The first point of order 8 met when L times the points of rising y are taken."""
    for y in range(2, 100):
        for point in points_of_y(y):
            torsion = times(L, point)
            if times(4, torsion) != (0, 1):
                return torsion
    raise AssertionError("no point of order 8 below y = 100")


BASE = points_of_y(4 * pow(5, -1, P) % P)[0]
TORSION = order_eight()
SECRET = int.from_bytes(hashlib.sha512(b"treaty edge case key").digest(), "little") % L
NONCE = int.from_bytes(hashlib.sha512(b"treaty edge case nonce").digest(), "little") % L
KEY = times(SECRET, BASE)


def all_encodings(wanted: Point) -> list[bytes]:
    """Every 32 bytes that a lenient decoder takes for this point."""
    return [
        (y | odd << 255).to_bytes(32, "little")
        for y in (wanted[1], wanted[1] + P)
        for odd in (0, 1)
        if y < SIGN and abscissa(y % P, odd) == wanted[0]
    ]


def signature(
    r: bytes, a: bytes, message: bytes, *, nonce: int = NONCE, secret: int = SECRET
) -> tuple[bytes, int]:
    """(R, S) with S = nonce + H(R, A, M) * secret, whatever R and A are."""
    return r, (nonce + challenge(r, a, message) * secret) % L


def challenge(r: bytes, a: bytes, message: bytes) -> int:
    """H(R, A, M) as a scalar."""
    return int.from_bytes(hashlib.sha512(r + a + message).digest(), "little") % L


def convincing(r: bytes, a: bytes) -> bytes:
    """A message for which the key ``a`` of small order drops out of the equation.

    For it even a verifier without the cofactor is convinced, if it does not look at the key.
    """
    messages = (b"an edge case, %d" % n for n in range(1000))
    return next(m for m in messages if challenge(r, a, m) % 8 == 0)


def pack(parts: tuple[bytes, int]) -> bytes:
    """The 64 bytes of R and S."""
    return parts[0] + parts[1].to_bytes(32, "little")


def key_cases() -> list[dict[str, object]]:
    """Public keys, with whether a reader takes them."""
    rows: list[tuple[str, bytes, bool]] = [("honest", encode(KEY), True)]
    for n in range(8):
        point = times(n, TORSION)
        for raw in all_encodings(point):
            form = "canonical" if raw == encode(point) else "non-canonical"
            rows.append((f"small order, {n} times T, {form}", raw, False))
    rows.extend(
        (f"mixed order, + {n} T", encode(add(KEY, times(n, TORSION))), False) for n in range(1, 8)
    )
    for y in range(2, 19):
        rows.extend(
            (f"y = p + {y}, sign {odd}", (P + y | odd << 255).to_bytes(32, "little"), False)
            for odd in (0, 1)
            if points_of_y(y)
        )
    off = [y for y in range(2, 40) if not points_of_y(y)][:8]
    rows.extend((f"not on the curve, y = {y}", y.to_bytes(32, "little"), False) for y in off)
    return [{"name": name, "key": raw.hex(), "valid": valid} for name, raw, valid in rows]


def signature_cases() -> list[dict[str, object]]:
    """Signatures, with whether they hold."""
    a, r, m = encode(KEY), encode(times(NONCE, BASE)), b"an edge case"
    right = signature(r, a, m)
    rows = [("honest", a, m, pack(right), True)]
    rows.extend(
        (f"S + {n} L", a, m, pack((r, right[1] + n * L)), False)
        for n in range(1, 16)
        if right[1] + n * L < 1 << 256
    )
    rows.append(("S = L", a, m, pack((r, L)), False))
    rows.append(("S = 0", a, m, pack((r, 0)), False))
    for n in range(8):
        for raw in all_encodings(times(n, TORSION)):
            forged = pack(signature(raw, a, m, nonce=0))
            rows.append((f"R of small order, {n} T", a, m, forged, False))
    for n in range(1, 8):
        mixed = encode(add(times(NONCE, BASE), times(n, TORSION)))
        rows.append((f"R of mixed order, + {n} T", a, m, pack(signature(mixed, a, m)), False))
    for n in range(8):
        for raw in all_encodings(times(n, TORSION)):
            found = convincing(r, raw)
            forged = pack(signature(r, raw, found, secret=0))
            rows.append((f"key of small order, {n} T", raw, found, forged, False))
    identity = encode((0, 1))
    rows.append(("key and R the identity, S = 0", identity, m, pack((identity, 0)), False))
    rows.append(("R not on the curve", a, m, pack((b"\x02" + bytes(31), right[1])), False))
    return [
        {"name": name, "key": k.hex(), "message": t.hex(), "signature": s.hex(), "valid": valid}
        for name, k, t, s, valid in rows
    ]


def document() -> str:
    """The text of ``edge_cases.json``."""
    cases = {"keys": key_cases(), "signatures": signature_cases()}
    return json.dumps({"origin": "make_edge_cases.py", **cases}, indent=1) + "\n"


if __name__ == "__main__":
    print(document(), end="")
