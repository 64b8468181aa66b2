"""Who answers for a message: keys that were replaced, revoked, or another owner's (B5, B16)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.agent.local import ALPHA, Town, signer_of
from tests.engine.speaker import Speaker, bound, introduced, people
from tests.engine.test_registry import made, revoke
from tests.engine.test_sessions import everything
from tests.engine.test_violations import USED
from tests.simulation.clock import later, simulated
from treaty.errors import TreatyError
from treaty.identity.cards import key_hash, make_rotation, open_card

OLD, NEW = signer_of("alpha"), signer_of("alpha's next")


@dataclass
class Scene:
    """A session in which Alpha has said something under the old key."""

    town: Town
    alpha: Speaker
    beta: Speaker
    session: str = ""
    said: str = ""

    async def begin(self, *, binding: bool = False) -> None:
        """Alpha commits to its next key, and speaks."""
        await self.alpha.register(2, nextKeyHash=key_hash(NEW.key))
        self.session = await (bound if binding else introduced)(self.alpha, self.beta)
        raw = await self.write("sky")
        await self.alpha.hand_in(self.session, raw)
        self.said = raw.decode()
        await later(1_000)

    async def write(self, subject: str, **changes: Any) -> bytes:
        """The one message id again."""
        body = {"subject": subject, "data": {}}
        return await self.alpha.write(
            self.session, "OBSERVE", body, **{"message_id": USED, **changes}
        )

    async def report(self, **changes: Any) -> Any:
        """Show what Alpha said, and another message under its id."""
        other = (await self.write("sea", **changes)).decode()
        body = {"agent": ALPHA, "messages": [self.said, other]}
        return await self.town.at_home().violations.report(body)

    async def rotate(self) -> None:
        """The next key takes over, as its predecessor says."""
        current = open_card(await self.town.at_home().registry.listed(ALPHA))
        rotation = make_rotation(OLD, current=current, next_key=NEW.key)
        card = made(NEW, version=3, extra={"rotation": rotation})
        await self.town.at_home().registry.register(card)

    async def close(self) -> None:
        """Both close, by the keys that are pinned."""
        await self.alpha.close(self.session, "cancelled")
        await self.beta.close(self.session, "cancelled")


def scene(play: Callable[[Scene], Awaitable[None]], *, binding: bool = False) -> Callable[[], None]:
    """A test in such a session."""

    @simulated
    async def run() -> None:
        async with Town() as town:
            found = Scene(town, *await people(town))
            await found.begin(binding=binding)
            await play(found)

    return run


async def refused(found: Scene, code: str, **changes: Any) -> None:
    """The report proves nothing, and changes nothing."""
    before = await everything(found.town)
    with pytest.raises(TreatyError) as caught:
        await found.report(**changes)
    assert caught.value.code == code
    assert await everything(found.town) == before


def test_in_an_open_session_a_replaced_key_still_speaks_for_its_agent() -> None:
    async def play(found: Scene) -> None:
        await found.rotate()
        assert (await found.report(signer=OLD))["violation"] == "message-id-reused"

    scene(play)()


def test_when_the_session_is_over_nobody_knows_who_signed_with_a_replaced_key() -> None:
    async def play(found: Scene) -> None:
        await found.close()
        # The key is in force: its owner answers for it.
        await found.rotate()
        await refused(found, "violation_unproven", signer=OLD)

    scene(play)()


def test_before_it_is_replaced_a_key_answers_in_a_session_that_is_over_too() -> None:
    async def play(found: Scene) -> None:
        await found.close()
        assert (await found.report(signer=OLD))["violation"] == "message-id-reused"

    scene(play)()


def test_what_is_bound_goes_on_after_the_session_and_so_does_the_key() -> None:
    async def play(found: Scene) -> None:
        await found.beta.fulfil(found.session)
        await found.alpha.close(found.session, "completed")
        await later(70_000)
        assert (await found.alpha.state(found.session)).ended
        await found.rotate()
        assert (await found.report(signer=OLD))["violation"] == "message-id-reused"

    scene(play, binding=True)()


def test_what_was_receipted_counts_for_ever_beside_what_the_new_key_signs() -> None:
    async def play(found: Scene) -> None:
        await found.close()
        await found.rotate()
        assert (await found.report(signer=NEW))["violation"] == "message-id-reused"

    scene(play)()


def test_a_revoked_key_frames_nobody_in_a_session_that_waits_or_goes_on() -> None:
    async def play(found: Scene) -> None:
        await revoke(found.town, "alpha's next")
        await refused(found, "key_revoked", signer=OLD)
        await later(1_000)
        await refused(found, "key_revoked", signer=OLD)
        await found.town.at_home().registry.register(made(NEW, version=3))
        await refused(found, "key_revoked", signer=OLD)
        card = {"uri": ALPHA, "publicKey": NEW.key.text}
        await found.alpha.inform(found.session, "identity", {"agentCard": card}, signer=NEW)
        await refused(found, "signature_invalid", signer=OLD)
        # What was heard before is still its own.
        assert (await found.report(signer=NEW))["violation"] == "message-id-reused"

    scene(play)()


def test_a_key_that_was_replaced_and_is_stolen_then_can_be_revoked() -> None:
    async def play(found: Scene) -> None:
        await found.rotate()
        told, new = await revoke(found.town, "alpha's next", of="alpha")
        assert (new, told["keyId"]) == (True, NEW.key.key_id)
        await refused(found, "key_revoked", signer=OLD)
        # The session waits for the key in force, which is heard by everybody all the while.
        await later(1_000)
        assert (await found.alpha.state(found.session)).participants[ALPHA].revoked
        assert (await found.town.at_home().registry.listed(ALPHA))["publicKey"] == NEW.key.text
        card = {"uri": ALPHA, "publicKey": NEW.key.text}
        await found.alpha.inform(found.session, "identity", {"agentCard": card}, signer=NEW)
        await found.alpha.observe(found.session, signer=NEW)

    scene(play)()


@pytest.mark.parametrize("is_over", [True, False])
def test_what_was_heard_since_the_key_was_stolen_is_not_its_owners(*, is_over: bool) -> None:
    async def play(found: Scene) -> None:
        if is_over:
            await found.close()
        await revoke(found.town, "alpha's next")
        await later(1_000)
        await found.town.at_home().registry.register(made(NEW, version=3))
        assert (await found.report(signer=NEW))["violation"] == "message-id-reused"

    async def stolen(found: Scene) -> None:
        if is_over:
            await found.close()
        await revoke(found.town, "alpha's next", ago_ms=3_600_000)
        await later(1_000)
        await found.town.at_home().registry.register(made(NEW, version=3))
        await refused(found, "violation_unproven", signer=NEW)

    scene(play)()
    scene(stolen)()


def test_the_next_owner_of_a_name_does_not_answer_for_the_one_before() -> None:
    async def play(found: Scene) -> None:
        registry = found.town.at_home().registry
        await registry.note_proof(ALPHA, NEW.key)
        await registry.register(made(NEW))
        await refused(found, "violation_unproven", signer=OLD)
        await refused(found, "violation_unproven", signer=NEW)

    scene(play)()


def test_what_nobody_who_may_signed_is_not_looked_into_further() -> None:
    async def play(found: Scene) -> None:
        await refused(found, "signature_invalid", signer=signer_of("mallory"))
        await found.rotate()
        await refused(found, "signature_invalid", signer=signer_of("mallory"))

    scene(play)()


def test_the_entries_of_a_host_whose_key_is_revoked_prove_nothing() -> None:
    async def play(found: Scene) -> None:
        await revoke(found.town, "alpha's next")
        body: Any = {"agent": ALPHA, "entries": [{}, {}]}
        with pytest.raises(TreatyError) as caught:
            await found.town.at_home().violations.report(body)
        assert caught.value.code == "key_revoked"

    scene(play)()
