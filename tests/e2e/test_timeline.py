"""A patient's one timeline from three providers and two payers, and a clinician's of the same."""

import json
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from click.testing import CliRunner, Result

from careledger.cli.main import main
from tests.e2e.network import Json, Network, Patient, careledger, resources
from tests.e2e.own_page import own_page
from tests.e2e.test_together import put, result, token_for_writing

FIVE = {
    "riverside": "Riverside Hospital:provider",
    "lakeview": "Lakeview Clinic:provider",
    "hilltop": "Hilltop Hospital:provider",
    "unity-health": "Unity Health:payer",
    "beacon-plan": "Beacon Plan:payer",
}
OLGA = 2
NOT_HERS = {"Practitioner", "Organization", "Location", "PractitionerRole"}


@dataclass(frozen=True, kw_only=True)
class Five:
    """Five organisations that know Olga."""

    network: Network
    olga: Patient


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Five]:
    with Network(tmp_path_factory.mktemp("five"), FIVE, OLGA) as network:
        network.bundles = [one for one in network.bundles if one.patient in {None, OLGA}]
        network.ingest()
        yield Five(network=network, olga=network.admit(OLGA, *FIVE))


def invoke(five: Five, *arguments: str) -> Result:
    """A command with Olga's wallet; one that ends with status 1 has found something wrong."""
    return CliRunner().invoke(main, [*arguments, "--wallet", str(five.olga.wallet)])


def timeline(five: Five) -> tuple[int, Json]:
    said = invoke(five, "wallet", "timeline", "--json")
    return said.exit_code, json.loads(said.stdout)


def names(found: Json) -> dict[tuple[str, str, str], str]:
    return {(one["source"], one["type"], one["id"]): one["mark"] for one in found["entries"]}


def held(five: Five) -> Counter[str]:
    """How many resources each organisation was given of Olga."""
    return Counter(
        {
            member: sum(
                one["resourceType"] not in NOT_HERS
                for one in resources(five.network.bundle(OLGA, member))
            )
            for member in FIVE
        }
    )


def flip_one_byte(path: Path) -> None:
    """Turn over one bit of one sealed body, in the file itself."""
    with closing(sqlite3.connect(path)) as rows:
        [(sealed,)] = rows.execute(
            "SELECT sealed FROM objects WHERE length(sealed) > 1000 ORDER BY seq DESC LIMIT 1"
        )
    content = path.read_bytes()
    assert content.count(sealed[:64]) == 1
    at = content.index(sealed[:64]) + 40
    with path.open("r+b") as file:
        file.seek(at)
        file.write(bytes([content[at] ^ 1]))


def badges(html: str) -> Counter[str]:
    """The words of the marks in the table of entries."""
    _, table = html.split('<table class="timeline">')
    return Counter(re.findall(r'aria-hidden="true">.</span> (\w+)</span>', table))


def test_1_1_one_timeline_and_one_byte_turns_one_badge(five: Five) -> None:
    status, before = timeline(five)
    assert (status, set(names(before).values())) == (0, {"verified"})
    assert Counter(one["source"] for one in before["entries"]) == held(five)
    assert {one["source"] for one in before["sources"]} == set(FIVE)
    assert all(one["as_of"] and not one["trouble"] for one in before["sources"])
    assert "do not infer" in before["notice"]
    with own_page(five.olga.wallet) as url:
        whole = httpx2.get(url, timeout=60).text
    assert set(badges(whole)) == {"verified"}
    for said in FIVE.values():
        assert f">{said.partition(':')[0]}<" in whole

    five.network.stop("hilltop")
    flip_one_byte(five.network.home("hilltop") / "vault" / "vault.sqlite")
    five.network.start("hilltop")

    status, after = timeline(five)
    assert status == 1
    assert set(names(after)) == set(names(before)), "nothing vanishes"
    [wrong] = [one for one in after["entries"] if one["mark"] != "verified"]
    assert (wrong["source"], wrong["mark"], wrong["why"]) == ("hilltop", "tampered", "spoilt")
    assert wrong["resource"] is None
    with own_page(five.olga.wallet) as url:
        marked = httpx2.get(url, timeout=60).text
    assert badges(marked) == badges(whole) - Counter(verified=1) + Counter(tampered=1)
    assert 'role="alert"' in marked
    assert "Hilltop Hospital cannot open it any more" in marked


def test_1_1_who_is_away_is_named_and_the_others_are_there(five: Five) -> None:
    five.network.stop("beacon-plan")
    try:
        started = time.monotonic()
        status, found = timeline(five)
        assert time.monotonic() - started < 30
        assert status == 1
        troubles = {one["source"]: one["trouble"] for one in found["sources"] if one["trouble"]}
        assert troubles == {"beacon-plan": "unreachable"}
        assert {one["source"] for one in found["entries"]} == set(FIVE) - {"beacon-plan"}
        said = invoke(five, "wallet", "timeline")
        assert "Beacon Plan: could not be reached" in said.stdout
        assert "Unity Health: as of" in said.stdout
    finally:
        five.network.start("beacon-plan")


def test_a_clinician_asks_everyone_whom_she_allows(five: Five) -> None:
    network, olga = five.network, five.olga
    credential = network.folder.parent / "cho.json"
    careledger(
        *("gateway", "enrol-practitioner", "--home", network.home("lakeview")),
        *("--name", "Dr Grace Cho", "--role", "clinician", "--out", credential),
    )
    for custodian in ("riverside", "unity-health"):
        may = [part for one in ("read", "search", "export") for part in ("--may", one)]
        olga.consents("grant", custodian, "--to", "lakeview", "--for", "treatment", *may)
    who = ("--as", str(credential), "--purpose", "TREAT", "--role", "clinician")
    whose = ("--patient", olga.local["lakeview"])
    read = ["read", "--everywhere", *who, *whose, "--json"]
    said = CliRunner().invoke(main, read)
    assert said.exit_code == 0, said.output
    *entries, last = json.loads(said.stdout)["entry"]
    members = Counter(_part(entry["extension"][0], "member") for entry in entries)
    assert members == {one: held(five)[one] for one in ("lakeview", "riverside", "unity-health")}
    assert {_part(entry["extension"][0], "mark") for entry in entries} == {"verified"}
    sources = [str(_part(one, "member")) for one in last["resource"]["extension"]]
    assert sorted(sources) == ["lakeview", "riverside", "unity-health"]
    text = CliRunner().invoke(main, ["read", "Immunization", "--everywhere", *who, *whose])
    assert text.exit_code == 0, text.output
    assert "unity-health: answered" in text.stdout


def test_1_9_two_organisations_write_the_same_record_and_both_are_shown(five: Five) -> None:
    said = {"riverside": 64.0, "lakeview": 66.5}
    bearers = {member: token_for_writing(five.network, member) for member in said}

    def write(member: str) -> int:
        resource = result("weight-2", five.olga.local[member], said[member])
        return put(five.network.gateways[member], bearers[member], resource).status_code

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(write, said)) == [201, 201]
    found = timeline(five)[1]
    both = {
        one["source"]: one["resource"]["valueQuantity"]["value"]
        for one in found["entries"]
        if (one["type"], one["id"], one["mark"]) == ("Observation", "weight-2", "verified")
    }
    assert both == said
    for member, bearer in bearers.items():  # as it was for the tests around
        url = f"{five.network.gateways[member]}/fhir/Observation/weight-2"
        gone = httpx2.delete(url, headers={"authorization": f"Bearer {bearer}"}, timeout=30)
        assert gone.status_code in {200, 204}, gone.text


def _part(extension: Json, name: str) -> object:
    [part] = [one for one in extension["extension"] if one["url"] == name]
    return next(value for key, value in part.items() if key != "url")
