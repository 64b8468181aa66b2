"""One grammar for both parties; every spelling of the peer's has an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.dialects.actp.dids import checksummed, did_account, make_did
from treaty.errors import MisuseError, Refused

ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"


@pytest.mark.parametrize("address", [ADDRESS, ADDRESS.lower(), "0x" + ADDRESS[2:].upper()])
def test_an_account_may_be_written_in_any_case(address: str) -> None:
    assert did_account(f"did:ethr:84532:{address}", 84532) == ADDRESS.lower()


def test_a_wrong_checksum_is_no_matter() -> None:
    assert did_account(f"did:ethr:8453:0xAa{ADDRESS[4:]}", 8453) == "0xaa" + ADDRESS[4:].lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "did:ethr:",
        f"did:ethr:{ADDRESS}",
        f"did:ethr:base-sepolia:{ADDRESS}",
        f"did:ethr:0x14a34:{ADDRESS}",
        f"did:ethr:084532:{ADDRESS}",
        f"did:ethr:+84532:{ADDRESS}",
        f"did:ethr:84532:84532:{ADDRESS}",
        f"did:ethr:84532:{ADDRESS[2:]}",
        f"did:ethr:84532:0X{ADDRESS[2:]}",
        f"did:ethr:84532:{ADDRESS}\n",
        f"did:ethr:84532:{ADDRESS}#controller",
        f"did:ethr:84532:{ADDRESS[:-1]}\u0661",
        f"did:ethr:\u0668\u0664\u0665\u0663\u0662:{ADDRESS}",
        f"did:ethr:84532:0x{'0' * 40}",
        f"did:agirails:84532:{ADDRESS}",
    ],
)
def test_another_spelling_is_no_did_of_ours(text: str) -> None:
    """1.6: the peer reads the middle part as anything, and only the prefix of the other party."""
    with pytest.raises(Refused) as refusal:
        did_account(text, 84532)

    assert (refusal.value.code, refusal.value.reason.status) == ("did_invalid", 422)


@pytest.mark.parametrize("chain", [0, 1, 8453, 845320, 10**77])
def test_the_chain_is_the_messages(chain: int) -> None:
    with pytest.raises(Refused) as refusal:
        did_account(f"did:ethr:{chain}:{ADDRESS}", 84532)

    assert refusal.value.code == "did_chain_mismatch"


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(Refused):
        did_account(text, 84532)


@given(st.integers(0, 2**64), st.binary(min_size=20, max_size=20).filter(any))
def test_what_we_write_we_read(chain: int, account: bytes) -> None:
    address = "0x" + account.hex()

    assert did_account(make_did(chain, address), chain) == address
    assert did_account(make_did(chain, checksummed(address)), chain) == address


@pytest.mark.parametrize(
    "address",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_the_checksums_of_the_standard(address: str) -> None:
    """The test cases of EIP-55."""
    assert checksummed(address.lower()) == address


@pytest.mark.parametrize("address", ["", "0x", ADDRESS[2:], ADDRESS + "0", "0X" + ADDRESS[2:]])
def test_a_did_is_made_of_an_address(address: str) -> None:
    with pytest.raises(MisuseError):
        make_did(1, address)
    with pytest.raises(MisuseError):
        checksummed(address)
    with pytest.raises(MisuseError):
        make_did(-1, ADDRESS)
