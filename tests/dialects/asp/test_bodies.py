"""Each member of each body: what it must be, whether it may be missing, and what it becomes.

The table says it in words; every kind of member has its own list of values that must be refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.dialects.asp.samples import BODIES, TAG, TIME, sample
from tests.dialects.asp.stage import URIS
from treaty.dialects.asp.codec import decode
from treaty.dialects.asp.messages import (
    Accept,
    Clarify,
    Close,
    Commit,
    Counter,
    Delegate,
    Envelope,
    Escalate,
    EscrowTerms,
    Inform,
    Observe,
    Performative,
    Promise,
    Propose,
    Query,
    Reject,
    Withdraw,
)
from treaty.errors import Refused, TreatyError, WireError
from treaty.wire.instants import parse_instant
from treaty.wire.money import Money

# member kind; ! must be there, ? may be missing
MEMBERS = """
PROPOSE   proposalId id!  type text!  subject text!  terms object!  validUntil time?
ACCEPT    referenceId id!  referenceHash hash?  acknowledgment text?  history flag?
ACCEPT    arbiterSeed hash?
REJECT    referenceId id!  code id!  reason text!
COUNTER   referenceId id!  counterProposalId id!  terms object!  rejectionReason text?
COUNTER   subject text?  final flag?  validUntil time?
INFORM    informType id!  subject text?  data object?  references ids?
QUERY     queryId id!  queryType id!  subject text?  parameters object?
CLARIFY   referenceId id!  question text!
COMMIT    commitmentId id!  subject text?  terms object?  obligations duties!  escrow object?
COMMIT    proposalId id?  disputeWindowMs count?  arbiterSeed hash?
COMMIT    escrow.amount amount!  escrow.currency currency!  escrow.releaseCondition text!
COMMIT    escrow.payer agent?  escrow.payee agent?  escrow.schedule object?
COMMIT    escrow.penaltyBps bps?
COMMIT    obligations.buyer duty?  obligations.buyer.party agent!  obligations.buyer.action text!
COMMIT    obligations.buyer.deadline time!  obligations.buyer.verificationMethod text!
COMMIT    obligations.provider.verification object?
DELEGATE  delegationId id!  targetAgent agent!  scope text!  authority text!  limits object?
DELEGATE  expiresAt time!  history flag?
ESCALATE  escalationId id!  reason text!  authority agent!  referenceId id?  options list?
WITHDRAW  referenceId id!  reason text?
OBSERVE   subject text!  data object!  references ids?
CLOSE     reason id!  summary text?  outcome object?  outcome.commitmentsFulfilled ids?
CLOSE     outcome.peerRating rating?  outcome.chainHead hash?  outcome.messageCount count?
"""

NOT_TEXT: list[Any] = [5, True, ["a"], {"a": "b"}, 1.5]
WRONG: dict[str, list[Any]] = {
    "id": [*NOT_TEXT, "", "a b", " a", "a\n", "a\u0000", "x" * 129, "a\u2028b"],
    "text": [*NOT_TEXT, "x" * 4097],
    "object": ["a", 5, True, [], [{}]],
    "time": [*NOT_TEXT, "", "2026-03-07", "2026-03-07T14:00:00", "2026-03-07T14:00:00+00:00",
             "2026-02-30T00:00:00Z", "2026-03-07t14:00:00Z", "2026-03-07T24:00:00Z"],
    "hash": [*NOT_TEXT, "", "sha256:abc", "sha256:" + "AB" * 32, "md5:" + "ab" * 16, TAG + "\n"],
    "flag": [0, 1, "true", None, [], {}],
    "ids": ["a", {}, True, [5], ["a b"], [""], [None], ["a"] * 65],
    "list": ["a", {}, True, 5, ["a"] * 17],
    "count": [True, False, "5", -1, 1.5, 1.0, [], {}],
    "bps": [True, "5", -1, 1.5, 10_001],
    "rating": [True, 0, 6, 4.5, "5", -1],
    "agent": [*NOT_TEXT, "", "acme.com/x", "agent://", "agent://Acme.com/x", "agent://acme.com/",
              "agent://acme.com/../x", "agent://acme.com/a b", "http://acme.com/x",
              "agent://acme.com:80/x", "agent://" + "a" * 60 + "/" + "b" * 200],
    "duties": ["a", 5, True, [], {}, ["a"], [5], {"buyer": []}, {"a b": {}},
               [BODIES["COMMIT"]["obligations"]["buyer"]] * 33],
    "duty": ["a", 5, True, []],
    "amount": [True, [], {}, 180.001, 1e-9, 90_071_992_547_409.93, "1e2", "180.000", "+1", "",
               "01", "180.", ".5", "-0", " 180", "\u0661", {"amount": "180.00", "currency": "USD"}],
    "currency": [5, True, [], {}],
}  # fmt: skip

KINDS = {"id", "text", "object", "time", "hash", "flag", "ids", "list", "count", "bps", "rating",
         "agent", "duties", "duty", "amount", "currency"}  # fmt: skip


def members() -> Iterator[tuple[str, str, str, bool]]:
    """(performative, path, kind, must it be there)."""
    for line in MEMBERS.strip().splitlines():
        performative, *cells = line.split()
        for path, kind in zip(cells[::2], cells[1::2], strict=True):
            yield performative, path, kind[:-1], kind.endswith("!")


ALL = list(members())


def encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def changed(performative: str, path: str, *value: Any) -> bytes:
    """The sample with one member replaced, or left out when no value is given."""
    document = sample(performative)
    place = document["content"]["body"]
    *parents, name = path.split(".")
    for parent in parents:
        place = place[parent]
    del place[name]
    if value:
        place[name] = value[0]
    return encoded(document)


def decoded(performative: str, **body: Any) -> Envelope:
    return decode(encoded(sample(performative, **body)))


def test_every_known_member_is_on_the_table() -> None:
    listed = {(performative, path.split(".")[0]) for performative, path, _, _ in ALL}
    # The type of a COMMIT, the protocol of a DELEGATE: carried, never asked.
    free = {("COMMIT", "type"), ("DELEGATE", "protocol")}

    assert listed | free == {(name, member) for name, body in BODIES.items() for member in body}
    assert {kind for _, _, kind, _ in ALL} == KINDS == set(WRONG)


@pytest.mark.parametrize(("performative", "path", "kind", "needed"), ALL)
def test_a_wrong_value_is_malformed(performative: str, path: str, kind: str, needed: bool) -> None:
    for value in WRONG[kind]:
        with pytest.raises(WireError) as caught:
            decode(changed(performative, path, value))
        assert caught.value.code == "malformed", value


@pytest.mark.parametrize(("performative", "path", "kind", "needed"), ALL)
def test_only_what_must_be_there_is_missed(
    performative: str, path: str, kind: str, needed: bool
) -> None:
    if not needed:
        assert decode(changed(performative, path)).performative == performative
        return
    with pytest.raises(WireError) as caught:
        decode(changed(performative, path))
    assert caught.value.code == "malformed"


@pytest.mark.parametrize(("performative", "path", "kind", "needed"), ALL)
def test_null_is_the_same_as_missing(performative: str, path: str, kind: str, needed: bool) -> None:
    if needed or kind in ("flag", "duty"):
        with pytest.raises(WireError):
            decode(changed(performative, path, None))
        return
    missing = decode(changed(performative, path))
    assert decode(changed(performative, path, None)).body == missing.body


def test_the_longest_lawful_texts_are_read() -> None:
    envelope = decoded("REJECT", referenceId="x" * 128, reason="y" * 4096)

    assert envelope.body == Reject("x" * 128, "budget_exceeded", "y" * 4096)


def test_each_performative_becomes_its_record() -> None:
    at_ms = parse_instant(TIME)
    expected = {
        "PROPOSE": Propose("prop_1", "terms", "GPUs", {"price": 3.5}, at_ms),
        "ACCEPT": Accept("prop_1", TAG, "Yes.", history=True, arbiter_seed=TAG),
        "REJECT": Reject("prop_1", "budget_exceeded", "Too dear."),
        "COUNTER": Counter(
            "prop_1", "prop_2", "Costs are higher.", "GPUs", {"price": 4}, True, at_ms
        ),
        "INFORM": Inform("progress", "Half way", {"percent": 50}, ("cmt_1",)),
        "QUERY": Query("qry_1", "capability", "GPUs?", {"minTrustLevel": 3}),
        "CLARIFY": Clarify("prop_1", "Per GPU?", None),
        "DELEGATE": Delegate(
            "del_1", URIS["gamma"], "Check the terms", "binding", {"amount": 100}, at_ms, True
        ),
        "ESCALATE": Escalate("esc_1", "Above my limit", URIS["umpire"], "prop_1", ("yes", "no")),
        "WITHDRAW": Withdraw("prop_1", "Sold."),
        "OBSERVE": Observe("Load", {"load": 0.5}, ("prop_1",)),
        "CLOSE": Close("completed", "Done.", ("cmt_1",), 180, 5, TAG, 13),
        "COMMIT": Commit(
            "cmt_1",
            "GPUs",
            {"total": 180},
            (
                Promise("buyer", URIS["alpha"], "Pay", at_ms, "escrow-release", None),
                Promise(
                    "provider",
                    URIS["beta"],
                    "Deliver",
                    at_ms,
                    "metric-query",
                    {"url": "https://m.example/", "op": "ge"},
                ),
            ),
            EscrowTerms(
                Money(18_000, "USD"),
                "obligation-met",
                URIS["alpha"],
                URIS["beta"],
                {"kind": "milestones"},
                500,
            ),
            "prop_1",
            3_600_000,
            TAG,
        ),
    }

    assert set(expected) == set(Performative.__members__)
    assert {name: decoded(name).body for name in expected} == expected


def test_what_may_be_missing_has_a_plain_value() -> None:
    duty = {"party": URIS["beta"], "action": "a", "deadline": TIME, "verificationMethod": "m"}
    shortest: dict[str, dict[str, Any]] = {
        "PROPOSE": {"proposalId": "p", "type": "t", "subject": "s", "terms": {}},
        "ACCEPT": {"referenceId": "p"},
        "COUNTER": {"referenceId": "p", "counterProposalId": "q", "terms": {}},
        "INFORM": {"informType": "note"},
        "QUERY": {"queryId": "q", "queryType": "t"},
        "COMMIT": {"commitmentId": "c", "obligations": [duty]},
        "ESCALATE": {"escalationId": "e", "reason": "r", "authority": URIS["boss"]},
        "WITHDRAW": {"referenceId": "p"},
        "OBSERVE": {"subject": "s", "data": {}},
        "CLOSE": {"reason": "completed"},
    }
    at_ms = parse_instant(TIME)
    found = {}
    for name, body in shortest.items():
        document = sample(name)
        document["content"]["body"] = body
        found[name] = decode(encoded(document)).body

    assert found == {
        "PROPOSE": Propose("p", "t", "s", {}, None),
        "ACCEPT": Accept("p", None, None),
        "COUNTER": Counter("p", "q", "", "", {}, False, None),
        "INFORM": Inform("note", "", {}, ()),
        "QUERY": Query("q", "t", "", {}),
        "COMMIT": Commit(
            "c", "", {}, (Promise("", URIS["beta"], "a", at_ms, "m", None),), None, None, None
        ),
        "ESCALATE": Escalate("e", "r", URIS["boss"], None, ()),
        "WITHDRAW": Withdraw("p", None),
        "OBSERVE": Observe("s", {}, ()),
        "CLOSE": Close("completed", "", (), None, None, None, None),
    }
    plain = decoded("DELEGATE", limits=None, history=False).body
    assert isinstance(plain, Delegate)
    assert (plain.limits, plain.history) == ({}, False)


def test_an_escrow_may_name_amount_and_condition_alone() -> None:
    escrow = {"amount": 1, "currency": "USD", "releaseCondition": "obligation-met"}
    body = decoded("COMMIT", escrow=escrow).body

    assert isinstance(body, Commit)
    assert body.escrow == EscrowTerms(Money(100, "USD"), "obligation-met", None, None, None, 0)


def test_a_proposal_of_type_session_invitation_is_the_invitation() -> None:
    invitation, terms = decoded("PROPOSE", type="session-invitation").body, decoded("PROPOSE").body

    assert isinstance(invitation, Propose)
    assert isinstance(terms, Propose)
    assert (invitation.is_invitation, terms.is_invitation) == (True, False)


@pytest.mark.parametrize(
    "members", [{"question": "?", "answer": "!"}, {"question": None, "answer": None}]
)
def test_a_clarify_asks_or_answers(members: dict[str, Any]) -> None:
    with pytest.raises(WireError, match="not both"):
        decoded("CLARIFY", **members)


def test_a_clarify_may_answer() -> None:
    assert decoded("CLARIFY", question=None, answer="Per GPU.").body == Clarify(
        "prop_1", None, "Per GPU."
    )


def test_obligations_may_be_a_list_whose_parties_have_no_role() -> None:
    duties = list(BODIES["COMMIT"]["obligations"].values())
    body = decoded("COMMIT", obligations=duties).body

    assert isinstance(body, Commit)
    assert [(one.role, one.party) for one in body.obligations] == [
        ("", URIS["alpha"]),
        ("", URIS["beta"]),
    ]


def test_obligations_may_stand_in_the_terms() -> None:
    duties = list(BODIES["COMMIT"]["obligations"].values())
    body = decoded("COMMIT", obligations=None, terms={"obligations": duties}).body

    assert isinstance(body, Commit)
    assert len(body.obligations) == 2


def test_32_obligations_are_the_most() -> None:
    duties = [BODIES["COMMIT"]["obligations"]["buyer"]] * 32
    body = decoded("COMMIT", obligations=duties).body

    assert isinstance(body, Commit)
    assert len(body.obligations) == 32


# B12. The text of the amount as it stands in the JSON -> units of the currency, or the reason.
AMOUNTS = [
    ("180.00", "USD", 18_000),
    ("180", "USD", 18_000),
    ("180.0", "USD", 18_000),
    ("1e2", "USD", 10_000),
    ("1.8E+2", "USD", 18_000),
    ("0.1", "USD", 10),
    ("180.01", "USD", 18_001),
    ("180", "JPY", 180),
    ("180.5", "JPY", "malformed"),
    ("0.000001", "USDC", 1),
    ("180.000000000000000000001", "USD", "malformed"),
    ("180.001", "USD", "malformed"),
    ("0.30000000000000004", "USD", "malformed"),
    ("45035996273704.95", "USD", 4_503_599_627_370_495),
    ("90071992547409.91", "USD", "malformed"),  # its RFC 8785 form ends in .9
    ("90071992547409.92", "USD", "malformed"),
    ("9007199254740991", "JPY", 2**53 - 1),
    ("9007199254740992", "JPY", "malformed"),
    ("1e400", "USD", "malformed"),
    ("1e-400", "USD", "malformed"),
    ("-1", "USD", -100),
    ("NaN", "USD", "malformed"),
    ("Infinity", "USD", "malformed"),
    ("0x10", "USD", "malformed"),
    ("01", "USD", "malformed"),
    ("180", "XYZ", "currency_unsupported"),
    ("180", "usd", "currency_unsupported"),
    ('"180.00"', "USD", 18_000),
    ('"180"', "USD", 18_000),
    ('"92233720368547758.07"', "USD", 2**63 - 1),
    ('"92233720368547758.08"', "USD", "malformed"),
    ('"180.001"', "USD", "malformed"),
    ('"180.00"', "XYZ", "currency_unsupported"),
]


@pytest.mark.parametrize(("text", "currency", "outcome"), AMOUNTS)
def test_an_amount_is_exact_or_refused(text: str, currency: str, outcome: int | str) -> None:
    document = sample("COMMIT")
    document["content"]["body"]["escrow"] |= {"amount": "AMOUNT", "currency": currency}
    raw = encoded(document).replace(b'"AMOUNT"', text.encode())
    if isinstance(outcome, str):
        with pytest.raises(TreatyError) as caught:
            decode(raw)
        assert caught.value.code == outcome
        assert isinstance(caught.value, Refused if outcome != "malformed" else WireError)
        return
    body = decode(raw).body

    assert isinstance(body, Commit)
    assert body.escrow is not None
    assert body.escrow.money == Money(outcome, currency)
