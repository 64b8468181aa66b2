"""The two parties of the demo, each its own process: ``python -m treaty.cli.demo_parties``.

They speak to the node over HTTP only, keep their own keys and copies, and report what they
verified as JSON lines on standard output, which the demo's screen shows. Everything they
decide comes from their TOML file (``examples/alpha.toml``, ``examples/beta.toml``).
"""

from __future__ import annotations

import asyncio
import json
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from treaty import app
from treaty.agent.agent import Agent
from treaty.agent.buyer import Mandate, Purchase, buy
from treaty.agent.deal import Deal
from treaty.agent.export import export_deal
from treaty.agent.found import Found
from treaty.agent.learn import learn, listed_price
from treaty.agent.ports import LogItem
from treaty.agent.provider import serve
from treaty.agent.service import Service
from treaty.core.commitment import Commitment
from treaty.core.negotiation import BuyerPolicy, SellerPolicy, Tier, policy_from_toml
from treaty.errors import MisuseError, Refused, TreatyError
from treaty.wire.canonical import Json
from treaty.wire.instants import format_instant
from treaty.wire.money import number_to_json

WORKER: Final = "import sys; print('running', flush=True); sys.stdin.read()"
"""What a provisioned instance runs here: a process that lives until its owner lets go of it."""


def tell(event: str, **data: Json) -> None:
    """Report one event to the screen."""
    print(json.dumps({"event": event, **data}), flush=True)


FILTERS: Final = {
    "min_trust_level": "minTrustLevel",
    "min_trust_score": "minTrustScore",
    "max_price_per_hour": "maxPricePerHour",
}
PRICES: Final = frozenset(("max_price_per_hour", "pricePerHour"))


def profile(table: Mapping[str, Any]) -> dict[str, Any]:
    """What a party's file says for its card."""
    names = ("name", "organization", "org_id", "capabilities")
    card = {name: table["agent"][name] for name in names}
    if "pricing" in table:
        card["pricing"] = numbers(table["pricing"])
    return card


def numbers(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table with its prices, which the file states as exact text, as JSON numbers."""
    return {
        name: number_to_json(Decimal(value)) if name in PRICES else value
        for name, value in table.items()
    }


def tell_discovery(question: bytes, answer: bytes) -> None:
    """Report the two messages before the session."""
    for raw in (question, answer):
        tell("message", raw=raw.decode(), state="")


def tell_entry(agent: Agent, session: str, item: LogItem) -> None:
    """Report one receipt or fact, just verified and folded."""
    if item.raw is None:
        tell("fact", record=dict(item.record))
        return
    state = agent.deal(session).conversation.wire_state
    tell("message", raw=item.raw.decode(), state=state, session=session)


async def buyer(
    table: Mapping[str, Any],
    node: str,
    out: Path,
    above: Mapping[str, Any] | None = None,
    *,
    complains: bool = False,
) -> None:
    """Alpha: find, negotiate, pay, rate, learn, and write the deal file.

    ``above`` is the file of whoever decides where its mandate ends; one that ``complains`` is
    never satisfied, and closes when what is bound has been ruled on.
    """
    policy = policy_from_toml(table["strategy"], "buyer")
    assert isinstance(policy, BuyerPolicy)
    uri, subject = table["agent"]["uri"], table["deal"]["subject"]
    async with app.Agent(uri, node=node, **profile(table)) as alpha:
        alpha.watchers.append(lambda session, item: tell_entry(alpha, session, item))
        await tell_trust(alpha, "before", uri)
        need = numbers(table["need"])
        capability = need.pop("capability")
        filters = {FILTERS[name]: value for name, value in need.items()}
        found = await alpha.discover(capability, subject=subject, **filters)
        if not found:
            raise MisuseError(f"nobody offers {capability} on these terms")
        chosen = found[0]
        assert chosen.discovery is not None
        tell_discovery(*chosen.discovery)
        await tell_trust(alpha, "before", chosen.uri)
        authorities: list[Json] = [] if above is None else [{"uri": above["agent"]["uri"]}]
        terms: dict[str, Json] = {"authorities": authorities} if authorities else {}
        deal = await alpha.invite(chosen, subject=subject, terms=terms)
        try:
            wanted = purchase(table, policy, chosen, above)
            await buy(deal, replace(wanted, satisfied=_never) if complains else wanted)
        except Refused as refusal:
            if above is None or not deal.conversation.consent:
                raise
            tell("ended", why=refusal.detail)
        await tell_end(alpha, deal, chosen, table, out)


def _never(_deal: Deal) -> bool:
    return False


def mandate(above: Mapping[str, Any] | None) -> Mandate | None:
    """How far the buyer may go by itself."""
    if above is None:
        return None
    stated = above["mandate"]
    return Mandate(above["agent"]["uri"], Decimal(stated["most"]), stated["reason"])


def purchase(
    table: Mapping[str, Any],
    policy: BuyerPolicy,
    chosen: Found,
    above: Mapping[str, Any] | None = None,
) -> Purchase:
    """What the buyer's file asks for, opening at the chosen provider's list price."""
    listed = listed_price(dict(chosen.pricing))
    return Purchase(
        terms=table["terms"],
        policy=policy,
        listed=None if listed is None else Tier(listed, policy.quality_min),
        subject=table["deal"]["commitment"],
        currency=table["money"]["currency"],
        rating=table["rating"]["stars"],
        method="metric-query",
        provide=table["deal"]["provide"],
        mandate=mandate(above),
    )


async def tell_trust(agent: Agent, when: str, uri: str) -> None:
    """Report a trust score with its components."""
    tell("trust", when=when, trust=await agent.trust(uri))


async def tell_end(
    alpha: Agent, deal: Deal, chosen: Found, table: Mapping[str, Any], out: Path
) -> None:
    """Report what came of it: balances, trust, what was learnt; and write the deal file."""
    await alpha.copies.flush()
    for uri in (alpha.uri, deal.counterparty):
        await tell_trust(alpha, "after", uri)
    tell("balance", statement=await alpha.balance())
    observation = await learn(
        alpha, deal, listed_price=listed_price(dict(chosen.pricing)), tags=table["deal"]["tags"]
    )
    tell("learn", observation=observation.to_json())
    document = await export_deal(alpha, deal.id)
    path = out / f"deal-asp-{deal.id}.json"
    path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    tell("deal", path=str(path), session=deal.id)


class Provisioner:
    """Starts real local processes for a commitment, and stops those and no others."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        kind = str(table["pricing"]["gpu"]).lower()
        count = int(table["provisioning"]["processes"])
        self._names = [f"gpu-{kind}-{number:02}" for number in range(1, count + 1)]
        self._running: dict[str, list[asyncio.subprocess.Process]] = {}

    async def provision(self, deal: Deal, _commitment: Commitment) -> dict[str, Json]:
        """Start the instances, report progress half way, say what runs."""
        running = self._running.setdefault(deal.id, [])
        instances: list[Json] = []
        for name in self._names:
            process = await _start_worker()
            running.append(process)
            instances.append({"id": name, "status": "running", "pid": process.pid})
            if len(instances) * 2 == len(self._names):
                await deal.progress(
                    "provisioning",
                    50,
                    f"{len(instances)} of {len(self._names)} instances running",
                )
        now_ms = app.now_ms()
        tell("provisioned", pids=[process.pid for process in running])
        return {
            "instances": instances,
            "provisionedAt": format_instant(now_ms),
            "expiresAt": format_instant(now_ms + 86_400_000),
        }

    async def release(self, deal: Deal) -> None:
        """Stop the processes of a deal and wait until they are gone."""
        stopped = self._running.pop(deal.id, [])
        for process in stopped:
            assert process.stdin is not None
            process.stdin.close()
        for process in stopped:
            await process.wait()
        tell("released", pids=[process.pid for process in stopped], session=deal.id)


async def _start_worker() -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WORKER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = await process.stdout.readline()
    if line.strip() != b"running":
        raise MisuseError("an instance did not start")
    return process


async def provider(table: Mapping[str, Any], node: str) -> None:
    """Beta: serve until told to stop."""
    policy = policy_from_toml(table["strategy"], "seller")
    assert isinstance(policy, SellerPolicy)
    provisioner = Provisioner(table)
    service = Service(policy=policy, rating=table["rating"]["stars"])
    service.fulfils(provisioner.provision)
    service.ends(provisioner.release)
    async with app.Agent(table["agent"]["uri"], node=node, **profile(table)) as beta:
        tell("ready", agent=beta.uri)
        await serve(beta, service)


def read_file(path: str) -> dict[str, Any]:
    """A party's file; its figures are exact."""
    with Path(path).open("rb") as file:
        return tomllib.load(file, parse_float=Decimal)


def main(role: str, config: str, node: str, out: str, above: str = "") -> None:
    """Run one party."""
    table = read_file(config)
    try:
        if role == "buyer":
            told = read_file(above) if above else {}
            complains = "complaint" in told
            if complains:
                # It would have given more for what it ordered.
                table = {**table, "rating": told["rating"]}
            asked = told if "mandate" in told else None
            asyncio.run(buyer(table, node, Path(out), asked, complains=complains))
        else:
            asyncio.run(provider(table, node))
    except TreatyError as error:
        tell("failed", code=error.code, detail=error.detail)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(*sys.argv[1:6])
