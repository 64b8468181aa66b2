"""The kit people import: an agent that buys or provides, and keeps its own verified copies.

Its ports (transport, keys, store, clock) are given by ``app``. May import: ``http``, ``store``
and everything below them. Start at ``agent`` (identity, discovery, invitations), then ``deal``
(the words of the protocol), then ``buyer`` and ``provider`` (the loops).
"""

from treaty.agent.agent import Agent, Profile
from treaty.agent.buyer import Mandate, Purchase, buy
from treaty.agent.deal import Deal
from treaty.agent.disputing import (
    DisputeOpenError,
    file_dispute,
    reveal,
    reveal_due,
    show_evidence,
)
from treaty.agent.found import Found
from treaty.agent.learn import learn, statistics
from treaty.agent.line import OvertakenError
from treaty.agent.moves import Accept, Answer, Counter, Reject
from treaty.agent.provider import serve
from treaty.agent.service import Provider, Service
from treaty.agent.vigil import Vigil
from treaty.core.negotiation import BuyerPolicy, SellerPolicy, TermsShape, Tier

__all__ = [
    "Accept",
    "Agent",
    "Answer",
    "BuyerPolicy",
    "Counter",
    "Deal",
    "DisputeOpenError",
    "Found",
    "Mandate",
    "OvertakenError",
    "Profile",
    "Provider",
    "Purchase",
    "Reject",
    "SellerPolicy",
    "Service",
    "TermsShape",
    "Tier",
    "Vigil",
    "buy",
    "file_dispute",
    "learn",
    "reveal",
    "reveal_due",
    "serve",
    "show_evidence",
    "statistics",
]
