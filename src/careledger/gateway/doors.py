"""Finding the route of a request among many, by the words that are fixed in their paths.

Trying every route in turn costs more than a tenth of a read. Two paths with the same fixed words
in the same places can only meet the same routes, so those are looked for once.
"""

from collections.abc import Sequence
from typing import Final

from starlette.routing import BaseRoute, Route, Router
from starlette.types import Receive, Scope, Send

from careledger.vault.bounded import Bounded

Shape = tuple[str, ...]
"""A path's segments, "" for each that is no fixed word of any route."""

_REMEMBERED: Final = 1_024


class Doors(Router):
    """Answers exactly as a Router of the same routes would, which still does the matching."""

    def __init__(self, routes: Sequence[BaseRoute]) -> None:
        """Try `routes` in their order; a path is never taken for one with a slash more or less."""
        super().__init__(routes, redirect_slashes=False)
        self._fixed = [(route, _template(route)) for route in routes]
        self._words = frozenset(
            word for _, template in self._fixed for word in template or () if word is not None
        )
        self._longest = max((len(template or ()) for _, template in self._fixed), default=0)
        self._near = Bounded[Shape, Router](_REMEMBERED)

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand over to the few routes that can be meant."""
        if scope["type"] != "http" or scope.get("root_path"):
            await super().app(scope, receive, send)
            return
        scope.setdefault("router", self)
        segments = scope["path"].split("/", self._longest)
        words = self._words
        shape = tuple([one if one in words else "" for one in segments])
        near = self._near.get(shape)
        if near is None:
            near = Router(self._candidates(shape), redirect_slashes=False)
            self._near.put(shape, near)
        await near.app(scope, receive, send)

    def _candidates(self, shape: Shape) -> list[BaseRoute]:
        return [route for route, template in self._fixed if _may_meet(template, shape)]


def _template(route: BaseRoute) -> tuple[str | None, ...] | None:
    """The segments of a route's path, None for each that varies; None for any path at all."""
    if not isinstance(route, Route) or ":" in route.path:
        return None  # a parameter with a converter may hold slashes
    return tuple(None if "{" in one else one for one in route.path.split("/"))


def _may_meet(template: tuple[str | None, ...] | None, shape: Shape) -> bool:
    if template is None:
        return True
    return len(template) == len(shape) and all(
        fixed in {None, word} for fixed, word in zip(template, shape, strict=True)
    )
