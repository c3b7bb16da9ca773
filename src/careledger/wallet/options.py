"""Plain options of a consent, turned into a draft: the words people use for what is in a record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, get_args

from careledger.ledger.record import AccountId, MemberId
from careledger.mechanisms.deadline import DAY_S, Day
from careledger.mechanisms.envelope import Kind
from careledger.mechanisms.purpose import PURPOSES, Purpose
from careledger.mechanisms.terms import SENSITIVITY, Action, Effect, Period, Provision, Terms
from careledger.wallet.errors import BadOption
from careledger.wallet.fhir_consent import Draft
from careledger.wallet.fhir_provision import Party, span_of

_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category|"


@dataclass(frozen=True, slots=True)
class Part:
    """What a word stands for: these resource types, of these categories only if any are named."""

    types: tuple[str, ...]
    categories: tuple[str, ...] = ()


WORDS: Final[Mapping[str, tuple[Part, ...]]] = {
    "medications": (
        Part(
            (
                "Medication",
                "MedicationAdministration",
                "MedicationDispense",
                "MedicationRequest",
                "MedicationStatement",
            )
        ),
    ),
    "results": (Part(("DiagnosticReport",)), Part(("Observation",), (f"{_CATEGORY}laboratory",))),
    "vital-signs": (Part(("Observation",), (f"{_CATEGORY}vital-signs",)),),
    "social-history": (Part(("Observation",), (f"{_CATEGORY}social-history",)),),
    "observations": (Part(("Observation",)),),
    "conditions": (Part(("Condition",)),),
    "allergies": (Part(("AllergyIntolerance",)),),
    "immunizations": (Part(("Immunization",)),),
    "procedures": (Part(("Procedure",)),),
    "encounters": (Part(("Encounter",)),),
    "care-plans": (Part(("CarePlan", "CareTeam", "Goal")),),
    "imaging": (Part(("ImagingStudy",)),),
    "documents": (Part(("Composition", "DocumentReference")),),
    "claims": (Part(("Claim", "ClaimResponse", "Coverage", "ExplanationOfBenefit")),),
    "demographics": (Part(("Patient", "RelatedPerson")),),
}
"""What a patient may say instead of FHIR resource types."""

LABELS: Final[Mapping[str, str]] = {
    "behavioural-health": f"{SENSITIVITY}BH",
    "psychiatry": f"{SENSITIVITY}PSY",
    "psychotherapy": f"{SENSITIVITY}PSYTHPN",
    "substance-use": f"{SENSITIVITY}ETH",
    "hiv": f"{SENSITIVITY}HIV",
    "sexual-health": f"{SENSITIVITY}SEX",
    "sexually-transmitted": f"{SENSITIVITY}STD",
    "genetics": f"{SENSITIVITY}GDIS",
    "domestic-violence": f"{SENSITIVITY}SDV",
}
"""Sensitivity labels by what people call them (HL7 v3 InformationSensitivityPolicy)."""

WHY: Final[Mapping[str, Purpose]] = {
    "treatment": "TREAT",
    "emergency": "ETREAT",
    "payment": "HPAYMT",
    "operations": "HOPERAT",
    "research": "HRESCH",
    "public-health": "PUBHLTH",
}
"""Purposes by what people call them; every HL7 code is understood as well."""

ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
USUAL_ACTIONS: Final[tuple[Action, ...]] = ("read", "search")


@dataclass(frozen=True, kw_only=True)
class Options:
    """One consent in plain options; what is left empty is not limited."""

    grantee: str | None = None
    practitioner: str | None = None
    role: str | None = None
    purposes: Sequence[str] = ()
    actions: Sequence[str] = ()
    valid_from: Day
    valid_until: Day | None = None
    what: Sequence[str] = ()
    """Words of `WORDS`, or FHIR resource types."""
    categories: Sequence[str] = ()
    codes: Sequence[str] = ()
    data_from: str | None = None
    data_until: str | None = None
    """FHIR dates; what lies outside is not covered."""
    except_labels: Sequence[str] = ()
    except_what: Sequence[str] = ()
    except_codes: Sequence[str] = field(default=())


def draft(kind: Kind, options: Options) -> Draft:
    """The consent that these options mean.

    Raises:
        BadOption: they mean none.
    """
    if kind == "grant" and not (options.grantee and options.purposes):
        raise BadOption("a grant names whom it allows (a member) and at least one purpose")
    if options.grantee is None and (options.practitioner or options.role):
        raise BadOption("a person or role is one of an organisation: name the organisation too")
    party = None
    if options.grantee is not None:
        person = options.practitioner
        party = Party(
            member=MemberId(options.grantee),
            practitioner=None if person is None else AccountId(person),
            role=options.role,
        )
    return Draft(
        kind=kind,
        party=party,
        purposes=tuple(map(purpose, options.purposes)),
        actions=tuple(map(_action, options.actions)) or (USUAL_ACTIONS if kind == "grant" else ()),
        valid_from=options.valid_from,
        valid_until=options.valid_until,
        terms=_terms(kind, options),
        narrowed=(),
    )


def purpose(word: str) -> Purpose:
    """The HL7 purpose of use that a word or code means.

    Raises:
        BadOption: none.
    """
    if word.lower() in WHY:
        return WHY[word.lower()]
    for code in PURPOSES:
        if code == word.upper():
            return code
    raise BadOption(f"{word!r} is no purpose: use {', '.join(WHY)}, or an HL7 PurposeOfUse code")


def _action(word: str) -> Action:
    for action in ACTIONS:
        if action == word:
            return action
    raise BadOption(f"{word!r} is nothing one can do: use {', '.join(ACTIONS)}")


def _terms(kind: Kind, options: Options) -> Terms | None:
    """The unwritten half; None for the whole record."""
    effect: Effect = "permit" if kind == "grant" else "deny"
    period = _period(options)
    covered = [
        _provision(effect, part, options, period) for part in _parts(options.what) or [Part(())]
    ]
    kept = list(_exceptions(options))
    if kept and kind == "denial":
        raise BadOption("what a denial leaves out is no denial: deny the parts by name instead")
    base, more = _union(covered)
    terms = Terms(base=base, exceptions=(*more, *kept))
    return None if terms == Terms(base=Provision(effect=effect)) else terms


def _parts(words: Sequence[str]) -> list[Part]:
    found: list[Part] = []
    for word in words:
        if word in WORDS:
            found += WORDS[word]
        elif word[:1].isupper() and word.isascii() and word.isalpha():
            found.append(Part((word,)))
        else:
            raise BadOption(
                f"{word!r} is not part of a record: use {', '.join(WORDS)}, or a FHIR resource type"
            )
    return found


def _provision(effect: Effect, part: Part, options: Options, period: Period | None) -> Provision:
    return Provision(
        effect=effect,
        types=part.types,
        categories=(*part.categories, *options.categories),
        codes=tuple(options.codes),
        period=period,
    )


def _union(covered: Sequence[Provision]) -> tuple[Provision, tuple[Provision, ...]]:
    """One base, and exceptions to the same effect for what does not fit into it."""
    plain = [one for one in covered if one.categories == covered[0].categories]
    others = tuple(one for one in covered if one.categories != covered[0].categories)
    types = tuple(sorted({type_ for one in plain for type_ in one.types}))
    first = covered[0]
    base = Provision(
        effect=first.effect,
        types=types,
        categories=first.categories,
        codes=first.codes,
        period=first.period,
    )
    return base, others


def _exceptions(options: Options) -> Sequence[Provision]:
    """What stays out of a grant, each thing for itself."""
    labels = tuple(_label(word) for word in options.except_labels)
    found = [Provision(effect="deny", labels=labels)] if labels else []
    found += [
        Provision(effect="deny", types=part.types, categories=part.categories)
        for part in _parts(options.except_what)
    ]
    if options.except_codes:
        found.append(Provision(effect="deny", codes=tuple(options.except_codes)))
    return found


def _label(word: str) -> str:
    if word in LABELS:
        return LABELS[word]
    if "|" in word:
        return word
    raise BadOption(f"{word!r} is no sensitivity label: use {', '.join(LABELS)}, or system|code")


def _period(options: Options) -> Period | None:
    if options.data_from is None and options.data_until is None:
        return None
    start = None if options.data_from is None else _second(options.data_from)
    end = None if options.data_until is None else _second(options.data_until)
    if start is not None and end is not None and start >= end:
        raise BadOption("the period of the data ends before it begins")
    return Period(start=start, end=end)


def _second(text: str) -> int:
    start, _ = span_of(text)
    if start is None:
        raise BadOption(f"{text!r} is no date: write it as 2024-03-31")
    return start


def parse_day(text: str) -> Day:
    """A UTC day, counted from 1970-01-01.

    Raises:
        BadOption: not a date.
    """
    day, rest = divmod(_second(text), DAY_S)
    if rest or day < 0:
        raise BadOption(f"{text!r} is no day: write it as 2024-03-31")
    return day
