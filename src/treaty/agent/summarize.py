"""``summarize``: a page or a text becomes the sentences that answer an intent, with citations.

Fetched through the guarded client, within the domains agreed on; extracted, never made up. The
hash beside a citation is of the very bytes that were fetched, so that anybody can fetch again
and compare.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, NoReturn

from treaty.agent.capability import Call, Item, Result, capability
from treaty.agent.pages import Page, read_page, read_text
from treaty.agent.sentences import Sentence, choose
from treaty.engine.fetching import Fetched
from treaty.errors import Refused, UnavailableError, shown
from treaty.wire.canonical import Json, canonical
from treaty.wire.digest import sha256

SOURCES_MAX: Final = 8
PAGE_BYTES_MAX: Final = 4 * 1024 * 1024
TEXT_CHARS_MAX: Final = 1_000_000

FORMATS: Final[Mapping[str, str]] = {
    "markdown": "markdown",
    "md": "markdown",
    "text/markdown": "markdown",
    "text": "text",
    "txt": "text",
    "plain": "text",
    "text/plain": "text",
    "json": "json",
    "application/json": "json",
}

_READ: Final = frozenset(("url", "text", "markdown"))
# What would begin markup, or markup within a line; text of a page is text.
_INLINE: Final = re.compile(r"[\\`*\[\]<]")
_PLAIN: Final = re.compile(r"[!#-;=?-\[\]_a-z~]+")
_LEADING: Final = re.compile(r"\A([#>+=~|-]|[0-9]+[.)])")


@dataclass(frozen=True, slots=True)
class _Source:
    """One input that was read."""

    url: str | None
    hash: str
    size: int
    page: Page


@capability(
    cost="0.01",
    latency_ms=350,
    confidence="0.8",
    policy=("no_training", "no_pii"),
    proofs=("attestation",),
    retention_days=0,
    inputs=("url", "text", "markdown"),
    outputs=("markdown", "text", "json"),
    tags=("summarize", "web"),
)
async def summarize(call: Call) -> Result:
    """The sentences of pages and texts that answer an intent, with citations."""
    kind = _format(call.output_format)
    given = [one for one in call.inputs if one.type in _READ]
    if not given:
        raise Refused("an input of type url or text is missing", "input_unsupported")
    if len(given) > SOURCES_MAX:
        raise Refused(f"at most {SOURCES_MAX} pages are read", "input_unsupported")
    sources = await asyncio.gather(*(_source(call, one) for one in given))
    chosen = await asyncio.to_thread(_chosen, sources, call.intent)
    if not any(chosen):
        raise Refused("there is no text to summarize", "input_unsupported")
    output = _output(kind, sources, chosen)
    return Result(
        outputs=(output,),
        citations=tuple(one.url for one in sources if one.url is not None),
        source_hashes=tuple(one.hash for one in sorted(sources, key=lambda one: one.url is None)),
        usage=_usage(sources, output),
    )


def _format(stated: str | None) -> str:
    name = (stated or "markdown").partition(";")[0].strip().lower()
    if name not in FORMATS:
        why = f"a summary is markdown, text or json, not {shown(stated)}"
        raise Refused(why, "input_unsupported")
    return FORMATS[name]


async def _source(call: Call, item: Item) -> _Source:
    if not isinstance(item.value, str):
        raise Refused(f"an input of type {item.type} is a text", "input_unsupported")
    if item.type != "url":
        raw = item.value[:TEXT_CHARS_MAX].encode("utf-8", "replace")
        return _Source(None, _hash(raw), len(raw), read_text(item.value[:TEXT_CHARS_MAX]))
    fetched = await call.fetch(item.value, bytes_max=PAGE_BYTES_MAX)
    if not fetched.is_success:
        _fail(fetched)
    page = await asyncio.to_thread(read_page, fetched.body, fetched.headers.get("content-type", ""))
    # As it was asked for, where that is plain; a summary is not the place for odd spellings.
    url = fetched.url if fetched.hops or not _PLAIN.fullmatch(item.value) else item.value
    return _Source(url, _hash(fetched.body), len(fetched.body), page)


def _fail(fetched: Fetched) -> NoReturn:
    """A page that is not there stays away; a server that fails may come back."""
    why = f"{shown(fetched.url)} answered {fetched.status}"
    is_final = 400 <= fetched.status < 500
    raise UnavailableError(why, "fetch_refused" if is_final else "fetch_failed")


def _chosen(sources: Sequence[_Source], intent: str) -> list[tuple[Sentence, ...]]:
    """For each source its sentences; several sources share what one would have."""
    share = max(1_600 // len(sources), 400)
    most = max(12 // len(sources), 3)
    return [choose(one.page.blocks, intent, sentences_max=most, chars_max=share) for one in sources]


def _output(kind: str, sources: Sequence[_Source], chosen: Sequence[Sequence[Sentence]]) -> Item:
    pairs = [pair for pair in zip(sources, chosen, strict=True) if pair[1]]
    if kind == "json":
        return Item(type="json", value={"summaries": [_document(*pair) for pair in pairs]})
    written = "\n\n".join((_markdown if kind == "markdown" else _text)(*pair) for pair in pairs)
    return Item(type=kind, value=f"{written}\n")


def _document(source: _Source, chosen: Sequence[Sentence]) -> dict[str, Json]:
    found: dict[str, Json] = {"sentences": [one.text for one in chosen], "hash": source.hash}
    if source.page.title:
        found["title"] = source.page.title
    if source.url is not None:
        found["url"] = source.url
    return found


def _text(source: _Source, chosen: Sequence[Sentence]) -> str:
    lines = [source.page.title, ""] if source.page.title else []
    lines += [one.text for one in chosen]
    return "\n".join(lines if source.url is None else [*lines, "", f"Source: {source.url}"])


def _markdown(source: _Source, chosen: Sequence[Sentence]) -> str:
    parts = [f"# {_escaped(source.page.title or 'Summary')}"]
    for heading, group in groupby(chosen, key=lambda one: one.heading):
        if heading not in ("", source.page.title):
            parts.append(f"## {_escaped(heading)}")
        parts.append("\n".join(f"- {_escaped(one.text)}" for one in group))
    if source.url is not None:
        parts.append(f"Source: <{source.url}>")
    return "\n\n".join(parts)


def _escaped(text: str) -> str:
    return _LEADING.sub(r"\\\1", _INLINE.sub(lambda match: f"\\{match[0]}", text))


def _usage(sources: Sequence[_Source], output: Item) -> dict[str, Json]:
    """What was read and written; tokens are estimated at four characters."""
    read = sum(one.page.chars for one in sources)
    written = output.value if isinstance(output.value, str) else canonical(output.value).decode()
    return {
        "bytes_in": sum(one.size for one in sources),
        "bytes_text": read,
        "tokens_in_est": -(-read // 4),
        "tokens_out_est": -(-len(written) // 4),
    }


def _hash(raw: bytes) -> str:
    return f"sha256:{sha256(raw).hex()}"
