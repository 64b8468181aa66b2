"""From the bytes of a page to its text, as blocks: headings, list items, paragraphs.

Parsing, encodings and layout are the library's (resiliparse, after the HTML standard, in time
that grows with the page's size alone). What surrounds the text is left out: navigation, page
headers and footers, forms, scripts, and what is hidden from readers.

Read next: ``treaty.agent.sentences``, which chooses among the blocks.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from itertools import islice
from typing import Final

from treaty.errors import Refused, shown

TITLE_CHARS_MAX: Final = 200
BLOCKS_MAX: Final = 20_000
BLOCK_CHARS_MAX: Final = 8_000
LISTS_MAX: Final = 1_000
"""The library indents a list by its depth, which costs the square of it: beyond this many lists
a page is read without them."""

_AROUND: Final = [
    *("nav", "aside", "footer", "body > header", "form", "dialog", "button", "select"),
    *("script", "style", "noscript", "template", "svg", "iframe", "object"),
    *("[hidden]", "[aria-hidden=true]", '[style*="display:none"]', '[style*="display: none"]'),
    *("[role=navigation]", "[role=banner]", "[role=contentinfo]", "[role=search]"),
]
_MARK: Final = re.compile(r"</?(?:h[1-6]|p|ul|ol|li|pre|br|a)\b[^>]*>")
_HEADING: Final = re.compile(r"\s*<h[1-6]\b")
_ITEM: Final = re.compile(r"\s*<li\b")
_LIST: Final = re.compile(r"</?(?:ul|ol|menu|dir)\b[^>]*>?", re.IGNORECASE)
_CELLS: Final = re.compile(r"\s*\t[\t\s]*")
_SPACES: Final = re.compile(r"\s+")
_MARKDOWN_HEADING: Final = re.compile(r"#{1,6}\s+(.+?)\s*#*")
_MARKDOWN_ITEM: Final = re.compile(r"(?:[-*+]|[0-9]{1,3}[.)])\s+(.+)")
_CHARSET: Final = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_LOOKS_LIKE_HTML: Final = re.compile(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
                                     re.IGNORECASE | re.DOTALL)  # fmt: skip
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_HTML: Final = frozenset(("text/html", "application/xhtml+xml"))
_TEXTUAL: Final = ("application/json", "application/xml", "application/yaml", "+json", "+xml")


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list item or row of a table, and the heading it stands under."""

    text: str
    heading: str = ""
    is_item: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page's title, which may be empty, and its text."""

    title: str
    blocks: tuple[Block, ...]

    @property
    def chars(self) -> int:
        """Characters of all blocks together."""
        return sum(len(block.text) for block in self.blocks)


def read_page(raw: bytes, content_type: str) -> Page:
    """The text of a page fetched with this ``Content-Type``, which may be empty or wrong.

    Raises ``Refused`` (``input_unsupported``) for what is no text.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    is_html = media_type in _HTML
    if media_type in ("", "application/octet-stream", "text/plain"):
        is_html = _LOOKS_LIKE_HTML.match(raw[:1_024]) is not None
    elif not (is_html or media_type.startswith("text/") or media_type.endswith(_TEXTUAL)):
        raise Refused(f"a page of type {shown(media_type)} is not read", "input_unsupported")
    text = _decoded(raw, content_type, is_html=is_html)
    if "\0" in text[:1_024]:
        raise Refused("the page is no text", "input_unsupported")
    return _html_page(text) if is_html else read_text(text)


def read_text(text: str) -> Page:
    """Plain text or Markdown as a page; its title is a first heading."""
    blocks: list[Block] = []
    heading = ""
    title = ""
    for paragraph in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n")):
        lines: list[str] = []
        for line in paragraph.splitlines():
            bare = line.strip()
            if match := _MARKDOWN_HEADING.fullmatch(bare):
                heading = match[1]
                title = title or heading
            elif match := _MARKDOWN_ITEM.fullmatch(bare):
                blocks.append(Block(match[1], heading, is_item=True))
            else:
                lines.append(bare)
        if joined := _SPACES.sub(" ", " ".join(lines)).strip():
            blocks.append(Block(joined[:BLOCK_CHARS_MAX], heading))
        if len(blocks) >= BLOCKS_MAX:
            break
    return Page(title[:TITLE_CHARS_MAX], tuple(blocks[:BLOCKS_MAX]))


def _decoded(raw: bytes, content_type: str, *, is_html: bool) -> str:
    """Text by byte order mark, else by what the server says, else by looking at it."""
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5

    for mark, name in _MARKS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(name, "replace")
    stated = _CHARSET.search(content_type) or (
        _CHARSET.search(raw[:1_024].decode("latin-1")) if is_html else None
    )
    encoding = map_encoding_to_html5(stated[1]) if stated else detect_encoding(raw)
    text: str = bytes_to_str(raw, encoding or "utf-8", fallback_encodings=("utf-8", "windows-1252"))
    return text


def _html_page(text: str) -> Page:
    from resiliparse.extract.html2text import extract_plain_text
    from resiliparse.parse.html import HTMLTree

    if sum(1 for _ in islice(_LIST.finditer(text), 2 * LISTS_MAX)) == 2 * LISTS_MAX:
        text = _LIST.sub("<br>", text)
    tree = HTMLTree.parse(text)
    mains = tree.body.query_selector_all("main") if tree.body else []
    shown_part = HTMLTree.parse(mains[0].html) if len(mains) == 1 else tree
    laid_out = extract_plain_text(
        shown_part,
        preserve_formatting="minimal_html",
        list_bullets=True,
        alt_texts=False,
        skip_elements=_AROUND,
    )
    title = _SPACES.sub(" ", tree.title or "").strip()[:TITLE_CHARS_MAX]
    return Page(title, tuple(_blocks(laid_out)))


def _blocks(laid_out: str) -> list[Block]:
    """The blocks of what the library laid out: one a line, marked, its characters escaped."""
    blocks: list[Block] = []
    heading = ""
    for line in laid_out.splitlines():
        cells = _CELLS.sub(" | ", _MARK.sub("", line).strip())
        bare = _SPACES.sub(" ", html.unescape(cells)).strip()
        if not bare:
            continue
        if _HEADING.match(line):
            heading = bare[:TITLE_CHARS_MAX]
        else:
            blocks.append(Block(bare[:BLOCK_CHARS_MAX], heading, _ITEM.match(line) is not None))
        if len(blocks) >= BLOCKS_MAX:
            break
    return blocks
