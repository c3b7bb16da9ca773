"""In front of a server or in its place: whoever asks cannot tell the two apart."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from careledger.exchange.upstream.settings import Upstream
from tests.exchange.world import (
    ANA_MRN,
    BEN_MRN,
    RIVERSIDE,
    bundle,
    medication,
    observation,
    patient,
)
from tests.gateway.world import World, tell
from tests.peers.servers import hapi, medplum

QUESTIONS = (
    "Observation/o1",
    "Observation/o1/_history/1",
    "Observation/o1/_history",
    "Observation/b1",
    "Observation/none",
    f"Patient/{ANA_MRN}",
    f"Patient/{ANA_MRN}/$everything",
    f"Patient/{BEN_MRN}/$everything",
    f"Observation?patient={ANA_MRN}",
    f"Observation?patient={BEN_MRN}",
    "Observation?code=http://loinc.org|4548-4",
    "Observation?_summary=count",
    "Observation?value-quantity=gt7",
    "Observation?_include=Observation:subject",
    "Observation?subject:Patient.family=Rivera-Quill",
    "Observation?_sort=-date&_count=1",
    "Patient?_has:Observation:patient:code=4548-4",
    "Patient?family=Rivera-Quill&_revinclude=MedicationRequest:patient",
    "MedicationRequest?_elements=status",
    "MedicationRequest?no-such=1",
    "Observation?date=not-a-date",
    "$export",
)


@pytest.fixture
def peer(interop_modules: Path, tmp_path: Path) -> Iterator[str]:
    with medplum(interop_modules, tmp_path / "medplum.log") as url:
        yield url


def answers(folder: Path, upstream: Upstream | None) -> dict[str, Any]:
    """What Ana, Dr Finn and a system get, before and after Ana denies Riverside."""
    found: dict[str, Any] = {}

    async def story(here: World) -> None:
        more = (
            patient(BEN_MRN, family="Okafor"),
            observation("b1", BEN_MRN),
            medication("b2", BEN_MRN),
        )
        await here.riverside.ingestion.bundle(bundle(*more))
        await ask(here, "before")
        await here.deny(grantee=RIVERSIDE)
        await ask(here, "after")

    async def ask(here: World, when: str) -> None:
        callers = {
            "ana": await here.ana(),
            "finn": await here.dr_finn(),
            "service": await here.service("system/*.rs"),
        }
        for who, headers in callers.items():
            for question in QUESTIONS:
                answer = await here.at_riverside.get(f"/fhir/{question}", headers=headers)
                found[f"{when} {who} {question}"] = answer.status_code, _timeless(answer)

    folder.mkdir()
    tell(folder, story, upstream)
    return found


def _timeless(answer: httpx2.Response) -> Any:
    """What was answered, without what each server writes anew: instants, cursors, `meta.source`."""
    if not answer.content:
        return None

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            left_out = {"lastUpdated", "timestamp", "lastModified", "source"}
            links = [one["relation"] for one in value.get("link", []) if "relation" in one]
            kept = {k: without(v) for k, v in value.items() if k not in left_out and k != "link"}
            return kept | ({"link": links} if links else {})
        return [without(one) for one in value] if isinstance(value, list) else value

    return without(json.loads(answer.content))


def test_every_question_has_the_same_answer(tmp_path: Path, peer: str) -> None:
    in_place = answers(tmp_path / "in-place", None)
    in_front = answers(tmp_path / "in-front", Upstream(peer, timeout_s=5, poll_s=3600))
    assert set(in_place) == set(in_front)
    different = [question for question in in_place if in_place[question] != in_front[question]]
    assert different == []
    assert any(status == 200 for status, _ in in_place.values())
    assert any(status == 404 for status, _ in in_place.values())


@pytest.mark.soak
def test_every_question_has_the_same_answer_before_hapi(tmp_path: Path) -> None:
    in_place = answers(tmp_path / "in-place", None)
    with hapi(tmp_path / "hapi.log") as url:
        in_front = answers(tmp_path / "in-front", Upstream(url, timeout_s=20, poll_s=3600))
    assert [one for one in in_place if in_place[one] != in_front[one]] == []
