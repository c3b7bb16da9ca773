"""The population keeps its promises: same bytes, whole references, true order, valid resources."""

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.fhir.bundle import parse_bundle
from careledger.fhir.resource import parse_resource
from careledger.fhir.synthetic.dates import AS_OF
from careledger.fhir.synthetic.directory import DEMO, Role
from careledger.fhir.synthetic.population import patient_identifier, population
from tests.fhir.synthetic.records import (
    SEED,
    Read,
    bundles,
    chart,
    charts,
    dated,
    everything,
    labels,
    read,
    strings,
)

VECTOR = json.loads((Path(__file__).parent / "vectors" / "population.json").read_text())
HASH_EACH_ORGANISATION = """
import hashlib, json
from careledger.fhir.synthetic.population import population
found = {}
for each in population(%d, %d):
    found.setdefault(each.organisation, hashlib.sha256()).update(each.body)
print(json.dumps({name: digest.hexdigest() for name, digest in found.items()}))
"""


def test_bytes_are_those_of_the_vector_whatever_the_hash_seed() -> None:
    program = HASH_EACH_ORGANISATION % (VECTOR["seed"], VECTOR["patients"])
    for hash_seed in ("0", "4242"):
        run = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
        )
        assert json.loads(run.stdout) == VECTOR["sha256"]


def test_another_seed_gives_another_population_but_the_same_ana() -> None:
    first, second = (next(e for e in charts(seed, 1)) for seed in (1, 2))
    assert first.made.body != second.made.body
    for each in (first, second):
        [patient] = each.of("Patient")
        assert (patient["name"][0]["given"], patient["birthDate"]) == (["Ana"], "1984-05-17")


def test_a_patient_does_not_depend_on_how_many_there_are() -> None:
    few = {(e.organisation, e.patient): e.body for e in population(SEED, 3)}
    many = {(e.organisation, e.patient): e.body for e in population(SEED, 6)}
    assert few.items() <= many.items()


@settings(max_examples=6)
@given(seed=st.integers(0, 2**64), patients=st.integers(1, 3))
def test_every_reference_leads_somewhere(seed: int, patients: int) -> None:
    made = list(read(population(seed, patients)))
    known = {each.made.organisation: _identified(each) for each in made if not each.made.patient}
    for each in made:
        own = {entry["fullUrl"] for entry in each.entries}
        assert len(own) == len(each.entries)
        for reference in strings(each.entries, "reference"):
            assert reference in own or reference in known[each.made.organisation]


def _identified(staff: Read) -> set[str]:
    return {
        f"{each['resourceType']}?identifier={where['system']}|{where['value']}"
        for each in staff.resources
        for where in each["identifier"]
    }


def test_staff_come_in_a_batch_that_can_be_loaded_twice() -> None:
    for each in bundles():
        kind = "batch" if each.made.patient is None else "transaction"
        assert json.loads(each.made.body)["type"] == kind
        for entry in each.entries:
            request = entry["request"]
            assert (request["method"], request["url"]) == (
                "POST",
                entry["resource"]["resourceType"],
            )
            assert ("ifNoneExist" in request) == (kind == "batch")
            assert entry["fullUrl"] == f"urn:uuid:{entry['resource']['id']}"


def test_our_own_fhir_room_accepts_every_bundle_and_every_resource() -> None:
    accepted = 0
    for each in bundles():
        assert len(parse_bundle(each.made.body).entries) == each.made.resources
        for resource in json.loads(each.made.body)["entry"]:
            parse_resource(json.dumps(resource["resource"]).encode())
            accepted += 1
    assert accepted == sum(each.made.resources for each in bundles())


def test_nothing_happens_before_birth_after_death_or_after_the_day_asked_for() -> None:
    for each in charts():
        [patient] = each.of("Patient")
        birth = patient["birthDate"]
        died = patient.get("deceasedDateTime", AS_OF.isoformat())
        for resource in each.resources:
            billing = resource["resourceType"] in ("Claim", "ExplanationOfBenefit")
            last = AS_OF.isoformat() if billing else died
            for name, moment in dated(_without_the_future(resource)):
                assert birth <= moment[:10] <= last, (name, moment)


def _without_the_future(resource: dict[str, object]) -> dict[str, object]:
    """A prescription and a vaccine lot may run out later; nothing else is about the future."""
    return {k: v for k, v in resource.items() if k not in ("dispenseRequest", "expirationDate")}


def test_visits_end_after_they_begin_and_diagnoses_are_recorded_after_the_onset() -> None:
    for visit in everything("Encounter"):
        assert visit["period"]["start"] < visit["period"]["end"]
    for condition in everything("Condition"):
        onset = condition["onsetDateTime"]
        assert onset <= condition["recordedDate"][:10]
        assert onset < condition.get("abatementDateTime", "9999")
    for fill in everything("MedicationDispense"):
        assert fill["whenPrepared"] < fill["whenHandedOver"]


def test_a_person_has_another_id_and_another_number_at_each_organisation() -> None:
    anas = [each.of("Patient")[0] for each in charts() if each.made.patient == 1]
    assert len(anas) == len(DEMO)
    assert len({each["id"] for each in anas}) == len(DEMO)
    assert len({each["identifier"][0]["value"] for each in anas}) == len(DEMO)
    systems = {each["identifier"][0]["system"] for each in anas}
    assert "http://riverside.example/mrn" in systems


def test_the_identifier_of_a_patient_can_be_asked_for() -> None:
    [patient] = chart("lakeview", 1).of("Patient")
    found = patient["identifier"][0]
    assert patient_identifier(SEED, 1, "lakeview") == (found["system"], found["value"])


def test_numbers_keep_their_decimals() -> None:
    values = [each["valueQuantity"]["value"] for each in chart("riverside", 1).of("Observation")
              if each["code"]["coding"][0]["code"] == "4548-4"]  # fmt: skip
    assert values
    assert {value.as_tuple().exponent for value in values} == {-2}
    assert any(str(value).endswith("0") for value in values)


def test_other_organisations_and_another_day_can_be_asked_for() -> None:
    organisations: dict[str, Role] = {"north": "hospital", "south": "hospital", "east": "pharmacy"}
    made = list(read(population(1, 2, organisations, as_of=date(2024, 2, 29))))
    assert {each.made.organisation for each in made} <= set(organisations)
    assert all(moment[:10] <= "2024-02-29" for each in made if each.made.patient
               for resource in each.resources
               for _, moment in dated(_without_the_future(resource)))  # fmt: skip


def test_a_population_without_a_hospital_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one hospital"):
        next(population(1, 1, {"unity-health": "payer"}))


def test_sensitive_courses_are_labelled_wherever_they_show() -> None:
    found: Counter[tuple[str, str]] = Counter()
    for each in charts():
        for resource in each.resources:
            own = labels(resource)
            assert not own or own[0] == "R"
            found.update((resource["resourceType"], code) for code in own[1:])
    for code in ("PSY", "SUD", "ETH", "HIV", "SDV"):
        for kind in (
            "Condition",
            "Encounter",
            "DocumentReference",
            "Claim",
            "ExplanationOfBenefit",
        ):
            assert found[kind, code], (kind, code)
    for code in ("PSY", "SUD", "HIV"):
        assert found["MedicationRequest", code]
        assert found["MedicationDispense", code]


def test_a_label_is_never_forgotten_on_what_names_the_condition() -> None:
    names = {each["code"]["text"] for each in everything("Condition") if labels(each)}
    assert names
    for each in charts():
        for resource in each.resources:
            if any(text in names for text in strings(resource, "text")):
                assert labels(resource), resource["resourceType"]


def test_the_bundle_says_how_many_resources_it_has() -> None:
    for each in bundles():
        assert each.made.resources == len(each.entries)
