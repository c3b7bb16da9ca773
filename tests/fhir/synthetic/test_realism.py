"""The population looks like people: Ana's story, trends of treatment, shares of everything."""

from collections import Counter
from itertools import pairwise
from statistics import mean

from careledger.fhir.synthetic.directory import grace_cho
from tests.fhir.synthetic.records import chart, charts, everything, labels

EVERY_KIND = (
    "AllergyIntolerance", "CarePlan", "Claim", "Condition", "Coverage", "DiagnosticReport",
    "DocumentReference", "Encounter", "ExplanationOfBenefit", "Immunization", "MedicationDispense",
    "MedicationRequest", "Patient", "Procedure",
)  # fmt: skip


def _series(organisation: str, patient: int, code: str) -> list[float]:
    return [
        float(each["valueQuantity"]["value"])
        for each in chart(organisation, patient).of("Observation")
        if each["code"]["coding"][0]["code"] == code
    ]


def test_ana_has_diabetes_and_depression_at_riverside_and_sees_dr_cho_at_lakeview() -> None:
    riverside, lakeview = chart("riverside", 1), chart("lakeview", 1)
    conditions = {
        each["code"]["coding"][0]["code"]: labels(each) for each in riverside.of("Condition")
    }
    assert conditions["44054006"] == []
    assert conditions["370143000"] == ["R", "PSY"]
    psychiatric = [
        each for each in riverside.of("DocumentReference") if labels(each) == ["R", "PSY"]
    ]
    assert {each["type"]["coding"][0]["code"] for each in psychiatric} == {"34788-0"}
    medications = {each["medicationCodeableConcept"]["coding"][0]["code"]: labels(each)
                   for each in riverside.of("MedicationRequest")}  # fmt: skip
    assert medications["861004"] == []
    assert medications["312941"] == ["R", "PSY"]
    assert riverside.of("DiagnosticReport")
    npi = grace_cho().npi
    assert any(npi in str(each["participant"]) for each in lakeview.of("Encounter"))
    assert not [each for each in lakeview.resources if labels(each)]


def test_treatment_brings_anas_values_down() -> None:
    sugar = _series("riverside", 1, "4548-4")
    mood = _series("riverside", 1, "44261-6")
    assert sugar[0] > 8
    assert mean(sugar[-3:]) < 7
    assert mood[0] >= 13
    assert mean(mood[-3:]) < mood[0] / 2


def test_treatment_suppresses_the_virus() -> None:
    load = max(_series("riverside", 6, "20447-9"), _series("lakeview", 6, "20447-9"), key=len)
    assert load[0] > 10_000
    assert load[-1] < 50


def test_body_mass_follows_from_height_and_weight() -> None:
    checked = 0
    for each in charts():
        by_moment: dict[str, dict[str, float]] = {}
        for observation in each.of("Observation"):
            code = observation["code"]["coding"][0]["code"]
            if code in ("8302-2", "29463-7", "39156-5"):
                values = by_moment.setdefault(observation["encounter"]["reference"], {})
                values[code] = float(observation["valueQuantity"]["value"])
        for values in by_moment.values():
            if len(values) == 3:
                expected = values["29463-7"] / (values["8302-2"] / 100) ** 2
                assert abs(expected - values["39156-5"]) < 0.3
                checked += 1
    assert checked > 30


def test_children_grow() -> None:
    heights = max(_series("riverside", 5, "8302-2"), _series("lakeview", 5, "8302-2"), key=len)
    assert len(heights) > 5
    assert all(later > earlier - 0.8 for earlier, later in pairwise(heights))
    assert heights[-1] > heights[0] + 20


def test_values_outside_the_reference_range_are_marked() -> None:
    marks: Counter[str] = Counter()
    for each in everything("Observation"):
        for part in (each, *each.get("component", ())):
            if "referenceRange" not in part:
                continue
            [bounds] = part["referenceRange"]
            value = part["valueQuantity"]["value"]
            mark = part["interpretation"][0]["coding"][0]["code"]
            low = "low" in bounds and value < bounds["low"]["value"]
            high = "high" in bounds and value > bounds["high"]["value"]
            assert mark == ("L" if low else "H" if high else "N")
            marks[mark] += 1
    assert marks["N"] > marks["H"] > 0
    assert marks["L"] > 0


def test_shares_of_resources_are_those_of_a_real_record() -> None:
    kinds = Counter(each["resourceType"] for chart_ in charts() for each in chart_.resources)
    total = kinds.total()
    people = len({each.made.patient for each in charts()})
    assert 120 * people <= total <= 400 * people
    assert 0.3 < kinds["Observation"] / total < 0.55
    for kind in EVERY_KIND:
        assert kinds[kind], kind


def test_each_organisation_holds_what_its_trade_holds() -> None:
    held: dict[str, set[str]] = {}
    for each in charts():
        held.setdefault(each.made.organisation, set()).update(
            r["resourceType"] for r in each.resources
        )
    assert held["unity-health"] == {"Patient", "Coverage", "Claim", "ExplanationOfBenefit"}
    assert held["corner-pharmacy"] == {"Patient", "MedicationRequest", "MedicationDispense"}
    for hospital in ("riverside", "lakeview"):
        assert held[hospital].isdisjoint({"Claim", "Coverage", "MedicationDispense"})


def test_ages_and_organisations_are_mixed() -> None:
    births = {each.made.patient: int(each.of("Patient")[0]["birthDate"][:4]) for each in charts()}
    ages = [2026 - year for year in births.values()]
    assert min(ages) < 10
    assert max(ages) > 65
    assert sum(18 <= age < 65 for age in ages) > len(ages) / 3
    hospitals = Counter(each.made.patient for each in charts()
                        if each.made.organisation in ("riverside", "lakeview"))  # fmt: skip
    assert sum(visited == 2 for visited in hospitals.values()) > len(hospitals) / 2


def test_a_fill_belongs_to_a_prescription_of_the_same_medication() -> None:
    for each in charts():
        orders = {f"urn:uuid:{r['id']}": r for r in each.of("MedicationRequest")}
        for fill in each.of("MedicationDispense"):
            [authorising] = fill["authorizingPrescription"]
            order = orders[authorising["reference"]]
            assert order["medicationCodeableConcept"] == fill["medicationCodeableConcept"]
            validity = order["dispenseRequest"]["validityPeriod"]
            assert validity["start"] <= fill["whenHandedOver"][:10] < validity["end"]


def test_hospital_and_pharmacy_share_the_prescription_number() -> None:
    def numbers(organisation: str) -> set[str]:
        return {
            each["identifier"][0]["value"]
            for each in chart(organisation, 1).of("MedicationRequest")
        }

    assert numbers("corner-pharmacy") == numbers("riverside") | numbers("lakeview")


def test_what_the_plan_pays_and_what_it_does_not_add_up() -> None:
    for each in everything("ExplanationOfBenefit"):
        part = {t["category"]["coding"][0]["code"]: t["amount"]["value"] for t in each["total"]}
        assert part["eligible"] == part["deductible"] + part["copay"] + part["benefit"]
        assert part["eligible"] <= part["submitted"]
        assert each["payment"]["amount"]["value"] == part["benefit"]
        assert part["submitted"] == sum(item["net"]["value"] for item in each["item"])


def test_no_year_takes_more_than_its_deductible() -> None:
    for each in charts():
        taken: Counter[str] = Counter()
        for explanation in each.of("ExplanationOfBenefit"):
            year = explanation["billablePeriod"]["start"][:4]
            parts = {t["category"]["coding"][0]["code"]: t["amount"]["value"]
                     for t in explanation["total"]}  # fmt: skip
            taken[year] += int(parts["deductible"] * 100)
        assert all(cents <= 150_000 for cents in taken.values())


def test_vaccines_of_childhood_are_given_once_for_each_dose() -> None:
    for each in charts():
        if each.made.patient == 15 and each.of("Immunization"):
            codes = Counter(r["vaccineCode"]["coding"][0]["code"] for r in each.of("Immunization"))
            assert codes["20"] in range(1, 6)
            assert codes["119"] <= 2
            return
    raise AssertionError("expected a small child with vaccines, actual: none")
