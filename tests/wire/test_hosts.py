"""URLs of strangers: every spelling that hides where it leads, and what is public."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treaty.errors import Refused
from treaty.wire.hosts import (
    URL_CHARS_MAX,
    Place,
    follow,
    is_loopback,
    is_private_name,
    is_public,
    is_unicast,
    is_within,
    read_url,
    same_origin,
)


def words(text: str) -> list[str]:
    return text.split()


def refusal(url: object) -> str:
    with pytest.raises(Refused) as caught:
        read_url(url)
    return caught.value.code


@pytest.mark.parametrize(
    ("url", "read"),
    [
        ("https://example.com", "https://example.com/"),
        ("HTTPS://Example.COM:443/a?b=c#d", "https://example.com/a?b=c"),
        ("http://example.com.:80?x", "http://example.com/?x"),
        ("http://example.com:8080/a b".replace(" ", "%20"), "http://example.com:8080/a%20b"),
        ("http://example.com/ü", "http://example.com/%C3%BC"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://straße.example/", "https://xn--strae-oqa.example/"),
        ("http://[2606:4700::0:1]:81/", "http://[2606:4700::1]:81/"),
        ("http://93.184.216.34/", "http://93.184.216.34/"),
        ("http://a_b.example/", "http://a_b.example/"),
    ],
)
def test_a_url_has_one_spelling(url: str, read: str) -> None:
    assert read_url(url).url == read
    assert read_url(read).url == read


@pytest.mark.parametrize(
    "url",
    [
        # Numbers spelt otherwise.
        "https://2130706433",
        "https://127.1",
        "https://0x7f000001",
        "https://0x7f.1",
        "https://0177.0.0.1",
        "https://127.0.0.0x1",
        "https://0",
        "https://0x",
        "https://127.0.0.1.0",
        "https://256.1.1.1",
        "https://example.com.0x7f",
        "https://127.0.0.1..",
        # Escapes and lookalikes.
        "https://%31%32%37.0.0.1",
        "https://example%2ecom",
        "https://127\u30020\u30020\u30021.x%00",
        "https://[::1%25eth0]/",
        "https://[fe80::1%eth0]/",
        # Two readings.
        "https://example.com\\@127.0.0.1/",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://example.com@127.0.0.1/",
        "https://example.com:80:90/",
        "https://[::1]x:80/",
        "https://[::1/",
        "https://[127.0.0.1]/",
        "https://::1/",
        "http://exa mple.com/",
        "http://example.com/\r\nHost: x",
        "\thttp://example.com/",
        "http://exam\nple.com",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:+80/",
        "http://example.com:\uff18\uff10/",
        "http://-a.example/",
        "http://a..example/",
        "http:///path",
        "http://",
        "http:example.com",
        f"http://{'a' * 64}.example/",
        f"http://{'a.' * 130}example/",
        "http://example.com/" + "a" * URL_CHARS_MAX,
        "",
        None,
        7,
        ["http://example.com"],
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(url: object) -> None:
    assert refusal(url) == "url_invalid"


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://example.com", "gopher://x", "javascript:1", "//example.com", "x"],
)
def test_only_http_is_fetched(url: str) -> None:
    assert refusal(url) == "scheme_forbidden"


@pytest.mark.parametrize(
    "url",
    [
        "https://\uff11\uff12\uff17.0.0.1/",
        "https://127\u30020\u30020\u30021/",
        "https://\u246027.0.0.1/",
    ],
)
def test_a_lookalike_of_a_number_is_the_number(url: str) -> None:
    assert read_url(url).literal == ip_address("127.0.0.1")


PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.255.255.255 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.8 192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255
198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 168.63.129.16
:: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:0:127.0.0.1 64:ff9b::7f00:1
64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 3fff::1 5f00::1 fc00::1 fd12::1 fe80::1
fe90::1 febf::1 fec0::1 ff02::1 ff0e::1 4000::1 fe80::1%eth0 2606:4700::1%eth0
"""


@pytest.mark.parametrize("text", words(PRIVATE))
def test_an_address_is_not_public(text: str) -> None:
    assert not is_public(ip_address(text))


@pytest.mark.parametrize(
    "text",
    words(
        "1.1.1.1 8.8.8.8 93.184.216.34 100.63.0.1 100.128.0.1 172.32.0.1 192.0.1.1 198.20.0.1 "
        "223.255.255.1 2606:4700::1111 2a00:1450::1 2620:fe::fe"
    ),
)
def test_an_address_is_public(text: str) -> None:
    assert is_public(ip_address(text))


def test_loopback_is_loopback_in_its_plain_form_only() -> None:
    assert all(is_loopback(ip_address(one)) for one in ("127.0.0.1", "127.9.9.9", "::1"))
    others = ("::ffff:127.0.0.1", "::127.0.0.1", "0.0.0.0", "::", "10.0.0.1")
    assert not any(is_loopback(ip_address(one)) for one in others)


def test_unicast_is_what_one_machine_may_have() -> None:
    assert all(is_unicast(ip_address(one)) for one in ("127.0.0.1", "10.0.0.1", "fd00::1"))
    others = (
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "ff02::1",
        "::ffff:10.0.0.1",
        "169.254.169.254",
        "fe80::1",
    )
    assert not any(is_unicast(ip_address(one)) for one in others)


@pytest.mark.parametrize(
    "host",
    ["localhost", "x.localhost", "intranet", "metadata.google.internal", "printer.local",
     "router.home.arpa", "1.0.0.127.in-addr.arpa", "a.onion", "a.invalid"],
)  # fmt: skip
def test_a_name_is_private(host: str) -> None:
    assert is_private_name(host)
    assert not is_private_name(f"{host}.example.com")


@pytest.mark.parametrize(
    ("host", "domains", "within"),
    [
        ("example.com", (), True),
        ("example.com", ("example.com",), True),
        ("www.example.com", ("example.com",), True),
        ("www.example.com", ("*.EXAMPLE.com.",), True),
        ("www.example.com", (".example.com",), True),
        ("xn--bcher-kva.example", ("bücher.example",), True),
        ("127.0.0.1", ("127.0.0.1",), True),
        ("::1", ("[::1]",), True),
        ("::1", ("0::1",), True),
        ("badexample.com", ("example.com",), False),
        ("example.com.evil.org", ("example.com",), False),
        ("example.com", ("www.example.com",), False),
        ("127.0.0.1", ("0.0.1",), False),
        ("1.2.3.4", ("3.4",), False),
        ("example.com", ("",), False),
        ("example.com", ("*",), False),
        ("example.com", ("https://example.com",), False),
    ],
)
def test_a_host_is_within_domains(host: str, domains: tuple[str, ...], within: bool) -> None:
    assert is_within(host, domains) is within


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        ("/b", "https://example.com/b"),
        ("b", "https://example.com/a/b"),
        ("//other.example/x", "https://other.example/x"),
        ("http://127.0.0.1/", "http://127.0.0.1/"),
        ("?q=1", "https://example.com/a/?q=1"),
    ],
)
def test_a_redirect_leads_somewhere(location: str, leads_to: str) -> None:
    assert follow(read_url("https://example.com/a/"), location).url == leads_to


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("file:///etc/passwd", "scheme_forbidden"),
        ("http://user@x.example/", "url_invalid"),
        ("http://2130706433/", "url_invalid"),
        ("http://[::1", "url_invalid"),
        ("a" * (URL_CHARS_MAX + 1), "url_invalid"),
    ],
)
def test_a_redirect_is_read_as_strictly(location: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        follow(read_url("https://example.com/a/"), location)
    assert caught.value.code == code


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for url in (text, f"http://{text}", f"http://example.com/{text}"):
        try:
            place = read_url(url)
        except Refused:
            continue
        assert isinstance(place, Place)
        assert read_url(place.url) == place
        assert place.url.isascii()


@pytest.mark.parametrize(
    ("url", "other", "same"),
    [
        ("http://a.example/x", "http://A.example:80/y?z", True),
        ("http://a.example/", "https://a.example/", False),
        ("http://a.example/", "http://a.example:8080/", False),
        ("http://a.example/", "http://b.a.example/", False),
        ("http://a.example/", "nonsense", False),
        ("nonsense", "nonsense", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, other: str, same: bool) -> None:
    assert same_origin(url, other) is same
