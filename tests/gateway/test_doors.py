"""Finding routes by their fixed words finds what trying all of them would."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from careledger.gateway.doors import Doors

WORDS = ("", "fhir", "Patient", "_history", "$export", "7", "{id}", "{type}", "a b", ".")
PATHS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).map(
    lambda one: "/" + "/".join(one)
)


def _route(path: str, number: int, method: str) -> BaseRoute:
    async def answer(request: Request) -> Response:
        return Response(f"{number} {sorted(request.path_params.items())}")

    return Route(_distinct(path), answer, methods=[method])


def _distinct(path: str) -> str:
    """Parameters of one path must not have one name."""
    parts = path.split("/")
    return "/".join(
        one.replace("}", f"_{at}}}") if one.startswith("{") else one for at, one in enumerate(parts)
    )


def _ask(router: Router, path: str, method: str) -> tuple[int, bytes]:
    scope: Scope = {"type": "http", "method": method, "path": path, "headers": [], "app": router}
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        told.append(message)

    try:
        asyncio.run(router(scope, receive, send))
    except HTTPException as error:
        return error.status_code, str(sorted((error.headers or {}).items())).encode()
    return told[0]["status"], told[1]["body"]


ROUTES = st.lists(st.tuples(PATHS, st.sampled_from(("GET", "POST"))), max_size=12)


@given(
    ROUTES, st.lists(st.tuples(PATHS, st.sampled_from(("GET", "POST", "HEAD", "PUT"))), max_size=8)
)
def test_every_path_is_answered_as_by_a_router_that_tries_all(
    routes: list[tuple[str, str]], asked: list[tuple[str, str]]
) -> None:
    made = [_route(path, number, method) for number, (path, method) in enumerate(routes)]
    doors, router = Doors(made), Router(made, redirect_slashes=False)
    for path, method in asked:
        expected = _ask(router, path, method)
        assert _ask(doors, path, method) == expected
        assert _ask(doors, path, method) == expected  # also when it is remembered


def test_paths_of_any_length_meet_routes_that_take_them() -> None:
    async def file(request: Request) -> Response:
        return Response(request.path_params["path"])

    inner = Router([_route("/{id}", 3, "GET")])
    doors = Doors([Route("/tile/{path:path}", file), Mount("/below", inner)])
    assert _ask(doors, "/tile/8/x001/067", "GET") == (200, b"8/x001/067")
    assert _ask(doors, "/below/7", "GET")[0] == 200
    assert _ask(doors, "/elsewhere", "GET")[0] == 404


def test_what_is_no_path_meets_no_route() -> None:
    made = [_route("/fhir/{id}", 0, "GET")]
    doors, router = Doors(made), Router(made, redirect_slashes=False)
    for path in ("*", "", "fhir/7", "x/fhir/7", "/fhir/", "/fhir//", "//fhir/7", "/fhir/7/"):
        assert _ask(doors, path, "GET") == _ask(router, path, "GET") == (404, b"[]")


def test_what_stands_around_an_answer_is_not_passed_by() -> None:
    async def answer(request: Request) -> Response:
        return Response(request.scope["said"])

    class Around:
        def __init__(self, app: ASGIApp) -> None:
            self._app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self._app({**scope, "said": "around"}, receive, send)

    doors = Doors([Route("/fhir/{id}", answer, middleware=[Middleware(Around)])])
    assert _ask(doors, "/fhir/7", "GET") == (200, b"around")


def test_however_many_shapes_are_asked_for_few_are_remembered() -> None:
    doors = Doors([_route("/" + "/".join("ab" * 6), 0, "GET")])
    for number in range(1, 3_000):
        path = "".join("/" + ("a" if number >> at & 1 else "x") for at in range(12))
        assert _ask(doors, path, "GET")[0] == 404
    assert len(doors._near) <= 1_024
