"""Every reason that can be met over HTTP: its status, its code, and nothing changed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.http.nodes import (
    ALPHA,
    BETA,
    MESSAGES,
    OTHER_SESSION,
    SESSION,
    Agent,
    Chain,
    World,
    encoded,
    introduced,
    operator_record,
    signer,
    transfer,
    world,
)
from tests.simulation.clock import simulated
from treaty.dialects.asp.codec import seal
from treaty.errors import REASONS
from treaty.wire.canonical import canonical
from treaty.wire.instants import format_instant

Ask = Callable[[World, Chain, Agent, Agent], Awaitable[httpx.Response]]
ROWS: dict[str, Ask] = {}


def row(ask: Ask) -> Ask:
    """A function named ``<code>__<how>`` is asked and must be refused with that code."""
    ROWS[ask.__name__] = ask
    return ask


def changed(message: bytes, **members: Any) -> bytes:
    """A message with members changed after it was signed."""
    return canonical({**json.loads(message), **members})


def resigned(message: bytes, agent: Agent, **members: Any) -> bytes:
    """A message with members changed before it was signed."""
    document = {**json.loads(message), **members}
    return canonical(seal(document, agent.signer))


@row
async def malformed__no_json(here, chain, alpha, beta):
    return await here.post(MESSAGES, b"{")


@row
async def malformed__nested_too_deep(here, chain, alpha, beta):
    return await here.post(MESSAGES, b"[" * 10_000 + b"]" * 10_000)


@row
async def malformed__a_name_twice(here, chain, alpha, beta):
    message = chain.observation(alpha)
    return await here.post(MESSAGES, message.replace(b"{", b'{"version":"asp/0.1",', 1))


@row
async def malformed__an_infinite_number(here, chain, alpha, beta):
    return await here.post(MESSAGES, b'{"n":1e999}')


@row
async def malformed__another_session_in_the_path(here, chain, alpha, beta):
    path = f"/v1/asp/sessions/{OTHER_SESSION}/messages"
    return await here.post(path, chain.observation(alpha))


@row
async def version_unsupported__the_next_one(here, chain, alpha, beta):
    return await here.send(resigned(chain.observation(alpha), alpha, version="asp/1.0"))


@row
async def unsupported_media_type__of_the_request(here, chain, alpha, beta):
    return await here.post(MESSAGES, chain.observation(alpha), **{"content-type": "text/json"})


@row
async def version_unsupported__content_of_another_kind(here, chain, alpha, beta):
    content = {"mimeType": "text/plain", "body": {}}
    return await here.send(resigned(chain.observation(alpha), alpha, content=content))


@row
async def too_large__one_mebibyte(here, chain, alpha, beta):
    return await here.post(MESSAGES, b" " * 2**20)


@row
async def signature_invalid__by_somebody_else(here, chain, alpha, beta):
    return await here.send(resigned(chain.observation(alpha), beta))


@row
async def hash_mismatch__changed_on_the_way(here, chain, alpha, beta):
    return await here.send(changed(chain.observation(alpha), constraints={"maxTokenBudget": 1}))


@row
async def proof_invalid__for_another_node(here, chain, alpha, beta):
    return await here.send(chain.observation(alpha, url="http://other.test"))


@row
async def proof_invalid__too_old(here, chain, alpha, beta):
    return await here.send(chain.observation(alpha, at_ms=here.clock() - 60_001))


@row
async def proof_replayed__of_a_read(here, chain, alpha, beta):
    proof = {"DPoP": alpha.proof(MESSAGES)}
    assert (await here.http.get(MESSAGES, headers=proof)).status_code == 200
    return await here.http.get(MESSAGES, headers=proof)


@row
async def unknown_session__that_is_none(here, chain, alpha, beta):
    message = chain.observation(alpha, session=OTHER_SESSION)
    return await here.send(message)


@row
async def unknown_session__of_others(here, chain, alpha, beta):
    stranger = await here.agent("agent://mallory.test/m")
    return await here.send(chain.observation(stranger, sequence=0))


@row
async def unknown_agent__invites(here, chain, alpha, beta):
    stranger = Agent("agent://nobody.test/n", here.clock)
    return await here.post("/v1/asp/sessions", Chain(stranger, beta, OTHER_SESSION).invitation())


@row
async def unknown_agent__is_invited(here, chain, alpha, beta):
    stranger = Agent("agent://nobody.test/n", here.clock)
    return await here.post("/v1/asp/sessions", Chain(alpha, stranger, OTHER_SESSION).invitation())


@row
async def unknown_agent__is_looked_for(here, chain, alpha, beta):
    return await here.http.get(f"/v1/asp/agents/{encoded('agent://nobody.test/n')}/card")


@row
async def policy_violation__another_host(here, chain, alpha, beta):
    host = {"uri": "agent://elsewhere.test/node", "keyId": "k"}
    other = Chain(alpha, beta, OTHER_SESSION)
    return await here.post("/v1/asp/sessions", other.invitation(host=host))


@row
async def unauthorized__another_inbox(here, chain, alpha, beta):
    return await here.read(alpha, f"/v1/asp/agents/{encoded(BETA)}/inbox")


@row
async def unauthorized__another_account(here, chain, alpha, beta):
    return await here.read(alpha, f"/v1/ledger/accounts/{encoded(BETA)}")


@row
async def unauthorized__another_attester(here, chain, alpha, beta):
    body = {
        "agent": BETA,
        "by": ALPHA,
        "components": {"IV": 100},
        "weight": 200,
        "allowance": 100,
        "at": format_instant(here.clock()),
        "until": format_instant(here.clock() + 86_400_000),
        "reason": "because",
    }
    return await here.post("/v1/trust/attestations", operator_record("attestation", body))


@row
async def chain_stale__overtaken(here, chain, alpha, beta):
    late = chain.observation(beta)
    await here.say(chain.said(chain.observation(alpha)))
    return await here.send(late)


@row
async def sequence_gap__one_left_out(here, chain, alpha, beta):
    return await here.send(chain.observation(alpha, sequence=9))


@row
async def position_held__for_who_was_overtaken(here, chain, alpha, beta):
    late = chain.observation(beta)
    await here.say(chain.said(chain.observation(alpha)))
    assert (await here.send(late)).json()["code"] == "chain_stale"
    return await here.send(chain.observation(alpha))


@row
async def transition_invalid__nothing_to_accept(here, chain, alpha, beta):
    return await here.send(chain.make(alpha, "WITHDRAW", {"referenceId": "inv_1"}))


@row
async def transition_invalid__opened_by_another_word(here, chain, alpha, beta):
    return await here.post("/v1/asp/sessions", chain.observation(alpha))


@row
async def duplicate__other_words_under_one_id(here, chain, alpha, beta):
    first = chain.said(chain.observation(alpha))
    await here.say(first)
    return await here.send(chain.observation(alpha, message_id=json.loads(first)["messageId"]))


@row
async def duplicate__a_name_used_twice(here, chain, alpha, beta):
    return await here.send(chain.offer(alpha, "inv_1"))


@row
async def proposal_unknown__accepted(here, chain, alpha, beta):
    await here.say(chain.said(chain.observation(alpha)))
    return await here.send(chain.make(beta, "ACCEPT", {"referenceId": "nothing"}))


@row
async def reference_unknown__clarified(here, chain, alpha, beta):
    await here.say(chain.said(chain.observation(alpha)))
    body = {"referenceId": "nothing", "question": "what?"}
    return await here.send(chain.make(beta, "CLARIFY", body))


@row
async def proposal_expired__before_the_answer(here, chain, alpha, beta):
    until = format_instant(here.clock() + 1_000)
    await here.say(chain.said(chain.offer(alpha, "p1", validUntil=until)))
    here.clock.now_ms += 1_001
    return await here.send(chain.make(beta, "ACCEPT", {"referenceId": "p1"}))


@row
async def escrow_unfunded__an_empty_account(here, chain, alpha, beta):
    await here.say(chain.said(chain.observation(alpha)))
    return await here.send(chain.commitment(alpha))


@row
async def ceiling_exceeded__more_than_the_level_allows(here, chain, alpha, beta):
    await here.fund(ALPHA, "5000.00")
    await here.say(chain.said(chain.observation(alpha)))
    return await here.send(chain.commitment(alpha, amount=1_001))


@row
async def currency_unsupported__of_an_escrow(here, chain, alpha, beta):
    await here.say(chain.said(chain.observation(alpha)))
    return await here.send(chain.commitment(alpha, currency="XYZ"))


@row
async def commitment_invalid__for_nothing(here, chain, alpha, beta):
    await here.say(chain.said(chain.observation(alpha)))
    return await here.send(chain.commitment(alpha, amount=0))


@row
async def obligation_open__at_the_end(here, chain, alpha, beta):
    await here.fund(ALPHA, "500.00")
    await here.say(
        chain.said(chain.observation(alpha)),
        chain.said(chain.commitment(alpha)),
        chain.next(beta, "ACCEPT", {"referenceId": "cmt_1"}),
    )
    return await here.send(chain.make(alpha, "CLOSE", {"reason": "completed"}))


@row
async def rate_limited__more_than_a_burst(here, chain, alpha, beta):
    answer = await here.send(chain.observation(alpha, sequence=99))
    while answer.json()["code"] == "sequence_gap":
        answer = await here.send(chain.observation(alpha, sequence=99))
    return answer


@row
async def inbox_full__of_one_inviter(here, chain, alpha, beta):
    answer = None
    for number in range(5):
        other = Chain(alpha, beta, f"019526a1-8e1a-7000-8000-00000000010{number}")
        answer = await here.post("/v1/asp/sessions", other.invitation())
    return answer


@row
async def card_conflict__a_version_left_out(here, chain, alpha, beta):
    return await here.post("/v1/asp/agents", alpha.card(version=3))


@row
async def signature_invalid__a_transfer_by_nobody(here, chain, alpha, beta):
    record = {**json.loads(transfer("fund", ALPHA, "1.00"))}
    del record["integrity"]
    sealed = json.loads(operator_record("account", record))
    return await here.post("/v1/ledger/transfers", canonical(sealed))


@row
async def hash_mismatch__a_transfer_of_more(here, chain, alpha, beta):
    record = json.loads(transfer("fund", ALPHA, "1.00"))
    record["amount"]["amount"] = "1000000.00"
    return await here.post("/v1/ledger/transfers", canonical(record))


@row
async def not_found__elsewhere(here, chain, alpha, beta):
    return await here.http.get("/v1/asp/elsewhere")


@row
async def method_not_allowed__a_session_is_closed_by_a_message(here, chain, alpha, beta):
    return await here.http.delete(f"/v1/asp/sessions/{SESSION}")


@pytest.mark.parametrize("name", ROWS)
@simulated
async def test_a_refusal_has_its_reason_and_changes_nothing(name: str) -> None:
    async with world() as here:
        chain, alpha, beta = await introduced(here)
        before: list[Any] = []
        # What is asked last must not change anything; what led there may have.
        asking = here.app._answer

        async def watched(scope, receive, ticket):
            before.append(here.node.sessions.view(await hosted(here)))
            return await asking(scope, receive, ticket)

        here.app._answer = watched

        answer = await ROWS[name](here, chain, alpha, beta)

        code = name.partition("__")[0]
        problem = answer.json()
        assert (problem["code"], answer.status_code) == (code, REASONS[code].status), problem
        assert problem["type"] == f"urn:treaty:reason:{code}"
        assert answer.headers["content-type"] == "application/problem+json"
        assert here.node.sessions.view(await hosted(here)) == before[-1]


async def hosted(here: World) -> Any:
    return await here.node.sessions.reader(SESSION, signer(ALPHA).key)


@simulated
async def test_a_trust_score_may_be_asked_for() -> None:
    async with world() as here:
        alpha, beta = await here.agent(ALPHA), await here.agent(BETA)
        chain = Chain(alpha, beta)
        body = {"proposalId": "inv_1", "type": "session-invitation", "subject": "s", "terms": {}}
        constraints = {"requiredTrustScore": 60}
        invitation = chain.next(alpha, "PROPOSE", body, recipient=BETA, constraints=constraints)
        assert (await here.post("/v1/asp/sessions", invitation)).status_code == 201

        answer = await here.send(chain.make(beta, "ACCEPT", {"referenceId": "inv_1"}))

        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_trust_score")
        assert (await here.view(alpha))["state"] == "INVITED"


@simulated
async def test_unknown_and_forbidden_sessions_answer_alike() -> None:
    async with world() as here:
        chain, _, _ = await introduced(here)
        stranger = await here.agent("agent://mallory.test/m")
        for suffix in ("", "/messages", "/events"):
            known = await here.read(stranger, f"/v1/asp/sessions/{SESSION}{suffix}")
            unknown = await here.read(stranger, f"/v1/asp/sessions/{OTHER_SESSION}{suffix}")

            assert known.status_code == 404
            assert known.content == unknown.content
            assert known.headers == unknown.headers

        theirs = await here.send(chain.observation(stranger, sequence=0))
        nobodys = await here.send(chain.observation(stranger, sequence=0, session=OTHER_SESSION))
        assert theirs.content == nobodys.content == known.content


@simulated
async def test_an_invitation_into_a_session_of_others_learns_nothing() -> None:
    async with world() as here:
        _, _, beta = await introduced(here)
        stranger = await here.agent("agent://mallory.test/m")

        answer = await here.post("/v1/asp/sessions", Chain(stranger, beta).invitation())

        assert answer.json()["code"] == "unknown_session"
        assert set(answer.json()) == {"type", "title", "status", "detail", "code"}
