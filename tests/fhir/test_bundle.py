"""Bundles: real ones come apart byte for byte, and each bad entry has its own error."""

import json
from pathlib import Path
from typing import Any  # JSON documents are built as they come

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.bundle import (
    Bundle,
    is_conditional,
    is_open,
    parse_bundle,
    resources_in,
)
from careledger.fhir.errors import (
    CodeNotAllowed,
    DanglingReference,
    ElementRepeated,
    EntryIncomplete,
    EntryRepeated,
    FhirError,
    NotAResource,
    NotJson,
    TooDeep,
    TooLarge,
    UnknownElement,
    UnsupportedRequest,
)
from careledger.fhir.index import extract
from careledger.fhir.references import references, resolve_references, with_id
from careledger.fhir.resource import MAXIMUM_BYTES, parse_resource
from tests.fhir.bundles import synthea

Json = dict[str, Any]  # as decoded

ANA_URN = "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0"
WEIGHT_URN = "urn:uuid:5e3151bd-1cbf-4d64-b04d-cd9187a4c6e1"


def ana() -> Json:
    return {
        "fullUrl": ANA_URN,
        "resource": {"resourceType": "Patient", "name": [{"family": "Reyes"}]},
        "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=a|1"},
    }


def weight() -> Json:
    return {
        "fullUrl": WEIGHT_URN,
        "resource": {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "weight"},
            "subject": {"reference": ANA_URN},
            "performer": [{"reference": "Practitioner?identifier=npi|99"}],
        },
        "request": {"method": "PUT", "url": "Observation/w1", "ifMatch": 'W/"2"'},
    }


def bundle(*entries: Json, kind: str = "transaction") -> bytes:
    return json.dumps({"resourceType": "Bundle", "type": kind, "entry": entries}).encode()


def load(content: bytes) -> tuple[Bundle, list[bytes]]:
    """Give every entry an id, resolve its references and check it, as a server does."""
    parsed = parse_bundle(content)
    targets = [f"{e.type}/{e.id or f'n{e.position}'}" for e in parsed.entries]
    mapping = parsed.mapping(targets)
    for entry in parsed.entries:
        for text in filter(is_conditional, entry.references):
            mapping[text] = f"{text.partition('?')[0]}/found"
    stored = []
    for entry, target in zip(parsed.entries, targets, strict=True):
        assert entry.resource is not None
        resolved = resolve_references(entry.resource, mapping)
        stored.append(with_id(resolved, target.partition("/")[2]))
    return parsed, stored


def test_every_synthea_bundle_is_read_validated_and_indexed(shared_data: Path) -> None:
    count = 0
    for _, content in synthea(shared_data, step=4):
        parsed, stored = load(content)
        patients = {e.position for e in parsed.entries if e.type == "Patient"}
        for entry, raw in zip(parsed.entries, stored, strict=True):
            resource = parse_resource(raw)
            facts = extract(resource)
            assert facts.type == resource.type == entry.type
            assert not any(is_open(text) for text in references(raw))
            if patients and entry.type in ("Observation", "Condition", "Claim", "Encounter"):
                assert facts.patients[0] == f"n{min(patients)}"
                assert facts.start is not None
            count += 1
    assert count > 5_000


@pytest.mark.soak
def test_all_synthea_bundles(shared_data: Path) -> None:
    for _, content in synthea(shared_data):
        for raw in load(content)[1]:
            extract(parse_resource(raw))


def test_an_entry_keeps_its_resource_byte_for_byte() -> None:
    odd = b'{ "resourceType" :"Basic","code":{"text":"1.00\\u00e9"},  "id":"a" }'
    content = (
        b'{"type":"batch","resourceType":"Bundle","entry":[{"resource": '
        + odd
        + b' ,"request":{"method":"PUT","url":"Basic/a"}}]}'
    )
    [entry] = parse_bundle(content).entries
    assert entry.resource == odd
    assert resources_in(content) == (odd,)


def test_an_entry_says_what_was_asked() -> None:
    first, second = parse_bundle(bundle(ana(), weight())).entries
    assert (first.method, first.type, first.id, first.if_none_exist) == (
        "POST",
        "Patient",
        None,
        "identifier=a|1",
    )
    assert (second.method, second.id, second.if_match) == ("PUT", "w1", 'W/"2"')
    assert second.references == (ANA_URN, "Practitioner?identifier=npi|99")


def test_entries_are_worked_through_in_fhir_s_order() -> None:
    read = {"request": {"method": "GET", "url": "Patient/1"}}
    search = {"request": {"method": "GET", "url": "Observation?code=1"}}
    delete = {"request": {"method": "DELETE", "url": "Patient/2"}}
    entries = parse_bundle(bundle(read, search, weight(), ana(), delete)).in_order()
    assert [e.method for e in entries] == ["DELETE", "POST", "PUT", "GET", "GET"]
    assert [e.position for e in entries] == [4, 3, 2, 0, 1]
    assert [e.type for e in entries[-2:]] == ["Patient", "Observation"]


def test_a_full_url_on_a_server_stands_for_the_relative_reference_too() -> None:
    entry = ana() | {"fullUrl": "https://old.example/fhir/Patient/7"}
    mapping = parse_bundle(bundle(entry)).mapping(["Patient/new"])
    assert mapping == {
        "https://old.example/fhir/Patient/7": "Patient/new",
        "Patient/7": "Patient/new",
    }


def changed(entry: Json, **request: object) -> Json:
    kept = {k: v for k, v in {**entry["request"], **request}.items() if v is not None}
    return {**entry, "request": kept}


BAD: dict[str, tuple[bytes, type[FhirError], str]] = {
    "not JSON": (b'{"resourceType":"Bundle"', NotJson, ""),
    "another resource": (b'{"resourceType":"Patient"}', UnsupportedRequest, "resourceType"),
    "a searchset": (bundle(ana(), kind="searchset"), UnsupportedRequest, "Bundle.type"),
    "unknown element": (
        bundle({**ana(), "note": "?"}),
        UnknownElement,
        "Bundle.entry[0]",
    ),
    "no request": (bundle({"resource": {}}), EntryIncomplete, "Bundle.entry[0].request"),
    "no resource": (
        bundle({"request": {"method": "POST", "url": "Patient"}}),
        EntryIncomplete,
        "Bundle.entry[0].resource",
    ),
    "no such type": (
        bundle(ana() | {"resource": {"resourceType": "Person2"}}),
        NotAResource,
        "Bundle.entry[0].resource.resourceType",
    ),
    "another type than asked": (
        bundle(changed(ana(), url="Person")),
        EntryIncomplete,
        "Bundle.entry[0].request.url",
    ),
    "an unsupported verb": (
        bundle(ana(), changed(weight(), method="TRACE")),
        CodeNotAllowed,
        "Bundle.entry[1].request.method",
    ),
    "a patch that is none": (
        bundle(ana(), changed(weight(), method="PATCH")),
        EntryIncomplete,
        "Bundle.entry[1].resource",
    ),
    "a read elsewhere": (
        bundle({"request": {"method": "GET", "url": "https://b.example/Patient/1"}}),
        UnsupportedRequest,
        "Bundle.entry[0].request.url",
    ),
    "a read of another door": (
        bundle({"request": {"method": "GET", "url": "Patient/../../desk/patients"}}),
        UnsupportedRequest,
        "Bundle.entry[0].request.url",
    ),
    "a url elsewhere": (
        bundle(changed(ana(), url="https://b.example/Patient")),
        UnsupportedRequest,
        "Bundle.entry[0].request.url",
    ),
    "POST to an id": (
        bundle(changed(ana(), url="Patient/1")),
        EntryIncomplete,
        "Bundle.entry[0].request.url",
    ),
    "PUT without an id": (
        bundle(changed(ana(), method="PUT")),
        EntryIncomplete,
        "Bundle.entry[0].request.url",
    ),
    "DELETE without an id": (
        bundle(changed(ana(), method="DELETE")),
        EntryIncomplete,
        "Bundle.entry[0].request.url",
    ),
    "one fullUrl twice": (bundle(ana(), ana()), EntryRepeated, "Bundle.entry[1].fullUrl"),
    "a dangling reference": (
        bundle(ana() | {"fullUrl": WEIGHT_URN[:-1] + "9"}, weight()),
        DanglingReference,
        "Bundle.entry[1].resource",
    ),
    "two resources in an entry": (
        bundle(ana()).replace(b'"resource":', b'"resource":{"resourceType":"Patient"},"resource":'),
        ElementRepeated,
        "Bundle.entry[0].resource",
    ),
    "too deep": (
        b'{"resourceType":"Bundle","entry":[{"resource":' + b"[" * 1_000_000,
        TooDeep,
        "",
    ),
    "too large": (b" " * (MAXIMUM_BYTES + 1), TooLarge, ""),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_bundle_is_refused_with_its_own_error(name: str) -> None:
    content, kind, place = BAD[name]
    with pytest.raises(FhirError) as refusal:
        parse_bundle(content)
    assert type(refusal.value) is kind
    assert refusal.value.location == place


def test_in_a_batch_a_bad_entry_does_not_stop_the_others() -> None:
    patch = changed(weight(), method="PATCH")
    good, bad, dangling = parse_bundle(bundle(ana(), patch, weight(), kind="batch")).entries
    assert good.error is None
    assert isinstance(bad.error, EntryIncomplete)
    assert isinstance(dangling.error, DanglingReference)  # batch entries stand alone
    assert dangling.error.location == "Bundle.entry[2].resource"


@given(st.binary(max_size=80) | st.just(bundle(ana(), weight())), st.data())
def test_damaged_bundles_raise_nothing_but_our_own_errors(
    content: bytes, drawn: st.DataObject
) -> None:
    text = bytearray(content)
    for _ in range(drawn.draw(st.integers(0, 3))):
        place = drawn.draw(st.integers(0, len(text)))
        text[place : place + drawn.draw(st.integers(0, 9))] = drawn.draw(
            st.sampled_from([b"", b'"', b"}", b"[", b"\\", b"\xff", b"null", b'"x":1,'])
        )
    try:
        parse_bundle(bytes(text))
    except FhirError as error:
        assert error.issues  # noqa: PT017  any other error fails the test
