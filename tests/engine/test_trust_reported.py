"""Reported outcomes in an extract: both signatures, and that they say the same (B16)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.agent.local import ALPHA, NODE, OPERATOR, Town, signer_of
from tests.engine.reporting import CLEARING, LISTED, anchor, body, hand_in, known, party, trusting
from tests.simulation.clock import jump, later, simulated
from treaty.core.deal import Report, read_roots
from treaty.core.trust_reports import MEMBER
from treaty.engine.trust_extract import CLAIMS, check_extract, read_extract
from treaty.identity.records import seal
from treaty.wire.canonical import canonical, read_json


def told(uri: str, key: Any) -> dict[str, Any]:
    return {"uri": uri, "keyId": key.key_id, "publicKey": key.text}


async def page_of(town: Town) -> Any:
    """The whole log, with who the node says it is and whom it lists."""
    node = town.at_home()
    page: Any = await node.trust.extract(0, 200)
    described = await node.describe()
    return read_json(
        canonical(
            {
                **page,
                "node": told(NODE, town.signer.key),
                "operator": told(OPERATOR, town.operator.key),
                "clearings": described["clearings"],
            }
        )
    )


async def reported(town: Town) -> Any:
    """A log with two deals that another clearing reported."""
    await known(town)
    await hand_in(town)
    await later(1_000)
    again = [party(ALPHA, 2), party("agent://cloudprime.io/gpu/beta", 2)]
    await hand_in(town, commitment="second", parties=again)
    return await page_of(town)


def check(town: Town, page: Any, *clearings: Any, roots: bool = True) -> Report:
    view: Any = read_json(canonical(town.at_home().trust.view(ALPHA)))
    operator = told(OPERATOR, town.operator.key)
    listed = [told(NODE, town.signer.key), *clearings]
    own = read_roots({"treaty": "roots/1", "clearing": listed, "attester": [operator]})
    extract = read_extract(canonical(page))
    return check_extract(extract, ALPHA, roots=own if roots else None, view=view)


def verdicts(report: Report) -> dict[str, str]:
    return {claim.name: claim.verdict.value for claim in report.claims}


FAR = told(CLEARING, LISTED.key)


@simulated
async def test_a_score_follows_from_what_several_clearings_said() -> None:
    async with trusting() as town:
        page = await reported(town)
        jump(86_400_000)

        for report in (check(town, page, FAR), check(town, page, roots=False)):
            assert verdicts(report) == dict.fromkeys(CLAIMS, "verified")


@simulated
async def test_who_does_not_know_the_clearing_neither_checks_nor_counts_its_word() -> None:
    async with trusting() as town:
        report = check(town, await reported(town))

        assert verdicts(report) == {
            "log": "verified",
            "signatures": "not checkable",
            # The node believed it, and stamped by that; the reader's score is another.
            "stamps": "verified",
            "score": "failed",
        }
        claim = report.claim("signatures")
        assert claim is not None
        assert CLEARING in claim.detail


@simulated
async def test_a_clearing_that_is_listed_no_more_leaves_later_stamps_open() -> None:
    async with trusting(anchor(), anchor(signer_of("o"), "agent://other.example/c")) as town:
        page = await reported(town)
        page["clearings"] = page["clearings"][1:]
        for line in page["records"]:
            if MEMBER in line["record"] and line["record"]["commitment"] == "second":
                line["record"]["parties"][0]["w"] = "0.5"
        report = check(town, page, roots=False)

        assert verdicts(report)["stamps"] == "not checkable"


def changed(change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
    """Change the report that stands in an entry, and sign it as somebody."""

    def made(entry: dict[str, Any]) -> Any:
        return {**entry, MEMBER: change(entry[MEMBER])}

    return made


TAMPERED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "the entry's rating": lambda entry: {
        **entry, "parties": [{**entry["parties"][0], "rating": 5}, entry["parties"][1]],
    },
    "the entry's result": lambda entry: {
        **entry, "parties": [{**entry["parties"][0], "result": "breached"}, entry["parties"][1]],
    },
    "the entry's session": lambda entry: {**entry, "session": entry["session"][:-1] + "9"},
    "the entry's head": lambda entry: {**entry, "head": "sha256:" + "0" * 64},
    "no report": lambda entry: {name: v for name, v in entry.items() if name != MEMBER},
    "a report that is none": changed(lambda _: {"session": "x"}),
    "a report of another kind": changed(lambda report: [report]),
    "a report by the node itself": changed(
        lambda report: seal("outcome", report, signer_of("node"))
    ),
    "a report whose numbers were changed": changed(
        lambda report: {**report, "parties": [{**one, "number": 9} for one in report["parties"]]}
    ),
    "a report for another trust node": changed(
        lambda report: seal(
            "outcome", {**report, "trust": {"uri": "agent://x.example/n", "keyId": "k"}}, LISTED
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERED)
@pytest.mark.parametrize("roots", [True, False])
@simulated
async def test_what_the_node_makes_of_a_report_is_found_even_if_it_signs_it(
    what: str, roots: bool
) -> None:
    """The node seals its entry anew, and the log with it: only the report gives it away."""
    async with trusting() as town:
        page = await reported(town)
        line = page["records"][-1]
        line["record"] = seal("outcome", TAMPERED[what](line["record"]), town.signer)
        report = check(town, read_json(canonical(page)), FAR, roots=roots)

        assert verdicts(report)["signatures"] == "failed", report.to_json()
        claim = report.claim("signatures")
        assert claim is not None
        assert claim.where == (f"record {line['index']}",)


@simulated
async def test_a_node_cannot_pass_a_foreign_outcome_off_without_its_clearing() -> None:
    async with trusting() as town:
        page = await reported(town)
        invented = seal("outcome", {**body(town), "commitment": "invented"}, town.signer)
        page["records"][-1]["record"] = invented
        report = check(town, read_json(canonical(page)), FAR)

        assert verdicts(report)["signatures"] == "failed"
