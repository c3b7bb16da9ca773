"""The table of search parameters: every one of R4, on every type, and the small set."""

import json
import tarfile
from gzip import decompress
from pathlib import Path

import pytest

from careledger.fhir.r4.registry import MODULES
from careledger.fhir.search.convert import CONVERSIONS
from careledger.fhir.search.figures import AMOUNTS
from careledger.fhir.search.table import ALL, ANY, SMALL, Component, parameters

PARAMETER = "http://hl7.org/fhir/SearchParameter/"
UNANSWERED = {"_text", "_content", "_query"}


def test_every_official_parameter_is_there_under_its_code_kind_and_targets(
    shared_data: Path,
) -> None:
    packed = (shared_data / "fhir-spec" / "search-parameters.json.gz").read_bytes()
    entries = [entry["resource"] for entry in json.loads(decompress(packed))["entry"]]
    checked = 0
    for official in entries:
        for base in official["base"]:
            types = MODULES if base in ("Resource", "DomainResource") else [base]
            for type_ in types:
                found = parameters(type_).get(official["code"])
                if official["code"] in UNANSWERED:
                    assert found is None
                    continue
                assert found is not None, (type_, official["code"])
                assert (found.kind, found.url) == (official["type"], official["url"])
                assert found.paths
                if found.targets != (ANY,):
                    narrowed = official["id"] == "clinical-encounter"
                    expected = {"Encounter"} if narrowed else set(official.get("target", ()))
                    assert expected <= set(found.targets) <= set(official.get("target", ()))
                assert len(found.components) == len(official.get("component", ()))
                checked += 1
    assert checked > 2_500


def test_every_parameter_of_us_core_is_there_under_its_code(shared_data: Path) -> None:
    added = set()
    with tarfile.open(shared_data / "fhir-spec" / "us_core_610.tgz") as archive:
        for name in archive.getnames():
            if not name.startswith("package/SearchParameter-"):
                continue
            file = archive.extractfile(name)
            assert file is not None
            official = json.load(file)
            [base] = official["base"]
            found = parameters(base)[official["code"]]
            assert found.kind == official["type"]
            if found.url == official["url"]:
                added.add((base, official["code"]))
            else:
                assert found.url.startswith(PARAMETER)
    assert added == {
        ("CareTeam", "role"),
        ("Condition", "asserted-date"),
        ("Encounter", "discharge-disposition"),
        ("Goal", "description"),
        ("Patient", "ethnicity"),
        ("Patient", "gender-identity"),
        ("Patient", "race"),
    }


def test_every_path_ends_in_a_datatype_that_is_read() -> None:
    known = CONVERSIONS.keys() | AMOUNTS.keys()
    for type_ in MODULES:
        for parameter in parameters(type_).values():
            parts = parameter.components or (parameter,)
            ends = {(part.kind, path.datatype) for part in parts for path in part.paths}
            assert ends <= known, (type_, parameter.code, ends - known)


def test_what_every_type_has() -> None:
    everywhere = parameters(None)
    assert set(everywhere) == {
        "_id",
        "_lastUpdated",
        "_profile",
        "_security",
        "_source",
        "_tag",
    }
    assert everywhere.items() <= parameters("Observation").items()


def test_a_composite_names_its_components_in_order() -> None:
    composite = parameters("Observation")["code-value-quantity"]
    assert composite.kind == "composite"
    assert composite.components == (
        Component("token", f"{PARAMETER}clinical-code", composite.components[0].paths),
        Component(
            "quantity", f"{PARAMETER}Observation-value-quantity", composite.components[1].paths
        ),
    )


def test_a_component_that_the_definitions_swap_has_the_definition_of_its_own_path() -> None:
    first, second = parameters("DocumentReference")["relationship"].components
    assert (first.kind, first.url) == ("token", f"{PARAMETER}DocumentReference-relation")
    assert (second.kind, second.url) == ("reference", f"{PARAMETER}DocumentReference-relatesto")


def test_where_a_reference_may_lead() -> None:
    observation = parameters("Observation")
    assert observation["patient"].targets == ("Patient",)
    assert observation["patient"].may_lead_to("Patient")
    assert not observation["patient"].may_lead_to("Group")
    assert observation["focus"].may_lead_to("Group")
    assert observation["encounter"].targets == ("Encounter",)  # not to an episode of care, here
    assert parameters("Provenance")["target"].targets == (ANY,)


@pytest.mark.parametrize(
    ("type_", "codes"),
    [
        ("Observation", {"patient", "subject", "encounter", "code", "category", "date", "status"}),
        ("MedicationRequest", {"patient", "code", "category", "authoredon", "status"}),
        ("Patient", {"name", "family", "given", "birthdate", "gender", "identifier"}),
        ("Provenance", {"patient", "recorded", "target"}),
        (None, {"_id", "_lastUpdated"}),
    ],
)
def test_the_small_set_holds_what_first_light_answered(type_: str | None, codes: set[str]) -> None:
    small = SMALL.parameters(type_)
    assert codes | {"_id", "_lastUpdated"} <= set(small)
    assert all(small[code] == parameters(type_)[code] for code in small)
    assert all(SMALL.covers(type_, code) and ALL.covers(type_, code) for code in small)


def test_what_the_small_set_leaves_out_is_only_in_the_other() -> None:
    assert ALL.covers("Observation", "value-quantity")
    assert not SMALL.covers("Observation", "value-quantity")
    assert not ALL.covers("Observation", "no-such-parameter")


def test_no_parameter_can_be_changed_by_whoever_reads_the_table() -> None:
    with pytest.raises(TypeError):
        parameters("Patient")["name"] = parameters("Patient")["family"]  # type: ignore[index] # that is the test
