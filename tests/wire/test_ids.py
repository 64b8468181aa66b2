"""Identifiers: RFC 9562's example, one spelling per agent URI, organisations by public suffix."""

from __future__ import annotations

import subprocess
import sys
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.errors import MisuseError, WireError
from treaty.wire.ids import (
    AgentUri,
    is_uuid,
    parse_agent_uri,
    registrable_domain,
    uuid7,
)


def test_the_published_uuid7_comes_out() -> None:
    # RFC 9562, appendix A.6: its time, its rand_a and its rand_b.
    entropy = (0xCC3 << 68 | 0x18C4DC0C0C07398F).to_bytes(10, "big")

    assert uuid7(0x017F22E279B0, entropy) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=40))
def test_a_uuid7_carries_version_variant_and_time(at_ms: int, entropy: bytes) -> None:
    text = uuid7(at_ms, entropy)
    parsed = uuid.UUID(text)

    assert is_uuid(text)
    assert text == str(parsed)
    assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
    assert parsed.int >> 80 == at_ms


@given(st.integers(0, 2**48 - 2), st.binary(min_size=10, max_size=10), st.binary(min_size=10))
def test_later_ids_sort_later(at_ms: int, one: bytes, other: bytes) -> None:
    assert uuid7(at_ms, one) < uuid7(at_ms + 1, other)


def test_74_bits_of_entropy_count() -> None:
    ids = {uuid7(0, (1 << bit).to_bytes(10, "big")) for bit in range(80)}

    assert len(ids) == 74 + 1


@pytest.mark.parametrize(
    ("at_ms", "entropy"), [(-1, b"x" * 10), (2**48, b"x" * 10), (0, b"x" * 9), (0, b"")]
)
def test_a_uuid7_is_not_made_of_too_little_or_too_much(at_ms: int, entropy: bytes) -> None:
    with pytest.raises(MisuseError):
        uuid7(at_ms, entropy)


@pytest.mark.parametrize(
    "text",
    [
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
        "017F22E2-79B0-7CC3-98C4-DC0C0C07398F",
        "00000000-0000-0000-0000-000000000000",
        "c232ab00-9414-11ec-b3c8-9f6bdeced846",
    ],
)
def test_a_uuid_of_any_version_and_case_is_one(text: str) -> None:
    assert is_uuid(text)


@pytest.mark.parametrize(
    "text",
    [
        "017f22e279b07cc398c4dc0c0c07398f",
        "{017f22e2-79b0-7cc3-98c4-dc0c0c07398f}",
        "urn:uuid:017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398f\n",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398",
        "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
        "017f22e-279b0-7cc3-98c4-dc0c0c07398f",
        "\u066017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
        "",
        None,
        7,
        ["017f22e2-79b0-7cc3-98c4-dc0c0c07398f"],
    ],
)
def test_other_texts_are_no_uuids(text: Any) -> None:
    assert not is_uuid(text)


@pytest.mark.parametrize(
    ("text", "host", "path"),
    [
        ("agent://acme.com/procurement/alpha", "acme.com", "/procurement/alpha"),
        ("agent://localhost", "localhost", ""),
        ("agent://localhost/beta", "localhost", "/beta"),
        ("agent://a-1.xn--bcher-kva.example/A.b_c~d-e/...", "a-1.xn--bcher-kva.example",
         "/A.b_c~d-e/..."),
        ("agent://4chan.org", "4chan.org", ""),
    ],
)  # fmt: skip
def test_agent_uris_are_taken_apart(text: str, host: str, path: str) -> None:
    assert parse_agent_uri(text) == AgentUri(text, host, path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "agent://",
        "agent:///path",
        "agent:acme.com",
        "AGENT://acme.com",
        "https://acme.com",
        "agent://Acme.com",
        "agent://acme.com.",
        "agent://.acme.com",
        "agent://acme..com",
        "agent://-acme.com",
        "agent://acme-.com",
        "agent://ac_me.com",
        "agent://bücher.example",
        "agent://acme.com:443",
        "agent://user@acme.com",
        "agent://[::1]/a",
        "agent://127.0.0.1/a",
        "agent://acme.1",
        f"agent://{'a' * 64}.com",
        "agent://acme.com/",
        "agent://acme.com//a",
        "agent://acme.com/a/",
        "agent://acme.com/.",
        "agent://acme.com/..",
        "agent://acme.com/a/../b",
        "agent://acme.com/a%2Fb",
        "agent://acme.com/a b",
        "agent://acme.com/a?b",
        "agent://acme.com/a#b",
        "agent://acme.com/é",
        "agent://acme.com/\u0661",
        "agent://acme.com\n",
        "agent://acme.com/a\n",
        " agent://acme.com",
        None,
        1,
        ["agent://acme.com"],
    ],
)
def test_other_texts_are_no_agent_uris(text: Any) -> None:
    with pytest.raises(WireError):
        parse_agent_uri(text)


def test_an_agent_uri_has_at_most_255_bytes() -> None:
    longest = "agent://acme.com/" + "a" * (255 - len("agent://acme.com/"))

    assert parse_agent_uri(longest).text == longest
    with pytest.raises(WireError, match="255"):
        parse_agent_uri(longest + "a")


@given(st.text("agent:/.-_~%A1é\n", max_size=30).map("agent://a".__add__))
def test_an_agent_uri_is_its_parts_put_together(text: str) -> None:
    try:
        parsed = parse_agent_uri(text)
    except WireError:
        return
    assert f"agent://{parsed.host}{parsed.path}" == text
    assert parsed.path == "" or parsed.path.startswith("/")


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        ("acme.com", "acme.com"),
        ("agents.eu.acme.com", "acme.com"),
        ("shop.acme.co.uk", "acme.co.uk"),
        ("a.b.kobe.jp", "a.b.kobe.jp"),
        ("www.city.kobe.jp", "city.kobe.jp"),
        # Tenants of one hosting provider are different organisations.
        ("alice.github.io", "alice.github.io"),
        ("deep.alice.github.io", "alice.github.io"),
        # A suffix, or a name that is not under one, stands for itself.
        ("co.uk", "co.uk"),
        ("github.io", "github.io"),
        ("com", "com"),
        ("localhost", "localhost"),
        ("beta.acme.test", "acme.test"),
        ("www.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn"),
    ],
)
def test_an_organisation_is_the_registrable_domain(host: str, domain: str) -> None:
    assert registrable_domain(host) == domain


def test_importing_does_not_read_the_suffix_list() -> None:
    question = "from treaty.wire import ids; print(ids._public_suffixes.cache_info().currsize)"
    answer = subprocess.run(
        [sys.executable, "-c", question],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )

    assert answer.stdout.strip() == "0"
