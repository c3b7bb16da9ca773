"""fhirpy, in both its forms, works against a gateway as it does against other servers."""

from pathlib import Path
from typing import Any

import pytest

from tests.clients.house import House, play

PROGRAM = Path(__file__).parent / "programs" / "fhirpy_asked.py"


@pytest.fixture(scope="module")
def found(house: House, clients: Path) -> Any:
    ana = next(one for one in house.loaded if one["resourceType"] == "Patient")
    with house.http() as http:
        asked = {"patient": ana["id"], "_count": "1"}
        encounter = http.get("/Encounter", params=asked).json()["entry"][0]["resource"]["id"]
    return play(
        [clients / "python", PROGRAM],
        fhir=house.fhir,
        token=house.token(),
        narrow=house.token("system/*.rs"),
        patient=ana["id"],
        family=ana["name"][0]["family"],
        encounter=f"Encounter/{encounter}",
    ) | {"patient": ana["id"], "observations": _observations(house)}


def _observations(house: House) -> list[str]:
    """Of the first patient's, what was loaded."""
    [bundle] = [one for one in house.bundles if one.patient == 1]
    return sorted(
        one["id"] for one in house.loaded_from(bundle) if one["resourceType"] == "Observation"
    )


def test_the_life_of_a_resource(found: Any) -> None:
    sync = found["sync"]
    assert sync["created"] == [True, "1"]
    assert sync["updated"] == ["amended", "2"]
    assert (sync["read"], sync["refreshed"]) == ("amended", "2")
    assert sync["subject"] == found["patient"]
    assert (sync["stale"], sync["fresh"]) == (412, "saved")
    assert (sync["patched"], sync["part"]) == ("corrected", "structure")
    assert sync["valid"] is True
    assert (sync["refused"], sync["forbidden"]) == ("error", "forbidden")
    assert sync["deleted"] == "OperationOutcome"


def test_searches(found: Any) -> None:
    sync, loaded = found["searched"], found["observations"]
    assert set(loaded) < set(sync["ids"])
    assert sync["count"] == sync["all"] == sync["chained"] == len(loaded) + 1
    assert len(sync["dates"]) == 30
    assert sync["dates"] == sorted(sync["dates"])
    assert sync["has"] >= 1
    assert (sync["included"], sync["page"]) == (["Encounter", "Patient"], 5)
    assert sync["everything"] == "Bundle"


def test_conditions_and_a_transaction(found: Any) -> None:
    async_ = found["async"]
    assert (async_["new"], async_["again"]) == (True, False)
    assert async_["renamed"] == ["North Tower", True]
    assert async_["one"] == "North Tower"
    assert async_["transaction"] == ["201", "201", "201", "200"]
    assert async_["condition"] == "Hay fever"
    assert async_["revincluded"] == ["Condition", "Provenance"]


def test_many_at_once(found: Any) -> None:
    assert (found["async"]["ids"], found["async"]["left"]) == (8, 0)
