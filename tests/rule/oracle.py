"""What may be seen, from the definitions alone: no reach, no index, no search engine.

The facts of a resource are read here again, from its JSON; a denial speaks of it as spec/terms.md
says; a scope reaches it as SMART App Launch 2.2 says.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from careledger.mechanisms.purpose import Purpose, includes
from careledger.mechanisms.terms import Action, Facts, Terms
from tests.rule.population import DIRECTORY, NOBODYS, Event, Json, Population

Letter = Literal["r", "s"]
OWN_PURPOSES: tuple[Purpose, ...] = ("TREAT", "HPAYMT", "HOPERAT")
RIVERSIDE = "riverside"


@dataclass(frozen=True)
class Denial:
    """A denial by one patient that names the organisation."""

    patient: str
    terms: Terms | None
    delivered: bool = True
    role: str | None = None
    purposes: tuple[Purpose, ...] = ()


@dataclass(frozen=True)
class Reaching:
    """One scope: a context, a type or `*`, letters, and `parameter=value` it is restricted to."""

    context: Literal["system", "user", "patient"]
    type: str
    letters: str
    parameter: str = ""
    value: str = ""

    def __str__(self) -> str:
        query = f"?{self.parameter}={self.value}" if self.parameter else ""
        return f"{self.context}/{self.type}.{self.letters}{query}"


@dataclass(frozen=True, kw_only=True)
class Who:
    """A caller, as the definitions see it."""

    name: str
    kind: Literal["member", "practitioner", "patient", "staff"]
    purpose: Purpose
    scopes: tuple[Reaching, ...]
    practitioner: str | None = None
    role: str | None = None
    own: str | None = None
    """Local id of the patient who asks for their own record."""
    patient: str | None = None
    """Local id of the patient of the launch."""
    requester: str = RIVERSIDE
    action: Action = "read"

    @property
    def is_system(self) -> bool:
        return self.practitioner is None and self.role is None and self.own is None


class Oracle:
    """Says of each version in one population whether one caller may see it."""

    def __init__(self, population: Population, denials: list[Denial], who: Who) -> None:
        self.population, self.who = population, who
        self._denials = denials
        drugs = [one for one in population.events if one.type == "Medication" and one.resource]
        self._drugs = {one.name: one.resource or {} for one in drugs}

    def permitted(self, letter: Letter) -> set[str]:
        """Names of what is there and may be seen."""
        return {
            name
            for name in self.population.names()
            if self.population.versions(name)[-1].resource is not None and self.sees(name, letter)
        }

    def sees(self, name: str, letter: Letter) -> bool:
        """Whether the newest version may be seen; of a deletion, the version before it."""
        stored = [one for one in self.population.versions(name) if one.resource is not None]
        return self.sees_version(stored[-1], letter)

    def sees_version(self, event: Event, letter: Letter) -> bool:
        """Whether this one may, by itself."""
        resource = event.resource
        assert resource is not None
        if event.type == "Group" and not self.who.is_system:
            return False
        whose = patients_of(event)
        if event.name in NOBODYS:
            if self.who.own is not None or not includes(OWN_PURPOSES, self.who.purpose):
                return False
        elif event.type not in DIRECTORY and not self._may_open(whose[0], event):
            return False
        return any(self._reaches(scope, event, whose, letter) for scope in self.who.scopes)

    def is_open(self, local: str) -> bool:
        """Whether a record is open at all, whatever is in it."""
        return self._is_in_reach(local) and all(
            not self._stops(one) for each in self._accounts(local) for one in self._of(each)
        )

    # --- consent ---------------------------------------------------------------------------------

    def _may_open(self, owner: str, event: Event) -> bool:
        if not self._is_in_reach(owner):
            return False
        if self.who.own is not None:
            return True
        facts = facts_of(event, self._drugs)
        return not any(
            self._stops(one) or (one.terms is not None and one.terms.covers(facts, self.who))
            for account in self._accounts(owner)
            for one in self._of(account)
        )

    def _is_in_reach(self, owner: str) -> bool:
        who = self.who
        if who.own is not None:
            return who.own in self._accounts(owner)
        if not includes(OWN_PURPOSES, who.purpose):
            return False
        is_confined = {scope.context for scope in who.scopes} == {"patient"}
        return not is_confined or who.patient in self._accounts(owner)

    def _accounts(self, owner: str) -> list[str]:
        """The owner, and whoever they are merged into."""
        found = [owner]
        while found[-1] in self.population.merged:
            found.append(self.population.merged[found[-1]])
        return found

    def _of(self, local: str) -> list[Denial]:
        who = self.who
        if who.own is not None:
            return []
        return [
            one
            for one in self._denials
            if one.patient == local
            and (one.role is None or who.role is None or who.role == one.role)
            and (not one.purposes or includes(one.purposes, who.purpose))
        ]

    def _stops(self, denial: Denial) -> bool:
        """Whether it is about the whole record, or what it is about is not known."""
        return denial.terms is None or not denial.delivered

    # --- scopes ----------------------------------------------------------------------------------

    def _reaches(self, scope: Reaching, event: Event, whose: list[str], letter: Letter) -> bool:
        if scope.type not in {"*", event.type} or letter not in scope.letters:
            return False
        is_about = scope.context != "patient" or self.who.own is not None
        if not is_about and event.type not in DIRECTORY and self.who.patient not in whose:
            return False
        if not scope.parameter:
            return True
        facts = facts_of(event, self._drugs)
        found = {"category": facts.categories, "code": facts.codes, "_security": facts.labels}
        return scope.value in found[scope.parameter]


def patients_of(event: Event) -> list[str]:
    """Whose compartments it is in, its owner first."""
    body = event.resource or {}
    if event.type in DIRECTORY or event.name in NOBODYS:
        return []
    named = [event.id] if event.type == "Patient" else []
    for text in _references(event.type, body):
        if text.startswith("Patient/") and text.removeprefix("Patient/") not in named:
            named.append(text.removeprefix("Patient/"))
    return named


def _references(type_: str, body: Json) -> list[str]:
    match type_:
        case "Patient":
            found = [one["other"] for one in body.get("link", [])]
        case "Provenance":
            found = body["target"]
        case "Appointment":
            found = [one["actor"] for one in body["participant"]]
        case "Coverage":
            found = [body["beneficiary"], body["policyHolder"]]
        case "Binary":
            found = [body["securityContext"]]
        case _:
            found = [body.get("subject") or body["patient"]]
    return [one["reference"] for one in found]


def facts_of(event: Event, drugs: dict[str, Json]) -> Facts:
    """What terms look at, read from the JSON of a version."""
    body = event.resource or {}
    drug = drugs.get(body.get("medicationReference", {}).get("reference", ""), {})
    codes = _codes(body.get("code")) + _codes(drug.get("code"))
    if event.type in {"DocumentReference", "Claim"}:
        codes += _codes(body.get("type"))
    categories: list[str] = []
    for one in body.get("category", []):
        categories += _codes(one) if isinstance(one, dict) else [f"|{one}"]
    if "class" in body:
        categories.append(f"{body['class']['system']}|{body['class']['code']}")
    start, end = _dates(event.type, body)
    return Facts(
        type=event.type,
        id=event.id,
        codes=tuple(codes),
        categories=tuple(categories),
        labels=tuple(_labels(body) + _labels(drug)),
        start=start,
        end=end,
        authors=tuple(_authors(event.type, body)),
        related=tuple(_related(event, body)),
    )


def _codes(concept: Any) -> list[str]:
    return (
        [] if concept is None else [f"{one['system']}|{one['code']}" for one in concept["coding"]]
    )


def _labels(body: Json) -> list[str]:
    found = body.get("meta", {}).get("security", [])
    return [f"{one['system']}|{one['code']}" for one in found]


def _authors(type_: str, body: Json) -> list[str]:
    if type_ == "Encounter":
        return [one["individual"]["reference"] for one in body["participant"]]
    named = {"Observation": "performer", "DiagnosticReport": "performer"} | {
        "DocumentReference": "author",
        "MedicationRequest": "requester",
        "Claim": "provider",
    }
    found = body.get(named.get(type_, ""), [])
    return [one["reference"] for one in (found if isinstance(found, list) else [found])]


def _related(event: Event, body: Json) -> list[str]:
    if event.type == "Encounter":
        return [event.name]
    return [body["encounter"]["reference"]] if "encounter" in body else []


def _dates(type_: str, body: Json) -> tuple[int | None, int | None]:
    named = {
        "Observation": "effectiveDateTime",
        "Condition": "onsetDateTime",
        "MedicationRequest": "authoredOn",
        "DiagnosticReport": "effectiveDateTime",
        "DocumentReference": "date",
        "Provenance": "recorded",
        "AllergyIntolerance": "recordedDate",
        "Claim": "created",
        "Appointment": "start",
        "List": "date",
    }
    if type_ == "Encounter":
        return _first(body["period"]["start"]), _last(body["period"]["end"])
    text = body.get(named.get(type_, ""))
    return (None, None) if text is None else (_first(text), _last(text))


def _first(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def _last(text: str) -> int:
    """The second after the last: a day is over after a day, an instant after a second."""
    length = timedelta(seconds=1) if "T" in text else timedelta(days=1)
    return int((datetime.fromisoformat(text).replace(tzinfo=UTC) + length).timestamp())
