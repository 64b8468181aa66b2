"""From bytes to blocks: what is text, what surrounds it, and pages made to hurt."""

from __future__ import annotations

import pytest

from treaty.agent.pages import BLOCKS_MAX, Block, read_page, read_text
from treaty.errors import Refused

HTML = "text/html; charset=utf-8"

PAGE = """<!doctype html><html><head><title>Pricing &amp; plans</title><style>p{}</style></head>
<body><header>Shop</header><nav><a href=/>Home</a></nav>
<main><h1>Pricing</h1><p>The basic plan costs &euro;10&nbsp;a month.<p>R&amp;D &lt;b&gt; is free.
<ul><li>Pro: <b>20</b> a month</li></ul>
<h2>Seats</h2><table><tr><td>A</td><td>1</td></tr></table>
<p hidden>hidden</p><p style="display:none">hidden too</p><script>alert("no")</script>
</main><aside>Advertisement</aside><footer>Imprint</footer></body></html>"""


def texts(raw: bytes | str, content_type: str = HTML) -> list[str]:
    data = raw.encode() if isinstance(raw, str) else raw
    return [block.text for block in read_page(data, content_type).blocks]


def test_the_text_of_a_page_without_what_surrounds_it() -> None:
    page = read_page(PAGE.encode(), HTML)

    assert page.title == "Pricing & plans"
    assert page.blocks == (
        Block("The basic plan costs €10 a month.", "Pricing"),
        Block("R&D <b> is free.", "Pricing"),
        Block("Pro: 20 a month", "Pricing", is_item=True),
        Block("A | 1", "Seats"),
    )


@pytest.mark.parametrize(
    ("raw", "content_type"),
    [
        ("<p>naïve café", "text/html; charset=utf-8"),
        ("<p>naïve café".encode("latin-1"), "text/html; charset=iso-8859-1"),
        ("<meta charset=latin1><p>naïve café".encode("latin-1"), "text/html"),
        ("<html><p>naïve café".encode("utf-16"), "text/html"),
        (b"\xef\xbb\xbf<p>na\xc3\xafve caf\xc3\xa9", "text/html; charset=latin1"),
        ("<p>naïve café".encode("cp1252"), "text/html; charset=utf-8"),
        ("naïve café", "text/plain; charset=utf-8"),
        ("<html><p>naïve café", ""),
        ("<!-- x --><!DOCTYPE html><p>naïve café", "application/octet-stream"),
    ],
)
def test_any_encoding_is_read(raw: bytes | str, content_type: str) -> None:
    assert texts(raw, content_type) == ["naïve café"]


@pytest.mark.parametrize("name", ["unicode_escape", "rot13", "zlib", "no-such", "idna"])
def test_a_charset_that_is_none_is_not_obeyed(name: str) -> None:
    assert texts(b"<p>plain \\u0041", f"text/html; charset={name}") == ["plain \\u0041"]


@pytest.mark.parametrize(
    ("raw", "content_type"),
    [
        (b"%PDF-1.7", "application/pdf"),
        (b"\x89PNG", "image/png"),
        (b"\x00\x01\x02", "text/plain"),
        (b"\x00\x01", ""),
    ],
)
def test_what_is_no_text_is_refused(raw: bytes, content_type: str) -> None:
    with pytest.raises(Refused) as caught:
        read_page(raw, content_type)
    assert caught.value.code == "input_unsupported"


@pytest.mark.parametrize("raw", ["", "<html></html>", "<script>x</script>", "   \n \n"])
def test_an_empty_page_has_no_blocks(raw: str) -> None:
    assert texts(raw) == []


@pytest.mark.parametrize(
    "piece",
    ["<div>", "<b>", "<ul><li>x", "<UL/x><ol></ul>", "<li><div>x", "<table><tr><td>", "<main>"],
)
def test_a_page_nested_to_hurt_is_read_all_the_same(piece: str) -> None:
    """Depth costs no recursion and no more than linear time; the run has a time limit."""
    assert any("deep" in one for one in texts(piece * 20_000 + "deep"))


def test_blocks_have_a_limit() -> None:
    assert len(texts("<p>x" * (BLOCKS_MAX + 10))) == BLOCKS_MAX
    assert len(read_text("x\n\n" * (BLOCKS_MAX + 10)).blocks) == BLOCKS_MAX


def test_markdown_is_read_by_its_marks() -> None:
    page = read_text("# Plans #\n\nOne line\nand another.\r\n\r\n- first\n2. second\n\n## Seats\nx")

    assert page.title == "Plans"
    assert page.blocks == (
        Block("One line and another.", "Plans"),
        Block("first", "Plans", is_item=True),
        Block("second", "Plans", is_item=True),
        Block("x", "Seats"),
    )
