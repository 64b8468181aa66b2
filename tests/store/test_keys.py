"""A key file is whole, private, never overwritten, and readable only with its passphrase."""

from __future__ import annotations

import json
import os
import secrets
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.errors import MisuseError, Refused, UnavailableError, WireError
from treaty.identity.keys import check_signature
from treaty.store.keys import create_key, key_path, load_key
from treaty.wire.encoding import b64url_decode, b64url_encode

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One encrypted key file for the tests that only read it; argon2id takes its time."""
    path = tmp_path_factory.mktemp("locked") / "key.json"
    create_key(path, passphrase=PASSPHRASE)
    return path


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def rewrite(path: Path, change: Any) -> Path:
    """The file with its document changed; what is not a dict replaces it."""
    document = json.loads(path.read_text())
    text = json.dumps(change(document))
    changed = path.with_name(f"changed-{secrets.token_hex(4)}.json")
    changed.write_text(text)
    changed.chmod(0o600)
    return changed


def test_a_key_is_kept_privately_and_loads_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys" / "alpha.json"
    made = create_key(path, passphrase=None)
    loaded = load_key(path)

    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert loaded.key == made.key
    check_signature(made.key, loaded.sign(b"data"), b"data")
    assert [entry.name for entry in path.parent.iterdir()] == ["alpha.json"]


def test_the_mode_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o277)
    try:
        create_key(tmp_path / "key.json", passphrase=None)
    finally:
        os.umask(before)

    assert mode(tmp_path / "key.json") == 0o600


def test_two_keys_are_never_the_same(tmp_path: Path) -> None:
    keys = {create_key(tmp_path / f"{n}.json", passphrase=None).key for n in range(8)}

    assert len(keys) == 8


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    create_key(path, passphrase=None)
    before = path.read_bytes()
    with pytest.raises(MisuseError, match="never overwritten"):
        create_key(path, passphrase=None)

    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_a_dangling_link_is_not_followed_to_make_a_key(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.symlink_to(tmp_path / "elsewhere.json")

    with pytest.raises(MisuseError):
        create_key(path, passphrase=None)
    assert not (tmp_path / "elsewhere.json").exists()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "key.json", tmp_path / "file" / "deep" / "key.json"):
        with pytest.raises((MisuseError, UnavailableError), match="file"):
            create_key(path, passphrase=None)


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602, 0o610, 0o644, 0o666])
def test_a_file_that_others_may_touch_is_refused_with_advice(tmp_path: Path, bits: int) -> None:
    path = tmp_path / "key.json"
    create_key(path, passphrase=None)
    path.chmod(bits)
    with pytest.raises(MisuseError, match="chmod 600"):
        load_key(path)

    path.chmod(0o400)
    assert load_key(path).key.key_id == json.loads(path.read_text())["keyId"]


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="treaty agent new"):
        load_key(tmp_path / "missing.json")
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(MisuseError, match="not a file"):
        load_key(tmp_path / "pipe")
    with pytest.raises(MisuseError, match="not a file"):
        load_key(tmp_path)


# --- encrypted ---


def test_an_encrypted_key_opens_with_its_passphrase_only(locked: Path) -> None:
    named = json.loads(locked.read_text())["keyId"]

    assert load_key(locked, passphrase=PASSPHRASE).key.key_id == named
    with pytest.raises(Refused) as caught:
        load_key(locked, passphrase=PASSPHRASE + " ")
    assert caught.value.code == "unauthorized"
    with pytest.raises(MisuseError, match="encrypted"):
        load_key(locked)


def test_an_encrypted_file_does_not_hold_the_seed(locked: Path) -> None:
    document = json.loads(locked.read_text())

    assert document.keys() == {"treaty", "publicKey", "keyId", "locked"}
    assert document["locked"].keys() == {"kdf", "ops", "memoryBytes", "salt", "box"}
    # Nonce, seed and authenticator: nothing of the seed lies open beside them.
    assert len(b64url_decode(document["locked"]["box"])) == 24 + 32 + 16


def test_an_empty_passphrase_is_a_mistake_not_a_choice(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="empty"):
        create_key(tmp_path / "key.json", passphrase="")
    assert list(tmp_path.iterdir()) == []


def test_any_changed_byte_of_the_box_or_salt_is_noticed(locked: Path) -> None:
    for member in ("box", "salt"):

        def change(document: Any, member: str = member) -> Any:
            raw = bytearray(b64url_decode(document["locked"][member]))
            raw[-1] ^= 1
            document["locked"][member] = b64url_encode(bytes(raw))
            return document

        with pytest.raises(Refused):
            load_key(rewrite(locked, change), passphrase=PASSPHRASE)


@pytest.mark.parametrize(
    "change",
    [
        {"kdf": "scrypt"},
        {"ops": 0},
        {"ops": 17},
        {"ops": True},
        {"memoryBytes": 2**40},
        {"memoryBytes": 1},
        {"memoryBytes": "64M"},
        {"salt": ""},
        {"salt": "!"},
        {"salt": None},
        {"box": ""},
        {"box": "AAAA"},
        {"box": 1},
    ],
)
def test_a_lock_of_another_form_is_refused_before_any_work(
    locked: Path, change: dict[str, Any]
) -> None:
    path = rewrite(locked, lambda document: {**document, "locked": document["locked"] | change})
    with pytest.raises(WireError):
        load_key(path, passphrase=PASSPHRASE)


# --- hostile files ---


@pytest.mark.parametrize(
    "change",
    [
        lambda document: [],
        lambda document: {},
        lambda document: {**document, "treaty": "key/2"},
        lambda document: {**document, "seed": None},
        lambda document: {**document, "seed": "AAAA"},
        lambda document: {**document, "seed": b64url_encode(bytes(33))},
        lambda document: {**document, "seed": b64url_encode(bytes(32))},
        lambda document: {**document, "keyId": None},
        lambda document: {**document, "locked": "yes"},
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, change: Any) -> None:
    path = tmp_path / "key.json"
    create_key(path, passphrase=None)
    with pytest.raises(WireError):
        load_key(rewrite(path, change), passphrase=PASSPHRASE)


def test_a_file_too_large_for_a_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    create_key(path, passphrase=None)
    padded = path.read_bytes() + b" " * 4096
    path.write_bytes(padded)
    with pytest.raises(WireError) as caught:
        load_key(path)
    assert caught.value.code == "too_large"

    path.write_bytes(padded[:4096])
    assert load_key(path).key.raw


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_our_own_error(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "random-key.json"
    path.write_bytes(raw)
    path.chmod(0o600)
    with pytest.raises(WireError):
        load_key(path)


# --- where a key lies ---


def test_a_key_path_is_readable_and_below_home() -> None:
    path = key_path(Path("/home/a"), "agent://acme.com/procurement/alpha")

    assert path.parent == Path("/home/a/keys")
    assert path.name.startswith("acme-com-procurement-alpha-")
    assert path == key_path(Path("/home/a"), "agent://acme.com/procurement/alpha")


def test_uris_that_look_alike_have_paths_apart_even_without_case() -> None:
    uris = [
        "agent://acme.com/a/b",
        "agent://acme.com/a-b",
        "agent://acme.com/a.b",
        "agent://acme.com/A/b",
        "agent://acme-com/a/b",
        "agent://acme.com/" + "x" * 100,
        "agent://acme.com/" + "x" * 101,
    ]
    names = {key_path(Path(), uri).name.lower() for uri in uris}

    assert len(names) == len(uris)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "../../etc/passwd",
        "agent://",
        "agent://acme.com/../../etc",
        "agent://a/b\0",
        "agent://a/b c",
    ],
)
def test_what_is_no_agent_uri_has_no_key_path(uri: str) -> None:
    with pytest.raises(WireError):
        key_path(Path("/home/a"), uri)


@given(st.from_regex(r"agent://[a-z]{1,20}(/[A-Za-z0-9._~-]{1,30}){0,5}", fullmatch=True))
def test_any_key_path_is_one_plain_file_name(uri: str) -> None:
    try:
        path = key_path(Path("/home/a"), uri)
    except WireError:
        return
    assert path.parent == Path("/home/a/keys")
    assert set(path.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
    assert path.name[0].isalnum()
    assert len(path.name) <= 100
