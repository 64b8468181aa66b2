"""Places where data stays, as people name them: ``us``, ``us-ca``, ``us-east-1``.

Law: a place is another one, or a region of it, or neither; nothing is guessed from a map.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

PLACES_CACHED: Final = 1_024
"""Places are mostly the same few; each pair is compared once."""


@lru_cache(maxsize=PLACES_CACHED)
def lies_in(place: str, wanted: str) -> bool:
    """Tell whether a stated place is the wanted one, or a region of it.

    ``us-ca`` and ``us-east-1`` lie in ``us``; letters may be of either case. A place is not
    taken for another one that merely begins alike.
    """
    stated, asked = place.strip().casefold(), wanted.strip().casefold()
    if stated == asked:
        return True
    region = stated.removeprefix(asked + "-")
    return region != stated and _REGION.fullmatch(region) is not None


# A subdivision as in ISO 3166-2, or a region as clouds name them.
_REGION: Final = re.compile(r"[a-z0-9]{1,3}|(?:[a-z]{1,16}-){0,2}[a-z]{1,16}-?[0-9]{1,2}")
