"""Whatever is sent to a gateway, it answers, never with a 500, and in the words of its door."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.exchange.world import ANA_MRN, DR_FINN, RECORD, RIVERSIDE, bundle
from tests.gateway import world as gateway_world
from tests.gateway.world import FHIR, JWT_BEARER, World


class Stage:
    """A world that many examples share; the loop runs while one of them asks."""

    def __init__(self, runner: asyncio.Runner, world: World, tokens: list[dict[str, str]]) -> None:
        self.runner, self.world, self.tokens = runner, world, tokens

    def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        async def asked() -> httpx2.Response:
            return await self.world.at_riverside.request(method, path, **more)

        answer = self.runner.run(asked())
        assert answer.status_code < 500, (method, path, answer.text)
        assert "Rivera" not in answer.text or answer.status_code == 200
        if answer.status_code >= 400 and path.startswith("/fhir/") and method != "HEAD":
            assert answer.json()["resourceType"] == "OperationOutcome"
        return answer


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with asyncio.Runner() as runner:
        context = gateway_world.world(Path(tmp_path_factory.mktemp("fuzz")))
        world = runner.run(context.__aenter__())
        tokens = [runner.run(one()) for one in (world.ana, world.dr_finn, world.service)]
        try:
            yield Stage(runner, world, [*tokens, {}, {"authorization": "Bearer x"}])
        finally:
            runner.run(context.__aexit__(None, None, None))


WORDS = st.sampled_from(
    [
        "Patient",
        "Observation",
        "Practitioner",
        "Unicorn",
        "$everything",
        "_history",
        "remote",
        "m1",
        "1",
        "0",
        "-1",
        "99999999999999999999",
        RIVERSIDE,
        "lakeview",
        ANA_MRN,
        "metadata",
        "",
        ".",
    ]
)
SEGMENTS = st.lists(WORDS | st.text(max_size=12).map(lambda text: quote(text, safe="")), max_size=5)
NAMES = st.sampled_from(
    ["patient", "code", "date", "category", "_id", "_count", "_offset", "_format", "x"]
)
VALUES = st.sampled_from([ANA_MRN, "a|b", "ge2026", "2026-13-45", "json", "5", ",", "|"]) | st.text(
    max_size=20
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["accept", "content-type", "if-match", "if-none-match", "if-none-exist", "prefer",
         "emergency-statement"]
    ),
    st.sampled_from([FHIR, "*/*", "text/plain", 'W/"1"', '"', "identifier=a|b", "name=x", "AAAA",
                     f"{FHIR};fhirVersion=4.0", ";;==", "0"]),
    max_size=3,
)  # fmt: skip
JSONS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["final", "PUT"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["resourceType", "id", "status", "code", "subject", "entry", "request",
                         "type", "url", "method", "resource", "extension", "text"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "PATCH", "OPTIONS"]),
    SEGMENTS,
    st.lists(st.tuples(NAMES, VALUES), max_size=3),
    HEADERS,
    st.integers(0, 4),
    st.binary(max_size=40),
)
def test_no_request_is_too_much(
    stage: Stage,
    method: str,
    segments: list[str],
    query: list[tuple[str, str]],
    headers: dict[str, str],
    who: int,
    body: bytes,
) -> None:
    path = "/".join(["/fhir", *segments])
    stage.ask(method, path, params=query or None, headers=headers | stage.tokens[who], content=body)


@given(
    JSONS,
    st.sampled_from(["/fhir", "/fhir/Observation", "/fhir/Observation/o1", "/desk/practitioners"]),
)
def test_no_json_is_too_much(stage: Stage, body: Any, path: str) -> None:
    method = "PUT" if path.endswith("o1") else "POST"
    headers = stage.tokens[2] | {"content-type": FHIR}
    stage.ask(method, path, headers=headers, content=json.dumps(body).encode())


@given(st.sampled_from(RECORD), st.data())
def test_no_damage_to_a_bundle_is_too_much(
    stage: Stage, resource: dict[str, Any], data: Any
) -> None:
    good = bundle(resource)
    position = data.draw(st.integers(0, len(good) - 1))
    piece = data.draw(st.binary(max_size=3))
    length = data.draw(st.integers(0, 40))
    damaged = good[:position] + piece + good[position + length :]
    headers = stage.tokens[2] | {"content-type": FHIR}
    answer = stage.ask("POST", "/fhir", headers=headers, content=damaged)
    assert answer.json()["resourceType"] in {"OperationOutcome", "Bundle"}


@given(st.sampled_from(["/exchange/ask", "/mailbox", "/auth/token"]), st.binary(max_size=200))
def test_no_bytes_at_the_other_doors_are_too_much(stage: Stage, path: str, body: bytes) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"} if "auth" in path else {}
    assert stage.ask("POST", path, headers=form, content=body).status_code >= 400


@given(st.data())
def test_no_damage_to_an_assertion_signs_in(stage: Stage, data: Any) -> None:
    good = stage.world.assertion(DR_FINN, RIVERSIDE, b2b={"subject_role": "clinician"})
    position = data.draw(st.integers(0, 499)) % len(good)
    piece = data.draw(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=2))
    damaged = good[:position] + piece + good[position + 1 :]
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": JWT_BEARER,
        "client_assertion": damaged,
        "scope": "system/*.rs",
    }
    answer = stage.ask("POST", "/auth/token", data=form)
    assert (answer.status_code == 200) <= _means_the_same(good, damaged)


def _means_the_same(good: str, damaged: str) -> bool:
    """Base64url leaves spare bits in its last character, and some decoders pass over padding."""
    import base64

    def parts(token: str) -> list[bytes]:
        return [base64.urlsafe_b64decode(one + "=" * (-len(one) % 4)) for one in token.split(".")]

    try:
        return parts(good) == parts(damaged)
    except ValueError:
        return False
