"""Everything that one caller can ask about one population, whether it may be seen or not."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from careledger.mechanisms.terms import Action
from tests.exchange.world import NOW
from tests.rule.oracle import Who
from tests.rule.population import (
    CATEGORY,
    CLINICAL,
    CODES,
    DATES,
    DIRECTORY,
    LAB,
    LABELS,
    LOINC,
    NOBODYS,
    OWN,
    Population,
)

FHIR = "application/fhir+json"
PATCH = "application/json-patch+json"


@dataclass(frozen=True)
class Question:
    """One request."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


def get(path: str, **headers: str) -> Question:
    return Question("GET", path, {name.replace("_", "-"): text for name, text in headers.items()})


def moment(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


SINCE = moment(NOW - 150)
"""Some versions of each population are older, some newer."""


_EXPORT = re.compile(r"/\$(everything|summary)")
_READ = re.compile(r"/fhir/[A-Za-z]+/(?!_)[^/?$]+(/_history.*|/\$validate.*)?(\?.*)?")
_SEVERAL = re.compile(r"\$(export|import)|bulk/")


def action_of(question: Question) -> Action | None:
    """What is done by a request; None for one that does several things."""
    path = question.path.partition("?")[0]
    if _SEVERAL.search(path) or (path == "/fhir" and question.method == "POST"):
        return None
    if question.method not in {"GET", "HEAD"} and not path.endswith("/_search"):
        return None
    if _EXPORT.search(path):
        return "export"
    return "read" if _READ.fullmatch(path) else "search"


# --- single resources ----------------------------------------------------------------------------


def about(name: str) -> Iterator[Question]:
    """What can be asked of one resource by name."""
    type_, _, id_ = name.partition("/")
    one = f"/fhir/{name}"
    yield get(one)
    yield Question("HEAD", one)
    yield get(one, if_none_match='W/"1"')
    yield get(one, if_none_match='W/"2"')
    yield get(one, if_modified_since="Tue, 22 Sep 2026 13:00:00 GMT")
    yield get(one + "?_elements=subject&_pretty=true")
    yield get(one + "?_summary=true", accept=FHIR)
    yield get(one, accept="text/plain")
    for version in (1, 2, 3):
        yield get(f"{one}/_history/{version}")
    yield get(one + "/_history")
    yield get(one + "/_history?_count=1")
    yield get(f"{one}/_history?_since={SINCE}")
    yield get(f"{one}/_history?_at={SINCE}")
    yield get(one + "/$validate")
    yield get(f"/fhir/{type_}?_id={id_}")
    yield get(f"/fhir/{type_}?_id={id_}&_summary=count")
    yield get(f"/fhir/{type_}?_id:not={id_}&_summary=count")
    yield get(f"/fhir?_type={type_}&_id={id_}")
    yield get(f"/fhir/{type_}?_id={id_}&_include=*&_revinclude=*")
    yield get(f"/fhir/{type_}?_id={id_}&_revinclude=Provenance:target")
    yield get(f"/fhir/Observation?has-member={name}&_summary=count")
    yield get(f"/fhir/DiagnosticReport?result={name}&_include=DiagnosticReport:result")
    yield get(f"/fhir/Observation?has-member:Observation._id={id_}")
    yield get(f"/fhir/{type_}?_id=none0,{id_}&_sort=-_lastUpdated&_count=1")
    if type_ == "List":
        yield get(f"/fhir/Observation?_list={id_},none0&_summary=count")
    if type_ == "DocumentReference":
        yield get(f"/fhir/DocumentReference/{id_}/$docref")


def around(local: str) -> Iterator[Question]:
    """What can be asked around one patient."""
    one = f"/fhir/Patient/{local}"
    yield get(one + "/$everything")
    yield get(one + "/$everything?_count=2")
    yield get(f"{one}/$everything?_since={SINCE}&_type=Observation,Condition")
    yield get(f"{one}/$everything?start=2025-01-01&end=2026-12-31&_count=3")
    yield get(one + "/*")
    yield get(one + "/*?_summary=count")
    yield get(one + "/Observation?_count=1")
    yield get(one + "/Appointment")
    yield get(one + "/$summary")
    yield get(f"/fhir/DocumentReference/$docref?patient={local}")
    yield get(f"/fhir/Patient?_id={local}&_revinclude=*&_include=*")
    yield get(f"/fhir/Patient?_id={local}&_has:Observation:patient:code={CODES[0]}")
    yield get(
        f"/fhir/Patient?_id={local}&_has:Observation:subject:_has:DiagnosticReport:result:status=final"
    )
    yield get(f"/fhir/Patient?identifier=urn:mrn|{local}")
    yield get(f"/fhir/Patient?link=Patient/{local}&_include=Patient:link")
    for type_ in ("Observation", "MedicationRequest", "Encounter", "Appointment", "Coverage"):
        yield get(
            f"/fhir/{type_}?patient={local}&_sort=-date,_id"
            if type_ == "Observation"
            else f"/fhir/{type_}?patient={local}"
        )
        yield get(f"/fhir/{type_}?patient={local}&_summary=count")
    yield get(
        f"/fhir/Observation?subject=Patient/{local}&category=vital-signs&_include=Observation:has-member&_include:iterate=Observation:has-member"
    )
    yield get(f"/fhir/Observation?patient={local}&date=ge2025&_sort=date&_count=2&_total=accurate")
    for code in CODES:
        yield get(f"/fhir/DiagnosticReport?patient={local}&result.code={code}")
        yield get(f"/fhir/Observation?patient={local}&has-member:Observation.code={code}")
        yield get(f"/fhir/List?patient={local}&item:Observation.code={code}&_summary=count")
        yield get(f"/fhir/Condition?patient={local}&evidence-detail:Observation.code={code}")
        yield get(f"/fhir/Claim?patient={local}&_has:Coverage:payor:_id={code}")
    for type_ in ("Observation", "DiagnosticReport", "Condition", "List", "Claim"):
        yield get(f"/fhir/{type_}?patient={local}&_include=*&_include:iterate=*")
        yield get(f"/fhir/{type_}?patient={local}&_revinclude=*&_count=2")
    yield get(f"/fhir/Group?member=Patient/{local}")
    yield get(f"/fhir/_history?_count=500&_since={SINCE}")
    yield get(f"/fhir/Appointment?actor=Patient/{local}&_include=Appointment:actor")
    yield get(
        f"/fhir/List?subject={local}&_include=List:item&_revinclude:iterate=Observation:has-member"
    )


def everywhere() -> Iterator[Question]:
    """What can be asked of all there is."""
    yield get("/fhir/_history")
    yield get("/fhir/_history?_count=3")
    yield get(f"/fhir/_history?_at={SINCE}&_count=4")
    for type_ in (*CLINICAL, *DIRECTORY, *OWN):
        yield get(f"/fhir/{type_}")
        yield get(f"/fhir/{type_}?_summary=count")
        yield get(f"/fhir/{type_}?_count=1&_total=accurate&_elements=id")
        yield get(f"/fhir/{type_}?_count=2&_sort=_lastUpdated")
        yield get(f"/fhir/{type_}?_lastUpdated=gt{SINCE}")
        yield get(f"/fhir/{type_}?_sort=-_id&_count=3&_total=none")
        yield get(f"/fhir/{type_}/_history")
        yield get(f"/fhir/{type_}/_history?_since={SINCE}&_count=2")
        yield get(f"/fhir/{type_}?_security={'|'.join(LABELS[0])},{'|'.join(LABELS[2])}")
        yield get(f"/fhir/{type_}?identifier={LAB}|1", prefer="handling=lenient")
        yield get(f"/fhir/{type_}?_include=*&_count=100")
        yield get(f"/fhir/{type_}?_include=*&_include:iterate=*&_count=3&_sort=-_id")
        yield get(f"/fhir/{type_}?_revinclude=*&_revinclude:iterate=*&_count=4")
    for code in CODES:
        yield get(f"/fhir/Observation?code={LOINC}|{code}")
        yield get(f"/fhir/Observation?code:not={code}&_summary=count")
        yield get(f"/fhir/Condition?code={code}&_revinclude=Observation:subject")
        yield get("/fhir/Condition?code:in=http://none.example/set")
        yield get(f"/fhir/DiagnosticReport?result.code={code}&_total=accurate")
        yield get("/fhir/DiagnosticReport?result:Observation.category=vital-signs&_summary=count")
        yield get(f"/fhir/Patient?_has:Condition:subject:code={code}")
        yield get(f"/fhir/MedicationRequest?medication.code={code}")
        yield get(f"/fhir/Observation?code-value-quantity={code}$gt4")
        yield get(
            f"/fhir/Observation?combo-code={code}&value-quantity=gt3&_sort=value-quantity,-code"
        )
    for day in DATES:
        for prefix in ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"):
            yield get(f"/fhir/Observation?date={prefix}{day}&_summary=count")
        yield get(f"/fhir/Encounter?date={day}&_revinclude=*&_include=*")
    yield from linked()


def linked() -> Iterator[Question]:
    """Chains, includes and `_has` over all there is."""
    yield get("/fhir?_type=Observation,Condition&_sort=-_lastUpdated&_count=3")
    yield get("/fhir?_type=Patient,Coverage,Claim&_summary=count")
    yield get("/fhir?_lastUpdated=ge2020&_summary=count")
    yield get("/fhir/Observation?performer.family=Finn&_summary=count")
    yield get("/fhir/Observation?patient.name=Rivera&_sort=patient")
    yield get("/fhir/Observation?patient.birthdate=1984-03-07&_include=Observation:patient")
    yield get("/fhir/Observation?subject:Patient.gender=female&_sort=-value-quantity")
    yield get("/fhir/Observation?subject:missing=false&performer:missing=true")
    yield get("/fhir/Observation?patient:identifier=urn:mrn|p0")
    yield get("/fhir/Patient?name:contains=iver&_sort=family,-birthdate")
    yield get(
        "/fhir/Patient?name:exact=Ng&_revinclude=Condition:subject&_revinclude:iterate=Condition:evidence-detail"
    )
    yield get("/fhir/Patient?general-practitioner.name=Finn&_count=1")
    yield get("/fhir/Patient?_has:Group:member:type=person&_summary=count")
    yield get("/fhir/Practitioner?_has:Observation:performer:code=718-7")
    yield get("/fhir/Practitioner?_revinclude=Observation:performer&_revinclude=Claim:provider")
    yield get("/fhir/Organization?_has:DiagnosticReport:performer:status=final")
    yield get("/fhir/Location?_revinclude=Encounter:location&_include=Location:organization")
    yield get("/fhir/Medication?_revinclude=MedicationRequest:medication")
    yield get("/fhir/Medication?_has:MedicationRequest:medication:status=active&_summary=count")
    yield get("/fhir/Group?_include=Group:member&_include:iterate=Patient:link")
    yield get("/fhir/Provenance?target.status=final")
    yield get(
        "/fhir/Provenance?recorded=ge2025&_include=Provenance:target&_include=Provenance:patient"
    )
    yield get("/fhir/Claim?_include=Claim:provider&_include=Claim:patient&insurer:missing=true")
    yield get("/fhir/Coverage?policy-holder.name=Rivera&_include=Coverage:policy-holder:Patient")
    yield get("/fhir/Appointment?patient.family=Ng&date=ge2024&_include=*")
    yield get("/fhir/Encounter?_has:Condition:encounter:code=4548-4&_sort=-date")
    yield get("/fhir/List?item.code=718-7")
    yield get("/fhir/Patient/$everything")
    for form in ("code=718-7&_count=1", "patient.name=Ng&_total=accurate", "_sort=date&_count=2"):
        headers = {"content-type": "application/x-www-form-urlencoded"}
        yield Question("POST", "/fhir/Observation/_search", headers, form.encode())
    yield get("/fhir/Observation?colour=red")
    yield get("/fhir/Observation?colour=red&_sort=size", prefer="handling=lenient")


def in_batch(names: list[str], local: str) -> Question:
    """Reads of many in one bundle."""
    urls = [
        *names,
        *(f"{name}/_history" for name in names[:3]),
        f"Observation?patient={local}&_summary=count",
        f"Patient/{local}/$everything?_count=1",
    ]
    return bundle("batch", [{"request": {"method": "GET", "url": url}} for url in urls])


def bundle(type_: str, entries: list[dict[str, Any]], **headers: str) -> Question:
    body = {"resourceType": "Bundle", "type": type_, "entry": entries}
    said = {"content-type": FHIR} | {name.replace("_", "-"): text for name, text in headers.items()}
    return Question("POST", "/fhir", said, json.dumps(body).encode())


def reads(chance: random.Random, population: Population, who: Who, most: int) -> list[Question]:
    """At most so many questions, fairly drawn: of each kind some."""
    names = population.names()
    single = [one for name in (*names, "Observation/none0", "Patient/none0") for one in about(name)]
    patients = [one for local in (*population.patients, "none0") for one in around(local)]
    wide = list(everywhere())
    found = [
        in_batch(chance.sample(names, min(12, len(names))), chance.choice(population.patients))
    ]
    for some in (single, patients, wide):
        found += chance.sample(some, min(len(some), most // 3))
    return found


# --- changes -------------------------------------------------------------------------------------


def resource(local: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": CATEGORY, "code": "vital-signs"}]}],
        "code": {"coding": [{"system": LOINC, "code": CODES[0]}]},
        "subject": {"reference": f"Patient/{local}"},
        **more,
    }


def changes(chance: random.Random, population: Population) -> Iterator[Question]:
    """What one who keeps no records can try against each resource, seen or not."""
    names = [name for name in population.names() if name.split("/")[0] not in DIRECTORY]
    assert set(names) >= NOBODYS
    chance.shuffle(names)
    for name in [*names, "Observation/none0"]:
        yield from _against(name, chance.choice(population.patients))
        yield from _about(name)
    for name in names:
        yield from _anew(name, population.newest(name).resource or {})
    for number, local in enumerate((*population.patients, "none0")):
        yield _json("POST", "/fhir/Observation", resource(local, language=f"en-X{number}"))
        refers = resource(local, hasMember=[{"reference": f"Patient/{local}"}])
        yield _transaction(refers)
        for text in (f"identifier={LAB}|{number}", f"patient={local}&code={CODES[0]}"):
            made = resource(local, language=f"en-Y{number}")
            yield _json("POST", "/fhir/Observation", made, **{"if-none-exist": text})
            yield _json("PUT", f"/fhir/Observation?{text}", made)
            yield Question("DELETE", f"/fhir/Observation?{text}")
    for name in DIRECTORY:
        yield _json("POST", f"/fhir/{name}", {"resourceType": name})


def _anew(name: str, body: dict[str, Any]) -> Iterator[Question]:
    """Changes that succeed where the resource may be seen."""
    type_, _, id_ = name.partition("/")
    url, found = f"/fhir/{name}", f"/fhir/{type_}?_id={id_}"
    whole = {"resourceType": type_, "id": id_} | body | {"language": "en-Z"}
    change = json.dumps([{"op": "add", "path": "/language", "value": "en-P"}]).encode()
    yield _json("PUT", url, whole)
    yield _json("PUT", url, whole, **{"if-match": 'W/"1"'})
    yield _json("PUT", url, whole, prefer="return=representation")
    yield _json("PUT", found, whole)
    yield Question("PATCH", url, {"content-type": PATCH}, change)
    yield Question("PATCH", found, {"content-type": PATCH, "if-match": 'W/"2"'}, change)
    yield Question("DELETE", url)
    yield Question("DELETE", found)
    put = {"resource": whole, "request": {"method": "PUT", "url": name}}
    yield bundle("transaction", [put, {"request": {"method": "GET", "url": name}}])
    yield bundle("batch", [put, {"request": {"method": "DELETE", "url": f"{type_}?_id={id_}"}}])
    lines = json.dumps(whole).encode()
    yield Question("POST", "/fhir/$import", {"content-type": "application/fhir+ndjson"}, lines)


def _about(name: str) -> Iterator[Question]:
    """What is whose its target is, without saying whose."""
    type_, _, _ = name.partition("/")
    agent = [{"who": {"reference": "Practitioner/finn"}}]
    told = {"target": [{"reference": name}], "recorded": "2026-01-01T00:00:00Z", "agent": agent}
    yield _json("POST", "/fhir/Provenance", {"resourceType": "Provenance"} | told)
    content = {
        "contentType": "text/plain",
        "data": "b3Blbg==",
        "securityContext": told["target"][0],
    }
    if type_ != "Patient":
        yield _json("POST", "/fhir/Binary", {"resourceType": "Binary"} | content)


def _against(name: str, local: str) -> Iterator[Question]:
    type_, _, id_ = name.partition("/")
    url, patch = f"/fhir/{name}", {"content-type": PATCH}
    test = json.dumps([{"op": "test", "path": "/status", "value": "no"}]).encode()
    yield Question("PATCH", url, patch, test)
    yield Question("PATCH", url, patch | {"if-match": 'W/"9"'}, b"[]")
    yield Question("PATCH", f"/fhir/{type_}?_id={id_}", patch, test)
    yield _json("PUT", url, {"resourceType": type_, "id": id_}, **{"if-match": 'W/"9"'})
    if type_ == "Observation":
        yield _json("PUT", url, resource(local, id=id_, status="no such"))
        yield _json("PUT", url, resource(local, id=id_), **{"if-match": 'W/"9"'})
        yield _json("PUT", f"/fhir/Observation?_id={id_}", resource(local, id="other"))
        yield _json("POST", "/fhir/Observation", resource(local), **{"if-none-exist": f"_id={id_}"})
    yield Question("DELETE", url, {"if-match": 'W/"9"'})
    yield Question("DELETE", f"/fhir/{type_}?_id={id_}&language=xx")
    yield _transaction(resource(local, derivedFrom=[{"reference": name}]))
    nobodys = resource(local, derivedFrom=[{"reference": name}])
    del nobodys["subject"]
    yield _json("POST", "/fhir/Observation", nobodys)
    yield _transaction(nobodys)
    yield _transaction(resource(local, derivedFrom=[{"reference": f"{name}/_history/1"}]))
    yield _transaction(resource(local, derivedFrom=[{"reference": f"{type_}?_id={id_}"}]))
    request = {"method": "POST", "url": "Observation", "ifNoneExist": f"has-member={name}"}
    yield bundle("batch", [{"resource": resource(local), "request": request}])
    yield bundle("batch", [{"request": {"method": "DELETE", "url": name, "ifMatch": 'W/"9"'}}])
    yield bundle("transaction", [{"request": {"method": "GET", "url": name}}])
    yield _json("POST", f"/fhir/{type_}/{id_}/$validate?mode=delete", {})


def _json(method: str, path: str, body: dict[str, Any], **headers: str) -> Question:
    return Question(method, path, {"content-type": FHIR} | headers, json.dumps(body).encode())


def _transaction(one: dict[str, Any]) -> Question:
    request = {"method": "POST", "url": "Observation"}
    return bundle("transaction", [{"fullUrl": "urn:uuid:a", "resource": one, "request": request}])
