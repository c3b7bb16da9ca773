"""Shadow mode: everything is answered, and the report says what would not have been."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from careledger.exchange.upstream.settings import Upstream
from tests.exchange.world import ANA_MRN, DR_FINN, RIVERSIDE, observation, patient
from tests.gateway.world import World, tell
from tests.peers.servers import medplum

Story = Callable[[World, httpx2.AsyncClient], Awaitable[None]]


@pytest.fixture(scope="module")
def server(interop_modules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Medplum's router in memory."""
    with medplum(interop_modules, tmp_path_factory.mktemp("medplum") / "log") as url:
        yield url


@pytest.fixture
def peer(server: str) -> str:
    """The same, empty."""
    httpx2.post(server.replace("/fhir", "/clear"))
    return server


def play(folder: Path, peer: str, story: Story) -> None:
    async def told(here: World) -> None:
        async with httpx2.AsyncClient(base_url=peer) as direct:
            await story(here, direct)

    tell(folder, told, Upstream(peer, timeout_s=2, poll_s=3600), shadow=True)


def test_what_would_be_refused_is_answered_and_reported(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        await here.deny(grantee=RIVERSIDE)
        finn, service = await here.dr_finn(), await here.service()
        answer = await here.at_riverside.get(
            f"/fhir/Observation?subject=Patient/{ANA_MRN}", headers=finn
        )
        there = await direct.get(f"/Observation?subject=Patient/{ANA_MRN}")
        assert answer.json() == there.json()
        assert [one["resource"]["id"] for one in answer.json()["entry"]] == ["o1"]
        read = await here.at_riverside.get("/fhir/MedicationRequest/m1", headers=finn)
        assert read.json() == (await direct.get("/MedicationRequest/m1")).json()

        said = await here.at_riverside.get("/desk/shadow", headers=service)
        report = said.json()
        assert (report["requests"], report["resources"]) == (2, 2)
        lines = {line["type"]: (line, count) for line, count in report["lines"]}
        assert set(lines) == {"Observation", "MedicationRequest"}
        line, count = lines["Observation"]
        assert (line["kind"], line["role"], line["purpose"], count) == (
            "practitioner",
            "clinician",
            "TREAT",
            1,
        )
        assert line["reason"]
        assert report["details"] == []
        assert "o1" not in said.text
        assert ANA_MRN not in said.text

        detailed = await here.at_riverside.get("/desk/shadow?details=true", headers=service)
        details = detailed.json()["details"]
        assert {one["id"] for one in details} == {"o1", "m1"}
        assert {one["practitioner"] for one in details} == {DR_FINN}

    play(tmp_path, peer, story)


def test_what_would_be_answered_is_not_in_the_report(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        finn = await here.dr_finn()
        assert (
            await here.at_riverside.get("/fhir/Observation/o1", headers=finn)
        ).status_code == 200
        unknown = await here.at_riverside.get("/fhir/Observation/none", headers=finn)
        assert unknown.json() == (await direct.get("/Observation/none")).json()
        await direct.put("/Patient/stranger", json=patient("stranger"))
        await direct.put("/Observation/s1", json=observation("s1", "stranger"))
        assert (
            await here.at_riverside.get("/fhir/Observation/s1", headers=finn)
        ).status_code == 200
        said = await here.at_riverside.get("/desk/shadow", headers=await here.service())
        ((line, count),) = said.json()["lines"]
        assert (line["reason"], count) == ("patient", 1)

    play(tmp_path, peer, story)


def test_a_token_of_a_narrower_scope_is_reported(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        narrow = await here.dr_finn("system/Patient.rs")
        answer = await here.at_riverside.get("/fhir/Observation/o1", headers=narrow)
        assert answer.status_code == 200
        said = await here.at_riverside.get("/desk/shadow", headers=await here.service())
        ((line, _),) = said.json()["lines"]
        assert line["reason"] == "scope"

    play(tmp_path, peer, story)


def test_writes_pass_and_links_lead_back_here(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        finn = await here.dr_finn("system/*.cruds")
        body = {name: value for name, value in observation("x").items() if name != "id"}
        made = await here.at_riverside.post("/fhir/Observation", json=body, headers=finn)
        assert made.status_code == 201, made.text
        assert made.headers["location"].startswith("http://riverside.test/fhir/Observation/")
        assert (await direct.get(f"/Observation/{made.json()['id']}")).status_code == 200

    play(tmp_path, peer, story)


def test_nobody_changes_what_the_scopes_do_not_name(tmp_path: Path, peer: str) -> None:
    """It is with the gateway's own credentials that a change is made there."""

    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        reader = await here.dr_finn("system/*.rs")
        writer = await here.dr_finn("system/Observation.cud system/*.rs")
        url, one = "/fhir/Observation/o1", observation("o1", value=6.66)
        before = (await direct.get("/Observation/o1")).json()

        async def status(
            headers: dict[str, str], method: str, url: str, body: object = None
        ) -> int:
            answer = await here.at_riverside.request(method, url, json=body, headers=headers)
            return answer.status_code

        def bundle(*requests: tuple[str, str], type_: str = "batch") -> dict[str, object]:
            entries = [
                {"request": {"method": verb, "url": to}}
                | ({"resource": one} if verb == "PUT" else {})
                for verb, to in requests
            ]
            return {"resourceType": "Bundle", "type": type_, "entry": entries}

        for headers in (reader, writer):
            assert await status(headers, "POST", "/fhir/Patient", patient("x")) == 403
            assert await status(headers, "DELETE", f"/fhir/Patient/{ANA_MRN}") == 403
            assert await status(headers, "POST", "/fhir/$expunge", {}) == 403
            assert await status(headers, "POST", "/fhir/Observation/$expunge", {}) == 403
            assert await status(headers, "DELETE", "/fhir/%2e/Observation/o1") == 403
            mixed = bundle(("GET", "Observation/o1"), ("DELETE", f"Patient/{ANA_MRN}"))
            assert await status(headers, "POST", "/fhir", mixed) == 403
            assert await status(headers, "POST", "/fhir/", mixed) == 403
            assert await status(headers, "POST", "/fhir", bundle(("PURGE", "Patient/x"))) == 403
            assert await status(headers, "POST", "/fhir", {"resourceType": "Bundle"}) == 403
            asked = bundle(("GET", "Observation/o1"))
            assert await status(headers, "POST", "/fhir", asked) == 200
        for method, body in (("PUT", one), ("PATCH", []), ("DELETE", None)):
            assert await status(reader, method, url, body) == 403
        assert await status(reader, "POST", "/fhir", bundle(("PUT", "Observation/o1"))) == 403
        assert (await direct.get("/Observation/o1")).json() == before
        assert (await direct.get(f"/Patient/{ANA_MRN}")).status_code == 200
        assert await status(writer, "PUT", url, one) == 200
        assert (await direct.get("/Observation/o1")).json() != before

    play(tmp_path, peer, story)


def test_nobody_but_staff_and_systems_comes_through(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        assert (await here.at_riverside.get("/fhir/Observation/o1")).status_code == 401
        ana = await here.ana()
        assert (await here.at_riverside.get("/fhir/Observation/o1", headers=ana)).status_code == 403
        assert (await here.at_riverside.get("/desk/shadow", headers=ana)).status_code == 403
        finn = await here.dr_finn()
        assert (await here.at_riverside.get("/desk/shadow", headers=finn)).status_code == 403
        for way in (
            "%2e%2e",
            "%252e%252e",
            "..;",
            "%252e.%253b",
            "..%5c..",
            "%2e",
            "Patient%2f..%2f..",
        ):
            up = await here.at_riverside.get(f"/fhir/{way}/clear", headers=finn)
            assert up.status_code == 502, way

    play(tmp_path, peer, story)


def test_other_organisations_are_decided_as_always(tmp_path: Path, peer: str) -> None:
    async def story(here: World, direct: httpx2.AsyncClient) -> None:
        cho = await here.dr_cho()
        answer = await here.at_lakeview.get(
            f"/fhir/remote/{RIVERSIDE}/Patient/lv-2210/Observation", headers=cho
        )
        assert answer.status_code == 403

    play(tmp_path, peer, story)
