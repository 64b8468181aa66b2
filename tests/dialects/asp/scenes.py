"""Scenes: stages in every state of the automaton, each reached by real messages alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from tests.dialects.asp.stage import DAY, HOUR, MINUTE, SECOND, URIS, Stage

# Long sessions, so that a scene that is about something else is not ended by a timer.
CALM = {
    "proposedDuration": 30 * DAY,
    "timeouts": {"idleMs": 7 * DAY, "agreeingMs": 10 * MINUTE},
    "authorities": [{"uri": URIS["umpire"]}],
}


def idle() -> Stage:
    """Nothing was sent."""
    return Stage()


def invited() -> Stage:
    """Alpha has invited beta."""
    stage = idle()
    stage.alpha.invite(terms=CALM)
    return stage


def invited_countered() -> Stage:
    """Beta would come on other terms."""
    stage = invited()
    stage.beta.counter("inv", "inv2", terms=CALM)
    return stage


def invited_again() -> Stage:
    """Alpha declined beta's counter; the invitation is open still."""
    stage = invited_countered()
    stage.alpha.reject("inv2")
    return stage


def invited_accepted() -> Stage:
    """Beta comes; nobody has shown a card."""
    stage = invited()
    stage.beta.accept("inv")
    return stage


def half_introduced() -> Stage:
    """Alpha has shown its card, beta has not."""
    stage = invited_accepted()
    stage.alpha.identify()
    return stage


def introduced() -> Stage:
    """Both have shown their cards."""
    stage = half_introduced()
    stage.beta.identify()
    return stage


def conversing() -> Stage:
    """They talk; nothing is on the table."""
    stage = introduced()
    stage.alpha.observe()
    return stage


def in_company() -> Stage:
    """They talk: gamma advises alpha, delta binds beta, and each side has things open."""
    stage = conversing()
    stage.alpha.delegate("del_gamma", "gamma")
    stage.beta.accept("del_gamma")
    stage.gamma.identify()
    stage.beta.delegate("del_delta", "delta", "binding")
    stage.alpha.accept("del_delta")
    stage.delta.identify()
    stage.alpha.propose("pa")
    stage.beta.propose("pb")
    stage.alpha.delegate("da", "agent://advice.example/a2")
    stage.beta.delegate("db", "agent://advice.example/b2")
    return stage


def agreeing() -> Stage:
    """Alpha has offered to bind."""
    stage = in_company()
    stage.alpha.commit("cmt")
    return stage


def executing() -> Stage:
    """The commitment is bound; beta has to deliver."""
    stage = agreeing()
    stage.beta.accept("cmt")
    return stage


def executing_claimed() -> Stage:
    """Beta says it has delivered."""
    stage = executing()
    stage.beta.fulfil("cmt")
    return stage


def executing_offered() -> Stage:
    """Alpha offers to end the bound commitment."""
    stage = executing()
    stage.alpha.close("cancelled")
    return stage


def executing_settled() -> Stage:
    """The commitment was kept, and its window is over; the session goes on."""
    stage = executing_claimed()
    stage.alpha.confirm("cmt")
    stage.wait(DAY)
    return stage


def agreeing_again() -> Stage:
    """One commitment is bound, beta offers a second one."""
    stage = executing()
    stage.beta.commit("second")
    return stage


def escalated() -> Stage:
    """Alpha has called the umpire, whom both had listed."""
    stage = in_company()
    stage.alpha.escalate("esc")
    return stage


def escalated_agreeing() -> Stage:
    """Beta has called the umpire over a commitment that is not bound yet."""
    stage = agreeing()
    stage.beta.escalate("esc")
    return stage


def escalated_executing() -> Stage:
    """Alpha has called the umpire while a commitment is bound."""
    stage = executing()
    stage.alpha.escalate("esc")
    return stage


def escalated_one_sided() -> Stage:
    """Alpha has called its own boss, whom nobody had listed."""
    stage = in_company()
    stage.alpha.escalate("esc", to="boss")
    return stage


def escalated_one_sided_executing() -> Stage:
    """Alpha has called its own boss while a commitment is bound."""
    stage = executing()
    stage.alpha.escalate("esc", to="boss")
    return stage


def escalated_one_sided_offered() -> Stage:
    """Beta had offered to end the commitment when alpha called its boss."""
    stage = executing()
    stage.beta.close("cancelled")
    stage.alpha.escalate("esc", to="boss")
    return stage


def escalated_by_both() -> Stage:
    """Alpha has called its boss, and beta its chief."""
    stage = escalated_one_sided()
    stage.beta.escalate("esc2", to="chief")
    return stage


def escalated_by_both_executing() -> Stage:
    """The same while a commitment is bound."""
    stage = escalated_one_sided_executing()
    stage.beta.escalate("esc2", to="chief")
    return stage


def escalated_by_both_offered() -> Stage:
    """Beta had offered to end the commitment when both called their own authorities."""
    stage = escalated_one_sided_offered()
    stage.beta.escalate("esc2", to="chief")
    return stage


def escalated_by_both_agreeing() -> Stage:
    """Alpha has called the umpire over a commitment that is not bound yet, and beta its chief."""
    stage = agreeing()
    stage.alpha.escalate("esc")
    stage.beta.escalate("esc2", to="chief")
    return stage


def escalated_to_one() -> Stage:
    """Both have called the umpire, each with its own question."""
    stage = escalated_executing()
    stage.beta.escalate("esc2")
    return stage


def closing() -> Stage:
    """Alpha has closed; nothing was ever bound."""
    stage = in_company()
    stage.alpha.close("cancelled")
    return stage


def closing_claimed() -> Stage:
    """Alpha has closed; beta's claim is not confirmed."""
    stage = executing_claimed()
    stage.alpha.close("completed")
    return stage


def closed() -> Stage:
    """Both have closed; nothing was ever bound."""
    stage = closing()
    stage.beta.close("cancelled")
    return stage


def closed_live() -> Stage:
    """Both have closed, but nobody confirmed beta's claim."""
    stage = closing_claimed()
    stage.beta.close("completed")
    return stage


def closed_silent() -> Stage:
    """Alpha has closed, beta stayed silent; the commitment lives on."""
    stage = closing_claimed()
    stage.wait(MINUTE)
    return stage


def failed() -> Stage:
    """Nobody answered the invitation."""
    stage = invited()
    stage.wait(30 * SECOND)
    return stage


SCENES: dict[str, Callable[[], Stage]] = {
    make.__name__: make
    for make in (
        idle, invited, invited_countered, invited_again, invited_accepted, half_introduced,
        introduced, conversing, in_company, agreeing, agreeing_again, executing,
        executing_claimed, executing_offered, executing_settled, escalated, escalated_agreeing,
        escalated_executing, escalated_one_sided, escalated_one_sided_executing,
        escalated_one_sided_offered, escalated_by_both, escalated_by_both_executing,
        escalated_by_both_offered, escalated_by_both_agreeing, escalated_to_one, closing,
        closing_claimed, closed, closed_live, closed_silent, failed,
    )
}  # fmt: skip


@cache
def _made(name: str) -> Stage:
    return SCENES[name]()


def scene(name: str) -> Stage:
    """A fresh fork of a scene; making it is done once."""
    return _made(name).fork()


__all__ = ["CALM", "DAY", "HOUR", "MINUTE", "SCENES", "SECOND", "scene"]
