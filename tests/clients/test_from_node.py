"""The two FHIR clients of npm work against a gateway as they do against other servers."""

from pathlib import Path
from typing import Any

import pytest

from tests.clients.house import House, play

PROGRAM = Path(__file__).parent / "programs" / "from_node.mjs"


@pytest.fixture(scope="module")
def found(house: House, node_program: str, interop_modules: Path) -> Any:
    ana = next(one["id"] for one in house.loaded if one["resourceType"] == "Patient")
    settings = {"fhir": house.fhir, "token": house.token(), "patient": ana}
    return play([node_program, PROGRAM, interop_modules], **settings) | {"ana": ana}


def test_fhir_kit_client_changes(house: House, found: Any) -> None:
    kit = found["kit"]
    assert kit["version"] == "4.0.1"
    assert kit["auth"] == [f"{house.url}/auth/authorize", f"{house.url}/auth/token"]
    assert (kit["created"], kit["updated"]) == ([True, "1"], "2")
    assert (kit["patched"], kit["read"], kit["vread"]) == ("corrected", "corrected", "final")
    assert kit["batch"] == ["204", "200"]
    assert kit["gone"] == 404


def test_fhir_kit_client_looks(found: Any) -> None:
    kit = found["kit"]
    assert kit["history"] == 3
    assert (kit["typeHistory"], kit["systemHistory"]) == ("history", "history")
    assert kit["met"] == kit["total"] == kit["compartment"] == kit["posted"] > 200
    assert kit["pages"] == -(-kit["total"] // 100)
    assert (kit["resolved"], kit["everything"]) == (found["ana"], "Bundle")
    assert kit["unknown"] == 400


def test_fhirclient(found: Any) -> None:
    smart = found["smart"]
    assert (smart["patient"], smart["resolved"]) == (found["ana"], found["ana"])
    assert smart["met"] == found["kit"]["total"] - 1
    assert smart["created"] == "Observation"
    assert (smart["updated"], smart["patched"], smart["gone"]) == ("amended", "corrected", 404)
