"""What may be seen, from the definitions alone: no reach, no index, no search engine.

The facts of a resource are read here again, from its JSON; a denial speaks of it as spec/terms.md
says; a scope reaches it as SMART App Launch 2.2 says.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from careledger.mechanisms.purpose import Purpose, includes
from careledger.mechanisms.terms import Action, Facts, Terms
from tests.rule.population import DIRECTORY, NOBODYS, Event, Json, Population

ACTIONS: tuple[Action, ...] = ("read", "search", "export")
LETTERS: dict[Action, str] = {"read": "r", "search": "s", "export": "r"}
"""Which letter of a scope an action needs."""

OWN_PURPOSES: tuple[Purpose, ...] = ("TREAT", "HPAYMT", "HOPERAT")
RIVERSIDE = "riverside"


@dataclass(frozen=True)
class Denial:
    """A denial by one patient, of one organisation, or of anyone but the custodian (None)."""

    patient: str
    terms: Terms | None
    delivered: bool = True
    role: str | None = None
    purposes: tuple[Purpose, ...] = ()
    actions: tuple[Action, ...] = ()
    grantee: str | None = RIVERSIDE


@dataclass(frozen=True)
class Grant:
    """A grant by one patient."""

    patient: str
    grantee: str
    terms: Terms | None
    purposes: tuple[Purpose, ...]
    actions: tuple[Action, ...] = ACTIONS
    delivered: bool = True
    role: str | None = None


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
    kind: Literal["member", "practitioner", "patient", "staff", "partner"]
    purpose: Purpose
    scopes: tuple[Reaching, ...]
    practitioner: str | None = None
    role: str | None = None
    own: str | None = None
    """Local id of the patient who asks for their own record."""
    patient: str | None = None
    """Local id of the patient of the launch."""
    requester: str = RIVERSIDE
    grant: Grant | None = None
    """What another member relies on."""
    actions: tuple[Action, ...] = ACTIONS
    """What another member asked to do."""
    action: Action = "read"

    @property
    def is_system(self) -> bool:
        return self.practitioner is None and self.role is None and self.own is None


class Oracle:
    """Says of each version in one population whether one caller may see it, doing something."""

    def __init__(self, population: Population, denials: list[Denial], who: Who) -> None:
        self.population, self.who = population, who
        self._denials = denials
        self._doing = {one: replace(who, action=one) for one in ACTIONS}
        drugs = [one for one in population.events if one.type == "Medication" and one.resource]
        self._drugs = {one.name: one.resource or {} for one in drugs}
        self._documents = _documents(population)
        self._seen: dict[tuple[str, Action], bool] = {}

    def of(self, who: Who) -> "Oracle":
        """The same world, for somebody else."""
        return Oracle(self.population, self._denials, who)

    def permitted(self, action: Action) -> set[str]:
        """Names of what is there and may be seen."""
        return {
            name
            for name in self.population.names()
            if self.population.versions(name)[-1].resource is not None and self.sees(name, action)
        }

    def sees(self, name: str, action: Action) -> bool:
        """Whether the newest version may be seen; of a deletion, the version before it."""
        if (name, action) not in self._seen:
            newest = self.population.newest(name)
            self._seen[name, action] = self.sees_version(newest, action)
        return self._seen[name, action]

    def sees_version(self, event: Event, action: Action) -> bool:
        """Whether this one may, by itself."""
        if event.type == "Group" and not self.who.is_system:
            return False
        if event.type in DIRECTORY and self.who.kind == "partner":
            return False
        whose = patients_of(event)
        if event.name in NOBODYS:
            if not self._is_of_the_house:
                return False
        elif event.type not in DIRECTORY and not self._may_open(whose[0], event, action):
            return False
        return any(self._reaches(scope, event, whose, action) for scope in self.who.scopes)

    def is_open(self, local: str, action: Action) -> bool:
        """Whether a record is open at all, whatever is in it."""
        return self._is_in_reach(local, action) and not any(
            self._stops(one) for each in self._accounts(local) for one in self._of(each, action)
        )

    @property
    def _is_of_the_house(self) -> bool:
        """Whether the caller is one of the organisation's own people, for a purpose of its own."""
        who = self.who
        is_ours = who.own is None and who.kind != "partner"
        return is_ours and includes(OWN_PURPOSES, who.purpose)

    # --- consent ---------------------------------------------------------------------------------

    def _may_open(self, owner: str, event: Event, action: Action) -> bool:
        if not self.is_open(owner, action):
            return False
        documents = self._documents.get(event.name, ()) if event.type == "Binary" else ()
        several = (event, *(self.population.newest(one) for one in documents))
        return all(self._is_covered(owner, one, action) for one in several)

    def _is_covered(self, owner: str, event: Event, action: Action) -> bool:
        who, facts = self._doing[action], facts_of(event, self._drugs)
        grant = None if who.grant is None else who.grant.terms
        if grant is not None and not grant.covers(facts, who):
            return False
        return not any(
            one.terms is not None and one.terms.covers(facts, who)
            for account in self._accounts(owner)
            for one in self._of(account, action)
        )

    def _is_in_reach(self, owner: str, action: Action) -> bool:
        who = self.who
        if who.own is not None:
            return who.own in self._accounts(owner)
        if who.grant is not None:
            return self._is_granted(who.grant, owner, action)
        if not includes(OWN_PURPOSES, who.purpose):
            return False
        is_confined = {scope.context for scope in who.scopes} == {"patient"}
        return not is_confined or who.patient in self._accounts(owner)

    def _is_granted(self, grant: Grant, owner: str, action: Action) -> bool:
        """A grant opens what is merged into its patient, if nobody who is that person denies it."""
        accounts = self._accounts(owner)
        return (
            grant.patient in accounts
            and grant.delivered
            and action in grant.actions
            and action in self.who.actions
            and includes(grant.purposes, self.who.purpose)
            and grant.role in {None, self.who.role}
            and not any(self._of(one, action) for one in accounts if one != grant.patient)
        )

    def _accounts(self, owner: str) -> list[str]:
        """The owner, and whoever they are merged into."""
        found = [owner]
        while found[-1] in self.population.merged:
            found.append(self.population.merged[found[-1]])
        return found

    def _of(self, local: str, action: Action) -> list[Denial]:
        who = self.who
        if who.own is not None:
            return []
        named = {RIVERSIDE} if who.requester == RIVERSIDE else {None, who.requester}
        return [
            one
            for one in self._denials
            if one.patient == local
            and one.grantee in named
            and (one.role is None or who.role is None or who.role == one.role)
            and (not one.purposes or includes(one.purposes, who.purpose))
            and (not one.actions or action in one.actions)
        ]

    def _stops(self, denial: Denial) -> bool:
        """Whether it is about the whole record, or what it is about is not known."""
        return denial.terms is None or not denial.delivered

    # --- scopes ----------------------------------------------------------------------------------

    def _reaches(self, scope: Reaching, event: Event, whose: list[str], action: Action) -> bool:
        if scope.type not in {"*", event.type} or LETTERS[action] not in scope.letters:
            return False
        is_about = scope.context != "patient" or self.who.own is not None
        if not is_about and event.type not in DIRECTORY and self.who.patient not in whose:
            return False
        if not scope.parameter:
            return True
        facts = facts_of(event, self._drugs)
        found = {"category": facts.categories, "code": facts.codes, "_security": facts.labels}
        return scope.value in found[scope.parameter]


def _documents(population: Population) -> dict[str, set[str]]:
    """By Binary, the documents of the same person that have it as content in any version."""
    owners = {
        name: next(iter(patients_of(population.newest(name))), None) for name in population.names()
    }
    found: dict[str, set[str]] = {}
    for event in population.events:
        for one in (event.resource or {}).get("content", ()):
            binary = one["attachment"].get("url", "")
            if population.is_one_person(owners.get(binary), owners[event.name]):
                found.setdefault(binary, set()).add(event.name)
    return found


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
        return first_second(body["period"]["start"]), last_second(body["period"]["end"])
    text = body.get(named.get(type_, ""))
    return (None, None) if text is None else (first_second(text), last_second(text))


def first_second(text: str) -> int:
    """The first second of a date or an instant."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def last_second(text: str) -> int:
    """The second after the last: a day is over after a day, an instant after a second."""
    length = timedelta(seconds=1) if "T" in text else timedelta(days=1)
    return int((datetime.fromisoformat(text).replace(tzinfo=UTC) + length).timestamp())
