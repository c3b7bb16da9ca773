"""Bad input at the FHIR doors, case by case: an OperationOutcome that says what to do, in time.

Never a 500, never a request of ours to another host, never an update lost.
"""

import asyncio
import gzip
import json
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from careledger.fhir.patch.json_patch import JSON_PATCH
from tests.exchange.world import ANA_MRN, bundle, observation, patient
from tests.gateway import world as gateway_world
from tests.gateway.world import FHIR, World, tell

SOON_S = 5.0
"""Of processor time: however busy the machine is, no answer takes more work than this."""

MANY = ",".join(f"c{number}" for number in range(1_000))


class Stage:
    """A world that many cases share."""

    def __init__(self, runner: asyncio.Runner, world: World) -> None:
        self.runner, self.world = runner, world
        self.headers = runner.run(world.service())

    def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = self.headers | more.pop("headers", {})

        async def asked() -> httpx2.Response:
            return await self.world.at_riverside.request(method, path, headers=headers, **more)

        begun = time.process_time()
        answer = self.runner.run(asked())
        assert time.process_time() - begun < SOON_S, (method, path)
        return answer


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with asyncio.Runner() as runner:
        context = gateway_world.world(Path(tmp_path_factory.mktemp("bad")))
        world = runner.run(context.__aenter__())
        ring = [observation(f"ring{n}") for n in range(3)]
        for number, one in enumerate(ring):
            one["hasMember"] = [{"reference": f"Observation/ring{(number + 1) % 3}"}]
        runner.run(world.riverside.ingestion.bundle(bundle(*ring)))
        try:
            yield Stage(runner, world)
        finally:
            runner.run(context.__aexit__(None, None, None))


def is_clear(answer: httpx2.Response) -> None:
    """An OperationOutcome whose every issue says something, and repeats nothing of a record."""
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
    body = answer.json()
    assert body["resourceType"] == "OperationOutcome", body
    assert all(len(one.get("diagnostics", "")) > 8 for one in body["issue"]), body
    assert "Rivera" not in answer.text


REFUSED_SEARCHES = (
    "Observation?colour=red",
    "Observation?code:loud=1",
    "Observation?date=yesterday",
    "Observation?date=2026-13-01",
    "Observation?date=2026-02-30",
    "Observation?date=xx2026-01-01",
    "Observation?date=ge",
    "Observation?date=gege2026",
    "Observation?date=2026-06-01T25:00:00Z",
    "Observation?_lastUpdated=now",
    "Observation?value-quantity=abc",
    "Observation?value-quantity=gt1e",
    "Observation?value-quantity=5.4|||mg",
    "Observation?_count=-1",
    "Observation?_count=many",
    "Observation?_count=" + "9" * 5_000 + "x",
    "Observation?_sort=nothing",
    "Observation?_sort=-",
    "Observation?_sort=code:exact",
    "Observation?_include=Observation:nothing",
    "Observation?_include=nothing",
    "Observation?_revinclude=Unicorn:horn",
    "Observation?_summary=maybe",
    "Observation?_total=exactly",
    "Observation?_has:Unicorn:horn:x=1",
    "Observation?_has:Observation=1",
    "Observation?subject.subject.subject.subject.subject.subject=1",
    "Observation?subject:Unicorn=1",
    "Observation?code:in=http://nobody.example/ValueSet/none",
    "Observation?code:missing=perhaps",
    "Observation?combo-code-value-quantity=one",
    "Patient?birthdate=1984-3-7",
    "Patient/x/Observation?_include=",
    "?_type=Unicorn",
    "?code=1",
    "Observation?" + "&".join(f"code={number}" for number in range(100)),
    "Observation?code=" + "x" * 50_000,
    "_history?_since=yesterday",
    "Observation/o1/_history?_count=0",
    "Observation/_history?colour=red",
    f"Patient/{ANA_MRN}/$everything?start=later",
    f"Patient/{ANA_MRN}/$everything?_type=Unicorn",
    "Observation?_cursor=AAAA",
    "Observation?_cursor=%00%ff",
)


@pytest.mark.parametrize("search", REFUSED_SEARCHES, ids=lambda text: text[:50])
def test_searches_that_are_refused(stage: Stage, search: str) -> None:
    path = f"/fhir{search}" if search.startswith("?") else f"/fhir/{search}"
    is_clear(stage.ask("GET", path))


ANSWERED = (
    "Observation?code=" + MANY,
    f"Observation?_id={MANY}&patient={ANA_MRN}",
    "Observation?patient=" + MANY,
    "Observation?date=" + ",".join(["ge2026-01-01"] * 1_000),
    "Observation?_id=ring0&_include:iterate=Observation:has-member",
    "Observation?_id=ring0&_include:iterate=*&_revinclude:iterate=*",
    "Observation?has-member.has-member.has-member._id=ring0",
    "Observation?_sort=-value-quantity,component-code,_id",
    "Observation?_count=99999999999999999999",
    "Observation?code=%00",
    "Observation?code=%ff%fe",
    "Observation?code=%5C%5C%2C%5C%7C",
    "Observation?value-quantity=1e400",
    "Observation?value-quantity=-1e-400",
    "Observation?date=0001-01-01,9999-12-31",
    "Patient?name=" + "%F0%9F%92%A9" * 500,
)


@pytest.mark.parametrize("search", ANSWERED, ids=lambda text: text[:50])
def test_searches_that_are_much_and_answered(stage: Stage, search: str) -> None:
    answer = stage.ask("GET", f"/fhir/{search}")
    if answer.status_code != 200:
        is_clear(answer)
    else:
        names = [one["fullUrl"] for one in answer.json().get("entry", [])]
        assert len(names) == len(set(names))


def test_a_ring_of_includes_comes_once(stage: Stage) -> None:
    url = "/fhir/Observation?_id=ring0&_include=Observation:has-member"
    answer = stage.ask("GET", url + "&_include:iterate=Observation:has-member")
    found = sorted(one["resource"]["id"] for one in answer.json()["entry"] if "search" in one)
    assert found == ["ring0", "ring1", "ring2"]


@pytest.mark.parametrize("parameter", ["colour=red", "code:loud=1", "_sort=nothing"])
def test_lenient_searches_say_what_they_left_out(stage: Stage, parameter: str) -> None:
    lenient = {"prefer": "handling=lenient"}
    answer = stage.ask("GET", f"/fhir/Observation?_id=o1&{parameter}", headers=lenient)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert [one["resource"]["id"] for one in body["entry"][:-1]] == ["o1"]
    assert body["entry"][-1]["search"]["mode"] == "outcome"
    assert "colour" not in body["link"][0]["url"]


# --- bodies --------------------------------------------------------------------------------------


def nested(depth: int) -> bytes:
    return b'{"resourceType":"Observation","x":' + b"[" * depth + b"]" * depth + b"}"


def inside(depth: int) -> bytes:
    """A bundle in a bundle in a bundle."""
    one: dict[str, Any] = {"resourceType": "Bundle", "type": "collection"}
    for _ in range(depth):
        one = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one}]}
    entry = {"resource": one, "request": {"method": "POST", "url": "Bundle"}}
    whole = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    return json.dumps(whole).encode()


EMPTY = b'{"resourceType":"Bundle","type":"batch"}'

BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "nothing": (b"", {}),
    "not JSON": (b"<Bundle/>", {}),
    "half": (b'{"resourceType":"Bundle"', {}),
    "not UTF-8": (b'{"resourceType":"Bundle","type":"\xff"}', {}),
    "a list": (b"[]", {}),
    "arrays in arrays": (nested(200_000), {}),
    "bundles in bundles": (inside(300), {}),
    "a number that is none": (b'{"resourceType":"Bundle","type":NaN}', {}),
    "half a surrogate": (b'{"resourceType":"Bundle","type":"\\ud800"}', {}),
    "twice the same": (b'{"resourceType":"Bundle","type":"batch","type":"transaction"}', {}),
    "XML by name": (EMPTY, {"content-type": "application/fhir+xml"}),
    "too long": (b" " * 50_000_001, {}),
    "a bomb": (gzip.compress(b" " * 400_000_000), {"content-encoding": "gzip"}),
    "a bomb in a bomb": (gzip.compress(gzip.compress(b" " * 10**8)), {"content-encoding": "gzip"}),
    "gzip by name": (EMPTY, {"content-encoding": "gzip"}),
    "gzip cut off": (gzip.compress(EMPTY)[:-6], {"content-encoding": "gzip"}),
    "gzip and more": (gzip.compress(EMPTY) * 2, {"content-encoding": "gzip"}),
    "packed otherwise": (EMPTY, {"content-encoding": "br"}),
    "packed twice": (EMPTY, {"content-encoding": "gzip, gzip"}),
    "a length that is none": (EMPTY, {"content-length": "-5"}),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", ["/fhir", "/fhir/Observation", "/fhir/Observation/$validate"])
def test_bodies_that_are_refused(stage: Stage, name: str, path: str) -> None:
    body, headers = BODIES[name]
    tracemalloc.start()
    try:
        answer = stage.ask("POST", path, content=body, headers={"content-type": FHIR} | headers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 250_000_000, peak
    if path.endswith("$validate") and answer.status_code == 200:
        assert answer.json()["issue"][0]["severity"] == "error"
    else:
        is_clear(answer)


# --- paths and hosts -----------------------------------------------------------------------------

TRICKS = (
    "%2e%2e",
    "..%2fm1",
    "%2e%2e%2f%2e%2e%2fdesk%2fpatients",
    "o1%00",
    "o1%5c",
    "o1;version=1",
    "o1%20",
    "%EF%BC%8Fo1",
    "a" * 65,
    "%C3%A9",
    "o1%0d%0aX-Evil:%201",
    "*",
    "'%20or%201=1--",
)


@pytest.mark.parametrize("trick", TRICKS)
def test_tricks_in_ids(stage: Stage, trick: str) -> None:
    body = json.dumps(observation("o1")).encode()
    json_type = {"content-type": FHIR}
    for method, path, more in (
        ("GET", f"/fhir/Observation/{trick}", {}),
        ("GET", f"/fhir/Observation/o1/_history/{trick}", {}),
        ("GET", f"/fhir/Patient/{trick}/$everything", {}),
        ("GET", f"/fhir/Patient/{trick}/Observation", {}),
        ("GET", f"/fhir/{trick}/o1", {}),
        ("GET", f"/fhir/bulk/{trick}", {}),
        ("PUT", f"/fhir/Observation/{trick}", {"content": body, "headers": json_type}),
        ("DELETE", f"/fhir/Observation/{trick}", {}),
    ):
        answer = stage.ask(method, path, **more)
        assert "x-evil" not in answer.headers
        if answer.status_code == 200:  # two dots are an id as good as any (FHIR R4 2.24.0.1)
            assert answer.json()["total"] == 0, (method, path)
        else:
            assert answer.status_code in {400, 404, 405}, (method, path, answer.text)
            assert answer.json()["resourceType"] == "OperationOutcome"
    assert stage.ask("GET", "/fhir/Observation/o1").status_code == 200


def test_no_other_host_is_ever_asked(tmp_path: Path) -> None:
    """Whatever refers to it: the listener at the other end hears nothing."""
    heard: list[str] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readline()).decode())
        writer.close()

    async def story(world: World) -> None:
        server = await asyncio.start_server(listen, "127.0.0.1", 0)
        other = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client, headers = world.at_riverside, await world.service() | {"content-type": FHIR}
        away = observation("away") | {
            "meta": {"profile": [f"{other}/StructureDefinition/x"]},
            "hasMember": [{"reference": f"{other}/Observation/1"}],
            "performer": [{"reference": f"{other}/Practitioner/1"}],
            "extension": [{"url": f"{other}/x", "valueUri": f"{other}/y"}],
        }
        note = {
            "resourceType": "DocumentReference",
            "id": "away",
            "status": "current",
            "subject": {"reference": f"Patient/{ANA_MRN}"},
            "content": [{"attachment": {"contentType": "text/plain", "url": f"{other}/secret"}}],
        }
        said = patient(ANA_MRN) | {"managingOrganization": {"reference": f"{other}/Organization/1"}}
        for one in (away, note, said):
            url = f"/fhir/{one['resourceType']}/{one['id']}"
            stored = await client.put(url, json=one, headers=headers)
            assert stored.status_code in {200, 201}, stored.text
        conditional = away | {"hasMember": [{"reference": f"{other}/Observation?code=1"}]}
        entry = {"resource": conditional, "request": {"method": "PUT", "url": "Observation/away"}}
        outside = {"request": {"method": "GET", "url": f"{other}/Observation/1"}}
        for body in (
            {"resourceType": "Bundle", "type": "transaction", "entry": [entry]},
            {"resourceType": "Bundle", "type": "batch", "entry": [outside]},
        ):
            assert (await client.post("/fhir", json=body, headers=headers)).status_code < 500
        for path in (
            "/fhir/Observation?_id=away&_include=*&_include:iterate=*",
            f"/fhir/Observation?has-member={other}/Observation/1",
            "/fhir/Observation?performer:Practitioner.name=x&has-member.code=1",
            f"/fhir/Observation?code:in={other}/ValueSet/1",
            "/fhir/Observation/away/$validate",
            f"/fhir/Observation/away/$validate?profile={other}/StructureDefinition/x",
            f"/fhir/Patient/{ANA_MRN}/$everything",
            f"/fhir/Patient/{ANA_MRN}/$summary",
            f"/fhir/DocumentReference/$docref?patient={ANA_MRN}",
        ):
            assert (await client.get(path, headers=headers)).status_code < 500, path
        server.close()
        await server.wait_closed()
        assert heard == []

    tell(tmp_path, story)


# --- at the same time ----------------------------------------------------------------------------


def test_updates_at_the_same_time_are_all_kept_or_refused(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        client, headers = world.at_riverside, await world.service() | {"content-type": FHIR}
        url, at_once = "/fhir/Observation/o1", 12

        async def put(value: int, **more: str) -> int:
            body = observation("o1", value=value)
            return (await client.put(url, json=body, headers=headers | more)).status_code

        plain = await asyncio.gather(*(put(number) for number in range(at_once)))
        assert plain == [200] * at_once
        history = (await client.get(url + "/_history", headers=headers)).json()["entry"]
        kept = [one["resource"] for one in history]
        assert sorted(one["valueQuantity"]["value"] for one in kept[:-1]) == list(range(at_once))
        newest = {"if-match": f'W/"{at_once + 1}"'}
        guarded = await asyncio.gather(*(put(100 + n, **newest) for n in range(at_once)))
        assert sorted(guarded) == [200] + [412] * (at_once - 1)

        async def patch(number: int) -> int:
            added = [{"op": "add", "path": "/note/-", "value": {"text": f"note {number}"}}]
            patching = headers | {"content-type": JSON_PATCH}
            return (await client.patch(url, json=added, headers=patching)).status_code

        first = observation("o1") | {"note": [{"text": "first"}]}
        assert (await client.put(url, json=first, headers=headers)).status_code == 200
        done = await asyncio.gather(*map(patch, range(at_once)))
        assert set(done) <= {200, 412}
        notes = (await client.get(url, headers=headers)).json()["note"]
        assert len(notes) == 1 + done.count(200)

    tell(tmp_path, story)
