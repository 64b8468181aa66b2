"""What holds for every test: repeatable examples, and no trace in the user's home."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# "proof" tries the same examples every time, so that a green commit stays green.
# HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile(
    "proof",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("explore", deadline=None, max_examples=2_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "proof"))


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Give the run a home of its own; a developer's keys and node are never touched."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TREATY_")]:
            patch.delenv(name)
        patch.setenv("TREATY_HOME", str(tmp_path_factory.mktemp("home")))
        yield
