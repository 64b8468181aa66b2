"""Key files: one signing key in one small JSON file, readable by its owner alone.

Laws:

1. A key file is 0600 in a directory made 0700. One that others can read is not used, since
   nobody knows who has read it.
2. A key file appears whole or not at all, is on disk before ``create_key`` returns, and is never
   overwritten.
3. With a passphrase the seed is encrypted (argon2id, then XSalsa20-Poly1305). The cost of
   argon2id stands in the file, within limits, so that a file of a stranger cannot exhaust us.
4. A URI never becomes a path as it is.

The form, ``{"treaty": "key/1", "publicKey", "keyId"}`` and either ``"seed"`` (base64url) or
``"locked": {"kdf": "argon2id", "ops", "memoryBytes", "salt", "box"}``.

Read next: ``treaty.identity.keys`` for what a key can do.
"""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Final

from nacl.exceptions import CryptoError
from nacl.pwhash import argon2id
from nacl.secret import SecretBox

from treaty.errors import MisuseError, Refused, UnavailableError, WireError, shown
from treaty.identity.keys import SEED_BYTES, Ed25519Signer
from treaty.store.private_files import FILE_BYTES_MAX as FILE_BYTES_MAX
from treaty.store.private_files import read_private, write_new
from treaty.wire.canonical import Json, read_json
from treaty.wire.digest import sha256
from treaty.wire.encoding import b64url_decode, b64url_encode
from treaty.wire.ids import parse_agent_uri

FORMAT: Final = "key/1"
SLUG_CHARS_MAX: Final = 64

ARGON2_OPS: Final = 3
ARGON2_MEMORY_BYTES: Final = 64 * 1024 * 1024
"""The second recommended choice of RFC 9106 section 4: 3 passes over 64 MiB."""
ARGON2_OPS_MAX: Final = 16
ARGON2_MEMORY_BYTES_MAX: Final = 1024 * 1024 * 1024

_KDF: Final = "argon2id"
_BOX_BYTES: Final = SecretBox.NONCE_SIZE + SEED_BYTES + SecretBox.MACBYTES


def create_key(path: Path, *, passphrase: str | None) -> Ed25519Signer:
    """Make a new key and keep it in ``path``, encrypted when a passphrase is given.

    Missing directories are made, the last one 0700. Raises MisuseError when the file exists
    already or the passphrase is empty, UnavailableError when the disk refuses.
    """
    seed = secrets.token_bytes(SEED_BYTES)
    signer = Ed25519Signer(seed)
    document: dict[str, Json] = {
        "treaty": FORMAT,
        "publicKey": signer.key.text,
        "keyId": signer.key.key_id,
        **({"seed": b64url_encode(seed)} if passphrase is None else _lock(seed, passphrase)),
    }
    try:
        write_new(path, json.dumps(document, indent=2).encode("ascii") + b"\n")
    except FileExistsError as error:
        raise MisuseError(
            f"{error.filename2 or error.filename} exists already; a key file is never overwritten"
        ) from None
    except OSError as error:
        raise UnavailableError(f"the key file {path} cannot be written: {error}") from error
    return signer


def load_key(path: Path, *, passphrase: str | None = None) -> Ed25519Signer:
    """Read a key file; ``passphrase`` is needed when it is encrypted, else ignored.

    Raises MisuseError when there is no such file, when others may read it or when the passphrase
    is missing; Refused ``unauthorized`` when the passphrase is wrong; WireError when the file is
    not a key file; UnavailableError when the disk refuses.
    """
    try:
        raw = read_private(path)
    except FileNotFoundError:
        raise MisuseError(
            f"there is no key file {path}; make one with `treaty agent new AGENT`"
        ) from None
    except OSError as error:
        raise UnavailableError(f"the key file {path} cannot be read: {error}") from error
    document = read_json(raw)
    if not isinstance(document, dict) or document.get("treaty") != FORMAT:
        raise WireError(f"{path} is not a key file of the form {FORMAT}")
    signer = Ed25519Signer(_seed_of(document, path, passphrase))
    if document.get("keyId") != signer.key.key_id:
        raise WireError(f"{path} holds another key than the one it names")
    return signer


def key_path(home: Path, uri: str) -> Path:
    """Where the key of ``uri`` lies below ``home``: ``keys/<readable>-<hash>.json``.

    The hash keeps apart what looks alike after cleaning, and on disks that ignore case. Raises
    WireError when ``uri`` is no agent URI (ASP B2).
    """
    agent = parse_agent_uri(uri)
    slug = re.sub(r"[^a-z0-9]+", "-", (agent.host + agent.path).lower())[:SLUG_CHARS_MAX]
    digest = sha256(agent.text.encode("ascii")).hex()[:16]
    return home / "keys" / f"{slug.strip('-')}-{digest}.json"


def _seed_of(document: dict[str, Json], path: Path, passphrase: str | None) -> bytes:
    locked = document.get("locked")
    if locked is None:
        seed = b64url_decode(document.get("seed"))
    elif passphrase is None:
        raise MisuseError(f"{path} is encrypted; give its passphrase")
    else:
        seed = _unlock(locked, path, passphrase)
    if len(seed) != SEED_BYTES:
        raise WireError(f"{path} does not hold a seed of {SEED_BYTES} bytes")
    return seed


def _lock(seed: bytes, passphrase: str) -> dict[str, Json]:
    if not passphrase:
        raise MisuseError("an empty passphrase protects nothing; give one, or none at all")
    salt = secrets.token_bytes(argon2id.SALTBYTES)
    box = _box(passphrase, salt, ARGON2_OPS, ARGON2_MEMORY_BYTES)
    return {
        "locked": {
            "kdf": _KDF,
            "ops": ARGON2_OPS,
            "memoryBytes": ARGON2_MEMORY_BYTES,
            "salt": b64url_encode(salt),
            "box": b64url_encode(box.encrypt(seed, secrets.token_bytes(SecretBox.NONCE_SIZE))),
        }
    }


def _unlock(locked: Json, path: Path, passphrase: str) -> bytes:
    if not isinstance(locked, dict) or locked.get("kdf") != _KDF:
        raise WireError(f"{path} is not locked with {_KDF}")
    salt = b64url_decode(locked.get("salt"))
    if len(salt) != argon2id.SALTBYTES:
        raise WireError(f"{path} has a salt of {len(salt)} bytes, not {argon2id.SALTBYTES}")
    ops = _cost(locked, "ops", argon2id.OPSLIMIT_MIN, ARGON2_OPS_MAX)
    memory = _cost(locked, "memoryBytes", argon2id.MEMLIMIT_MIN, ARGON2_MEMORY_BYTES_MAX)
    sealed = b64url_decode(locked.get("box"))
    if len(sealed) != _BOX_BYTES:
        raise WireError(f"{path} has a box of {len(sealed)} bytes, not {_BOX_BYTES}")
    box = _box(passphrase, salt, ops, memory)
    try:
        return box.decrypt(sealed)
    except CryptoError:
        raise Refused(f"the passphrase does not open {path}", "unauthorized") from None


def _cost(locked: dict[str, Json], name: str, least: int, most: int) -> int:
    value = locked.get(name)
    if type(value) is not int or not least <= value <= most:
        raise WireError(f"`{name}` is a whole number from {least} to {most}: {shown(value)}")
    return value


def _box(passphrase: str, salt: bytes, ops: int, memory_bytes: int) -> SecretBox:
    # A terminal may hand over bytes that are no text; they are as good a secret as any.
    secret = passphrase.encode("utf-8", "surrogatepass")
    try:
        return SecretBox(argon2id.kdf(SecretBox.KEY_SIZE, secret, salt, ops, memory_bytes))
    except CryptoError:
        raise UnavailableError(f"argon2id needs {memory_bytes} bytes of memory") from None
