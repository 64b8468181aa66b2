"""Where things lie and what the machine gives: the clock, entropy, the environment, key files.

The only module that looks at the clock, draws random bytes and reads the environment.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Final

from treaty.errors import WireError, shown
from treaty.identity.keys import Ed25519Signer, PublicKey, read_public_key
from treaty.store.keys import FILE_BYTES_MAX as KEY_FILE_BYTES_MAX
from treaty.store.keys import create_key, key_path, load_key
from treaty.wire.canonical import Json, read_json
from treaty.wire.ids import parse_agent_uri

HOME: Final = "TREATY_HOME"
NODE: Final = "TREATY_NODE"
PASSPHRASE: Final = "TREATY_PASSPHRASE"  # noqa: S105 - a name, not a secret
DEFAULT_NODE_URL: Final = "http://127.0.0.1:8440"


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def entropy(size_bytes: int) -> bytes:
    """Random bytes of the operating system."""
    return secrets.token_bytes(size_bytes)


def home() -> Path:
    """Where keys and own copies lie: ``TREATY_HOME``, else ``.treaty`` in the user's home."""
    stated = os.environ.get(HOME)
    return Path(stated) if stated else Path.home() / ".treaty"


def node_url(stated: str | None = None) -> str:
    """The node to talk to: as stated, else ``TREATY_NODE``, else the local default."""
    return (stated or os.environ.get(NODE) or DEFAULT_NODE_URL).rstrip("/")


def passphrase() -> str | None:
    """The passphrase of key files, when one is given in the environment."""
    return os.environ.get(PASSPHRASE) or None


def signer_at(path: Path, *, create: bool = False, secret: str | None = None) -> Ed25519Signer:
    """Load a key file; ``create`` makes it (0600) when it is not there yet.

    ``secret`` is its passphrase, by default that of the environment.
    """
    secret = secret or passphrase()
    if create and not path.exists():
        return create_key(path, passphrase=secret)
    return load_key(path, passphrase=secret)


def fresh_signer() -> Ed25519Signer:
    """A key of nobody in particular, kept nowhere."""
    return Ed25519Signer(entropy(32))


def agent_key_path(uri: str, below: Path | None = None) -> Path:
    """Where the key of one of this user's agents lies."""
    return key_path(below or home(), parse_agent_uri(uri).text)


def agent_store_path(uri: str, below: Path | None = None) -> Path:
    """Where an agent's own copies lie."""
    return agent_key_path(uri, below).with_suffix(".db")


def key_beside(db: Path, name: str) -> Path:
    """The key file that belongs to a database: ``<db>.<name>.key``."""
    return db.with_name(f"{db.name}.{name}.key")


def public_key_at(path: Path) -> PublicKey | None:
    """The public half of a key file, which is not secret even when the file is locked."""
    try:
        return read_public_key(read_object(path.read_bytes()[:KEY_FILE_BYTES_MAX]).get("publicKey"))
    except (OSError, WireError):
        return None


def read_object(raw: bytes) -> dict[str, Json]:
    """Read a JSON object from a file of ours. Raises ``WireError``."""
    value = read_json(raw, size_max=len(raw))
    if not isinstance(value, dict):
        raise WireError(f"not a JSON object: {shown(value)}")
    return value
