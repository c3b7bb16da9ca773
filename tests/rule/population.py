"""Small worlds of patients and what is known of them, drawn from a seed.

Ids are short and of one length, so that an answer's length says nothing by itself; resources refer
to one another, also across patients; some have versions, labels and dates, and some are deleted.
"""

import random
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
LOINC, ATC = "http://loinc.org", "http://www.whocc.no/atc"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
SENSITIVITY = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
LAB = "urn:lab"

CODES = ("4548-4", "8480-6", "718-7")
CATEGORIES = ("vital-signs", "laboratory")
LABELS = (
    (CONFIDENTIALITY, "R"),
    (CONFIDENTIALITY, "V"),
    (SENSITIVITY, "HIV"),
    (SENSITIVITY, "PSY"),
)
DATES = ("2024-02-03", "2025-06-01", "2026-05-04")
PRACTITIONERS = ("finn", "gray")
LAST_STEP = 3

CLINICAL = (
    "Patient",
    "Observation",
    "Condition",
    "MedicationRequest",
    "Encounter",
    "DiagnosticReport",
    "Binary",
    "DocumentReference",
    "Provenance",
    "AllergyIntolerance",
    "Coverage",
    "Claim",
    "Appointment",
    "List",
    "RelatedPerson",
)
DIRECTORY = ("Practitioner", "Organization", "Location", "Medication", "Group")
OWN = ("Device", "Schedule", "Slot")
"""Types of which the only resources here are about nobody."""
NOBODYS = frozenset(("Device/dev000", "Schedule/sch000", "Slot/slo000", "Observation/obn000"))
"""The organisation's own resources, those about nobody."""


DOCUMENT = "DocumentReference"
OFTEN = {"Observation": (3,), DOCUMENT: (1, 2), "Binary": (1, 2, 2)}
"""How many there are in a record, where it is not any number."""


@dataclass(frozen=True)
class Event:
    """At a step in time a version is stored; without a resource it is a deletion."""

    step: int
    type: str
    id: str
    resource: Json | None

    @property
    def name(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass
class Population:
    """Patients, who is merged into whom, and all that happens to their records, in order."""

    patients: tuple[str, ...]
    merged: dict[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    _by_name: dict[str, list[Event]] | None = None

    def names(self) -> list[str]:
        return list(dict.fromkeys(event.name for event in self.events))

    def versions(self, name: str) -> list[Event]:
        return self._versions()[name]

    def newest(self, name: str) -> Event:
        """The newest version that is no deletion."""
        return next(one for one in reversed(self.versions(name)) if one.resource is not None)

    def is_one_person(self, one: str | None, other: str | None) -> bool:
        return one is not None and other is not None and self._root(one) == self._root(other)

    def _root(self, local: str) -> str:
        while local in self.merged:
            local = self.merged[local]
        return local

    def _versions(self) -> dict[str, list[Event]]:
        if self._by_name is None:
            self._by_name = {}
            for event in self.events:
                self._by_name.setdefault(event.name, []).append(event)
        return self._by_name


def concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def refer(name: str) -> Json:
    return {"reference": name}


class Drawing:
    """Draws one population."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.patients = tuple(f"p{n}" for n in range(chance.choice((2, 3, 3, 4))))
        self.ids: dict[tuple[str, str], list[str]] = {}
        self.number = 0

    def some(self, local: str, type_: str) -> str:
        """An id of that type in the patient's record, or now and then in another's."""
        whose = self.chance.choice(self.patients) if self.chance.random() < 0.2 else local
        known = self.ids.get((whose, type_)) or ["none0"]
        return f"{type_}/{self.chance.choice(known)}"

    def population(self) -> Population:
        drawn = Population(self.patients)
        for type_, id_, resource in self._directory():
            drawn.events.append(Event(0, type_, id_, resource))
        for local in self.patients:
            self._patient(drawn, local)
        for local in self.patients:
            for type_ in CLINICAL[1:]:
                for _ in range(self.chance.choice(OFTEN.get(type_, (0, 1, 1, 2)))):
                    self._resource(drawn, local, type_)
        drawn.events.sort(key=lambda event: event.step)
        if self.chance.random() < 0.75:
            drawn.merged[self.chance.choice(self.patients[1:])] = self.patients[0]
        return drawn

    def _directory(self) -> list[tuple[str, str, Json]]:
        members = [{"entity": refer(f"Patient/{local}")} for local in self.patients]
        group = {"type": "person", "actual": True, "member": members}
        at = {"start": "2026-06-01T09:00:00Z", "end": "2026-06-01T09:20:00Z"}
        return [
            *(("Practitioner", one, {"name": [{"family": one.title()}]}) for one in PRACTITIONERS),
            ("Organization", "lab00", {"name": "Laboratory"}),
            (
                "Location",
                "ward0",
                {"name": "Ward", "managingOrganization": refer("Organization/lab00")},
            ),
            ("Medication", "drug0", {"code": concept(ATC, "N05CF02")}),
            ("Medication", "drug1", {"code": concept(ATC, "J05AE08")} | labelled([LABELS[2]])),
            ("Group", "roster", group),
            ("Device", "dev000", {"status": "active", "owner": refer("Organization/lab00")}),
            ("Schedule", "sch000", {"actor": [refer("Practitioner/finn")]}),
            ("Slot", "slo000", {"schedule": refer("Schedule/sch000"), "status": "free"} | at),
            ("Observation", "obn000", self._calibration()),
        ]

    def _calibration(self) -> Json:
        """A measurement of a device, with what those of patients have in common."""
        return {
            "status": "final",
            "category": [concept(CATEGORY, "laboratory")],
            "code": self._coded(),
            "device": refer("Device/dev000"),
            "performer": [refer("Practitioner/gray")],
            "effectiveDateTime": self._when(),
        }

    def _patient(self, drawn: Population, local: str) -> None:
        family, given = self.chance.choice(("Rivera", "Ng")), self.chance.choice(("Ana", "Ben"))
        body: Json = {
            "name": [{"family": family, "given": [given]}],
            "birthDate": self.chance.choice(("1984-03-07", "1990-01-01")),
            "gender": self.chance.choice(("female", "male")),
            "identifier": [{"system": "urn:mrn", "value": local}],
            "generalPractitioner": [refer("Practitioner/finn")],
        }
        if self.chance.random() < 0.3:
            other = self.chance.choice(self.patients)
            body["link"] = [{"other": refer(f"Patient/{other}"), "type": "seealso"}]
        self._store(drawn, "Patient", local, [body] * self.chance.choice((1, 1, 2)))

    def _resource(self, drawn: Population, local: str, type_: str) -> None:
        self.number += 1
        id_ = f"{type_[:2].lower()}{self.number:03}"
        number = {"identifier": [{"system": LAB, "value": str(self.number % 5)}]}
        own = {} if type_ in {"Binary", "Provenance"} else number
        bodies = [
            getattr(self, f"_{type_.lower()}")(local) | own
            for _ in range(self.chance.choice((1, 1, 1, 2, 3) if type_ != DOCUMENT else (1, 2, 3)))
        ]
        self.ids.setdefault((local, type_), []).append(id_)
        self._store(drawn, type_, id_, bodies)

    def _store(self, drawn: Population, type_: str, id_: str, bodies: list[Json]) -> None:
        steps = sorted(self.chance.sample(range(LAST_STEP + 1), len(bodies)))
        for number, (step, body) in enumerate(zip(steps, bodies, strict=True)):
            labels = [self.chance.choice(LABELS)] if self.chance.random() < 0.25 else []
            language = {"language": f"en-{'ABCD'[number]}{type_[0]}"}
            resource = body | language | labelled(labels)
            drawn.events.append(Event(step, type_, id_, resource))
        if type_ != "Patient" and steps[-1] < LAST_STEP and self.chance.random() < 0.15:
            drawn.events.append(Event(LAST_STEP, type_, id_, None))

    # --- one of each type ------------------------------------------------------------------------

    def _when(self) -> str:
        return self.chance.choice(DATES)

    def _who(self) -> Json:
        return refer(f"Practitioner/{self.chance.choice(PRACTITIONERS)}")

    def _coded(self) -> Json:
        return concept(LOINC, self.chance.choice(CODES))

    def _observation(self, local: str) -> Json:
        body: Json = {
            "status": self.chance.choice(("final", "amended")),
            "category": [concept(CATEGORY, self.chance.choice(CATEGORIES))],
            "code": self._coded(),
            "subject": refer(f"Patient/{local}"),
            "valueQuantity": {"value": self.chance.randint(1, 9), "unit": "%"},
        }
        if self.chance.random() < 0.8:
            body["effectiveDateTime"] = self._when()
        if self.chance.random() < 0.6:
            body["performer"] = [self._who()]
        if self.chance.random() < 0.5:
            body["hasMember"] = [refer(self.some(local, "Observation"))]
        return body

    def _condition(self, local: str) -> Json:
        return {
            "code": self._coded(),
            "subject": refer(f"Patient/{local}"),
            "onsetDateTime": self._when(),
            "encounter": refer(self.some(local, "Encounter")),
            "evidence": [{"detail": [refer(self.some(local, "Observation"))]}],
        }

    def _medicationrequest(self, local: str) -> Json:
        return {
            "status": "active",
            "intent": "order",
            "medicationReference": refer(f"Medication/drug{self.chance.randint(0, 1)}"),
            "subject": refer(f"Patient/{local}"),
            "authoredOn": self._when(),
            "requester": self._who(),
            "reasonReference": [refer(self.some(local, "Condition"))],
        }

    def _encounter(self, local: str) -> Json:
        return {
            "status": "finished",
            "class": {"system": SENSITIVITY, "code": self.chance.choice(("AMB", "IMP"))},
            "subject": refer(f"Patient/{local}"),
            "period": {"start": DATES[0], "end": self._when()},
            "participant": [{"individual": self._who()}],
            "location": [{"location": refer("Location/ward0")}],
        }

    def _diagnosticreport(self, local: str) -> Json:
        return {
            "status": "final",
            "code": self._coded(),
            "subject": refer(f"Patient/{local}"),
            "effectiveDateTime": self._when(),
            "performer": [refer("Organization/lab00")],
            "encounter": refer(self.some(local, "Encounter")),
            "result": [refer(self.some(local, "Observation")) for _ in range(2)],
        }

    def _documentreference(self, local: str) -> Json:
        return {
            "status": "current",
            "type": self._coded(),
            "subject": refer(f"Patient/{local}"),
            "date": f"{self._when()}T00:00:00Z",
            "author": [self._who()],
            "content": [
                {"attachment": {"contentType": "text/plain", "url": self.some(local, "Binary")}}
            ],
            "relatesTo": [
                {"code": "appends", "target": refer(self.some(local, "DocumentReference"))}
            ],
        }

    def _binary(self, local: str) -> Json:
        return {
            "contentType": "text/plain",
            "securityContext": refer(f"Patient/{local}"),
            "data": self.chance.choice(("c2VjcmV0", "b3BlbiE=")),
        }

    def _provenance(self, local: str) -> Json:
        return {
            "target": [refer(self.some(local, "Observation")), refer(f"Patient/{local}")],
            "recorded": f"{self._when()}T00:00:00Z",
            "agent": [{"who": self._who()}],
        }

    def _allergyintolerance(self, local: str) -> Json:
        return {
            "category": ["food"],
            "code": self._coded(),
            "patient": refer(f"Patient/{local}"),
            "recordedDate": self._when(),
        }

    def _coverage(self, local: str) -> Json:
        other = self.chance.choice(self.patients)
        return {
            "status": "active",
            "beneficiary": refer(f"Patient/{local}"),
            "policyHolder": refer(f"Patient/{other}"),
            "payor": [refer("Organization/lab00")],
        }

    def _claim(self, local: str) -> Json:
        return {
            "status": "active",
            "type": self._coded(),
            "use": "claim",
            "patient": refer(f"Patient/{local}"),
            "created": self._when(),
            "provider": self._who(),
            "priority": {"text": "normal"},
            "insurance": [
                {"sequence": 1, "focal": True, "coverage": refer(self.some(local, "Coverage"))}
            ],
        }

    def _appointment(self, local: str) -> Json:
        other = self.chance.choice(self.patients)
        return {
            "status": "booked",
            "start": f"{self._when()}T00:00:00Z",
            "end": "2026-06-01T00:00:00Z",
            "participant": [
                {"actor": refer(f"Patient/{one}"), "status": "accepted"} for one in (local, other)
            ],
        }

    def _list(self, local: str) -> Json:
        names = ("Observation", "Condition", "AllergyIntolerance")
        return {
            "status": "current",
            "mode": "working",
            "code": self._coded(),
            "subject": refer(f"Patient/{local}"),
            "date": self._when(),
            "entry": [{"item": refer(self.some(local, one))} for one in names],
        }

    def _relatedperson(self, local: str) -> Json:
        return {"patient": refer(f"Patient/{local}"), "name": [{"family": "Rivera"}]}


def labelled(labels: list[tuple[str, str]]) -> Json:
    if not labels:
        return {}
    return {"meta": {"security": [{"system": system, "code": code} for system, code in labels]}}


def draw(chance: random.Random) -> Population:
    """One population."""
    return Drawing(chance).population()
