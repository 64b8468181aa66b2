"""A keystore is one that wallets read, private, and opened by its passphrase alone."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from treaty.errors import MisuseError, Refused, UnavailableError, WireError
from treaty.identity.secp256k1 import EvmSigner
from treaty.store.evm_keys import create_evm_key, load_evm_key

PASSPHRASE = "pass wörd"
SIGNER = EvmSigner(b"\x11" * 32)

# Made by eth-keyfile 0.8.1 from the secret 0x11 repeated 32 times.
FOREIGN: dict[str, Any] = {
    "address": "19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A",
    "crypto": {
        "cipher": "aes-128-ctr",
        "cipherparams": {"iv": "01d2bbe3f4d2735c58952238da424e78"},
        "ciphertext": "cb12477d35b49555bb017f57f0614e501a0369d00b03428df834e84a3817002b",
        "kdf": "scrypt",
        "kdfparams": {
            "dklen": 32,
            "n": 4096,
            "r": 8,
            "p": 1,
            "salt": "451ae40b175d00930809a6e8ca494f2c",
        },
        "mac": "7cfffac70545a4157e66a674be8029a880463e588adbeaedbb0be11c5117d308",
    },
    "id": "8e66e404-2c43-4850-8e5b-760bf123c68a",
    "version": 3,
}


def kept(folder: Path, document: Any) -> Path:
    path = folder / "keystore.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    path.chmod(0o600)
    return path


def changed(**members: Any) -> dict[str, Any]:
    """The keystore with members of ``crypto`` or, by ``kdf_``, of its costs changed."""
    crypto = dict(FOREIGN["crypto"], kdfparams=dict(FOREIGN["crypto"]["kdfparams"]))
    for name, value in members.items():
        if name.startswith("kdf_"):
            crypto["kdfparams"][name.removeprefix("kdf_")] = value
        else:
            crypto[name] = value
    return FOREIGN | {"crypto": crypto}


def test_a_wallets_keystore_is_opened(tmp_path: Path) -> None:
    opened = load_evm_key(kept(tmp_path, FOREIGN), passphrase=PASSPHRASE)

    assert opened.address == SIGNER.address
    assert opened.sign_digest(bytes(32)) == SIGNER.sign_digest(bytes(32))


def test_what_is_created_is_private_encrypted_and_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "evm.json"
    made = create_evm_key(path, passphrase=PASSPHRASE, secret=b"\x11" * 32)
    document = json.loads(path.read_text())

    assert made.address == SIGNER.address
    assert load_evm_key(path, passphrase=PASSPHRASE).address == SIGNER.address
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (document["version"], document["address"]) == (3, SIGNER.address[2:])
    assert "11" * 16 not in path.read_text()
    with pytest.raises(MisuseError, match="never overwritten"):
        create_evm_key(path, passphrase=PASSPHRASE)
    assert json.loads(path.read_text()) == document


def test_new_accounts_differ(tmp_path: Path) -> None:
    made = {create_evm_key(tmp_path / name, passphrase="x").address for name in ("a", "b")}

    assert len(made) == 2


@pytest.mark.parametrize("passphrase", ["", "pass word", PASSPHRASE + "\n"])
def test_another_passphrase_opens_nothing(tmp_path: Path, passphrase: str) -> None:
    with pytest.raises(Refused) as refusal:
        load_evm_key(kept(tmp_path, FOREIGN), passphrase=passphrase)

    assert refusal.value.code == "unauthorized"


def test_a_changed_ciphertext_is_noticed(tmp_path: Path) -> None:
    document = changed(ciphertext="00" + FOREIGN["crypto"]["ciphertext"][2:])

    with pytest.raises(Refused):
        load_evm_key(kept(tmp_path, document), passphrase=PASSPHRASE)


def test_a_keystore_is_of_the_account_it_names(tmp_path: Path) -> None:
    with pytest.raises(WireError, match="another account"):
        load_evm_key(kept(tmp_path, FOREIGN | {"address": "00" * 20}), passphrase=PASSPHRASE)
    without = {name: value for name, value in FOREIGN.items() if name != "address"}
    path = kept(tmp_path, without)
    assert load_evm_key(path, passphrase=PASSPHRASE).address == SIGNER.address


@pytest.mark.parametrize(
    "document",
    [
        "", "[]", "{}", "null", FOREIGN | {"version": 1}, FOREIGN | {"crypto": None},
        changed(kdf="pbkdf2"), changed(cipher="aes-128-cbc"), changed(mac="00"),
        changed(mac=None), changed(ciphertext="00" * 31), changed(cipherparams={}),
        changed(kdfparams=[]), changed(kdf_dklen=64), changed(kdf_salt="zz"),
        changed(kdf_salt="00" * 65), changed(kdf_n=4095), changed(kdf_n=1), changed(kdf_n="4096"),
        changed(kdf_r=0), changed(kdf_p=True),
    ],
)  # fmt: skip
def test_what_is_no_keystore_is_said_so(tmp_path: Path, document: Any) -> None:
    with pytest.raises(WireError):
        load_evm_key(kept(tmp_path, document), passphrase=PASSPHRASE)


@pytest.mark.parametrize(
    "costs",
    [{"kdf_n": 2**25}, {"kdf_n": 2**24, "kdf_r": 1, "kdf_p": 16}, {"kdf_r": 64, "kdf_n": 2**20},
     {"kdf_p": 17}, {"kdf_r": 65}, {"kdf_n": 2**20, "kdf_p": 16}, {"kdf_n": 2**21}],
)  # fmt: skip
def test_a_strangers_file_does_not_choose_what_it_costs(
    tmp_path: Path, costs: dict[str, int]
) -> None:
    with pytest.raises(WireError):
        load_evm_key(kept(tmp_path, changed(**costs)), passphrase=PASSPHRASE)


def test_a_file_that_others_read_is_not_used(tmp_path: Path) -> None:
    path = kept(tmp_path, FOREIGN)
    path.chmod(0o640)

    with pytest.raises(MisuseError, match="chmod 600"):
        load_evm_key(path, passphrase=PASSPHRASE)


def test_a_missing_file_and_an_empty_passphrase_are_the_callers_mistakes(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match="there is no keystore"):
        load_evm_key(tmp_path / "none", passphrase=PASSPHRASE)
    with pytest.raises(MisuseError, match="empty passphrase"):
        create_evm_key(tmp_path / "new", passphrase="")
    with pytest.raises(MisuseError, match="32 bytes"):
        create_evm_key(tmp_path / "new", passphrase="x", secret=bytes(32))
    assert not (tmp_path / "new").exists()


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UnavailableError):
        create_evm_key(tmp_path / "file" / "deeper" / "key", passphrase="x")
    with pytest.raises(UnavailableError):
        load_evm_key(tmp_path / "file" / "key", passphrase="x")
