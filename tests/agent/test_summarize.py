"""The built-in capability, on real pages over real sockets and on texts."""

from __future__ import annotations

from decimal import Decimal
from hashlib import sha256

import pytest

from tests.http.pages import page, pages
from treaty.agent.capability import Call, Item
from treaty.agent.summarize import summarize
from treaty.errors import TreatyError
from treaty.http.guarded import GuardedClient

pytestmark = pytest.mark.anyio

PRICING = """<html><head><title>Acme &amp; Co pricing</title></head><body><nav>Home</nav><main>
<h1>Plans</h1><p>The basic plan costs &euro;10 a month. It has [3](x) seats &lt;b&gt;.</p>
<ul><li>1. Pro: *20* a month</li></ul></main></body></html>"""


async def ask(*inputs: tuple[str, object], **members):
    async with GuardedClient(allow_loopback=True) as fetcher:
        items = tuple(Item(type=kind, value=value) for kind, value in inputs)
        call = {"intent": "summarize pricing", "inputs": items, "fetcher": fetcher, "at_ms": 0}
        return await summarize.execute(Call(**{**call, **members}))


async def refusal(*inputs: tuple[str, object], **members) -> str:
    with pytest.raises(TreatyError) as caught:
        await ask(*inputs, **members)
    return caught.value.code


def test_what_it_states() -> None:
    assert (summarize.name, summarize.cost, summarize.cost_unit) == (
        "summarize",
        Decimal("0.01"),
        "usd",
    )
    assert summarize.policy == ("no_training", "no_pii")
    assert (summarize.retention_days, summarize.training_use) == (0, "none")
    assert summarize.proofs == ("attestation",)
    assert summarize.inputs == ("url", "text", "markdown")


async def test_a_page_becomes_markdown_with_citations_of_its_bytes() -> None:
    async with pages({"/pricing": page(PRICING)}) as served:
        url = f"{served.url}/pricing"
        result = await ask(("url", url), intent="summarize pricing and seats")

    (output,) = result.outputs
    assert output.type == "markdown"
    assert output.value == (
        "# Acme & Co pricing\n\n## Plans\n\n"
        "- The basic plan costs €10 a month.\n"
        "- It has \\[3\\](x) seats \\<b>.\n"
        "- \\1. Pro: \\*20\\* a month\n"
        f"\nSource: <{url}>\n"
    )
    assert result.citations == (url,)
    assert result.source_hashes == (f"sha256:{sha256(PRICING.encode()).hexdigest()}",)
    assert result.usage["bytes_in"] == len(PRICING)


@pytest.mark.parametrize("stated", ["text", "text/plain", "TXT"])
async def test_as_text(stated: str) -> None:
    result = await ask(("text", "# Plans\n\nIt costs *10*."), output_format=stated)

    assert result.outputs[0].document() == {"type": "text", "value": "Plans\n\nIt costs *10*.\n"}
    assert result.citations == ()
    assert len(result.source_hashes) == 1


async def test_as_json() -> None:
    async with pages({"/": page(PRICING)}) as served:
        result = await ask(("url", f"{served.url}/"), ("text", "Other."), output_format="json")

    first, second = result.outputs[0].value["summaries"]
    assert first["title"] == "Acme & Co pricing"
    assert first["url"] == f"{served.url}/"
    assert first["sentences"][0] == "The basic plan costs €10 a month."
    assert [first["hash"], second["hash"]] == list(result.source_hashes)


async def test_a_redirected_page_is_cited_where_it_was() -> None:
    leads = {"/": page("", 302, location="/b"), "/b": page(PRICING)}
    async with pages(leads) as served:
        result = await ask(("url", served.url))

    assert result.citations == (f"{served.url}/b",)


async def test_the_domains_agreed_on_hold() -> None:
    leads = {"/": page(PRICING)}
    async with pages(leads) as served:
        url = f"{served.url}/"
        domains = ("example.com",)
        assert await refusal(("url", url), allowed_domains=domains) == "domain_forbidden"
        assert await ask(("url", url), allowed_domains=("127.0.0.1",))


@pytest.mark.parametrize(
    ("inputs", "members", "code"),
    [
        ((), {}, "input_unsupported"),
        ((("json", {}),), {}, "input_unsupported"),
        ((("url", 7),), {}, "input_unsupported"),
        ((("url", "file:///etc/passwd"),), {}, "scheme_forbidden"),
        ((("url", "http://10.0.0.1/"),), {}, "address_forbidden"),
        ((("text", ""),), {}, "input_unsupported"),
        ((("text", "x"),), {"output_format": "pdf"}, "input_unsupported"),
        ((("text", "x"),) * 9, {}, "input_unsupported"),
    ],
)
async def test_what_cannot_be_summarized_is_refused(inputs, members, code: str) -> None:
    assert await refusal(*inputs, **members) == code


async def test_a_page_that_fails_is_no_summary() -> None:
    answers = {
        "/broken": page("sorry", 503),
        "/empty": page("<html></html>"),
        "/image": page(b"\x89PNG", content_type="image/png"),
        "/huge": page(b"<p>x" * 1_100_000),
    }
    async with pages(answers) as served:
        expected = {
            "/missing": "fetch_refused",
            "/broken": "fetch_failed",
            "/empty": "input_unsupported",
            "/image": "input_unsupported",
            "/huge": "answer_too_large",
        }
        found = {path: await refusal(("url", served.url + path)) for path in expected}

    assert found == expected
