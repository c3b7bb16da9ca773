"""Shortcuts: what the facts rule out, the values would have ruled out as well."""

import json
from pathlib import Path

import pytest

from careledger.fhir.index import Facts, extract
from careledger.fhir.r4.search import ELEMENTS
from careledger.fhir.resource import Resource, parse_resource
from careledger.fhir.search.extract import values
from careledger.fhir.search.parse import parse
from careledger.fhir.search.query import Criterion
from careledger.fhir.search.shortcut import shortcut
from careledger.fhir.search.table import ALL
from tests.fhir.bundles import synthea


def criterion(type_: str, name: str, value: str) -> Criterion:
    [found] = parse(type_, [(name, value)], indexed=ALL).conditions
    assert isinstance(found, Criterion)
    return found


def check_same(resource: Resource) -> None:
    """Facts and values say the same of code, category and date, wherever there is a shortcut."""
    facts, found, row = extract(resource), values(resource, ALL), ELEMENTS[resource.type]
    for code, tokens in (
        (row.code_parameter, facts.codes),
        (row.category_parameter, facts.categories),
    ):
        if code and shortcut(resource.type, criterion(resource.type, code, "x")):
            codes = {one.code for one in found.tokens.get(code, ()) if one.code}
            assert codes == {one for _, one in tokens}
    date = row.date_parameter
    if date and shortcut(resource.type, criterion(resource.type, date, "2020")):
        spans = found.dates.get(date, ())
        assert (facts.start, facts.end) == (
            (min(start for start, _ in spans), max(end for _, end in spans))
            if spans
            else (None, None)
        )


def test_of_generated_patients(shared_data: Path) -> None:
    seen = set()
    for _, data in synthea(shared_data, step=20):
        for entry in json.loads(data)["entry"]:
            resource = parse_resource(json.dumps(entry["resource"]).encode())
            check_same(resource)
            seen.add(resource.type)
    assert len(seen) > 15


@pytest.mark.parametrize(
    "when",
    [
        {"effectiveDateTime": "2020-02"},
        {"effectiveInstant": "2020-02-01T00:00:00.5+02:00"},
        {"effectivePeriod": {"start": "2020"}},
        {"effectivePeriod": {"end": "2020-03-01T10:00:00Z"}},
        {"effectivePeriod": {"extension": [{"url": "urn:x", "valueString": "?"}]}},
        {"effectiveTiming": {"event": ["2020-02-01", "2019"]}},
        {"effectiveTiming": {"event": ["2020"], "repeat": {"boundsPeriod": {"end": "2022"}}}},
        {"effectiveTiming": {"repeat": {"count": 3}}},
        {},
    ],
)
def test_of_every_kind_of_date(when: dict[str, object]) -> None:
    resource = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **when}
    check_same(parse_resource(json.dumps(resource).encode()))


def test_where_there_is_one() -> None:
    for type_, name, value, there in [
        ("Observation", "code", "x", True),
        ("Observation", "category", "x", True),
        ("Observation", "date", "ge2020", True),
        ("Condition", "recorded-date", "2020", False),
        ("Observation", "code", "urn:x|", False),
        ("Observation", "code:not", "x", False),
        ("Observation", "status", "final", False),
    ]:
        assert (shortcut(type_, criterion(type_, name, value)) is not None) is there


@pytest.mark.parametrize(
    ("value", "passes"),
    [
        ("2020-06", True),
        ("ne2020", True),
        ("2021", False),
        ("gt2020-12-30", True),
        ("gt2020", False),
        ("lt2020-01-02", True),
        ("lt2020", False),
        ("ge2021", False),
        ("le2019", False),
        ("sa2020", False),
        ("eb2020", False),
    ],
)
def test_dates(value: str, passes: object) -> None:
    """Of all of 2020; what is undated passes none."""
    year = Facts(type="Observation", id="w", start=1_577_836_800, end=1_609_459_199)
    rule_out = shortcut("Observation", criterion("Observation", "date", value))
    assert rule_out is not None
    assert rule_out(year) is passes
    assert not rule_out(Facts(type="Observation", id="w"))
