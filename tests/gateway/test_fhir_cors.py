"""Pages of chosen origins may call FHIR and sign-in from a browser; nobody else's, nothing else."""

from pathlib import Path

import httpx2

from careledger.gateway.app import gateway_app
from careledger.gateway.browsers import let_browsers_in
from tests.gateway.world import World, tell

APP = "https://app.example"
PREFLIGHT = {
    "origin": APP,
    "access-control-request-method": "PUT",
    "access-control-request-headers": "authorization, content-type, if-match",
}


def browser(world: World, *origins: str) -> httpx2.AsyncClient:
    app = gateway_app(world.riverside, "http://riverside.test")
    let_browsers_in(app, origins)
    transport = httpx2.ASGITransport(app)
    return httpx2.AsyncClient(transport=transport, base_url="http://riverside.test")


def test_chosen_origins_may_call(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        async with browser(world, APP) as client:
            asked = await client.options("/fhir/Observation/o1", headers=PREFLIGHT)
            assert asked.status_code == 200
            assert asked.headers["access-control-allow-origin"] == APP
            assert "PUT" in asked.headers["access-control-allow-methods"]
            assert "If-Match" in asked.headers["access-control-allow-headers"]
            assert "access-control-allow-credentials" not in asked.headers
            headers = await world.service() | {"origin": APP}
            answer = await client.get("/fhir/Observation/o1", headers=headers)
            assert answer.headers["access-control-allow-origin"] == APP
            exposed = set(answer.headers["access-control-expose-headers"].split(", "))
            assert exposed >= {"ETag", "Location", "Last-Modified", "Content-Location"}
            assert exposed >= {"Expires", "Retry-After", "WWW-Authenticate", "X-Progress"}
            token = await client.options(
                "/auth/token", headers=PREFLIGHT | {"access-control-request-method": "POST"}
            )
            assert token.headers["access-control-allow-origin"] == APP

    tell(tmp_path, story)


def test_no_other_origin_and_no_other_door(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        elsewhere = PREFLIGHT | {"origin": "https://evil.example"}
        async with browser(world, APP) as client:
            for path, headers in (
                ("/fhir/Observation/o1", elsewhere),
                ("/desk/patients", PREFLIGHT),
                ("/mailbox", PREFLIGHT),
                ("/fhirs", PREFLIGHT),
            ):
                asked = await client.options(path, headers=headers)
                assert "access-control-allow-origin" not in asked.headers, path
        async with browser(world) as client:
            asked = await client.options("/fhir/Observation/o1", headers=PREFLIGHT)
            assert asked.status_code == 405
            assert "access-control-allow-origin" not in asked.headers
        async with browser(world, "*") as client:
            asked = await client.options("/fhir/Observation/o1", headers=elsewhere)
            assert asked.headers["access-control-allow-origin"] == "*"

    tell(tmp_path, story)
