"""An account speaks through its key or through its code, and nobody else vouches for it."""

from __future__ import annotations

import pytest

from treaty.errors import MisuseError, SignatureError, UnavailableError
from treaty.identity.accounts import VerifiedByAccount, is_key_signature, verify_account
from treaty.identity.secp256k1 import EvmSigner

OWNER = EvmSigner(b"\x11" * 32)
WALLET = "0x" + "42" * 20
DIGEST = bytes(range(32))
SIGNATURE = OWNER.sign_digest(DIGEST)


class Wallets:
    """Accounts with code, each vouching for what one owner signs; it remembers the questions."""

    def __init__(self, vouches: bool = True) -> None:
        self.vouches = vouches
        self.asked: list[tuple[int, str]] = []

    def __call__(self, chain_id: int, account: str, digest: bytes, signature: bytes) -> bool:
        self.asked.append((chain_id, account))
        return self.vouches and account == WALLET and digest == DIGEST


def check(account: str, contracts: Wallets | None, signature: bytes = SIGNATURE):
    return verify_account(
        "offer",
        account=account,
        digest=DIGEST,
        signature=signature,
        chain_id=8453,
        contracts=contracts,
    )


def test_a_key_is_enough_and_the_chain_is_not_asked() -> None:
    wallets = Wallets()

    verified = check(OWNER.address, wallets)

    assert (verified.value, verified.account, verified.digest) == ("offer", OWNER.address, DIGEST)
    assert not verified.by_contract
    assert wallets.asked == []


def test_code_is_asked_when_the_key_is_another() -> None:
    wallets = Wallets()

    verified = check(WALLET, wallets)

    assert verified.by_contract
    assert verified.account == WALLET
    assert wallets.asked == [(8453, WALLET)]


def test_code_may_take_signatures_of_any_form() -> None:
    assert check(WALLET, Wallets(), b"two owners and a guard").by_contract


@pytest.mark.parametrize("signature", [SIGNATURE, b"", SIGNATURE[:64] + b"\x02"])
def test_code_that_does_not_vouch_is_a_refusal(signature: bytes) -> None:
    with pytest.raises(SignatureError) as refusal:
        check(WALLET, Wallets(vouches=False), signature)

    assert refusal.value.code == "signature_invalid"


def test_without_a_chain_there_are_only_keys() -> None:
    with pytest.raises(SignatureError, match="not by 0x4242"):
        check(WALLET, None)


def test_a_chain_out_of_reach_is_not_a_wrong_signature() -> None:
    def unreachable(chain_id: int, account: str, digest: bytes, signature: bytes) -> bool:
        raise UnavailableError("no node")

    with pytest.raises(UnavailableError):
        verify_account(
            "offer", account=WALLET, digest=DIGEST, signature=SIGNATURE, chain_id=1,
            contracts=unreachable,
        )  # fmt: skip


def test_nobody_else_makes_one() -> None:
    with pytest.raises(MisuseError):
        VerifiedByAccount("offer", WALLET, DIGEST)
    with pytest.raises(MisuseError):
        VerifiedByAccount("offer", WALLET, DIGEST, False, object())


def test_a_key_signature_is_known_by_its_length() -> None:
    assert is_key_signature(SIGNATURE)
    assert not is_key_signature(SIGNATURE + b"\0")
