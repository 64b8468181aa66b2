"""From path and method to a handler, on the raw path.

Starlette's router matches decoded paths, in which an agent's URI is not one segment; its
template compiler is used, its router is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from re import Pattern
from typing import Final

from starlette.responses import Response
from starlette.routing import compile_path

from treaty.errors import Refused, shown
from treaty.http.asking import Ask, Handler, Routes

OPTIONS: Final = "OPTIONS"
_NOTHING: Final[Mapping[str, str]] = {}


class Router:
    """The route tables of a server, in one."""

    def __init__(self, *tables: Routes) -> None:
        rows = [(template, methods) for table in tables for template, methods in table.items()]
        # A path without segments of its own is looked up; of two such the first stands.
        self._fixed = {path: methods for path, methods in reversed(rows) if "{" not in path}
        self._paths: list[tuple[Pattern[str], Mapping[str, Handler]]] = [
            (compile_path(template)[0], methods) for template, methods in rows if "{" in template
        ]

    def find(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]]:
        """The handler, and the named segments of the path as they were sent.

        Raises ``Refused``: ``not_found``, ``method_not_allowed``.
        """
        fixed = self._fixed.get(path)
        if fixed is not None:
            return _handler(method, fixed), _NOTHING
        for pattern, methods in self._paths:
            match = pattern.match(path)
            if match is not None:
                return _handler(method, methods), match.groupdict()
        raise Refused(f"there is nothing at {shown(path)}", "not_found")


def _handler(method: str, methods: Mapping[str, Handler]) -> Handler:
    handler = methods.get(method)
    if handler is not None:
        return handler
    allowed = [*methods, OPTIONS]
    if method != OPTIONS:
        raise Refused(
            f"{shown(method)} is not for this; it takes {', '.join(allowed)}",
            "method_not_allowed",
            data={"allow": allowed},
        )

    async def options(_ask: Ask) -> Response:
        return Response(status_code=204, headers={"allow": ", ".join(allowed)})

    return options
