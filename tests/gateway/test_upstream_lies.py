"""Riverside's own FHIR server lies, or labels change there: nothing gets out that may not."""

import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from careledger.exchange.upstream.settings import Upstream
from careledger.mechanisms.terms import Provision, Terms
from tests.exchange.upstream.lying import LyingServer, Said, said
from tests.exchange.world import ANA_MRN, BEN_MRN, RIVERSIDE, observation
from tests.gateway.world import World, tell

Story = Callable[[World, "Keeper"], Awaitable[None]]

RESTRICTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}


class Keeper:
    """A small FHIR server that keeps what it gets, until a test has it say something else."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.instead: Callable[[str], Said] | None = None

    def __call__(self, method: str, path: str, body: bytes) -> Said:
        name = path.removeprefix("/fhir").strip("/").partition("?")[0]
        if method == "POST":
            return self._bundle(json.loads(body))
        if method == "PUT":
            self.kept[name] = json.loads(body)
            return said(self.kept[name])
        if self.instead is not None:
            return self.instead(name)
        return said(self.kept[name]) if name in self.kept else said({}, 404)

    def _bundle(self, bundle: dict[str, Any]) -> Said:
        entries = []
        for entry in bundle["entry"]:
            name = entry["request"]["url"]
            if entry["request"]["method"] == "PUT":
                self.kept[name] = entry["resource"]
            status, _, data = self("GET", name, b"")
            one: dict[str, Any] = {"response": {"status": str(status)}}
            entries.append(one | ({"resource": json.loads(data)} if status == 200 else {}))
        return said({"resourceType": "Bundle", "type": "batch-response", "entry": entries})


@pytest.fixture
def keeper() -> Iterator[tuple[str, Keeper]]:
    with LyingServer() as server:
        server.mouth = kept = Keeper()
        yield server.url, kept


def play(folder: Path, keeper: tuple[str, Keeper], story: Story) -> None:
    url, kept = keeper

    async def told(here: World) -> None:
        await story(here, kept)

    tell(folder, told, Upstream(url, timeout_s=2, poll_s=3600))


@pytest.mark.parametrize(
    "instead",
    [
        lambda _: said(observation("o2")),
        lambda _: said({"resourceType": "Patient", "id": "o1"}),
        lambda _: said({"resourceType": "Observation", "id": "o1", "no": "R4"}),
        lambda _: said({}, 302, location="http://elsewhere.test/fhir/Observation/o1"),
        lambda _: (200, {"content-type": "text/html"}, b"<p>Please sign in</p>"),
    ],
    ids=["another id", "another type", "no R4", "a redirect", "a page"],
)
def test_a_lie_is_502_and_nothing_of_it_is_released(
    tmp_path: Path, keeper: tuple[str, Keeper], instead: Callable[[str], Said]
) -> None:
    async def story(here: World, server: Keeper) -> None:
        ana = await here.ana()
        server.instead = instead
        answer = await here.at_riverside.get("/fhir/Observation/o1", headers=ana)
        assert answer.status_code == 502, answer.text
        assert answer.json()["resourceType"] == "OperationOutcome"
        assert "valueQuantity" not in answer.text

    play(tmp_path, keeper, story)


@pytest.mark.parametrize("version", [5, '1"\r\nx: y', "", "\u2603"])
def test_a_version_that_is_none_goes_into_no_header(
    tmp_path: Path, keeper: tuple[str, Keeper], version: object
) -> None:
    async def story(here: World, server: Keeper) -> None:
        service = await here.service() | {"content-type": "application/fhir+json"}
        server.kept["Observation/o1"] |= {"meta": {"versionId": version}}
        body = json.dumps(observation("o1", value=7.0))
        answer = await here.at_riverside.put("/fhir/Observation/o1", content=body, headers=service)
        assert answer.status_code == 502, answer.text
        assert server.kept["Observation/o1"]["meta"] == {"versionId": version}

    play(tmp_path, keeper, story)


def test_another_patients_resource_under_that_name_is_not_released(
    tmp_path: Path, keeper: tuple[str, Keeper]
) -> None:
    async def story(here: World, server: Keeper) -> None:
        ana = await here.ana()
        server.kept["Observation/o1"] = observation("o1", BEN_MRN, value=6.66)
        answer = await here.at_riverside.get("/fhir/Observation/o1", headers=ana)
        assert answer.status_code == 404
        found = await here.at_riverside.get(f"/fhir/Observation?patient={ANA_MRN}", headers=ana)
        assert "6.66" not in found.text
        assert found.json()["total"] == 0

    play(tmp_path, keeper, story)


def test_a_label_given_there_is_decided_by_at_once(
    tmp_path: Path, keeper: tuple[str, Keeper]
) -> None:
    async def story(here: World, server: Keeper) -> None:
        secret = Provision(effect="deny", labels=("|".join(RESTRICTED.values()),))
        terms = Terms(base=Provision(effect="permit"), exceptions=(secret,))
        await here.grant(terms)
        cho = await here.dr_cho()
        url = f"/fhir/remote/{RIVERSIDE}/Patient/lv-2210/Observation"

        async def matches() -> list[str]:
            await here.riverside.ingestion.settled()
            answer = await here.at_lakeview.get(url, headers=cho)
            assert answer.status_code == 200, answer.text
            found = answer.json()["entry"]
            return [e["resource"]["id"] for e in found if e["search"]["mode"] == "match"]

        assert await matches() == ["o1"]
        server.kept["Observation/o1"] |= {"meta": {"security": [RESTRICTED]}}
        assert await matches() == []
        server.kept["Observation/o1"].pop("meta")
        upstream = here.riverside.upstream
        assert upstream is not None
        data = json.dumps(server.kept["Observation/o1"]).encode()
        assert upstream.intake.put([upstream.intake.read(data)]).changed == 1
        assert await matches() == ["o1"]

    play(tmp_path, keeper, story)
