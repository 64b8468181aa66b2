"""What a provider agreed to, took on and answered stands after it was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.interop.providers import PRICING, Provider, Site, envelope, provider, site

pytestmark = pytest.mark.slow


def route(here: Provider, name: str) -> str:
    """The id of a route."""
    asked = {"intent": "x", "constraints": {"capability": name}}
    offers = here.post("discover", envelope("DISCOVER", asked)).json()["payload"]["offers"]
    return str(offers[0]["route_id"])


def work(here: Provider, pages: Site, name: str, page: str, **job: Any) -> dict[str, Any]:
    """Work on a page."""
    inputs = [{"type": "url", "value": pages.url + page}]
    return {"route_id": route(here, name), "inputs": inputs, "job": job}


def test_agreements_jobs_answers_and_nonces_outlive_a_kill(tmp_path: Path) -> None:
    options = ("--db", str(tmp_path / "node.db"))
    with site() as pages:
        with provider(tmp_path, *options) as here:
            done = work(here, pages, "digest", "/pricing.html")
            terms = {name: done[name] for name in ("route_id", "inputs")}
            first = here.post("execute", envelope("EXECUTE", done, idempotency_key="key-1"))
            agreed = here.post("negotiate", envelope("NEGOTIATE", terms)).json()
            open_job = work(here, pages, "slowly", "/later", id="job-1", **{"async": True})
            accepted = here.post("execute", envelope("EXECUTE", open_job)).json()
            nonce = envelope("DISCOVER", {"intent": "x"}, nonce="n-1")
            assert here.post("discover", nonce).json()["msg_type"] == "OFFER"
            here.process.kill()
        with provider(tmp_path, *options) as here:
            pages.pages["/later"] = b"x"
            streamed = here.get("/mrp/stream/job-1")
            again = here.post("execute", envelope("EXECUTE", done, idempotency_key="key-1"))
            named = envelope("EXECUTE", done, in_reply_to=agreed["msg_id"])
            answers = [here.post("execute", named).json() for _ in range(2)]
            replayed = here.post("discover", nonce).json()
            same_route = route(here, "digest")

    assert accepted["payload"]["job_id"] == "job-1"
    assert streamed.json()["payload"]["chunk"] == {"type": "text", "value": "done"}
    assert again.content == first.content
    assert first.json()["payload"]["outputs"] == [{"type": "markdown", "value": PRICING.decode()}]
    assert same_route == done["route_id"], "a route is made of the key, which is kept"
    assert answers[0]["payload"]["outputs"] == first.json()["payload"]["outputs"]
    assert answers[1]["payload"]["details"]["reason"] == "agreement_used"
    assert replayed["payload"]["details"]["reason"] == "nonce_reused"


def test_a_redirect_out_of_the_agreed_domains_is_not_followed(tmp_path: Path) -> None:
    with site() as pages, site() as other, provider(tmp_path) as here:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        pages.pages["/away"] = f"->{elsewhere}/pricing.html".encode()
        done = work(here, pages, "digest", "/away")
        terms = {name: done[name] for name in ("route_id", "inputs")}
        limits = {"constraints": {"allowed_domains": ["127.0.0.1"]}}
        agreed = here.post("negotiate", envelope("NEGOTIATE", {**terms, **limits})).json()
        named = envelope("EXECUTE", done, in_reply_to=agreed["msg_id"])
        within = here.post("execute", named).json()
        without = here.post("execute", envelope("EXECUTE", done)).json()

    assert within["payload"]["code"] == "MRP_POLICY_VIOLATION"
    assert within["payload"]["details"]["reason"] == "domain_forbidden"
    assert other.asked == ["/pricing.html"], "only who agreed on no domains is led on"
    assert without["msg_type"] == "EVIDENCE"
