"""A kernel comes from configuration, and its domain is the protocol's."""

from __future__ import annotations

import pytest

from tests.dialects.actp.messages_made import CHAIN, KERNEL
from treaty.dialects.actp.chains import BASE_MAINNET, BASE_SEPOLIA, KNOWN_KERNELS, MOCK, Chains
from treaty.errors import MisuseError, Refused


@pytest.mark.parametrize(
    ("chain", "kernel", "published"),
    [
        (
            BASE_SEPOLIA,
            "0x9d25A874f046185d9237Cd4954C88D2B74B0021b",
            "2667c0e5b764147a9ace701f184930333c0848be24915623e26e3c558a13c727",
        ),
        (
            BASE_MAINNET,
            "0x048c811352e8a3fECd5b0Ec4AA2c2b94083CC842",
            "cb34e3bf7da4be00c794d38a924af163ba58c3110f523b62485fa61526d8df43",
        ),
        (
            BASE_SEPOLIA,
            "0x" + "0" * 40,
            "ee89b0857c1fb15ae257ab124c47f7ec332979481d61d6d229f7378e5f7a22eb",
        ),
        (
            BASE_SEPOLIA,
            KERNEL,
            "02ca602560ab83a47c8ab4a840ac1821b119a4979eb78950fdbe1e38c184c9d6",
        ),
        (BASE_MAINNET, KERNEL, "1c1cfcac89214ebb3dca7912829fb4125097c52a99ad40bcd06ff3a49024eba0"),
    ],
)
def test_the_domains_of_the_protocol(chain: int, kernel: str, published: str) -> None:
    """1.1."""
    assert Chains({chain: kernel}).separator(chain).hex() == published


def test_the_known_kernels_and_the_mock_are_the_peers() -> None:
    assert Chains(KNOWN_KERNELS).ids == (8453, 84532)
    assert (
        Chains(KNOWN_KERNELS).kernel(BASE_MAINNET) == "0x048c811352e8a3fecd5b0ec4aa2c2b94083cc842"
    )
    assert MOCK.ids == (84532,)
    assert MOCK.kernel(84532) == "0x" + "0" * 40


def test_any_chain_may_be_configured_and_no_other_is_known() -> None:
    chains = Chains({31_337: KERNEL})

    assert chains.kernel(31_337) == KERNEL.lower()
    with pytest.raises(Refused) as refusal:
        chains.separator(CHAIN)
    assert (refusal.value.code, refusal.value.reason.status) == ("chain_unsupported", 400)


@pytest.mark.parametrize("kernels", [{}, {1: "0xabc"}, {-1: KERNEL}, {2**256: KERNEL}])
def test_a_wrong_configuration_is_told_at_once(kernels: dict[int, str]) -> None:
    with pytest.raises(MisuseError):
        Chains(kernels)
