"""What a relay asks of the quote channel: is this envelope genuine, and who reads (2.2, 9.6).

Laws: an envelope is taken when its signature holds and its transaction is the one of the address;
whether it answers anything is for the parties to find out. What is kept is written anew from the
members that were read, so nothing unsigned travels along. A read is signed for one transaction,
or with transaction zero for the reader's own inbox.

Read next: ``treaty.engine.relay``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from treaty.dialects.actp import codec, rules
from treaty.dialects.actp.chains import Chains
from treaty.dialects.actp.choices import PATH_MISMATCH, TTL_MOST_S, ZERO_HASH
from treaty.dialects.actp.dids import did_account
from treaty.dialects.actp.forms import Limits, check_hash
from treaty.dialects.actp.hashes import message_hash
from treaty.errors import Refused, WireError, shown
from treaty.identity.accounts import ContractAccounts

_LIMITS: Final = Limits(max_counter_ttl_s=TTL_MOST_S)
_DID_CHARS_MAX: Final = 160


@dataclass(frozen=True, slots=True)
class Posted:
    """A verified envelope."""

    tx_id: str
    signer: str
    hash: str
    parties: tuple[str, str]
    """Accounts of consumer and provider."""
    envelope: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """A verified request to read."""

    account: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class ActpRelay:
    """The rules of a relay for these chains."""

    chains: Chains
    contracts: ContractAccounts | None = None

    def read_post(self, raw: bytes, tx_id: str, at_ms: int) -> Posted:
        """Read and verify an envelope that was posted under ``tx_id``.

        Raises ``WireError``, ``Refused``, ``SignatureError``.
        """
        message = codec.decode(raw)
        place = rules.Place(message.chain_id, self.transaction(tx_id))
        verified = rules.verify(
            message,
            self.chains,
            at_ms=at_ms,
            place=place,
            limits=_LIMITS,
            contracts=self.contracts,
        )
        chain_id = message.chain_id
        parties = (
            did_account(message.consumer, chain_id), did_account(message.provider, chain_id),
        )  # fmt: skip
        return Posted(
            message.tx_id, verified.account, message_hash(message), parties, codec.encode(message)
        )

    def transaction(self, segment: str) -> str:
        """The transaction an address names, in lower case. Raises ``WireError``."""
        check_hash("txId", segment.lower())
        return segment.lower()

    def account(self, did: str) -> str:
        """The account whose inbox a DID names. Raises ``WireError``, ``Refused``."""
        chain, _, _ = did.removeprefix("did:ethr:").partition(":")
        if len(did) > _DID_CHARS_MAX or not chain.isascii() or not chain.isdigit():
            raise WireError(f"not did:ethr:<chain id>:0x<40 hex>: {shown(did)}")
        self.chains.kernel(int(chain))
        return did_account(did, int(chain))

    def read_reading(self, header: str, tx_id: str | None, at_ms: int) -> Reading:
        """Verify who reads a transaction, or with None an inbox.

        Raises ``WireError``, ``Refused``, ``SignatureError`` (``proof_invalid``).
        """
        read = codec.decode_read(header)
        verified = rules.verify_read(read, self.chains, at_ms=at_ms, contracts=self.contracts)
        if read.tx_id != (ZERO_HASH if tx_id is None else tx_id):
            raise Refused("the read was signed for something else", PATH_MISMATCH)
        return Reading(verified.account, verified.digest)
