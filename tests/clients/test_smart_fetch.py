"""smart-fetch takes a full bulk export with Backend Services, and gets all that was loaded."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.clients.house import House
from tests.clients.loaded import Loaded, bare, parse
from tests.e2e.network import COMMAND_S, Json


def asked(
    house: House, clients: Path, out: Path, *options: str, by: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """Let it export; it signs in by itself unless told otherwise."""
    own = "--smart-client-id", "nightly", "--smart-key", str(house.nightly_key)
    return subprocess.run(
        [
            *(str(clients / "smart-fetch"), "bulk", str(out)),
            *("--fhir-url", house.fhir, *(by or own)),
            *("--no-compression", "--no-default-filters", *options),
        ],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_S,
        check=False,
    )


def fetch(
    house: House, clients: Path, out: Path, *options: str, by: Sequence[str] = ()
) -> dict[str, Json]:
    """What an export comes to, by `Type/id`."""
    said = asked(house, clients, out, *options, by=by)
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


def test_a_group_outside_its_scopes_is_absent(house: House, clients: Path, tmp_path: Path) -> None:
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
    said = asked(house, clients, tmp_path / "group", *options)
    assert said.returncode == 1
    assert "[404]" in said.stderr
    (tmp_path / "token").write_text(house.token("system/Group.r system/*.rs"))
    bearer = "--bearer-token", str(tmp_path / "token")
    found = fetch(house, clients, tmp_path / "own", *options, by=bearer)
    assert f"Patient/{patients[0]}" in found
    assert f"Patient/{patients[1]}" not in found
    subjects = {one["subject"]["reference"] for one in found.values() if "subject" in one}
    assert subjects == {f"Patient/{patients[0]}"}
