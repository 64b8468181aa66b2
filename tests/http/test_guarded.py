"""The guarded client on real sockets: where it goes, where nobody is sent, and where it stops."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import ssl
from contextlib import suppress
from pathlib import Path

import httpcore
import pytest

from tests.http.pages import Asked, Write, page, pages
from treaty.engine.fetching import Fetcher
from treaty.errors import MisuseError, Refused, TreatyError, UnavailableError
from treaty.http.guarded import GuardedClient
from treaty.http.pinned import PinnedBackend, Rules

pytestmark = pytest.mark.anyio

LIMIT = 100_000


def resolving(*rounds: tuple[str, ...]):
    """A resolver that answers each question with the next round, the last one for ever."""
    left = list(rounds)

    async def resolve(_host: str, _port: int) -> tuple[str, ...]:
        return left.pop(0) if len(left) > 1 else left[0]

    return resolve


async def refusal(client: GuardedClient, url: str, **options) -> str:
    with pytest.raises(TreatyError) as caught:
        await client.fetch(url, **options)
    return caught.value.code


async def test_a_page_comes_back() -> None:
    async with pages({"/a": page("hello", etag="x")}) as served, open_client() as client:
        fetched = await client.fetch(f"{served.url}/a?b=c#d")

    assert (fetched.status, fetched.body, fetched.url) == (200, b"hello", f"{served.url}/a?b=c")
    assert (fetched.headers["etag"], fetched.media_type) == ("x", "text/html")
    assert (fetched.hops, fetched.is_success) == ((), True)
    asked = served.asked[0]
    assert (asked.method, asked.target) == ("GET", "/a?b=c")
    assert asked.headers == {
        "host": f"127.0.0.1:{served.port}",
        "accept-encoding": "gzip",
        "user-agent": "treaty",
        "accept": "*/*",
    }


def open_client(**options) -> GuardedClient:
    """A client that may go to loopback."""
    return GuardedClient(allow_loopback=True, **options)


async def test_the_client_is_the_port_of_the_engine() -> None:
    port: Fetcher = GuardedClient()

    assert callable(port.fetch)


async def test_any_status_is_an_answer() -> None:
    async with pages({}) as served, open_client() as client:
        fetched = await client.fetch(f"{served.url}/missing")

    assert (fetched.status, fetched.is_success) == (404, False)


async def test_without_the_switch_nobody_connects_to_this_machine() -> None:
    async with pages({"/": page("secret")}) as served, GuardedClient() as client:
        for host in ("127.0.0.1", "localhost", "[::1]", "x.localhost", "127.0.0.2"):
            url = f"http://{host}:{served.port}/"
            assert await refusal(client, url) == "address_forbidden"

    assert served.connections == 0


LITERALS = """
http://0.0.0.0 http://10.0.0.1 http://172.16.0.1 http://192.168.0.1 http://169.254.169.254
http://100.64.0.1 http://198.18.0.1 http://224.0.0.1 http://255.255.255.255 http://[::]
http://[0:0:0:0:0:0:0:1] http://[0:0:0:0:0:ffff:7f00:1] http://[::ffff:127.0.0.1]
http://[::127.0.0.1] http://[64:ff9b::7f00:1] http://[fe80::1] http://[fe90::1]
http://[febf::1] http://[fc00::1] http://[fdff::1] http://[2002:7f00:1::]
http://metadata.google.internal http://intranet http://localhost.
"""


@pytest.mark.parametrize("url", LITERALS.split())
async def test_an_address_that_is_not_public_is_refused(url: str) -> None:
    async with GuardedClient() as client:
        assert await refusal(client, url) == "address_forbidden"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fe80::1%1", "0.0.0.0"],
)
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    client = GuardedClient(resolve=resolving((address,)))

    assert await refusal(client, "http://127.0.0.1.nip.io/") == "address_forbidden"


@pytest.mark.parametrize("port", [1, 22, 25, 53, 465, 631, 1023])
async def test_ports_of_other_services_are_refused(port: int) -> None:
    client = open_client(resolve=resolving(("93.184.216.34",)))

    assert await refusal(client, f"http://mail.example:{port}/") == "address_forbidden"
    assert await refusal(client, f"http://127.0.0.1:{port}/") == "address_forbidden"


async def test_where_a_name_leads_within_is_not_told() -> None:
    client = GuardedClient(resolve=resolving(("10.1.2.3",)))
    with pytest.raises(Refused) as caught:
        await client.fetch("http://inside.example/")

    assert "10.1.2.3" not in str(caught.value.detail)


async def test_one_forbidden_address_forbids_the_name() -> None:
    client = GuardedClient(resolve=resolving(("93.184.216.34", "127.0.0.1")))

    assert await refusal(client, "http://mixed.example/") == "address_forbidden"


@pytest.mark.parametrize("url", ["http://2130706433", "http://0x7f.1", "http://127.0.0.1.0"])
async def test_the_switch_does_not_open_other_spellings(url: str) -> None:
    async with open_client() as client:
        assert await refusal(client, url) == "url_invalid"


async def test_the_switch_opens_loopback_and_nothing_else() -> None:
    client = open_client(resolve=resolving(("10.0.0.1",)))

    assert await refusal(client, "http://10.0.0.1/") == "address_forbidden"
    assert await refusal(client, "http://inside.example/") == "address_forbidden"
    assert await refusal(client, "http://[::ffff:127.0.0.1]/") == "address_forbidden"


async def test_a_name_is_resolved_once_for_a_connection() -> None:
    """Rebinding: the second answer of the resolver is never asked for."""
    resolve = resolving(("127.0.0.1",), ("10.0.0.1",))
    async with pages({"/": page("here")}) as served, open_client(resolve=resolve) as client:
        url = f"http://rebound.example:{served.port}/"
        fetched = await client.fetch(url)

        assert fetched.body == b"here"
        assert served.asked[0].headers["host"] == f"rebound.example:{served.port}"


async def test_a_new_connection_checks_anew() -> None:
    resolve = resolving(("127.0.0.1",), ("10.0.0.1",))
    closing = {"/": page("here", connection="close")}
    async with pages(closing) as served, open_client(resolve=resolve) as client:
        url = f"http://rebound.example:{served.port}/"
        await client.fetch(url)

        assert await refusal(client, url) == "address_forbidden"


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    resolve = resolving(("::1", "127.0.0.1"))
    async with pages({"/": page("here")}) as served, open_client(resolve=resolve) as client:
        fetched = await client.fetch(f"http://both.example:{served.port}/")

    assert fetched.body == b"here"


async def test_what_does_not_resolve_or_listen_is_out_of_reach() -> None:
    async def nobody(_host: str, _port: int) -> tuple[str, ...]:
        raise OSError("no such name")

    async with pages({}) as served:
        closed = served.port
    for client in (open_client(resolve=nobody), open_client(resolve=resolving(()))):
        assert await refusal(client, "http://gone.example/") == "fetch_failed"
    assert await refusal(open_client(), f"http://127.0.0.1:{closed}/") == "fetch_failed"


async def test_a_trusted_origin_may_be_anywhere_and_its_redirects_may_not() -> None:
    leads = {"/": page("", 302, location="http://127.0.0.1:1025/"), "/b": page("backend")}
    async with pages(leads) as served, GuardedClient(trusted=(served.url,)) as client:
        assert (await client.fetch(f"{served.url}/b")).body == b"backend"
        assert await refusal(client, f"{served.url}/") == "address_forbidden"
        assert await refusal(client, f"http://127.0.0.2:{served.port}/") == "address_forbidden"


def test_a_trusted_origin_has_no_path() -> None:
    with pytest.raises(MisuseError):
        GuardedClient(trusted=("http://10.0.0.1/api",))


async def test_redirects_are_followed_and_told() -> None:
    leads = {
        "/a": page("", 301, location="/b"),
        "/b": page("", 302, location="c"),
        "/c": page("there"),
    }
    async with pages(leads) as served, open_client() as client:
        fetched = await client.fetch(f"{served.url}/a")

    assert fetched.body == b"there"
    assert fetched.url == f"{served.url}/c"
    assert fetched.hops == (f"{served.url}/a", f"{served.url}/b")


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://169.254.169.254/latest", "address_forbidden"),
        ("http://0x7f000001/", "url_invalid"),
        ("http://user@127.0.0.1/", "url_invalid"),
        ("file:///etc/passwd", "scheme_forbidden"),
        ("gopher://127.0.0.1:6379/_", "scheme_forbidden"),
        ("/loop", "redirect_refused"),
        ("", "redirect_refused"),
    ],
)
async def test_a_redirect_is_checked_as_the_first_url_was(location: str, code: str) -> None:
    answers = {"/": page("", 302, location=location), "/loop": page("", 307, location="/loop")}
    async with pages(answers) as served, open_client() as client:
        assert await refusal(client, f"{served.url}/") == code


async def test_the_domains_agreed_on_hold_for_every_hop() -> None:
    resolve = resolving(("127.0.0.1",))
    async with pages({}) as served, open_client(resolve=resolve) as client:
        away = {"/": page("", 302, location=f"http://evil.example:{served.port}/x")}
        served_url = f"http://www.example.com:{served.port}/"
        async with pages(away) as first:
            url = f"http://www.example.com:{first.port}/"
            domains = ("example.com",)
            assert await refusal(client, url, allowed_domains=domains) == "domain_forbidden"
            assert first.connections == 1
        other = ("example.org",)
        assert await refusal(client, served_url, allowed_domains=other) == "domain_forbidden"
        assert served.connections == 0


async def test_without_redirects_a_redirect_is_an_answer() -> None:
    async with pages({"/": page("", 302, location="/b")}) as served, open_client() as client:
        fetched = await client.fetch(f"{served.url}/", redirects_max=0)

    assert (fetched.status, fetched.headers["location"]) == (302, "/b")


@pytest.mark.parametrize(
    ("status", "method", "body"),
    [(301, "GET", b""), (303, "GET", b""), (307, "POST", b"x"), (308, "POST", b"x")],
)
async def test_a_redirected_post(status: int, method: str, body: bytes) -> None:
    leads = {"/": page("", status, location="/b"), "/b": page("done")}
    async with pages(leads) as served, open_client() as client:
        headers = {"Content-Type": "text/plain"}
        await client.fetch(f"{served.url}/", method="POST", body=b"x", headers=headers)

    last = served.asked[-1]
    assert (last.method, last.body, "content-type" in last.headers) == (method, body, bool(body))


async def test_secrets_and_bodies_do_not_follow_to_another_origin() -> None:
    async with pages({"/": page("other")}) as other:
        leads = {
            "/get": page("", 302, location=f"{other.url}/"),
            "/post": page("", 307, location=f"{other.url}/"),
        }
        async with pages(leads) as served, open_client() as client:
            headers = {"authorization": "Bearer s", "x-token": "c", "accept": "text/plain"}
            await client.fetch(f"{served.url}/get", headers=headers)
            post = {"method": "POST", "body": b"s"}
            assert await refusal(client, f"{served.url}/post", **post) == "redirect_refused"

    assert "authorization" in served.asked[0].headers
    assert [one.headers["accept"] for one in other.asked] == ["text/plain"]
    assert not {"authorization", "x-token"} & other.asked[0].headers.keys()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Content-Length": "0"},
        {"transfer-encoding": "chunked"},
        {"Connection": "upgrade"},
        {"Accept-Encoding": "br"},
        {"x": "a\r\nHost: evil"},
        {"x": "a\0"},
        {"x y": "a"},
        {"": "a"},
        {"x": "→"},
        {"x": "a" * 9_000},
        {f"x{number}": "a" for number in range(33)},
    ],
)
async def test_a_header_that_frames_the_message_is_refused(headers: dict[str, str]) -> None:
    async with pages({}) as served, open_client() as client:
        assert await refusal(client, served.url, headers=headers) == "header_forbidden"

    assert served.connections == 0


async def test_a_method_is_one_of_a_few() -> None:
    async with open_client() as client:
        with pytest.raises(MisuseError):
            await client.fetch("http://127.0.0.1/", method="CONNECT")


async def test_bytes_are_counted_with_and_without_a_length() -> None:
    answers = {
        "/fits": page(b"x" * LIMIT),
        "/long": page(b"x" * (LIMIT + 1)),
        "/endless": b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n" + b"x" * (2 * LIMIT),
    }
    async with pages(answers) as served, open_client() as client:
        fetched = await client.fetch(f"{served.url}/fits", bytes_max=LIMIT)
        assert len(fetched.body) == LIMIT
        for path in ("/long", "/endless"):
            code = await refusal(client, served.url + path, bytes_max=LIMIT)
            assert code == "answer_too_large"


async def test_bytes_are_counted_after_decompression() -> None:
    packed = {"content_encoding": "gzip"}
    answers = {
        "/fits": page(gzip.compress(b"y" * LIMIT), **packed),
        "/two": page(gzip.compress(b"a") + gzip.compress(b"b"), **packed),
        "/empty": page(b"", **packed),
        "/bomb": page(gzip.compress(b"\0" * 50_000_000), **packed),
    }
    async with pages(answers) as served, open_client() as client:
        for path, body in (("/fits", b"y" * LIMIT), ("/two", b"ab"), ("/empty", b"")):
            assert (await client.fetch(served.url + path, bytes_max=LIMIT)).body == body
        code = await refusal(client, f"{served.url}/bomb", bytes_max=LIMIT)
        assert code == "answer_too_large"


@pytest.mark.parametrize(
    "raw",
    [
        page(b"not gzip", content_encoding="gzip"),
        page(gzip.compress(b"cut off" * 100)[:-9], content_encoding="gzip"),
        page(gzip.compress(b"a") * 70, content_encoding="gzip"),
        page(b"x", content_encoding="br"),
        page(b"x", content_encoding="gzip, gzip"),
        b"HTTP/1.1 200 X\r\ncontent-length: 10\r\nconnection: close\r\n\r\nshort",
        b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 X\r\n" + b"x: y\r\n" * 60_000,
        b"",
    ],
)
async def test_what_is_no_answer_is_out_of_reach(raw: bytes) -> None:
    async def broken(_asked: Asked, write: Write) -> None:
        await write(raw)
        raise ConnectionResetError

    async with pages(broken) as served, open_client() as client:
        assert await refusal(client, served.url) == "fetch_failed"


async def test_an_answer_that_does_not_end_is_given_up_as_a_whole() -> None:
    async def stalling(_asked: Asked, write: Write) -> None:
        await write(b"HTTP/1.1 200 X\r\ncontent-length: 1000000\r\n\r\nx")
        await asyncio.Event().wait()

    async with pages(stalling) as served, open_client() as client:
        assert await refusal(client, served.url, timeout_ms=200) == "fetch_timeout"


async def test_a_resolver_that_hangs_is_given_up() -> None:
    async def hanging(_host: str, _port: int) -> tuple[str, ...]:
        await asyncio.Event().wait()
        return ()

    client = GuardedClient(resolve=hanging)
    assert await refusal(client, "http://slow.example/", timeout_ms=20) == "fetch_timeout"


async def test_fetches_beyond_the_limit_wait() -> None:
    inside = 0
    most = 0
    let_go = asyncio.Event()

    async def counting(_asked: Asked, write: Write) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        if inside == 2:
            let_go.set()
        await let_go.wait()
        inside -= 1
        await write(page("x"))

    async with pages(counting) as served, open_client(fetches_max=2) as client:
        found = await asyncio.gather(*(client.fetch(served.url) for _ in range(6)))

    assert [one.body for one in found] == [b"x"] * 6
    assert most == 2


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with pages({"/": page("direct")}) as served, open_client() as client:
        assert (await client.fetch(f"{served.url}/")).body == b"direct"


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A certificate for one name: the server's context and the client's that trusts it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), 1)
        .not_valid_before(start)
        .not_valid_after(start.replace(year=2120))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "both.pem"
    path.write_bytes(secret + pem)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_certificate_and_host_stay_those_of_the_name(tmp_path: Path) -> None:
    server, trusting = certificate(tmp_path, "shop.example")
    names: list[str | None] = []
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    resolve = resolving(("127.0.0.1",))
    async with pages({"/": page("tls")}, server) as served:
        async with open_client(resolve=resolve, tls=trusting) as client:
            fetched = await client.fetch(f"https://shop.example:{served.port}/")
            assert fetched.body == b"tls"
            other = f"https://other.example:{served.port}/"
            assert await refusal(client, other) == "fetch_failed"
        # Without the private authority the same server is nobody.
        async with open_client(resolve=resolve) as client:
            own = f"https://shop.example:{served.port}/"
            assert await refusal(client, own) == "fetch_failed"

    assert names == ["shop.example", "other.example", "shop.example"]
    assert served.asked[0].headers["host"] == f"shop.example:{served.port}"


async def test_https_is_not_left_by_a_redirect(tmp_path: Path) -> None:
    server, trusting = certificate(tmp_path, "shop.example")
    async with pages({"/": page("plain")}) as plain:
        leads = {"/": page("", 302, location=f"http://shop.example:{plain.port}/")}
        async with pages(leads, server) as served:
            client = open_client(resolve=resolving(("127.0.0.1",)), tls=trusting)
            async with client:
                url = f"https://shop.example:{served.port}/"
                assert await refusal(client, url) == "scheme_forbidden"

    assert plain.connections == 0


async def test_refusals_and_failures_are_told_apart() -> None:
    async with GuardedClient() as client:
        with pytest.raises(Refused):
            await client.fetch("http://10.0.0.1/")
        client = open_client(resolve=resolving(()))
        with pytest.raises(UnavailableError):
            await client.fetch("http://gone.example/")


# On whose word.


async def test_what_is_fetched_for_askers_is_counted_for_the_host() -> None:
    async with pages({"/": page("x")}) as served, open_client(per_minute=2) as client:
        for asker in "ab":
            await client.fetch(served.url, asker=asker)
        with pytest.raises(Refused) as caught:
            await client.fetch(served.url, asker="c")

        assert caught.value.code == "rate_limited"
        assert 0 < caught.value.data["retryAfterMs"] <= 30_001
        assert len(served.asked) == 2
        # What nobody's word is behind is not counted.
        await client.fetch(served.url)
        assert len(served.asked) == 3


async def test_many_names_of_one_address_are_one_address() -> None:
    async with pages({"/": page("x")}) as served:
        client = open_client(per_minute=3, resolve=resolving(("127.0.0.1",)))
        async with client:
            urls = [f"http://name{number}.example:{served.port}/" for number in range(5)]
            codes = []
            for url in urls:
                try:
                    await client.fetch(url, asker=url)
                    codes.append("")
                except Refused as refused:
                    codes.append(refused.code)

    assert codes == ["", "", "", "rate_limited", "rate_limited"]
    assert len(served.asked) == 3


async def test_an_address_of_ipv6_is_counted_with_its_neighbours() -> None:
    found: list[str] = []
    backend = PinnedBackend(Rules(allow_loopback=True), resolving(("::1",)), found.append)
    for host in ("::1", "six.example"):
        with suppress(httpcore.ConnectError):
            await backend.connect_tcp(host, 1_024, 0.1)
    backend.close()

    assert found == ["0::/64", "six.example", "0::/64"]


async def test_a_connection_is_not_kept_to_ask_again_uncounted() -> None:
    """A name leads to one address, later to another: each request is counted where it goes."""
    resolve = resolving(("127.0.0.1",), ("127.0.0.2",), ("127.0.0.1",))
    async with pages({"/": page("x")}) as served, open_client(per_minute=9, resolve=resolve) as one:
        url = f"http://moving.example:{served.port}/"
        await one.fetch(url, asker="a")
        # Nobody listens at the other address, so this must not reach the first one.
        assert await refusal(one, url, asker="a") == "fetch_failed"
        assert len(served.asked) == 1


async def test_a_redirect_to_a_busy_place_waits_as_well() -> None:
    async with pages({"/": page("x")}) as victim:
        to_victim = {"/": page("", status=302, location=victim.url)}
        async with pages(to_victim) as first, open_client(per_minute=2) as client:
            # Both are on this machine, so that the two hops of one fetch are two requests.
            await client.fetch(first.url, asker="a")
            assert await refusal(client, first.url, asker="b") == "rate_limited"
            assert len(victim.asked) == 1
