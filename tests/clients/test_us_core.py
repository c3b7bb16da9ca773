"""US Core 6.1's search requirements: every combination of its server, against plain evaluation.

The package says for each type which parameters and combinations a server SHALL and SHOULD answer.
Each is asked with values out of the resources that are loaded, the package's own examples; what
comes must be what a FHIRPath engine that others wrote finds by the parameter's own expression.
"""

import json
import tarfile
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from fhirpathpy import compile as fhirpath
from fhirpathpy.models import models

from tests.clients.house import House
from tests.e2e.network import Json

EXPECTED = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation"
TOGETHER = (
    "http://hl7.org/fhir/StructureDefinition/capabilitystatement-search-parameter-combination"
)
FIRST = ("Organization", "Location", "Practitioner", "PractitionerRole", "Medication", "Patient")
OWN = frozenset({"asserted-date", "description", "discharge-disposition", "role"})
"""Parameters that US Core adds to R4's and asks for; all of them SHOULD."""
MAY = frozenset({"ethnicity", "gender-identity", "race"})
"""Those it adds and leaves to the server; its CapabilityStatement is silent on them."""


class Requirement(NamedTuple):
    """Parameters that are asked for together."""

    expectation: str
    type: str
    codes: tuple[str, ...]


@pytest.fixture(scope="module")
def package(shared_data: Path) -> dict[str, Json]:
    """What is in the package, by the name of its file."""
    with tarfile.open(shared_data / "fhir-spec" / "us_core_610.tgz") as archive:
        found = {}
        for one in archive:
            parts = Path(one.name).parts
            if one.name.endswith(".json") and parts[1:-1] in {(), ("example",)}:
                file = archive.extractfile(one)
                assert file is not None
                found["/".join(parts[1:])] = json.load(file)
    return found


@pytest.fixture(scope="module")
def required(package: dict[str, Json]) -> list[Requirement]:
    statement = package["CapabilityStatement-us-core-server.json"]
    left_open = [Requirement("MAY", "Patient", (code,)) for code in sorted(MAY)]
    return [*_required(statement["rest"][0]["resource"]), *left_open]


def _required(types: Sequence[Json]) -> Iterator[Requirement]:
    for one in types:
        for parameter in one.get("searchParam", ()):
            [said] = [e["valueCode"] for e in parameter["extension"] if e["url"] == EXPECTED]
            if said != "MAY":
                yield Requirement(said, one["type"], (parameter["name"],))
        for extension in one.get("extension", ()):
            if extension["url"] == TOGETHER:
                parts = extension["extension"]
                [said] = [e["valueCode"] for e in parts if e["url"] == EXPECTED]
                codes = tuple(e["valueString"] for e in parts if e["url"] == "required")
                yield Requirement(said, one["type"], codes)


@pytest.fixture(scope="module")
def kept(house: House, package: dict[str, Json]) -> dict[str, list[Json]]:
    """The examples that the gateway keeps, by type."""
    found = [one for name, one in package.items() if name.startswith("example/")]
    order = {type_: at for at, type_ in enumerate(FIRST)}
    found.sort(key=lambda one: order.get(one["resourceType"], len(FIRST)))
    by_type: dict[str, list[Json]] = {}
    with house.http() as http:
        for one in found:
            type_ = one["resourceType"]
            if http.put(f"/{type_}/{one['id']}", json=one).status_code in {200, 201}:
                by_type.setdefault(type_, []).append(one)
    assert sum(map(len, by_type.values())) > 130
    return by_type


@pytest.fixture(scope="module")
def parameters(package: dict[str, Json]) -> dict[tuple[str, str], Json]:
    found = [one for one in package.values() if one.get("resourceType") == "SearchParameter"]
    return {(base, one["code"]): one for one in found for base in one["base"]}


class Value(NamedTuple):
    """What a query says, and whether a resource meets it."""

    text: str
    tokens: frozenset[str] = frozenset()


@cache
def path(expression: str) -> Any:
    return fhirpath(expression, models["r4"])


def elements(resource: Json, parameter: Json) -> list[Any]:
    """What the parameter's own expression finds."""
    if parameter["code"] in {"patient", "practitioner"}:
        names = ("subject", "patient", "beneficiary", parameter["code"])
        found = [resource[name] for name in names if name in resource]
        return [one for one in found if one.get("reference", "").split("/")[0].lower() in names]
    expression = parameter["expression"].replace(".as(string)", "")
    return [one for one in path(expression)(resource) if one is not None]


def moments(value: Any) -> tuple[datetime, datetime]:
    """First and last moment of a date or a period."""
    if isinstance(value, dict):
        start = moments(value["start"])[0] if "start" in value else datetime.min.replace(tzinfo=UTC)
        end = moments(value["end"])[1] if "end" in value else datetime.max.replace(tzinfo=UTC)
        return start, end
    text = str(value)
    if len(text) > 10:
        at = datetime.fromisoformat(text)
        return (at, at) if at.tzinfo else (at.replace(tzinfo=UTC), at.replace(tzinfo=UTC))
    start = datetime.fromisoformat((text + "-01-01")[:10]).replace(tzinfo=UTC)
    days = {4: 366, 7: 31, 10: 1}[len(text)]
    return start, start + timedelta(days=days, seconds=-1)


def folded(text: str) -> str:
    bare = unicodedata.normalize("NFKD", text)
    return "".join(one for one in bare if not unicodedata.combining(one)).casefold()


def words(value: Any) -> Iterator[str]:
    """The texts of a name or an address."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from words(one)
    elif isinstance(value, dict):
        inner = (one for key, one in value.items() if key not in {"use", "period", "type"})
        for one in inner:
            yield from words(one)


def codes(value: Any) -> Iterator[str]:
    """`system|code` of what is a token."""
    if isinstance(value, dict):
        for one in value.get("coding", [value]):
            code = one.get("code", one.get("value"))
            if code is not None:
                yield f"{one['system']}|{code}" if "system" in one else str(code)
    else:
        yield str(value).lower() if isinstance(value, bool) else str(value)


def named(value: Any) -> Any:
    """What a reference or a canonical says."""
    return value.get("reference") if isinstance(value, dict) else value


def query(kind: str, found: list[Any]) -> str | None:
    """A value that what was found meets."""
    for value in found:
        match kind:
            case "token":
                for one in codes(value):
                    return one
            case "reference":
                return str(named(value))
            case "date":
                return f"ge{max(moments(value)[0], datetime(1900, 1, 1, tzinfo=UTC)).date()}"
            case "string":
                for one in words(value):
                    return one
            case _:
                return str(value)
    return None


def meets(kind: str, found: list[Any], asked: str) -> bool:
    match kind:
        case "token":
            return any(asked == one for value in found for one in codes(value))
        case "reference":
            return any(named(value) == asked for value in found)
        case "date":
            day = datetime.fromisoformat(asked[2:]).replace(tzinfo=UTC)
            return any(moments(value)[1] >= day for value in found)
        case "string":
            begin = folded(asked)
            return any(folded(one).startswith(begin) for value in found for one in words(value))
        case _:
            return any(str(value) == asked for value in found)


def questions(
    one: Requirement, kept: list[Json], parameters: dict[tuple[str, str], Json]
) -> Iterator[dict[str, str]]:
    """Values of each resource that has them all; a few, all different."""
    met = list[dict[str, str]]()
    for resource in kept:
        asked = {}
        for code in one.codes:
            parameter = parameters[one.type, code]
            value = query(parameter["type"], elements(resource, parameter))
            if value is not None:
                asked[code] = value
        if len(asked) == len(one.codes) and asked not in met and len(met) < 4:
            met.append(asked)
            yield asked


def evaluated(
    one: Requirement,
    asked: dict[str, str],
    kept: list[Json],
    parameters: dict[tuple[str, str], Json],
) -> set[str]:
    return {
        str(resource["id"])
        for resource in kept
        if all(
            meets(
                parameters[one.type, code]["type"],
                elements(resource, parameters[one.type, code]),
                value,
            )
            for code, value in asked.items()
        )
    }


def answered(http: httpx2.Client, one: Requirement, asked: dict[str, str]) -> set[str]:
    said = {code: value.replace(",", "\\,") for code, value in asked.items()}
    answer = http.get(f"/{one.type}", params=said | {"_count": "1000"})
    assert answer.status_code == 200, (one, asked, answer.text)
    found = answer.json().get("entry", [])
    return {str(entry["resource"]["id"]) for entry in found}


@pytest.mark.parametrize("expectation", ["SHALL", "SHOULD", "MAY"])
def test_combinations(
    house: House,
    required: list[Requirement],
    kept: dict[str, list[Json]],
    parameters: dict[tuple[str, str], Json],
    expectation: str,
) -> None:
    chosen = [one for one in required if one.expectation == expectation]
    count, wrong = 0, []
    met = set[str]()
    with house.http() as http:
        for one in chosen:
            ours = kept.get(one.type, [])
            ids = {str(resource["id"]) for resource in ours}
            for asked in questions(one, ours, parameters):
                count += 1
                met.update(one.codes)
                expected = evaluated(one, asked, ours, parameters)
                found = answered(http, one, asked) & ids
                if found != expected:
                    wrong.append((one, asked, sorted(found ^ expected)))
    assert wrong == []
    least, own = LEAST[expectation]
    assert (count, len(chosen)) >= least
    assert own <= met


LEAST: dict[str, tuple[tuple[int, int], frozenset[str]]] = {
    "SHALL": ((41, 26), frozenset()),
    "SHOULD": ((41, 26), OWN),
    "MAY": ((3, 2), frozenset({"race", "ethnicity"})),
}
"""How many questions and requirements there are at least, and what must have been asked."""


def test_what_us_core_adds_is_in_the_capability_statement(
    house: House, parameters: dict[tuple[str, str], Json]
) -> None:
    with house.http() as http:
        statement = http.get("/metadata").json()
    claimed = {
        (of["type"], one["name"]): one["definition"]
        for of in statement["rest"][0]["resource"]
        for one in of["searchParam"]
    }
    ours = {key for key in parameters if key[1] in OWN | MAY and key[0] != "ServiceRequest"}
    assert len(ours) == len(OWN | MAY)
    assert {key: claimed[key] for key in ours} == {key: parameters[key]["url"] for key in ours}
