"""What ``treaty route`` and ``treaty run`` do, and what is said about it to programs.

Read next: ``route_screen`` for people.
"""

from __future__ import annotations

from pathlib import Path

from treaty.agent.decision_export import export_decision
from treaty.agent.router import Order
from treaty.app.routing import RoutingPlan, open_router
from treaty.cli.output import write_json
from treaty.cli.route_screen import show_decision, show_outputs
from treaty.cli.terminal import note, progress, show_json


async def carry_out(
    plan: RoutingPlan, order: Order, *, runs: bool, as_json: bool, out: Path | None = None
) -> bool:
    """Decide, or decide and run; True when it went well."""
    with progress("waiting for a provider" if runs else "asking for offers"):
        async with open_router(plan) as router:
            outcome = await (router.run(order) if runs else router.route(order))
            decision = await router.decisions.read(outcome.decision_id)
            if out is not None:
                write_json(await export_decision(router.decisions, outcome.decision_id), out)
    if as_json:
        show_json(decision.document())
    else:
        show_decision(decision.record)
        show_outputs(decision.document())
        if out is not None:
            note(f"wrote {out}; check it with treaty verify")
    if outcome.done is None:
        return not runs and decision.record["winner"] is not None
    return outcome.done.is_good
