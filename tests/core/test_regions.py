"""A place lies in another one when it is that one, or a region of it, and not by its spelling."""

from __future__ import annotations

import pytest

from treaty.core.regions import lies_in


@pytest.mark.parametrize(
    ("place", "wanted", "lies"),
    [
        ("us", "us", True),
        (" US ", "us", True),
        ("us-ca", "us", True),
        ("us-gov-west-1", "us", True),
        ("us-central1", "US", True),
        ("us-or-eu", "us", False),
        ("usa", "us", False),
        ("us,eu", "us", False),
        ("global", "us", False),
        ("us", "us-ca", False),
        ("", "us", False),
    ],
)
def test_a_place_is_the_wanted_one_or_a_region_of_it(place, wanted, lies) -> None:
    assert lies_in(place, wanted) is lies
