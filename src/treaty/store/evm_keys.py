"""Ethereum keystores, version 3: one secp256k1 key in one JSON file, always encrypted.

Laws:

1. The form is the one every wallet reads (Web3 Secret Storage): scrypt, AES-128-CTR, and a
   Keccak-256 over the second half of the derived key and the ciphertext. Only scrypt is read.
2. The cost of scrypt stands in the file, within limits, so that a file of a stranger cannot
   exhaust us.
3. Files are kept as ``private_files`` keeps secrets: 0600, whole, never overwritten.

Read next: ``treaty.identity.secp256k1`` for what a key can do.
"""

from __future__ import annotations

import hmac
import json
import secrets
import uuid
from pathlib import Path
from typing import Final

from treaty.errors import MisuseError, Refused, UnavailableError, WireError, shown
from treaty.identity.secp256k1 import ORDER, SECRET_BYTES, EvmSigner
from treaty.store.private_files import read_private, write_new
from treaty.wire import fields
from treaty.wire.canonical import Json, read_json
from treaty.wire.digest import keccak256
from treaty.wire.encoding import hex_decode

VERSION: Final = 3
SCRYPT_N: Final = 2**17
SCRYPT_R: Final = 8
SCRYPT_P: Final = 1
"""128 MiB and a good part of a second; N, r and p of the scrypt paper."""
SCRYPT_BYTES_MAX: Final = 1024 * 1024 * 1024
SCRYPT_N_MAX: Final = 2**24
SCRYPT_R_MAX: Final = 64
SCRYPT_P_MAX: Final = 16
SCRYPT_WORK_MAX: Final = 2**25
"""Limit of N times r times p: about 32 times our own choice, some seconds."""
DERIVED_BYTES: Final = 32
IV_BYTES: Final = 16
SALT_BYTES_MAX: Final = 64

_CIPHER: Final = "aes-128-ctr"
_KDF: Final = "scrypt"


def create_evm_key(path: Path, *, passphrase: str, secret: bytes | None = None) -> EvmSigner:
    """Make a new account, or take over ``secret``, and keep it encrypted in ``path``.

    Raises MisuseError when the file exists already, the passphrase is empty or the secret is
    none; UnavailableError when the disk or the memory refuses.
    """
    if not passphrase:
        raise MisuseError("an empty passphrase protects nothing, and a keystore is encrypted")
    chosen = _new_secret() if secret is None else secret
    signer = EvmSigner(chosen)
    document = _locked(chosen, signer.address, passphrase)
    try:
        write_new(path, json.dumps(document, indent=2).encode("ascii") + b"\n")
    except FileExistsError as error:
        raise MisuseError(
            f"{error.filename2 or error.filename} exists already; a key file is never overwritten"
        ) from None
    except OSError as error:
        raise UnavailableError(f"the keystore {path} cannot be written: {error}") from error
    return signer


def load_evm_key(path: Path, *, passphrase: str) -> EvmSigner:
    """Open a keystore.

    Raises MisuseError when there is no such file or others may read it; Refused
    ``unauthorized`` when the passphrase is wrong; WireError when the file is not a keystore with
    scrypt; UnavailableError when the disk or the memory refuses.
    """
    try:
        raw = read_private(path)
    except FileNotFoundError:
        raise MisuseError(f"there is no keystore {path}") from None
    except OSError as error:
        raise UnavailableError(f"the keystore {path} cannot be read: {error}") from error
    document = read_json(raw)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise WireError(f"{path} is not an Ethereum keystore of version {VERSION}")
    signer = _signer(_unlocked(fields.obj(document, "crypto"), path, passphrase), path)
    named = document.get("address")
    if isinstance(named, str) and named.lower().removeprefix("0x") != signer.address[2:]:
        raise WireError(f"{path} holds another account than the one it names")
    return signer


def _new_secret() -> bytes:
    while True:
        secret = secrets.token_bytes(SECRET_BYTES)
        if 0 < int.from_bytes(secret, "big") < ORDER:
            return secret


def _signer(secret: bytes, path: Path) -> EvmSigner:
    try:
        return EvmSigner(secret)
    except MisuseError as error:
        raise WireError(f"{path} holds no key: {error}") from error


def _locked(secret: bytes, address: str, passphrase: str) -> dict[str, Json]:
    salt, iv = secrets.token_bytes(32), secrets.token_bytes(IV_BYTES)
    derived = _derive(passphrase, salt, SCRYPT_N, SCRYPT_R, SCRYPT_P)
    ciphertext = _aes_ctr(derived[:16], iv, secret)
    return {
        "version": VERSION,
        "id": str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
        "address": address[2:],
        "crypto": {
            "cipher": _CIPHER,
            "cipherparams": {"iv": iv.hex()},
            "ciphertext": ciphertext.hex(),
            "kdf": _KDF,
            "kdfparams": {
                "dklen": DERIVED_BYTES,
                "n": SCRYPT_N,
                "r": SCRYPT_R,
                "p": SCRYPT_P,
                "salt": salt.hex(),
            },
            "mac": keccak256(derived[16:] + ciphertext).hex(),
        },
    }


def _unlocked(crypto: dict[str, Json], path: Path, passphrase: str) -> bytes:
    if crypto.get("cipher") != _CIPHER or crypto.get("kdf") != _KDF:
        raise WireError(f"{path} is not locked with {_KDF} and {_CIPHER}")
    costs = fields.obj(crypto, "kdfparams")
    n = fields.integer(costs, "n", least=2, most=SCRYPT_N_MAX)
    r = fields.integer(costs, "r", least=1, most=SCRYPT_R_MAX)
    p = fields.integer(costs, "p", least=1, most=SCRYPT_P_MAX)
    fields.integer(costs, "dklen", least=DERIVED_BYTES, most=DERIVED_BYTES)
    if n & (n - 1) or n * r * p > SCRYPT_WORK_MAX or 128 * n * r > SCRYPT_BYTES_MAX:
        raise WireError(f"{path} asks for scrypt with n={n}, r={r}, p={p}, which is not done")
    salt = hex_decode(costs.get("salt"))
    iv = hex_decode(fields.obj(crypto, "cipherparams").get("iv"), IV_BYTES)
    ciphertext = hex_decode(crypto.get("ciphertext"), SECRET_BYTES)
    mac = hex_decode(crypto.get("mac"), 32)
    if len(salt) > SALT_BYTES_MAX:
        raise WireError(f"{path} has a salt of {len(salt)} bytes, at most {SALT_BYTES_MAX}")
    derived = _derive(passphrase, salt, n, r, p)
    if not hmac.compare_digest(keccak256(derived[16:] + ciphertext), mac):
        raise Refused(f"the passphrase does not open {path}", "unauthorized")
    return _aes_ctr(derived[:16], iv, ciphertext)


def _derive(passphrase: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    # Slow to import, and only keystores need it.
    from cryptography.exceptions import InternalError
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    # A terminal may hand over bytes that are no text; they are as good a secret as any.
    secret = passphrase.encode("utf-8", "surrogatepass")
    try:
        return Scrypt(salt=salt, length=DERIVED_BYTES, n=n, r=r, p=p).derive(secret)
    except ValueError as error:
        raise WireError(f"no scrypt with n={n}, r={r}, p={p}: {shown(str(error))}") from error
    except (MemoryError, InternalError):
        raise UnavailableError(f"scrypt needs {128 * n * r} bytes of memory") from None


def _aes_ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    worker = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()
    return worker.update(data) + worker.finalize()
