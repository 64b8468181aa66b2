"""Outcomes that another trust node is to hear of: handed in until they are taken, and once."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import httpx
import pytest

from tests.agent.local import ALPHA, BETA, NODE, Town, signer_of
from tests.engine.reporting import anchor, trusting
from tests.engine.speaker import Speaker, people, read
from tests.engine.test_trust import log
from tests.simulation.clock import later, now_ms, simulated
from treaty.engine.fetching import Fetched
from treaty.engine.ports import Unit
from treaty.engine.reports import PAUSE_MOST_MS, TRYING_MS
from treaty.errors import Refused, TreatyError, UnavailableError
from treaty.http.server import make_app
from treaty.identity.cards import make_card
from treaty.identity.records import open_record, seal
from treaty.wire.canonical import canonical
from treaty.wire.instants import parse_instant

HOST = anchor(signer_of("node"), NODE)


class Road:
    """The way from a host to a trust node: its real application, without the sockets."""

    def __init__(self, trust: Town) -> None:
        self.trust = trust
        self.is_open = True
        self.loses_answers = 0
        self.asked: list[tuple[int, str]] = []
        """When, and for what."""
        self.forge: Any = None
        """Changes an answer on its way back."""

    async def fetch(
        self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None,
        body: bytes | None = None, **_limits: Any,
    ) -> Fetched:  # fmt: skip
        """Carry a request there and its answer back, if the road is open."""
        self.asked.append((now_ms(), url.removeprefix(self.trust.base_url)))
        if not self.is_open or self.trust.node is None:
            raise UnavailableError("nobody answers", "fetch_failed")
        transport = httpx.ASGITransport(make_app(self.trust.node))
        async with httpx.AsyncClient(transport=transport) as client:
            answer = await client.request(method, url, headers=headers, content=body)
        if self.loses_answers:
            self.loses_answers -= 1
            raise UnavailableError("the answer was lost", "fetch_failed")
        raw = answer.content if self.forge is None else canonical(self.forge(answer.json()))
        return Fetched(status=answer.status_code, headers={}, body=raw, url=url)

    @property
    def reports(self) -> list[int]:
        """When reports went out."""
        return [at for at, path in self.asked if path == "/v1/trust/outcomes"]


def trust_of(trust: Town, **changes: Any) -> dict[str, Any]:
    """``terms.trust`` that names a town's node."""
    named = {"uri": trust.uri, "keyId": trust.signer.key.key_id, "url": trust.base_url, **changes}
    return {name: value for name, value in named.items() if value is not None}


async def begun(alpha: Speaker, beta: Speaker, trust: Town, **commitment: Any) -> str:
    """A session whose parties chose that trust node, with ``cmt`` bound."""
    terms = {"host": {"uri": NODE}, "trust": trust_of(trust)}
    session = await alpha.invite(beta, terms=terms)
    await beta.accept(session)
    await alpha.identify(session)
    await beta.identify(session)
    await alpha.propose(session, "p1")
    await alpha.commit(session, **commitment)
    await beta.accept(session, "cmt")
    return session


async def settled(alpha: Speaker, beta: Speaker, session: str) -> None:
    """Carry it to its end; the money has moved when this returns."""
    await beta.fulfil(session)
    await alpha.close(session, "completed", "cmt", rating=5)
    await beta.close(session, "completed", "cmt", rating=4)


async def outcomes(town: Town) -> list[dict[str, Any]]:
    """The outcomes of a town's trust log."""
    return [one for one in await log(town) if "parties" in one]


async def told(town: Town, session: str) -> list[dict[str, Any]]:
    """What the host wrote into a session of its outcomes."""
    entries = [read(one.body) for one in await town.log_of(session)]
    return [one["data"] for one in entries if one.get("fact") == "outcome"]


def score(town: Town, agent: str) -> Any:
    return town.at_home().trust.view(agent)["score"]


def twisted(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry in which the trust node says something else than it was told, and signs it."""
    parties = [{**one, "rating": 1} for one in entry["parties"]]
    return seal("outcome", {**entry, "parties": parties}, signer_of("trust"))


def rich() -> dict[str, Any]:
    """Scores with a component that there is not."""
    one = {"score": 50, "level": 2, "components": {"XX": 1}}
    return {"before": one, "after": one}


@simulated
async def test_the_trust_node_that_the_parties_chose_hears_of_their_deal() -> None:
    async with trusting(HOST, name="trust") as trust, Town(fetcher=Road(trust)) as town:
        alpha, beta = await people(town)
        await trust.attest(BETA)
        session = await begun(alpha, beta, trust)
        await settled(alpha, beta, session)
        await later(5_000)

        (entry,) = await outcomes(trust)
        assert open_record("outcome", entry["report"], town.signer.key)
        assert (entry["clearing"], entry["session"]) == (NODE, session)
        assert (score(trust, ALPHA), score(town, ALPHA)) == (60.8, 49)
        assert await outcomes(town) == []
        (fact,) = await told(town, session)
        assert fact["record"] == entry
        assert fact["trust"] == {
            "uri": trust.uri,
            "keyId": trust.signer.key.key_id,
            "publicKey": trust.signer.key.text,
        }
        assert fact["scores"][ALPHA]["after"]["score"] == 60.8


@simulated
async def test_a_report_tells_hashes_and_no_words() -> None:
    async with trusting(HOST, name="trust") as trust, Town(fetcher=Road(trust)) as town:
        alpha, beta = await people(town)
        session = await begun(alpha, beta, trust)
        await settled(alpha, beta, session)
        await later(5_000)

        (entry,) = await outcomes(trust)
        said = str(entry)
        assert [word for word in ("GPUs", "as agreed", "180.00", "Done.") if word in said] == []
        shown = {one["sender"]: one for one in entry["report"]["shown"]}
        assert shown.keys() == {ALPHA, BETA}
        assert entry["head"] in {one["hash"] for one in shown.values()}


@simulated
async def test_the_standings_are_those_of_when_the_session_opened() -> None:
    """Alpha has a card at the trust node by then: 49, not the 20 of a name without a key."""
    async with trusting(HOST, name="trust") as trust, Town(fetcher=Road(trust)) as town:
        alpha, beta = await people(town)
        for speaker in (alpha, beta):
            await trust.at_home().registry.register(canonical(speaker.card()))
        opened_ms = now_ms()
        session = await begun(alpha, beta, trust)
        await later(1_000)
        await trust.attest(BETA)
        await settled(alpha, beta, session)
        await later(5_000)

        (entry,) = await outcomes(trust)
        assert parse_instant(entry["report"]["openedAt"]) == opened_ms
        assert [one["before"]["score"] for one in entry["parties"]] == ["49.0", "49.0"]
        assert score(trust, ALPHA) == 49


@simulated
async def test_a_trust_node_that_is_away_hears_of_it_when_it_is_back() -> None:
    async with trusting(HOST, name="trust") as trust:
        road = Road(trust)
        async with Town(fetcher=road) as town:
            alpha, beta = await people(town)
            road.is_open = False
            session = await begun(alpha, beta, trust)
            await settled(alpha, beta, session)
            await later(300_000)
            assert await told(town, session) == []
            assert all(one.startswith(f"report/{session}/cmt failed") for one in town.complaints)
            assert town.complaints
            road.is_open = True
            await later(300_000)

            assert (len(await outcomes(trust)), len(await told(town, session))) == (1, 1)
            gaps = [after - before for before, after in pairwise(road.reports)]
            # The last of them is the second try of one round, when the cards were there.
            growing = gaps[:-1]
            assert growing == sorted(growing)
            assert growing[-1] > 4 * growing[0]
            assert await town.inner.tasks("report") == []


@simulated
async def test_an_answer_that_is_lost_is_asked_for_again_and_counts_once() -> None:
    async with trusting(HOST, name="trust") as trust:
        road = Road(trust)
        async with Town(fetcher=road) as town:
            alpha, beta = await people(town)
            session = await begun(alpha, beta, trust)
            await later(1_000)
            road.loses_answers = 5
            await settled(alpha, beta, session)
            await later(120_000)

            assert road.loses_answers == 0
            assert (len(await outcomes(trust)), len(await told(town, session))) == (1, 1)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(5))
@simulated
async def test_a_host_that_is_killed_on_the_way_reports_once(when: str, step: int) -> None:
    """It dies of one of its commits from the last CLOSE on, and is started again."""
    doom: dict[str, Any] = {}

    def fate(unit: Unit) -> str | None:
        if not doom or doom.get("spent") or not (unit.appends or unit.put_tasks):
            return None
        doom["left"] -= 1
        if doom["left"] >= 0:
            return None
        doom["spent"] = True
        return when

    async with (
        trusting(HOST, name="trust") as trust,
        Town(fetcher=Road(trust), fate=fate) as town,
    ):
        alpha, beta = await people(town)
        session = await begun(alpha, beta, trust)
        await beta.fulfil(session)
        await alpha.close(session, "completed", "cmt", rating=5)
        last = await beta.write(session, "CLOSE", closing())
        doom["left"] = step
        await delivered(town, session, last)
        for _ in range(12):
            await later(30_000)
            if town.node is None:
                await town.stop()
                await town.wake()

        assert (len(await outcomes(trust)), len(await told(town, session))) == (1, 1)
        assert [one["reported"] for one in (await outcomes(trust))[0]["parties"]] == [1, 1]
        assert town.deaths == (step < COMMITS)


COMMITS = 4
"""From the last CLOSE on: it, the lease, the report, and what was answered."""


def closing() -> dict[str, Any]:
    outcome = {"commitmentsFulfilled": ["cmt"], "peerRating": 4}
    return {"reason": "completed", "summary": "Done.", "outcome": outcome}


async def delivered(town: Town, session: str, raw: bytes) -> None:
    """Hand the last message in, again if the host dies of it."""
    from tests.agent.local import Gone  # the death of the host, which is part of the plot

    try:
        await town.at_home().sessions.submit(session, raw)
    except Gone:
        await town.stop()
        await town.wake()
        await town.at_home().sessions.submit(session, raw)


@simulated
async def test_a_trust_node_that_does_not_list_the_host_is_asked_for_a_month() -> None:
    async with Town(name="trust", clearings=()) as trust:
        road = Road(trust)
        async with Town(fetcher=road) as town:
            alpha, beta = await people(town)
            session = await begun(alpha, beta, trust)
            await settled(alpha, beta, session)
            began_ms = now_ms()
            await later(60_000)
            assert any("clearing_unlisted" in one for one in town.complaints)
            due = (await town.inner.tasks("report"))[0].due_ms
            assert due - now_ms() <= PAUSE_MOST_MS

            # A month later it is asked a last time.
            town.skew_ms = TRYING_MS
            await later(60_000)
            assert await town.inner.tasks("report") == []
            assert await told(town, session) == []
            asked = len(road.asked)
            town.skew_ms = 2 * TRYING_MS
            await later(60_000)
            assert (len(road.asked), now_ms() > began_ms) == (asked, True)


@pytest.mark.parametrize(
    "forge",
    [
        lambda answer: {**answer, "record": {**answer["record"], "head": "sha256:" + "0" * 64}},
        lambda answer: {**answer, "record": answer["record"]["report"]},
        lambda answer: {**answer, "trust": {**answer["trust"], "publicKey": HOST.public_key}},
        lambda answer: {**answer, "scores": {}},
        lambda answer: {**answer, "scores": {one: {"before": {}} for one in answer["scores"]}},
        lambda answer: {**answer, "index": "first"},
        lambda answer: {**answer, "record": twisted(answer["record"])},
        lambda answer: {**answer, "scores": {one: rich() for one in answer["scores"]}},
        lambda answer: [answer],
    ],
)
@simulated
async def test_an_answer_that_the_named_key_has_not_signed_is_none(forge: Any) -> None:
    async with trusting(HOST, name="trust") as trust:
        road = Road(trust)
        async with Town(fetcher=road) as town:
            alpha, beta = await people(town)
            for speaker in (alpha, beta):
                await trust.at_home().registry.register(canonical(speaker.card()))
            session = await begun(alpha, beta, trust)
            road.forge = forge
            await settled(alpha, beta, session)
            await later(20_000)
            assert await told(town, session) == []
            road.forge = None
            await later(60_000)

            assert len(await told(town, session)) == 1


@simulated
async def test_each_deal_has_the_next_number_of_its_parties() -> None:
    async with trusting(HOST, name="trust") as trust, Town(fetcher=Road(trust)) as town:
        alpha, beta = await people(town)
        for _ in range(3):
            await settled(alpha, beta, await begun(alpha, beta, trust, units=1_000))
            await later(5_000)

        numbers = [[one["reported"] for one in each["parties"]] for each in await outcomes(trust)]
        assert numbers == [[1, 1], [2, 2], [3, 3]]
        assert trust.at_home().trust.view(ALPHA)["missing"] == 0


@simulated
async def test_ceilings_go_by_the_hosts_own_log_whoever_is_named() -> None:
    """Or two strangers could lift them with a trust node of their own."""
    async with trusting(HOST, name="trust") as trust, Town(fetcher=Road(trust)) as town:
        alpha, beta = await people(town, units=500_000)
        for agent in (ALPHA, BETA):
            await trust.attest(agent)
        with pytest.raises(Refused) as caught:
            await begun(alpha, beta, trust, units=200_000)

        assert caught.value.code == "ceiling_exceeded"


# Which trust nodes an invitation may name.


async def invited(town: Town, named: dict[str, Any]) -> None:
    alpha, beta = await people(town)
    await alpha.invite(beta, terms={"host": {"uri": NODE}, "trust": named})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"keyId": None}, "policy_violation"),
        ({"url": None}, "unknown_agent"),
        ({"url": "ftp://trust.example"}, "scheme_forbidden"),
        ({"url": "http://user@trust.example"}, "url_invalid"),
        ({"uri": NODE}, "policy_violation"),
        ({"uri": "nobody"}, "malformed"),
        ({"keyId": 3}, "malformed"),
    ],
)
@simulated
async def test_a_trust_node_that_cannot_be_told_is_refused_at_once(
    changes: dict[str, Any], code: str
) -> None:
    trust = Town(name="trust")
    async with Town(fetcher=Road(trust)) as town:
        with pytest.raises(TreatyError) as caught:
            await invited(town, trust_of(trust, **changes))
        assert caught.value.code == code


@simulated
async def test_the_host_itself_may_be_named_with_its_key() -> None:
    async with Town() as town:
        await invited(town, {"uri": NODE, "keyId": town.signer.key.key_id})
        assert len(await town.inner.streams("session/")) == 1


@simulated
async def test_a_trust_node_is_found_by_its_card_at_the_host() -> None:
    async with trusting(HOST, name="trust") as trust, Town(fetcher=Road(trust)) as town:
        alpha, beta = await people(town)
        listed = trust.at_home().registry
        node_card = dict(await listed.listed(trust.uri))
        await town.at_home().registry.register(canonical(node_card))
        terms = {"host": {"uri": NODE}, "trust": trust_of(trust, url=None)}
        session = await alpha.invite(beta, terms=terms)
        await beta.accept(session)
        await alpha.identify(session)
        await beta.identify(session)
        await alpha.propose(session, "p1")
        await alpha.commit(session)
        await beta.accept(session, "cmt")
        await settled(alpha, beta, session)
        await later(5_000)

        assert len(await outcomes(trust)) == 1


@simulated
async def test_a_card_of_another_key_does_not_lead_to_the_trust_node() -> None:
    trust = Town(name="trust")
    async with Town(fetcher=Road(trust)) as town:
        squatter = make_card(
            signer_of("squatter"), uri=trust.uri, name="t", organization="t", org_id="t",
            capabilities=(), endpoints={"trust": "http://squatter.example/v1/trust"},
        )  # fmt: skip
        await town.at_home().registry.register(canonical(squatter))
        with pytest.raises(Refused) as caught:
            await invited(town, trust_of(trust, url=None))
        assert caught.value.code == "unknown_agent"


@simulated
async def test_a_counter_invitation_leaves_the_trust_node_as_it_is() -> None:
    trust = Town(name="trust")
    async with Town(fetcher=Road(trust)) as town:
        alpha, beta = await people(town)
        session = await alpha.invite(beta, terms={"host": {"uri": NODE}})
        counter = {
            "referenceId": "inv", "rejectionReason": "not there", "counterProposalId": "c1",
            "subject": "GPUs", "final": False, "terms": {"trust": trust_of(trust)},
        }  # fmt: skip
        with pytest.raises(Refused) as caught:
            await beta.say(session, "COUNTER", counter)

        assert caught.value.code == "policy_violation"
