"""Our plain paths find values where a FHIRPath engine that others wrote does, in R4's examples."""

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from gzip import decompress
from pathlib import Path
from typing import Any  # JSON documents, and what the engine returns

import fhirpathpy
from fhirpathpy.models import models

from careledger.fhir.errors import InvalidResource
from careledger.fhir.resource import Resource, parse_resource
from careledger.fhir.search.extract import values
from careledger.fhir.search.table import ALL, FROM_THE_NODE

Expressions = dict[str, dict[str, str]]
ELSEWHERE = FROM_THE_NODE | {"composition", "message"}
"""Not among the values, or found by the type of a nested resource rather than by the path."""

OF_ANOTHER_TYPE = {("Consent", "source-reference")}
"""A choice whose type in the example is none that this kind of parameter takes values from."""


def expressions(shared_data: Path) -> Expressions:
    """By type and code, those whose values are the elements themselves."""
    packed = (shared_data / "fhir-spec" / "search-parameters.json.gz").read_bytes()
    found: Expressions = {}
    for entry in json.loads(decompress(packed))["entry"]:
        one = entry["resource"]
        if one["type"] in ("composite", "special") or one["code"] in ELSEWHERE:
            continue
        for base in one["base"]:
            parts = re.split(r"\s*\|\s*", one.get("expression", ""))
            own = [part for part in parts if re.match(rf"\(?{base}\b", part) or "." not in part]
            text = " | ".join(own).replace("resolve() is ", "resolve()is")
            text = re.sub(r"resolve\(\)is(\w+)", r"reference.contains('\1/') or type='\1'", text)
            if text:
                found.setdefault(base, {})[one["code"]] = text
    return found


@cache
def compiled(expression: str) -> Callable[[Any], list[Any]]:
    evaluate = fhirpathpy.compile(expression, models["r4"])
    return lambda content: evaluate(content, None)


def answers(expression: str, content: Any) -> list[Any] | None:
    """What the engine finds, without what is no value; None where it gives up."""
    try:
        found = compiled(expression)(content)
    except Exception as error:
        if "singleton" not in str(error):  # it takes `as` of one element only
            raise
        return None
    return [one for one in found if not (isinstance(one, dict) and is_no_value(one))]


def is_no_value(element: dict[str, Any]) -> bool:
    """A reference into the resource itself, or one that says nothing but how to show it."""
    if "reference" in element:
        return str(element["reference"]).startswith("#")
    return set(element) == {"display"}


def examples(shared_data: Path) -> Iterator[tuple[Resource, Any]]:
    for file in sorted((shared_data / "conformance" / "r4-examples").glob("*.json")):
        try:
            yield parse_resource(file.read_bytes()), json.loads(file.read_bytes())
        except InvalidResource:
            continue  # it breaks a rule of R4: docs/explanation/fhir-models.md


def test_both_find_values_for_the_same_parameters(shared_data: Path) -> None:
    known = expressions(shared_data)
    differ: set[tuple[str, str]] = set()
    compared = present = 0
    for resource, content in examples(shared_data):
        found = values(resource, ALL)
        ours = {code for name in found.__struct_fields__ for code in getattr(found, name)}
        for code, expression in known.get(resource.type, {}).items():
            theirs = answers(expression, content)
            if theirs is not None:
                if bool(theirs) != (code in ours):
                    differ.add((resource.type, code))
                compared += 1
                present += bool(theirs)
    assert differ == OF_ANOTHER_TYPE
    assert compared > 700
    assert present > 300
