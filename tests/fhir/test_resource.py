"""Resources: the official examples pass, and each kind of bad input has its own error."""

import json
from pathlib import Path
from typing import Any  # JSON documents are built as they come

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.fhir.errors import (
    ChoiceRepeated,
    CodeNotAllowed,
    ElementRepeated,
    FhirError,
    InvalidResource,
    MissingElement,
    NotAResource,
    NotJson,
    ReferenceNotAllowed,
    TooDeep,
    TooLarge,
    UnknownElement,
    WrongType,
)
from careledger.fhir.nesting import MAXIMUM_DEPTH, is_deeper
from careledger.fhir.r4.registry import MODULES
from careledger.fhir.resource import MAXIMUM_BYTES, decoder, parse_resource

Json = dict[str, Any]  # as decoded

# Examples of HL7's that break HL7's own rules, and how.
KNOWN_BREACHES = {
    "bundle-questionnaire.json": MissingElement,  # a Questionnaire item without linkId
    "devicemetric-example.json": ReferenceNotAllowed,  # parent is a DeviceMetric, not a Device
    "deviceusestatement-example.json": ReferenceNotAllowed,  # reasonReference is a Procedure
    "medicationrequest0301.json": ReferenceNotAllowed,  # dispenseRequest.performer: Practitioner
}

ANA = {
    "resourceType": "Patient",
    "id": "ana",
    "name": [{"family": "Reyes", "given": ["Ana"]}],
    "gender": "female",
    "birthDate": "1980-02-29",
}
WEIGHT = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
    "subject": {"reference": "Patient/ana"},
    "valueQuantity": {"value": 64.0, "unit": "kg"},
}


def data(resource: Json, **changes: object) -> bytes:
    """The resource as JSON text, with members changed, or removed where None."""
    changed = {**resource, **changes}
    return json.dumps({k: v for k, v in changed.items() if v is not None}).encode()


def test_every_resource_type_has_a_model() -> None:
    assert len(MODULES) == 146
    for type_ in MODULES:
        assert decoder(type_).type.__name__ == type_


def test_official_examples_pass_unless_they_break_the_rules_themselves(shared_data: Path) -> None:
    files = sorted((shared_data / "conformance" / "r4-examples").glob("*.json"))
    assert files
    for file in files:
        content = file.read_bytes()
        if file.name in KNOWN_BREACHES:
            with pytest.raises(KNOWN_BREACHES[file.name]):
                parse_resource(content)
        else:
            assert parse_resource(content).raw == content


@pytest.mark.parametrize("folder", ["hl7-consent-audit"])
def test_official_consent_and_audit_examples_pass(shared_data: Path, folder: str) -> None:
    for file in sorted((shared_data / "conformance" / folder).glob("*.json")):
        assert parse_resource(file.read_bytes()).type in ("Consent", "AuditEvent", "Provenance")


def test_what_is_read_is_what_was_written() -> None:
    text = data(ANA)
    ana = parse_resource(text)
    assert (ana.type, ana.id, ana.raw) == ("Patient", "ana", text)
    assert json.loads(msgspec.json.encode(ana.model)) == ANA


PRIMITIVES = {
    "base64_binary": "valueBase64Binary",
    "boolean": "valueBoolean",
    "canonical": "valueCanonical",
    "code": "valueCode",
    "date": "valueDate",
    "date_time": "valueDateTime",
    "decimal": "valueDecimal",
    "id": "valueId",
    "instant": "valueInstant",
    "integer": "valueInteger",
    "markdown": "valueMarkdown",
    "oid": "valueOid",
    "positive_int": "valuePositiveInt",
    "reference": "valueReference",
    "string": "valueString",
    "time": "valueTime",
    "unsigned_int": "valueUnsignedInt",
    "uri": "valueUri",
    "url": "valueUrl",
    "uuid": "valueUuid",
}


@pytest.mark.parametrize("name", PRIMITIVES)
def test_published_primitive_values_are_told_apart(shared_data: Path, name: str) -> None:
    def parse(value: bytes) -> None:
        extension = b'{"url":"https://example.org/x","' + PRIMITIVES[name].encode() + b'":' + value
        parse_resource(
            b'{"resourceType":"Basic","code":{"text":"x"},"extension":[' + extension + b"}]}"
        )

    folder = shared_data / "conformance" / "primitives-r4"
    for value in (folder / f"{name}.valid.ndjson").read_bytes().split(b"\n"):
        if value.strip() not in (b"", b"null"):
            parse(value)
    refused = [v for v in (folder / f"{name}.invalid.ndjson").read_bytes().split(b"\n") if v]
    for value in refused:
        with pytest.raises(InvalidResource):
            parse(value)
    assert refused


DEEP = b'{"resourceType":"Patient","extension":[' * 1 + b'{"url":"a","extension":[' * 40
BAD: dict[str, tuple[bytes, type[FhirError], str]] = {
    "not JSON": (b'{"resourceType":"Patient",', NotJson, ""),
    "nothing": (b"", NotJson, ""),
    "not UTF-8": (b'{"resourceType":"Patient","id":"\xff"}', NotJson, ""),
    "half a surrogate pair": (
        b'{"resourceType":"Patient","language":"\\ud83d"}',
        NotJson,
        "",
    ),
    "two documents": (data(ANA) * 2, NotJson, ""),
    "an array": (b"[]", NotAResource, ""),
    "no type": (b'{"id":"ana"}', NotAResource, ""),
    "no such type": (b'{"resourceType":"Patients"}', NotAResource, "resourceType"),
    "an abstract type": (b'{"resourceType":"DomainResource"}', NotAResource, "resourceType"),
    "unknown element": (data(ANA, nickname="Ani"), UnknownElement, "Patient"),
    "unknown element below": (
        data(ANA, name=[{"family": "Reyes"}, {"first": "Ana"}]),
        UnknownElement,
        "Patient.name[1]",
    ),
    "wrong type": (data(ANA, active="yes"), WrongType, "Patient.active"),
    "one for many": (data(ANA, name={"family": "Reyes"}), WrongType, "Patient.name"),
    "a decimal as text": (
        data(WEIGHT, valueQuantity={"value": "64.0"}),
        WrongType,
        "Observation.valueQuantity.value",
    ),
    "no such day": (data(ANA, birthDate="1980-04-31"), WrongType, "Patient.birthDate"),
    "a bad id": (data(ANA, id="ana reyes"), WrongType, "Patient.id"),
    "an empty array": (data(ANA, name=[]), WrongType, "Patient.name"),
    "an empty string": (data(ANA, language=""), WrongType, "Patient.language"),
    "a gap in an array": (
        data(ANA, name=[{"given": ["Ana", None]}]),
        WrongType,
        "Patient.name[0].given",
    ),
    "null": (data(ANA)[:-1] + b',"active":null}', ElementRepeated, "Patient.active"),
    "twice": (data(WEIGHT)[:-1] + b',"status":"final"}', ElementRepeated, "Observation.status"),
    "another patient": (
        data(WEIGHT)[:-1] + b',"subject":{"reference":"Patient/ben"}}',
        ElementRepeated,
        "Observation.subject",
    ),
    "missing primitive": (data(WEIGHT, status=None), MissingElement, "Observation.status"),
    "missing element": (data(WEIGHT, code=None), MissingElement, "Observation.code"),
    "empty element": (data(WEIGHT, code={}), MissingElement, "Observation.code"),
    "empty far inside": (
        data(WEIGHT, category=[{"text": "{}"}, {"coding": [{"code": "x"}, {}]}]),
        MissingElement,
        "Observation.category[1].coding[1]",
    ),
    "missing choice": (
        (
            b'{"resourceType":"MedicationRequest","status":"active","intent":"order",'
            b'"subject":{"reference":"Patient/ana"}}'
        ),
        MissingElement,
        "MedicationRequest.medication[x]",
    ),
    "two values": (data(WEIGHT, valueString="64 kg"), ChoiceRepeated, "Observation.value[x]"),
    "a code of its own": (data(WEIGHT, status="done"), CodeNotAllowed, "Observation.status"),
    "a concept of its own": (
        (
            b'{"resourceType":"Condition","subject":{"reference":"Patient/ana"},'
            b'"clinicalStatus":{"coding":[{"system":"http://example.org","code":"active"}]}}'
        ),
        CodeNotAllowed,
        "Condition.clinicalStatus",
    ),
    "about a practitioner": (
        data(WEIGHT, subject={"reference": "Practitioner/cho"}),
        ReferenceNotAllowed,
        "Observation.subject",
    ),
    "about an https practitioner": (
        data(WEIGHT, subject={"reference": "https://b.example/fhir/Practitioner/cho"}),
        ReferenceNotAllowed,
        "Observation.subject",
    ),
    "bad inside": (
        data(WEIGHT, contained=[{"resourceType": "Patient", "id": "a", "active": 1}]),
        WrongType,
        "Observation.contained[0].active",
    ),
    "bad far inside": (
        (
            b'{"resourceType":"Parameters","parameter":[{"name":"a","part":[{"name":"b",'
            b'"resource":{"resourceType":"Patient","active":1}}]}]}'
        ),
        WrongType,
        "Parameters.parameter[0].part[0].resource.active",
    ),
    "too deep": (DEEP, TooDeep, ""),
    "far too deep": (b'{"resourceType":"Patient","id":' + b"[" * 1_000_000, TooDeep, ""),
    "too large": (b" " * (MAXIMUM_BYTES + 1), TooLarge, ""),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_its_own_error(name: str) -> None:
    content, kind, place = BAD[name]
    with pytest.raises(FhirError) as refusal:
        parse_resource(content)
    assert type(refusal.value) is kind
    assert refusal.value.location == place


@pytest.mark.parametrize(
    "value", ["Zzyzx Reyes", 'z" - at `$.name', "1999-99-99", "Zzyzx: expected", "Zz - at `$`"]
)
@pytest.mark.parametrize("element", ["gender", "birthDate", "active", "id", "managingOrganization"])
def test_an_error_never_quotes_what_was_received(element: str, value: str) -> None:
    with pytest.raises(InvalidResource) as refusal:
        parse_resource(data(ANA, **{element: value, "zzyzx": value}))
    with pytest.raises(InvalidResource) as unknown:
        parse_resource(data(ANA, **{value: value}))
    for text in (str(refusal.value), repr(refusal.value.issues), str(unknown.value)):
        assert value not in text
        assert "zz" not in text.lower()


def test_an_extension_stands_in_for_a_required_primitive() -> None:
    absent = {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
                "valueCode": "unknown",
            }
        ]
    }
    assert parse_resource(data(WEIGHT, status=None, _status=absent)).type == "Observation"
    names = [{"given": [None, "Maria"], "_given": [absent, None]}]
    assert parse_resource(data(ANA, name=names)).id == "ana"


def test_a_value_with_its_extension_is_one_value() -> None:
    note = {"extension": [{"url": "https://example.org/note", "valueBoolean": True}]}
    text = data(WEIGHT, valueQuantity=None, valueString="64 kg", _valueString=note)
    assert parse_resource(text).type == "Observation"


@pytest.mark.parametrize(
    "number", ["1.00", "0.1e-7", "1E+30", "12345678901234567890.123456789", "-0.0"]
)
def test_any_way_to_write_a_decimal_is_accepted_and_kept(number: str) -> None:
    text = data(WEIGHT).replace(b"64.0", number.encode())
    assert number.encode() in parse_resource(text).raw


@given(st.integers(0, 100), st.sampled_from(["array", "object", "mixed"]), st.text(max_size=20))
def test_depth_is_counted_exactly(depth: int, shape: str, text: str) -> None:
    value: object = text
    for level in range(depth):
        as_array = shape == "array" or (shape == "mixed" and level % 3 == 0)
        value = [value, text, [] if level else text] if as_array else {text: value, "x": '{[\\"'}
    encoded = json.dumps(value).encode()
    actual = deepest(json.loads(encoded))
    assert not is_deeper(encoded, actual)
    if actual:
        assert is_deeper(encoded, actual - 1)


def deepest(value: object) -> int:
    inner = (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    )
    return 0 if inner is None else 1 + max((deepest(one) for one in inner), default=0)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "name", "contained", "extension", "resourceType", "value", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(MODULES)), json_values)
def test_the_decoder_raises_nothing_but_its_own_errors(type_: str, value: object) -> None:
    members = value if isinstance(value, dict) else {"extension": value}
    refuses_or_accepts(json.dumps({"resourceType": type_, **members}).encode())


@given(st.sampled_from([ANA, WEIGHT]), st.data())
def test_damaged_bytes_raise_nothing_but_our_own_errors(
    resource: Json, drawn: st.DataObject
) -> None:
    text = bytearray(data(resource))
    for _ in range(drawn.draw(st.integers(1, 4))):
        place = drawn.draw(st.integers(0, len(text) - 1))
        text[place : place + drawn.draw(st.integers(0, 3))] = drawn.draw(
            st.sampled_from([b"", b'"', b"{", b"]", b"\\", b"\\u00", b"\\ud800", b"\xff", b"1e999"])
        )
    refuses_or_accepts(bytes(text))


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_noise_raises_nothing_but_our_own_errors(noise: bytes) -> None:
    refuses_or_accepts(noise)


def refuses_or_accepts(text: bytes) -> None:
    try:
        accepted = parse_resource(text)
    except InvalidResource as error:
        assert error.issues  # noqa: PT017  any other error fails the test
        return
    assert accepted.raw == text
    assert json.loads(text)["resourceType"] == accepted.type


def test_the_limit_on_depth_leaves_room_for_real_records() -> None:
    item: Json = {"linkId": "1", "type": "group"}
    for level in range((MAXIMUM_DEPTH - 3) // 2):
        item = {"linkId": str(level), "type": "group", "item": [item]}
    questionnaire = {"resourceType": "Questionnaire", "status": "draft", "item": [item]}
    assert parse_resource(json.dumps(questionnaire).encode()).type == "Questionnaire"
    questionnaire["item"] = [{"linkId": "0", "type": "group", "item": [item]}]
    with pytest.raises(TooDeep):
        parse_resource(json.dumps(questionnaire).encode())
