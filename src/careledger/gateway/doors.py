"""Finding the route of a request among many, by the words that are fixed in their paths.

Trying every route in turn costs more than a tenth of a read. Two paths with the same fixed words
in the same places can only meet the same routes, so those are looked for once. Where the words and
the method leave one route and every parameter is a whole segment, it is asked straight away.
"""

from collections.abc import Awaitable, Callable, Sequence
from inspect import iscoroutinefunction
from re import compile as regex
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router, request_response
from starlette.types import Receive, Scope, Send

from careledger.vault.bounded import Bounded

Shape = tuple[str, ...]
"""A path's segments, "" for each that is no fixed word of any route."""

_REMEMBERED: Final = 1_024
_PARAMETER: Final = regex(r"\{[A-Za-z_][A-Za-z0-9_]*\}")


async def _nobody(_: Request) -> Response:
    return Response()


_PLAIN: Final = request_response(_nobody).__code__
"""What Starlette makes of a coroutine that answers a request, if there is nothing around it."""


class _Straight(NamedTuple):
    """The one route that answers, and which segments its parameters are."""

    route: Route
    answer: Callable[[Request], Awaitable[Response]]
    parameters: tuple[tuple[str, int], ...]


class _Near(NamedTuple):
    """The routes that paths of one shape can meet."""

    router: Router
    straight: dict[str, _Straight]
    """By method, for paths without an empty segment."""


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
        self._near = Bounded[Shape, _Near](_REMEMBERED)

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
            near = self._find(shape)
            self._near.put(shape, near)
        straight = near.straight.get(scope["method"])
        if straight is None or segments[0] or "" in segments[1:]:
            await near.router.app(scope, receive, send)
            return
        # What Router and Route do between them, but for catching errors, which is done outside.
        route, answer, parameters = straight
        given = {name: segments[at] for name, at in parameters}
        scope["route"], scope["endpoint"] = route, route.endpoint
        scope["path_params"] = {**scope.get("path_params", {}), **given}
        response = await answer(Request(scope, receive, send))
        await response(scope, receive, send)

    def _find(self, shape: Shape) -> _Near:
        some = [(route, template) for route, template in self._fixed if _may_meet(template, shape)]
        straight = dict[str, _Straight]()
        for route, template in some:
            if template is not None and "" in template[1:]:
                continue  # it is met by paths with an empty segment alone
            parameters = None if template is None else _parameters(route, template)
            if parameters is None or not isinstance(route, Route):
                break  # the ones behind it are met only if this one is not
            for method in route.methods or ():
                straight.setdefault(method, _Straight(route, route.endpoint, parameters))
        router = Router([route for route, _ in some], redirect_slashes=False)
        return _Near(router, straight)


def _parameters(
    route: BaseRoute, template: tuple[str | None, ...]
) -> tuple[tuple[str, int], ...] | None:
    """Which segments are parameters; None if finding out, or answering, takes more than that."""
    if type(route) is not Route or getattr(route.app, "__code__", None) is not _PLAIN:
        return None
    if not iscoroutinefunction(route.endpoint) or route.methods is None:
        return None
    found = list[tuple[str, int]]()
    for at, one in enumerate(route.path.split("/")):
        if template[at] is None:
            if _PARAMETER.fullmatch(one) is None:
                return None
            found.append((one[1:-1], at))
    return tuple(found)


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
