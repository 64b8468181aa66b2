"""A score recomputed from the log alone, and every way of tampering with the log found (B16)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.agent.local import ALPHA, BETA, NODE, OPERATOR, Town, signer_of
from tests.engine.speaker import Speaker, people
from tests.engine.test_trust import kept
from tests.simulation.clock import jump, later, simulated
from treaty.core.deal import Report, Verdict, read_roots
from treaty.engine.trust_extract import CLAIMS, check_extract, read_extract, recomputed
from treaty.engine.trust_extract import believed as believed_of
from treaty.errors import Refused, WireError
from treaty.identity.records import seal
from treaty.wire.canonical import canonical, read_json

AGENTS = (ALPHA, BETA, NODE)


def anchor(uri: str, key: Any) -> dict[str, Any]:
    return {"uri": uri, "keyId": key.key_id, "publicKey": key.text}


def roots_of(town: Town) -> Any:
    node, operator = anchor(NODE, town.signer.key), anchor(OPERATOR, town.operator.key)
    return read_roots({"treaty": "roots/1", "clearing": [node], "attester": [operator]})


async def take(town: Town, start: int = 0, end: int = 200) -> Any:
    """An extract as a page of the node's, with who it says it is."""
    page: Any = await town.at_home().trust.extract(start, end)
    node, operator = anchor(NODE, town.signer.key), anchor(OPERATOR, town.operator.key)
    return read_json(canonical({**page, "node": node, "operator": operator}))


async def history_of(town: Town) -> None:
    """Three deals, an endorsement and an attestation."""
    alpha, beta = await people(town)
    await town.attest(BETA)
    for rating in (4, None, 1):
        await kept(town, alpha, beta, rating=rating)
        await later(600_000)
    at = read_json(canonical(town.at_home().trust.view(BETA)))
    assert isinstance(at, dict)
    body = {"endorser": BETA, "agent": ALPHA, "at": at["at"]}
    await town.at_home().endorsements.endorse(seal("endorsement", body, signer_of("beta")))


def view_of(town: Town, agent: str = ALPHA) -> Any:
    return read_json(canonical(town.at_home().trust.view(agent)))


def check(page: Any, view: Any, agent: str = ALPHA, roots: Any = None) -> Report:
    return check_extract(read_extract(canonical(page)), agent, roots=roots, view=view)


def verdicts(report: Report) -> dict[str, str]:
    return {claim.name: claim.verdict.value for claim in report.claims}


@simulated
async def test_every_score_a_node_states_follows_from_its_log_to_the_last_digit() -> None:
    async with Town() as town:
        await history_of(town)
        for days in (0, 40, 500):
            jump(days * 86_400_000)
            page = await take(town)
            for agent in AGENTS:
                report = check(page, view_of(town, agent), agent, roots_of(town))
                assert verdicts(report) == dict.fromkeys(CLAIMS, "verified")
                assert (report.ok, report.first_line) == (True, "verified, every claim")


@simulated
async def test_without_roots_the_log_is_only_self_consistent() -> None:
    async with Town() as town:
        await history_of(town)
        report = check(await take(town), view_of(town))
        assert verdicts(report) == dict.fromkeys(CLAIMS, "verified")
        assert report.first_line == "self-consistent, identities not anchored"


@simulated
async def test_a_page_of_the_node_alone_says_which_keys_are_missing() -> None:
    async with Town() as town:
        await history_of(town)
        page: Any = await town.at_home().trust.extract(0, 200)
        found = verdicts(check(page, view_of(town)))
        assert (found["log"], found["signatures"]) == ("not checkable", "not checkable")
        assert (found["stamps"], found["score"]) == ("verified", "verified")


@simulated
async def test_an_older_score_is_computed_from_the_log_as_it_was() -> None:
    async with Town() as town:
        await history_of(town)
        old = view_of(town)
        jump(86_400_000)
        await kept(town, Speaker(town, "alpha", ALPHA), Speaker(town, "beta", BETA), rating=1)
        report = check(await take(town), old)
        assert old["size"] < (await take(town))["head"]["size"]
        assert verdicts(report)["score"] == "verified"


@simulated
async def test_a_log_is_given_as_it_was_at_a_size() -> None:
    """So that the pages of a log that grows meanwhile have one root."""
    async with Town() as town:
        await history_of(town)
        trust = town.at_home().trust
        whole: Any = await trust.extract(0, 200)
        for size in range(whole["head"]["size"] + 1):
            part: Any = await trust.extract(0, 200, size)
            assert (part["head"]["size"], len(part["records"])) == (size, size)
            read_extract(canonical(part))
            assert verdicts(check({**whole, **part}, None))["log"] == "not checkable"
            assert "left out" not in str(check(part, None).claim("log"))
        with pytest.raises(Refused) as caught:
            await trust.extract(0, 200, whole["head"]["size"] + 1)
        assert caught.value.code == "reference_unknown"


@simulated
async def test_part_of_a_log_proves_its_records_and_does_not_pass_for_the_whole() -> None:
    async with Town() as town:
        await history_of(town)
        report = check(await take(town, start=3), view_of(town))
        found = verdicts(report)
        assert found == {
            "log": "not checkable",
            # Whose key Beta's is stood in the records that are missing.
            "signatures": "not checkable",
            "stamps": "not checkable",
            "score": "not checkable",
        }


# Tampering. ``o`` is the first outcome, ``e`` the endorsement, ``a`` the attestation.


def of_kind(page: Any, kind: str) -> Any:
    return next(one for one in page["records"] if one["kind"] == kind)


def change(kind: str, **members: Any) -> Callable[[Any, Town], None]:
    """Change a record and leave its signature."""

    def act(page: Any, _town: Town) -> None:
        of_kind(page, kind)["record"].update(members)

    return act


def reseal(page: Any, town: Town, line: Any, **members: Any) -> None:
    """What a dishonest node would do: sign the changed record, and the root that goes with it."""
    from treaty.core.merkle import Frontier, append, leaf_hash, root

    line["record"] = seal(line["kind"], {**line["record"], **members}, town.signer)
    frontier = Frontier()
    for one in page["records"]:
        frontier = append(frontier, leaf_hash(canonical(one["record"])))
    page["head"] = seal("loghead", {**page["head"], "root": root(frontier).hex()}, town.signer)


def restamp(**members: Any) -> Callable[[Any, Town], None]:
    """The node itself stamps the first party of the first outcome otherwise."""

    def act(page: Any, town: Town) -> None:
        line = of_kind(page, "outcome")
        one, other = line["record"]["parties"]
        reseal(page, town, line, parties=[{**one, **members}, other])

    return act


def forge_before(page: Any, town: Town) -> None:
    line = of_kind(page, "outcome")
    one, other = line["record"]["parties"]
    better = {**one["before"], "score": "90.0", "provisional": False}
    reseal(page, town, line, parties=[{**one, "before": better}, other])


def drop(page: Any, _town: Town) -> None:
    del page["records"][-1]


def drop_and_resign(page: Any, town: Town) -> None:
    """The node leaves Alpha's first deal out and makes a log that never had it."""
    line = of_kind(page, "outcome")
    page["records"].remove(line)
    for index, one in enumerate(page["records"]):
        one["index"] = index
    page["head"] = {**page["head"], "size": len(page["records"])}
    reseal(page, town, of_kind(page, "outcome"))


def swap_head(page: Any, _town: Town) -> None:
    page["head"] = {**page["head"], "root": "00" * 32}


def foreign_head(page: Any, _town: Town) -> None:
    page["head"] = seal("loghead", page["head"], signer_of("mallory"))


def foreign_endorser(page: Any, town: Town) -> None:
    line = of_kind(page, "endorsement")
    reseal(page, town, line)


TAMPERED = {
    "a rating": (change("outcome", parties=[]), None),
    "a time": (change("outcome", at="2026-03-08T00:00:00.000Z"), {"log", "signatures"}),
    "an attested weight": (change("attestation", weight="9"), {"log", "signatures"}),
    "an endorser": (change("endorsement", endorser=NODE), {"log", "signatures"}),
    "an identity": (change("identity", proof="legal"), {"log", "signatures"}),
    "a record left out": (drop, {"score"}),
    "a root": (swap_head, {"log"}),
    "a head by somebody else": (foreign_head, {"log"}),
    "a weight the node made up": (restamp(w="0.5"), {"stamps"}),
    "a number the node made up": (restamp(number=9), {"stamps"}),
    "an organisation the node made up": (restamp(organisation="acme.com"), {"stamps"}),
    "a standing before the node made up": (forge_before, {"stamps"}),
    "a deal the node left out": (drop_and_resign, {"stamps"}),
    "an endorsement by the node's own key": (foreign_endorser, {"signatures"}),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_a_tampered_log_is_found_out(name: str) -> None:
    act, claims = TAMPERED[name]

    @simulated
    async def run() -> None:
        async with Town() as town:
            await history_of(town)
            page = await take(town)
            act(page, town)
            if claims is None:
                with pytest.raises(WireError):
                    check(page, view_of(town))
                return
            report = check(page, view_of(town), roots=roots_of(town))
            failed = {one.name for one in report.claims if one.verdict is Verdict.FAILED}
            doubtful = {one.name for one in report.claims if one.verdict is not Verdict.VERIFIED}
            if name == "a record left out":
                assert doubtful >= claims
                return
            assert failed >= claims
            assert not report.ok

    run()


@simulated
async def test_any_changed_figure_of_a_stated_score_is_named() -> None:
    async with Town() as town:
        await history_of(town)
        page, view = await take(town), view_of(town)
        for name, value in (
            ("score", 61.7),
            ("level", 3),
            ("provisional", True),
            ("evidence", "1.0001"),
            ("breaches", "0.1000"),
        ):
            claim = check(page, {**view, name: value}).claim("score")
            assert claim is not None
            assert (claim.verdict, claim.where) == (Verdict.FAILED, (name,))
        parts = view["components"]
        for name in parts:
            changed = {**view, "components": {**parts, name: parts[name] + 0.0001}}
            claim = check(page, changed).claim("score")
            assert claim is not None
            assert claim.where == (name,)


@simulated
async def test_another_agents_or_a_later_score_is_not_the_stated_one() -> None:
    async with Town() as town:
        await history_of(town)
        page, view = await take(town), view_of(town)
        assert verdicts(check(page, {**view, "agent": BETA}))["score"] == "failed"
        assert verdicts(check(page, {**view, "size": 999}))["score"] == "not checkable"
        assert verdicts(check(page, None))["score"] == "not checkable"


@simulated
async def test_outcomes_of_a_clearing_the_reader_does_not_believe_move_nothing() -> None:
    async with Town() as town:
        await history_of(town)
        page = read_extract(canonical(await take(town)))
        other = anchor("agent://other.example/node", signer_of("other").key)
        roots = read_roots({"treaty": "roots/1", "clearing": [other], "attester": []})
        at_ms = town.clock()
        assert str(recomputed(page, ALPHA, at_ms, believed_of(page, roots)).score) == "49.0"
        assert str(recomputed(page, ALPHA, at_ms, believed_of(page, None)).score) != "49.0"


@pytest.mark.parametrize(
    "change",
    [
        {"treaty": "deal/1"},
        {"head": None},
        {"head": {"size": 1}},
        {"records": "all"},
        {"records": [{"index": 0, "kind": "outcome", "record": {}}]},
        {"records": [{"index": 0, "kind": "gossip", "record": {}}]},
        {"node": {"uri": "agent://x.example/y"}},
    ],
)
def test_what_is_no_extract_is_malformed(change: Any) -> None:
    @simulated
    async def run() -> None:
        async with Town() as town:
            await people(town)
            with pytest.raises(WireError):
                read_extract(canonical({**await take(town), **change}))

    run()


@simulated
async def test_a_key_id_is_that_of_its_key_and_a_line_has_its_members() -> None:
    async with Town() as town:
        await people(town)
        page: Any = json.loads(canonical(await take(town)))
        bent = [
            {**page, "node": {**page["node"], "keyId": signer_of("mallory").key.key_id}},
            {**page, "records": [{**page["records"][0], "note": "read by nobody"}]},
        ]
        for one in bent:
            with pytest.raises(WireError):
                read_extract(canonical(one))


@simulated
async def test_records_stand_in_order_each_once() -> None:
    async with Town() as town:
        await people(town)
        page = await take(town)
        for records in (page["records"][::-1], page["records"] * 2):
            with pytest.raises(WireError):
                read_extract(canonical({**page, "records": records}))
