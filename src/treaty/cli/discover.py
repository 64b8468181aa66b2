"""``treaty discover``: who offers a capability, on which terms, and who only just does not.

Read next: ``treaty.core.matching`` for the filters and the order.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

import click

from treaty.cli.options import as_option, json_option, node_option

if TYPE_CHECKING:
    from treaty.cli.terminal import Cell
    from treaty.wire.canonical import Json

PRICE: Final = "maxPrice"
"""How every filter on a price begins; the rest is the unit."""
WHY: Final = {
    "capability": "does not offer it",
    "minTrustLevel": "its trust level is lower",
    "minTrustScore": "its trust score is lower",
    PRICE: "it asks more, or names no such price",
    "schema": "does not speak that schema",
    "protocol": "does not speak that protocol",
    "organization": "belongs to another organisation",
}
"""Filter -> what a near miss lacks."""


def decimal(value: str) -> Decimal:
    """Read a plain decimal number."""
    try:
        number = Decimal(value)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not 0 <= number <= 10**12 or len(value) > 32:
        raise click.BadParameter(f"{value!r} is no number from 0 up")
    return number


@click.command()
@click.argument("capability", required=False)
@click.option(
    "--min-level", type=click.IntRange(0, 4), metavar="N", help="Trust level, 0 to 4, or more."
)
@click.option("--min-score", type=decimal, metavar="S", help="Trust score, 0 to 100, or more.")
@click.option("--max-price-per-hour", type=decimal, metavar="P", help="This price or less.")
@click.option(
    "--limit",
    type=click.IntRange(1, 50),
    default=20,
    show_default=True,
    metavar="N",
    help="How many to show.",
)
@as_option(required=False)
@node_option
@json_option
def discover(
    capability: str | None,
    min_level: int | None,
    min_score: Decimal | None,
    max_price_per_hour: Decimal | None,
    limit: int,
    as_agent: str | None,
    node: str | None,
    as_json: bool,
) -> None:
    """Find agents, best trusted first; CAPABILITY may end in .* for everything below it.

    With --as the question and its answer are signed, and the answer is checked. Without it the
    answer is a first look that nobody signed.
    """
    from treaty.cli.nodes import wait_for
    from treaty.cli.terminal import show_json
    from treaty.wire.money import number_to_json

    filters: dict[str, Json] = {"limit": limit}
    if capability is not None:
        filters["capability"] = capability
    if min_level is not None:
        filters["minTrustLevel"] = min_level
    if min_score is not None:
        filters["minTrustScore"] = number_to_json(min_score)
    if max_price_per_hour is not None:
        filters["maxPricePerHour"] = number_to_json(max_price_per_hour)
    work = _ask(as_agent, node, filters) if as_agent else _look(node, filters)
    data = wait_for(work, "asking the registry")
    if as_json:
        show_json({"signed": as_agent is not None, **data})
    else:
        _show(data)


async def _look(node: str | None, filters: Mapping[str, Json]) -> dict[str, Json]:
    from treaty.cli.nodes import at_node

    async with at_node(node) as client:
        return await client.look(filters)


async def _ask(uri: str, node: str | None, filters: Mapping[str, Json]) -> dict[str, Json]:
    """A signed question, and the data of its signed answer."""
    from treaty import app
    from treaty.cli.nodes import at_node, signer_of
    from treaty.dialects.asp.choices import SIGNING_PREFIX
    from treaty.dialects.asp.codec import decode_pre_session
    from treaty.dialects.asp.discovery import compose_query
    from treaty.dialects.asp.messages import Inform
    from treaty.errors import WireError
    from treaty.identity.envelopes import open_envelope
    from treaty.identity.keys import read_public_key

    signer = signer_of(uri)
    async with at_node(node, uri, signer) as client:
        registry = read_public_key((await client.describe()).get("publicKey"))
        question = compose_query(
            sender={"agentId": uri, "orgId": uri.split("/")[2], "trustScore": 0},
            parameters=filters,
            subject="Providers of " + str(filters.get("capability", "anything")),
            query_id=f"qry_{app.entropy(6).hex()}",
            signer=signer,
            at_ms=app.now_ms(),
            entropy=app.entropy(32),
        )
        asked, said = decode_pre_session(question), await client.discover(question)
    answer = decode_pre_session(said)
    open_envelope(answer.document, registry, prefix=SIGNING_PREFIX)
    if not isinstance(answer.body, Inform) or answer.previous_hash != asked.hash:
        raise WireError("the registry answered another question")
    return dict(answer.body.data)


def _show(data: Mapping[str, Json]) -> None:
    from treaty.cli.terminal import heading, say, show_table

    agents = [one for one in _list(data.get("agents")) if isinstance(one, dict)]
    if agents:
        columns = ("agent", ">score", ">level", "price", "capabilities")
        show_table(columns, [_row(one) for one in agents])
    else:
        say("nobody fits", "yellow")
    total = data.get("totalResults", data.get("atLeast", len(agents)))
    if isinstance(total, int) and total > len(agents):
        more = "" if "totalResults" in data else " or more"
        say(f"{len(agents)} of {total}{more} shown; raise --limit to see more", "dim")
    misses = [one for one in _list(data.get("nearMisses")) if isinstance(one, dict)]
    if misses:
        heading("just missed")
        rows = [(str(one.get("uri")), _why(str(one.get("filter")))) for one in misses]
        show_table(("agent", "why"), rows)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _why(name: str) -> str:
    named = PRICE if name.startswith(PRICE) else name
    return WHY.get(named, f"fails {name}")


def _row(agent: Mapping[str, Json]) -> tuple[Cell, ...]:
    return (
        (str(agent.get("uri")), "bold"),
        str(agent.get("trustScore")),
        str(agent.get("trustLevel")),
        _price(agent.get("pricing")),
        ", ".join(str(one) for one in _list(agent.get("capabilities"))),
    )


def _price(pricing: Json) -> str:
    """``3.5 USD/hour`` for each member called ``pricePer…``."""
    if not isinstance(pricing, dict):
        return ""
    currency = pricing.get("currency", "")
    prices = []
    for name, amount in pricing.items():
        unit = name.removeprefix("pricePer")
        if unit != name and isinstance(amount, int | float):
            prices.append(f"{amount} {currency}/{unit.lower()}")
    return ", ".join(prices)
