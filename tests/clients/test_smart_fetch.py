"""smart-fetch takes a full bulk export with Backend Services, and gets all that was loaded."""

import subprocess
from pathlib import Path

from tests.clients.house import House
from tests.clients.loaded import Loaded, bare, parse
from tests.e2e.network import COMMAND_S, Json


def fetch(house: House, clients: Path, out: Path, *options: str) -> dict[str, Json]:
    """What an export comes to, by `Type/id`."""
    said = subprocess.run(
        [
            *(clients / "smart-fetch", "bulk", out),
            *("--fhir-url", house.fhir),
            *("--smart-client-id", "nightly", "--smart-key", house.nightly_key),
            *("--no-compression", "--no-default-filters", *options),
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_S,
        check=False,
    )
    assert said.returncode == 0, f"{said.stdout}{said.stderr}"
    lines = [
        parse(line)
        for path in out.glob("*.ndjson")
        if path.name != "log.ndjson"
        for line in path.read_text().splitlines()
    ]
    found = {f"{one['resourceType']}/{one['id']}": one for one in lines}
    assert len(found) == len(lines)
    return found


def expected(house: House) -> Loaded:
    loaded = Loaded()
    for bundle in house.bundles:
        entries = parse(bundle.body)["entry"]
        own = [one["resource"] for one in entries]
        loaded.add(entries, [f"{one['resourceType']}/{one['id']}" for one in own])
    return loaded


def test_everything_that_was_loaded_comes_out(house: House, clients: Path, tmp_path: Path) -> None:
    found = fetch(house, clients, tmp_path / "all")
    loaded = expected(house).resources
    clinical = {
        name: one
        for name, one in loaded.items()
        if not name.startswith(("Practitioner", "Organization", "Location"))
        and f"{one['resourceType']}" in {name.partition("/")[0] for name in found}
    }
    assert len(clinical) > 500
    assert {name: bare(found[name]) for name in clinical} == {
        name: bare(one) for name, one in clinical.items()
    }


def test_a_group_is_exported(house: House, clients: Path, tmp_path: Path) -> None:
    patients = [one["id"] for one in house.loaded if one["resourceType"] == "Patient"]
    group = {
        "resourceType": "Group",
        "type": "person",
        "actual": True,
        "member": [{"entity": {"reference": f"Patient/{patients[0]}"}}],
    }
    with house.http() as http:
        made = http.post("/Group", json=group)
        assert made.status_code == 201, made.text
    options = "--group", made.json()["id"], "--type", "Patient,Encounter"
    found = fetch(house, clients, tmp_path / "group", *options)
    assert f"Patient/{patients[0]}" in found
    assert f"Patient/{patients[1]}" not in found
    subjects = {one["subject"]["reference"] for one in found.values() if "subject" in one}
    assert subjects == {f"Patient/{patients[0]}"}
