"""Where a stranger's URL leads: its one spelling, and the hosts and addresses nobody is sent to.

Laws:

1. A URL is read once, strictly, and what is asked is built from what was read, so no second
   parser can understand it otherwise. Credentials, backslashes, white space, escapes in the
   host and numbers spelt in any way but four decimals are refused, not repaired.
2. An address is public when it is neither in the registries' special blocks nor carries another
   address within it (IPv4-mapped, 6to4, Teredo, NAT64). The blocks stand here: the library's
   idea of "global" differs from version to version and lets several of them pass.
3. Nothing is resolved here. Whoever connects resolves, and asks ``is_public`` of each address.

Read next: ``treaty.http.guarded``, which asks.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final
from urllib.parse import urljoin, urlsplit

from treaty.errors import Refused, shown

URL_CHARS_MAX: Final = 2_048
HOST_CHARS_MAX: Final = 253
DOMAINS_MAX: Final = 64
DEFAULT_PORTS: Final = {"http": 80, "https": 443}

Address = IPv4Address | IPv6Address

_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# What a resolver of the C library may read as a number: 127, 0x7f, 0177.
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT: Final = re.compile(r"(?::[0-9]*)?")
_UNSENT: Final = re.compile(r"[^!-~]|[\"<>\\^`{|}]")

# Names that are never on the public internet (RFC 6761, 7686, 8375, and ICANN's for private use).
_PRIVATE_NAMES: Final = ("localhost", "local", "internal", "onion", "invalid", "arpa")

# A public address that answers with the secrets of the virtual machine that asks (Azure).
_WIRE_SERVER: Final = IPv4Address("168.63.129.16")

_CLOSED: Final = tuple(
    ip_network(block)
    for block in (
        # This network, private, shared (CGNAT), loopback, link-local.
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.168.0.0/16"),
        # Documentation, the old 6to4 relays, benchmarks, multicast, reserved and broadcast.
        *("192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        f"{_WIRE_SERVER}/32",
        # Within 2000::/3: Teredo and its neighbours, documentation, 6to4.
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
# All other IPv6 blocks are loopback, local, mapped, NAT64, multicast or given to nobody.
_GIVEN_OUT: Final = IPv6Network("2000::/3")


@dataclass(frozen=True, slots=True)
class Place:
    """A URL as it was read: where to connect, whom to ask for, and what."""

    scheme: str
    host: str
    """In ASCII and lower case, without brackets or a dot at its end."""
    port: int
    target: str
    """Path and query as sent; the path begins with a slash."""

    @property
    def origin(self) -> str:
        """Scheme, host and port, the port left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        own = DEFAULT_PORTS[self.scheme] == self.port
        return f"{self.scheme}://{host}" if own else f"{self.scheme}://{host}:{self.port}"

    @property
    def url(self) -> str:
        """The one spelling of this place."""
        return self.origin + self.target

    @property
    def literal(self) -> Address | None:
        """The address, where the host is one and no name."""
        return _address(self.host)


def read_url(url: object) -> Place:
    """Read a URL with a host; its fragment is dropped.

    Raises ``Refused``: ``url_invalid``, ``scheme_forbidden`` for all but http and https.
    """
    if not isinstance(url, str) or not 0 < len(url) <= URL_CHARS_MAX:
        raise _invalid(url, f"a URL is a text of 1 to {URL_CHARS_MAX} characters")
    if any(one <= " " or one == "\\" or one == "\x7f" for one in url):
        raise _invalid(url, "a URL has no white space, control characters or backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _invalid(url, "its authority cannot be read") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise Refused(f"only http and https are fetched, not {shown(url)}", "scheme_forbidden")
    if "@" in parts.netloc:
        raise _invalid(url, "a URL carries no credentials")
    host = _host(parts.netloc, url)
    if port == 0:
        raise _invalid(url, "there is no port 0")
    target = _target(parts.path, parts.query)
    return Place(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], target)


def same_origin(url: str, other: str) -> bool:
    """True for two URLs of one scheme, host and port; never for what is none."""
    try:
        return read_url(url).origin == read_url(other).origin
    except Refused:
        return False


def follow(place: Place, location: str) -> Place:
    """Where a redirect from a place leads. Raises as ``read_url``."""
    if len(location) > URL_CHARS_MAX:
        raise _invalid(location, f"a URL has at most {URL_CHARS_MAX} characters")
    try:
        joined = urljoin(place.url, location)
    except ValueError:
        raise _invalid(location, "its authority cannot be read") from None
    return read_url(joined)


def is_private_name(host: str) -> bool:
    """True for names without a dot, and for those that no public resolver serves."""
    if _address(host) is not None:
        return False
    return "." not in host or any(host.endswith(f".{one}") for one in _PRIVATE_NAMES)


def is_public(address: Address) -> bool:
    """True for an address of the public internet; see law 2."""
    if isinstance(address, IPv6Address) and (address.scope_id or address not in _GIVEN_OUT):
        return False
    return not any(address.version == block.version and address in block for block in _CLOSED)


def is_loopback(address: Address) -> bool:
    """True for 127.0.0.0/8 and ::1, not for spellings of them within other blocks."""
    return address.is_loopback and getattr(address, "ipv4_mapped", None) is None


def is_unicast(address: Address) -> bool:
    """True for an address one machine may have, public or not, spelt plainly.

    Not for those at which a cloud tells its secrets to whoever asks from within: link-local ones.
    """
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id):
        return False
    if address.is_link_local or address == _WIRE_SERVER:
        return False
    return not (address.is_multicast or address.is_unspecified or _is_broadcast(address))


def is_within(host: str, domains: Collection[str]) -> bool:
    """True when a host is one of the domains or below one; an empty list allows every host.

    Domains may be written in any case, with a leading ``*.`` or dot, and in Unicode. What is
    no domain matches nothing.
    """
    if not domains:
        return True
    return any(_matches(host, domain) for domain in domains)


def _matches(host: str, domain: str) -> bool:
    known = _domain(domain)
    if known is None:
        return False
    # An address has no subdomains: 1.2.3.4 is not below 3.4.
    is_below = host.endswith(f".{known}") and _address(host) is None
    return host == known or is_below


@lru_cache(maxsize=1_024)
def _domain(text: str) -> str | None:
    bare = text.strip().removeprefix("*").removeprefix(".")
    try:
        return str(_address(bare) or _host(bare, bare))
    except Refused:
        return None


def _host(netloc: str, url: object) -> str:
    """The host of an authority in its one spelling."""
    if netloc.startswith("["):
        return _bracketed(netloc, url)
    name = netloc.partition(":")[0]
    if "%" in name:
        raise _invalid(url, "a host is not escaped")
    host = _ascii(name, url).lower().removesuffix(".")
    labels = host.split(".")
    if len(host) > HOST_CHARS_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise _invalid(url, "its host is no name")
    if _NUMBER.fullmatch(labels[-1]) and _address(host) is None:
        raise _invalid(url, "an address is written as four decimal numbers")
    return host


def _bracketed(netloc: str, url: object) -> str:
    inside, _, behind = netloc[1:].partition("]")
    address = _address(inside)
    # A zone id, after a %, names an interface of the machine that asks.
    if not isinstance(address, IPv6Address) or address.scope_id or not _PORT.fullmatch(behind):
        raise _invalid(url, "what stands in brackets is no IPv6 address")
    return str(address)


def _ascii(name: str, url: object) -> str:
    if name.isascii():
        return name
    import idna  # Only names beyond ASCII need its tables.

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except (UnicodeError, ValueError):
        raise _invalid(url, "its host is no international name") from None


def _address(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_broadcast(address: Address) -> bool:
    return isinstance(address, IPv4Address) and address in IPv4Network("240.0.0.0/4")


def _target(path: str, query: str) -> str:
    whole = (path or "/") + (f"?{query}" if query else "")
    return _UNSENT.sub(_escaped, whole if whole.startswith("/") else f"/{whole}")


def _escaped(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode("utf-8", "replace"))


def _invalid(url: object, why: str) -> Refused:
    return Refused(f"{shown(url)} is not fetched: {why}", "url_invalid")
