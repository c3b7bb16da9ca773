"""Identifiers are well formed and belong to nobody."""

from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.synthetic.directory import DEMO, directory
from careledger.fhir.synthetic.identity import luhn_digit, npi
from tests.fhir.synthetic.records import bundles, strings


def _luhn_sum(digits: str) -> int:
    """The check as it is published for cards: double every second digit from the right."""
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character)
        if place % 2:
            value = value * 2 if value < 5 else value * 2 - 9
        total += value
    return total


def test_the_example_of_the_npi_standard() -> None:
    assert luhn_digit("80840" + "123456789") == "3"  # CMS, NPI check digit: 1234567893


@given(names=st.lists(st.text(), min_size=1, max_size=3))
def test_every_npi_passes_the_check_and_was_never_issued(names: list[str]) -> None:
    found = npi(*names)
    assert len(found) == 10
    assert found[0] == "9"  # issued ones begin with 1 or 2
    assert _luhn_sum("80840" + found) % 10 == 0


def test_all_npis_in_the_population_pass() -> None:
    found = {
        where["value"]
        for each in bundles()
        for resource in each.resources
        for where in resource.get("identifier", ())
        if where["system"] == "http://hl7.org/fhir/sid/us-npi"
    }
    assert len(found) > 30
    assert all(_luhn_sum("80840" + each) % 10 == 0 for each in found)


def test_no_two_practitioners_share_an_npi() -> None:
    staff = [each.npi for member in directory(DEMO) for each in member.practitioners]
    assert len(staff) == len(set(staff))


def test_systems_are_published_or_fictional() -> None:
    published = ("http://terminology.hl7.org/", "http://hl7.org/", "http://loinc.org",
                 "http://snomed.info/sct", "http://unitsofmeasure.org", "http://nucc.org/",
                 "http://www.nlm.nih.gov/research/umls/rxnorm", "http://ihe.net/",
                 "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "urn:ietf:bcp:47",
                 "phone", "email")  # fmt: skip
    fictional = {f"http://{organisation}.example/" for organisation in DEMO}
    for each in bundles():
        for system in set(strings(each.entries, "system")):
            assert system.startswith((*published, *fictional)), system


def test_telephone_numbers_and_zip_codes_are_those_kept_for_fiction() -> None:
    for each in bundles():
        for resource in each.resources:
            for contact in resource.get("telecom", ()):
                if contact["system"] == "phone":
                    assert contact["value"].startswith("555-01")
            for address in resource.get("address", ()):
                assert int(address["postalCode"]) < 500
