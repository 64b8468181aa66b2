"""The composition root: the only room that names every other, and decides nothing.

``open_node`` puts a node together and ``serve`` runs it; ``local_node`` runs one inside a
program; ``read_node`` looks into its store; ``Agent`` makes an agent, ``connect`` asks a node as
one; ``verify`` picks the dialect of a deal file. May import: every room but ``cli``. Start at
``nodes``.
"""

from treaty.app.agents import Agent, connect
from treaty.app.deals import compare, export_roots, roots_of, verify
from treaty.app.files import NodeFile, own_copies, read_node
from treaty.app.nodes import (
    DEFAULT_NODE_URI,
    LocalNode,
    NodePlan,
    OpenNode,
    local_node,
    open_node,
    operator_uri,
    serve,
)
from treaty.app.places import (
    DEFAULT_NODE_URL,
    HOME,
    NODE,
    PASSPHRASE,
    agent_key_path,
    agent_store_path,
    entropy,
    home,
    key_beside,
    node_url,
    now_ms,
    passphrase,
    public_key_at,
    signer_at,
)
from treaty.app.quotes import QuotePlan
from treaty.core.deal import Report

__all__ = [
    "DEFAULT_NODE_URI",
    "DEFAULT_NODE_URL",
    "HOME",
    "NODE",
    "PASSPHRASE",
    "Agent",
    "LocalNode",
    "NodeFile",
    "NodePlan",
    "OpenNode",
    "QuotePlan",
    "Report",
    "agent_key_path",
    "agent_store_path",
    "compare",
    "connect",
    "entropy",
    "export_roots",
    "home",
    "key_beside",
    "local_node",
    "node_url",
    "now_ms",
    "open_node",
    "operator_uri",
    "own_copies",
    "passphrase",
    "public_key_at",
    "read_node",
    "roots_of",
    "serve",
    "signer_at",
    "verify",
]
