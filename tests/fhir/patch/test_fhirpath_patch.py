"""FHIRPath Patch: the official R4 tests, and what R4 says beside them."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from careledger.fhir.errors import BadPatch, FhirError, PatchFailed
from careledger.fhir.patch.fhirpath_patch import fhirpath_patched
from careledger.fhir.patch.shape import Holder, elements, model_of

XHTML = "{http://www.w3.org/1999/xhtml}"


def as_json(node: ET.Element, holder: Holder) -> dict[str, Any]:
    """A resource or element in XML, as JSON has it."""
    made: dict[str, Any] = {}
    if node.get("id") is not None:
        made["id"] = node.get("id")
    for child in node:
        name = child.tag.rpartition("}")[2]
        element = elements(holder)[name]
        value: Any
        if child.tag.startswith(XHTML):
            value = plain(ET.tostring(child))
        elif element.is_resource:
            value = resource(child[0])
        elif element.holder is None:
            text = child.get("value", "")
            value = int(text) if name == "valueInteger" else text
            value = text == "true" if text in ("true", "false") else value
        else:
            value = as_json(child, element.holder)
        if element.repeats:
            made.setdefault(name, []).append(value)
        else:
            made[name] = value
    return made


def plain(xhtml: str | bytes) -> str:
    """The same text however it is spaced and its names are prefixed."""
    return ET.canonicalize(xhtml, strip_text=True, rewrite_prefixes=True)


def resource(node: ET.Element) -> dict[str, Any]:
    type_ = node.tag.rpartition("}")[2]
    holder = model_of(type_)
    assert holder is not None
    return {"resourceType": type_} | as_json(node, holder)


def test_the_official_tests(shared_data: Path) -> None:
    path = shared_data / "conformance/patch-r4/fhir-patch-tests.xml"
    cases = ET.fromstring(path.read_text()).findall("case")
    assert len(cases) == 33
    for case in cases:
        before, parameters = (resource(case.find(name)[0]) for name in ("input", "diff"))  # type: ignore[index] # every case has them
        data = json.dumps(before).encode(), json.dumps(parameters).encode()
        output = case.find("output")
        if output is None:
            with pytest.raises(FhirError):
                fhirpath_patched(*data)
        else:
            after = json.loads(fhirpath_patched(*data))
            if "text" in after:
                after["text"]["div"] = plain(after["text"]["div"])
            assert after == resource(output[0]), case.get("name")


def operation(type_: str, path: str, **parts: Any) -> dict[str, Any]:
    said: list[dict[str, Any]] = [
        {"name": "type", "valueCode": type_},
        {"name": "path", "valueString": path},
    ]
    for name, value in parts.items():
        if isinstance(value, int):
            said.append({"name": name, "valueInteger": value})
        elif isinstance(value, str):
            said.append({"name": name, "valueString": value})
        else:
            said.append({"name": name} | value)
    return {"name": "operation", "part": said}


def patched(document: dict[str, Any] | bytes, *operations: dict[str, Any]) -> Any:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    said = {"resourceType": "Parameters", "parameter": operations}
    return json.loads(fhirpath_patched(data, json.dumps(said).encode()))


HB = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"text": "a"},
    "valueQuantity": {"value": 1.5},
    "category": [{"coding": [{"code": "x"}, {"code": "y"}]}, {"coding": [{"code": "z"}]}],
}
NAMED = {
    "resourceType": "Patient",
    "name": [{"given": ["Ana", None], "_given": [None, {"id": "g2"}]}],
    "_birthDate": {"id": "b"},
    "extension": [{"url": "urn:a", "valueString": "a"}, {"url": "urn:b", "valueCode": "b"}],
}


def test_a_choice_goes_by_its_plain_name() -> None:
    text = {"valueString": "high"}
    changed = patched(HB, operation("replace", "Observation.value", value=text))
    assert changed["valueString"] == "high"
    assert "valueQuantity" not in changed
    assert "valueQuantity" not in patched(HB, operation("delete", "Observation.value"))
    without = {name: one for name, one in HB.items() if name != "valueQuantity"}
    assert patched(without, operation("add", "Observation", name="value", value=text))[
        "valueString"
    ]
    status = operation("replace", "Observation.status", value={"valueCode": "amended"})
    assert patched(HB, status)["status"] == "amended"


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("Observation.category[0].coding[1]", [["x"], ["z"]]),
        ("Observation.category.first().coding.last()", [["x"], ["z"]]),
        ("category.coding.where(code = 'z')", [["x", "y"]]),
        ("category.where(coding.code = 'z' or coding.exists(code = 'zz'))", [["x", "y"]]),
        ("category.coding.where(code != 'x' and (code = 'y')).single()", [["x"], ["z"]]),
        ("category.tail()", [["x", "y"]]),
        ("`category`.where(coding.where(code = 'x').empty())", [["x", "y"]]),
        ("category.where(coding.where(code = 'x').exists().not())", [["x", "y"]]),
        ("category.where($this.coding.code = 'q')", [["x", "y"], ["z"]]),
    ],
)
def test_paths(path: str, left: list[list[str]]) -> None:
    changed = patched(HB, operation("delete", path))
    assert [[one["code"] for one in each["coding"]] for each in changed["category"]] == left


def test_extensions_and_types_are_found() -> None:
    changed = patched(NAMED, operation("delete", "Patient.extension('urn:a')"))
    assert [one["url"] for one in changed["extension"]] == ["urn:b"]
    of_type = operation("delete", "Patient.extension.value.ofType(code)")
    assert patched(NAMED, of_type)["extension"][1] == {"url": "urn:b"}
    assert "valueQuantity" not in patched(HB, operation("delete", "value.ofType(Quantity)"))


def test_what_stands_in_for_a_value_stays_beside_it() -> None:
    first = patched(NAMED, operation("insert", "Patient.name.given", index=0, value="Eva"))
    assert first["name"] == [{"given": ["Eva", "Ana", None], "_given": [None, None, {"id": "g2"}]}]
    added = patched(NAMED, operation("add", "Patient.name", name="given", value="Eva"))
    assert added["name"] == [{"given": ["Ana", None, "Eva"], "_given": [None, {"id": "g2"}, None]}]
    moved = patched(NAMED, operation("move", "Patient.name.given", source=1, destination=0))
    assert moved["name"] == [{"given": [None, "Ana"], "_given": [{"id": "g2"}, None]}]
    gone = patched(NAMED, operation("delete", "Patient.birthDate"))
    assert "_birthDate" not in gone
    dated = operation("replace", "Patient.birthDate", value={"valueDate": "1984-03-07"})
    assert patched(NAMED, dated)["_birthDate"] == {"id": "b"}


def test_what_becomes_empty_goes() -> None:
    deletions = operation("delete", "name[0].given[1]"), operation("delete", "name[0].given[0]")
    assert "name" not in patched(NAMED, *deletions)


def test_numbers_keep_their_digits() -> None:
    data = (
        b'{"resourceType":"Observation","status":"final","code":{},"valueQuantity":{"value":1.00}}'
    )
    status = operation("replace", "Observation.status", value={"valueCode": "amended"})
    parameters = json.dumps({"resourceType": "Parameters", "parameter": [status]}).encode()
    assert b'{"value":1.00}' in fhirpath_patched(data, parameters)


def test_a_backbone_element_is_made_of_parts() -> None:
    parts = {
        "part": [
            {"name": "name", "valueHumanName": {"text": "Eva"}},
            {"name": "telecom", "valueContactPoint": {"value": "1"}},
            {"name": "telecom", "valueContactPoint": {"value": "2"}},
        ]
    }
    made = patched(NAMED, operation("add", "Patient", name="contact", value=parts))
    telecom = [{"value": "1"}, {"value": "2"}]
    assert made["contact"] == [{"name": {"text": "Eva"}, "telecom": telecom}]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (operation("frobnicate", "Patient.name"), BadPatch),
        (operation("delete", "Patient.name | Patient.contact"), BadPatch),
        (operation("delete", "Patient.name.where("), BadPatch),
        (operation("delete", "(" * 200 + "name" + ")" * 200), BadPatch),
        (operation("delete", "a" * 2_000), BadPatch),
        (operation("add", "Patient", name="birthDate"), BadPatch),
        (operation("delete", "Patient"), PatchFailed),
        (operation("delete", "Patient.extension"), PatchFailed),
        (operation("delete", "Patient.name.exists()"), PatchFailed),
        (operation("delete", "Patient.name.repeat(given)"), PatchFailed),
        (operation("delete", "%resource.name"), BadPatch),
        (operation("replace", "Patient", value={"valueString": "a"}), PatchFailed),
        (operation("replace", "Patient.gender", value={"valueCode": "male"}), PatchFailed),
        (operation("add", "Patient", name="colour", value="red"), PatchFailed),
        (operation("add", "Patient.name", name="text", value={"part": []}), FhirError),
        (operation("insert", "Patient.extension", index=3, value="x"), PatchFailed),
        (operation("insert", "Patient.extension", index=-1, value="x"), BadPatch),
        (operation("insert", "Patient.extension[0]", index=0, value="x"), PatchFailed),
        (operation("move", "Patient.extension", source=0, destination=2), PatchFailed),
    ],
)
def test_what_cannot_be_done_is_refused(said: dict[str, Any], expected: type[FhirError]) -> None:
    with pytest.raises(expected):
        patched(NAMED, said)


def test_an_expression_may_cost_only_so_much() -> None:
    many = {"resourceType": "Patient", "name": [{"family": str(n)} for n in range(2_000)]}
    nested = operation(
        "delete",
        "Patient.name.where(%s)" % ("$this.exists(family = '1') and " * 90 + "family = '1'"),
    )
    square = operation("delete", "name.where(" + " or ".join(["family = 'x'"] * 60) + ")")
    for said in (nested, square):
        with pytest.raises(FhirError):
            patched(many, said)
