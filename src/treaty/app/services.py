"""Putting a provider of capabilities together: what it offers, whom it serves, who does the work.

What ``treaty serve`` needs beside a node to speak MRP. Read next: ``treaty.engine.services``.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from treaty.app.places import now_ms
from treaty.dialects.mrp.authority import Authority, Mode
from treaty.dialects.mrp.choices import Profile
from treaty.dialects.mrp.keysets import read_keys
from treaty.dialects.mrp.listing import Publishing, make_entry, read_listed
from treaty.dialects.mrp.offering import Offering
from treaty.dialects.mrp.serving import MRP
from treaty.engine.capability import Capability
from treaty.engine.service_dialect import Serving
from treaty.errors import MisuseError, Refused, TreatyError, UnavailableError, WireError, shown
from treaty.identity.keys import PublicKey, Signer
from treaty.wire.canonical import Json
from treaty.wire.digest import sha256

if TYPE_CHECKING:
    from types import ModuleType

    from treaty.engine.publications import Publications
    from treaty.http.guarded import GuardedClient

T = TypeVar("T")
Complain = Callable[[str], None]

WORKING_MAX: Final = 32
"""Jobs that are worked on at once; more wait."""
FILE_BYTES_MAX: Final = 16 * 1_048_576
TOKENS_MAX: Final = 10_000
TOKEN_CHARS_LEAST: Final = 16
_HASHED: Final = re.compile(r"sha256:([0-9a-f]{64})")
_SCOPE: Final = re.compile(r"mrp:(?:\*|[a-z]{1,32})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlan:
    """What ``treaty serve`` was told about capabilities."""

    capabilities: tuple[Capability, ...] = ()
    allow_loopback: bool = False
    """Whether what is fetched for strangers may lead to this machine."""
    trusted: tuple[str, ...] = ()
    """Origins that capabilities may fetch from wherever they are."""
    mode: Mode = Mode.NONE
    tokens: Path | None = None
    keys: Path | None = None
    is_strict: bool = False
    entries: Path | None = None
    """Entries that the registry lists as well."""
    fetch_rate: int | None = None
    """How often a minute one host is asked on strangers' word; None for the usual."""


class KeyRing:
    """The keys whose signatures are believed: the operator's choice, and proven providers'."""

    def __init__(self, configured: Mapping[str, PublicKey]) -> None:
        self._configured = configured
        self._publications: Publications | None = None

    def join(self, publications: Publications | None) -> None:
        """Believe the providers that have proven their origin."""
        self._publications = publications

    def __call__(self, key_id: str) -> PublicKey | None:
        """The key of this name, or None."""
        found = self._configured.get(key_id)
        if found is None and self._publications is not None:
            return self._publications.key(key_id)
        return found


class Workshop:
    """Carries jobs out in this process, a few at a time."""

    def __init__(self, complain: Complain) -> None:
        self._complain = complain
        self._places = asyncio.Semaphore(WORKING_MAX)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """See ``Worker.start``."""
        task = asyncio.get_running_loop().create_task(self._do(work), name=name)
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._tasks.pop(name, None))

    async def _do(self, work: Callable[[], Awaitable[None]]) -> None:
        async with self._places:
            try:
                await work()
            except TreatyError as error:
                # The store failed: the job is still open, and begun again with the node.
                self._complain(f"a job could not be ended ({error.code}: {error.detail})")

    def stop(self, name: str) -> None:
        """See ``Worker.stop``."""
        task = self._tasks.get(name)
        if task is not None:
            task.cancel()

    async def within(self, limit_ms: int, work: Awaitable[T]) -> T:
        """See ``Worker.within``."""
        try:
            async with asyncio.timeout(limit_ms / 1000):
                return await work
        except TimeoutError:
            detail = f"the work was not done within {limit_ms / 1000:g} s"
            raise Refused(detail, "timeout") from None

    async def close(self) -> None:
        """Give up what goes on; it is begun again with the next start of the node."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Opened:
    """A provider that was put together, and what has to be closed."""

    serving: Serving
    ring: KeyRing
    workshop: Workshop
    fetcher: GuardedClient

    async def close(self) -> None:
        """Stop working, and let go of connections."""
        await self.workshop.close()
        await self.fetcher.close()


def open_services(plan: ServicePlan, signer: Signer, url: str, complain: Complain) -> Opened:
    """Put a provider together; without a capability it is a registry alone.

    Raises ``MisuseError``, ``UnavailableError`` and ``WireError`` naming the file that is wrong.
    """
    from treaty.http.guarded import GuardedClient
    from treaty.http.targets import PER_MINUTE

    capabilities = plan.capabilities
    ring = KeyRing(_read(plan.keys, lambda raw: read_keys(raw, now_ms()), {}))
    authority = Authority(plan.mode, _read(plan.tokens, read_tokens, {}), ring)
    profile = Profile.STRICT if plan.is_strict else Profile.COMPAT
    offering = Offering(f"service:treaty/{signer.key.key_id}", capabilities)
    dialect = MRP(signer, offering, authority, profile=profile)
    fetcher = GuardedClient(
        allow_loopback=plan.allow_loopback,
        trusted=plan.trusted,
        per_minute=plan.fetch_rate or PER_MINUTE,
    )
    workshop = Workshop(complain)
    serving = Serving(
        dialect=dialect,
        capabilities={one.name: one for one in capabilities},
        worker=workshop,
        fetcher=fetcher,
        publisher=Publishing(),
        own=own_entries(dialect, capabilities, url),
        listed=_read(plan.entries, read_listed, []),
    )
    return Opened(serving, ring, workshop, fetcher)


def own_entries(
    dialect: MRP, capabilities: tuple[Capability, ...], url: str
) -> list[dict[str, Json]]:
    """The registry's entries of a node's own capabilities, the first under the provider's name."""
    entries = []
    for number, one in enumerate(capabilities):
        path = "/mrp/manifest" if number == 0 else f"/mrp/manifest/{one.name}"
        entries.append(
            make_entry(
                ident=dialect.provider if number == 0 else f"{dialect.provider}/{one.name}",
                name=f"{one.name} at {url.partition('://')[2]}",
                url=url + path,
                capability=one.name,
                policies=one.policy,
                proofs=one.proofs,
                description=one.description,
            )
        )
    return entries


def with_built_in(given: tuple[Capability, ...]) -> tuple[Capability, ...]:
    """The capability that is built in and those given; one given under its name replaces it."""
    from treaty.agent.summarize import summarize

    is_replaced = any(one.name == summarize.name for one in given)
    return given if is_replaced else (summarize, *given)


def load_capability(named: str) -> Capability:
    """The capability that ``module:name`` or ``file.py:name`` names. Raises ``MisuseError``.

    It is the operator's own code, run as such.
    """
    place, colon, name = named.rpartition(":")
    if not colon or not place or not name.isidentifier():
        raise MisuseError(f"{shown(named)} is no capability; write it as module:name")
    try:
        module = _file(Path(place)) if place.endswith(".py") else _module(place)
    except Exception as error:
        raise MisuseError(f"cannot load {shown(place)}: {error}") from error
    found = getattr(module, name, None)
    if not isinstance(found, Capability):
        raise MisuseError(f"{shown(name)} in {shown(place)} is no capability: decorate a function")
    return found


def _module(name: str) -> ModuleType:
    if "" not in sys.path:
        # As with `python -m`: what lies in the folder one stands in can be named.
        sys.path.insert(0, "")
    return importlib.import_module(name)


def _file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"treaty_capability_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _read(path: Path | None, read: Callable[[bytes], T], otherwise: T) -> T:
    if path is None:
        return otherwise
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {error.strerror}") from error
    if len(raw) > FILE_BYTES_MAX:
        raise MisuseError(f"{path} has more than {FILE_BYTES_MAX} bytes")
    try:
        return read(raw)
    except WireError as error:
        raise MisuseError(f"{path}: {error.detail}") from error


def read_tokens(raw: bytes) -> dict[str, frozenset[str]]:
    """Read tokens, one a line with its scopes behind it; ``#`` opens a comment. ``WireError``.

    A token may be written as ``sha256:`` and the hex of its digest, so that nobody can read it.
    """
    tokens: dict[str, frozenset[str]] = {}
    for number, line in enumerate(raw.decode("utf-8", "replace").splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        token, *scopes = words
        if len(token) < TOKEN_CHARS_LEAST:
            raise WireError(f"line {number}: a token has at least {TOKEN_CHARS_LEAST} characters")
        wrong = next((one for one in scopes if _SCOPE.fullmatch(one) is None), None)
        if wrong is not None:
            raise WireError(f"line {number}: {shown(wrong)} is no scope such as mrp:execute")
        hashed = _HASHED.fullmatch(token)
        digest = hashed[1] if hashed else sha256(token.encode()).hex()
        tokens[digest] = frozenset(scopes)
        if len(tokens) > TOKENS_MAX:
            raise WireError(f"more than {TOKENS_MAX} tokens")
    return tokens
