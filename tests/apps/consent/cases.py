"""Conflicting consents, and the one answer to each: the table beside spec/consent-decision.md.

A case reads: given these, numbered from 1, in this order; when somebody asks this; then
this. Who asks, unless it says otherwise: Dr Cho, a clinician at Lakeview, to read for treatment
what Riverside holds of Ana. `then` is "permit 2" (on consent 2) or the failing dimensions.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from careledger.mechanisms.purpose import Purpose
from careledger.mechanisms.terms import (
    CONFIDENTIALITY,
    SENSITIVITY,
    Actor,
    Facts,
    Link,
    Period,
    Provision,
    Terms,
)
from tests.apps.consent.story import DR_CHO, DR_DIAZ, HILLTOP, LAKEVIEW

# --- resources of Ana's ----------------------------------------------------------------------

LAB = Facts(
    type="Observation",
    id="glucose",
    codes=("http://loinc.org|2339-0",),
    labels=(CONFIDENTIALITY + "N",),
    start=1_700_000_000,
    end=1_700_000_001,
    authors=("Practitioner/cho",),
    related=("Encounter/visit",),
)
DRUG = Facts(type="MedicationRequest", id="metformin", labels=(CONFIDENTIALITY + "N",))
ALCOHOL = Facts(
    type="Observation",
    id="drinks",
    labels=(CONFIDENTIALITY + "R", SENSITIVITY + "ETHUD"),
    start=1_600_000_000,
    end=1_600_000_001,
    authors=("Practitioner/diaz",),
)
UNDATED = Facts(type="Observation", id="undated", labels=(CONFIDENTIALITY + "N",))
SECRET = Facts(type="Observation", id="secret", labels=(CONFIDENTIALITY + "V",))

# --- terms -------------------------------------------------------------------------------------


def only(**filters: Any) -> Terms:
    return Terms(base=Provision(effect="permit", **filters))


def never(**filters: Any) -> Terms:
    return Terms(base=Provision(effect="deny", **filters))


def but(base: Terms, *exceptions: Provision) -> Terms:
    return Terms(base=base.base, exceptions=exceptions)


def permit(**filters: Any) -> Provision:
    return Provision(effect="permit", **filters)


def deny(**filters: Any) -> Provision:
    return Provision(effect="deny", **filters)


DRUGS = only(types=("MedicationRequest",))
LABS = only(types=("Observation",))
NORMAL = only(labels=(CONFIDENTIALITY + "N",))
NO_LABS = never(types=("Observation",))
NO_ALCOHOL = never(labels=(SENSITIVITY + "ETH",))
RECENT = Period(start=1_650_000_000)
CHO = Actor(kind="practitioner", id=DR_CHO)
DIAZ = Actor(kind="practitioner", id=DR_DIAZ)

# --- what is said, and asked -------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    how: Literal["grant", "denial", "paper", "revoke"]
    terms: Terms | None
    fields: dict[str, Any]
    lost: bool = False
    """Whether the custodian never got the terms."""


def grant(terms: Terms | None = None, **fields: Any) -> Said:
    return Said("grant", terms, fields)


def denial(terms: Terms | None = None, **fields: Any) -> Said:
    return Said("denial", terms, fields)


def paper(terms: Terms | None = None, **fields: Any) -> Said:
    return Said("paper", terms, fields)


def revoke(number: int) -> Said:
    return Said("revoke", None, {"number": number})


def lost(said: Said) -> Said:
    return Said(said.how, said.terms, said.fields, lost=True)


@dataclass(frozen=True)
class Case:
    name: str
    given: tuple[Said, ...]
    then: str
    what: Facts = LAB
    asks: dict[str, Any] = field(default_factory=dict)


def case(name: str, *given: Said, then: str, what: Facts = LAB, **asks: Any) -> Case:
    return Case(name, given, then, what, asks)


DAY = 86_400
RESEARCH: tuple[Purpose, ...] = ("HRESCH",)
BY_DIAZ: dict[str, Any] = {"practitioner": DR_DIAZ}
BY_NOBODY: dict[str, Any] = {"practitioner": None, "role": None}

# fmt: off
CASES = (
    # nothing matches
    case("nothing was ever said", then="consent"),
    case("only a denial was ever said", denial(), then="denial"),
    case("a denial that does not match grants nothing", denial(purposes=RESEARCH), then="consent"),
    case("another organisation was named", grant(grantee=HILLTOP), then="grantee"),
    case("another purpose was named", grant(purposes=RESEARCH), then="purpose"),
    case("another person was named", grant(practitioner=DR_DIAZ), then="person"),
    case("a person was named and nobody says who asks", grant(practitioner=DR_CHO),
         then="person", **BY_NOBODY),
    case("another role was named", grant(role="pharmacist"), then="role"),
    case("another action was named", grant(actions=("search",)), then="action"),
    case("it begins tomorrow", grant(valid_from=20_718), then="validity"),
    case("it was revoked", grant(), revoke(1), then="status"),
    case("it fails twice and both are named", grant(role="nurse", purposes=RESEARCH),
         then="role purpose"),
    # which refusal is named when several grants fail
    case("the grant nearer to the asker is named", grant(role="nurse", purposes=RESEARCH),
         grant(purposes=RESEARCH), then="purpose"),
    case("equally near grants are named together", grant(role="nurse"), grant(purposes=RESEARCH),
         then="role purpose"),
    case("a grant in force is named before an ended one", grant(), grant(purposes=RESEARCH),
         revoke(1), then="purpose"),
    case("a revoked grant to the asker is named before a live one to others", grant(),
         grant(grantee=HILLTOP), revoke(1), then="status"),
    # several grants
    case("any grant that covers the resource is enough", grant(DRUGS), grant(LABS),
         then="permit 2"),
    case("grants add up to no more than each of them", grant(DRUGS), grant(LABS, purposes=RESEARCH),
         then="terms"),
    case("the first that covers it is the basis", grant(LABS), grant(), then="permit 1"),
    case("a broad grant is not narrowed by a narrow one", grant(), grant(DRUGS), then="permit 1"),
    case("re-consent is a consent of its own", grant(), revoke(1), grant(), then="permit 3"),
    case("revoking one leaves the other", grant(), grant(), revoke(1), then="permit 2"),
    case("a broad purpose includes a narrow one", grant(), then="permit 1", purpose="COC"),
    case("a narrow purpose does not include a broad one", grant(purposes=("COC",)),
         then="purpose"),
    # denials
    case("a denial wins over an earlier grant", grant(), denial(), then="denial"),
    case("a denial wins over a later grant", denial(), grant(), then="denial"),
    case("a denial wins over many grants", grant(), grant(), grant(LABS), denial(), then="denial"),
    case("a denial to the organisation wins over a grant to its doctor", grant(practitioner=DR_CHO),
         denial(grantee=LAKEVIEW), then="denial"),
    case("a denial to one doctor leaves the others", grant(),
         denial(grantee=LAKEVIEW, practitioner=DR_DIAZ), then="permit 1"),
    case("a denial to one doctor stops that doctor", grant(),
         denial(grantee=LAKEVIEW, practitioner=DR_DIAZ), then="denial", **BY_DIAZ),
    case("a denial to one doctor stops whoever will not say who asks", grant(),
         denial(grantee=LAKEVIEW, practitioner=DR_DIAZ), then="denial", **BY_NOBODY),
    case("a denial to a role stops it", grant(), denial(role="clinician"), then="denial"),
    case("a denial of a purpose leaves the others", grant(), denial(purposes=RESEARCH),
         then="permit 1"),
    case("a denial of a purpose includes narrower ones", grant(purposes=("TREAT", "HRESCH")),
         denial(purposes=RESEARCH), then="denial", purpose="CLINTRCH"),
    case("a denial of an action leaves the others", grant(), denial(actions=("export",)),
         then="permit 1"),
    case("a denial to another organisation is none", grant(), denial(grantee=HILLTOP),
         then="permit 1"),
    case("a denial that is over is none", grant(valid_until=None),
         denial(valid_until=20_720), then="permit 1", time=1_790_000_000 + 9 * DAY),
    case("a denial to come is none yet", grant(), denial(valid_from=20_800), then="permit 1"),
    case("a revoked denial is none", grant(), denial(), revoke(2), then="permit 1"),
    # denials with terms
    case("a denial of alcohol leaves the rest", grant(), denial(NO_ALCOHOL), then="permit 1"),
    case("a denial of alcohol stops it", grant(), denial(NO_ALCOHOL), then="terms", what=ALCOHOL),
    case("a denial of alcohol wins over a grant of exactly that", grant(only(labels=(
        SENSITIVITY + "ETHUD",))), denial(NO_ALCOHOL), then="terms", what=ALCOHOL),
    case("what a denial excepts is not forbidden", grant(),
         denial(but(never(), permit(types=("Observation",)))), then="permit 1"),
    case("what a denial excepts is not granted either",
         denial(but(never(), permit(types=("Observation",)))), then="consent"),
    case("an exception to one denial does not lift another", grant(),
         denial(but(never(), permit(types=("Observation",)))), denial(NO_LABS), then="terms"),
    case("a denial whose terms speak of everything", grant(), denial(never()), then="terms"),
    # exceptions
    case("an exception wins over its base", grant(but(only(), deny(labels=(SENSITIVITY + "ETH",)))),
         then="terms", what=ALCOHOL),
    case("an exception leaves the rest of its base",
         grant(but(only(), deny(labels=(SENSITIVITY + "ETH",)))), then="permit 1"),
    case("an exception narrows only the consent it stands in",
         grant(but(only(), deny(types=("Observation",)))), grant(), then="permit 2"),
    case("of two exceptions the denying one wins",
         grant(but(NORMAL, permit(actors=(CHO,)), deny(types=("Observation",)))), then="terms"),
    case("an exception for one doctor is for that doctor",
         grant(but(NORMAL, permit(labels=(CONFIDENTIALITY + "R",), actors=(CHO,)))),
         then="permit 1", what=ALCOHOL),
    case("an exception for one doctor is for no other",
         grant(but(NORMAL, permit(labels=(CONFIDENTIALITY + "R",), actors=(DIAZ,)))),
         then="terms", what=ALCOHOL),
    case("an exception against one doctor stops whoever will not say who asks",
         grant(but(only(), deny(actors=(DIAZ,)))), then="terms", **BY_NOBODY),
    case("an exception cannot reach beyond the envelope",
         grant(but(only(), permit(purposes=RESEARCH))), then="purpose", purpose="HRESCH"),
    # what is not known counts against release
    case("an undated resource is outside a permitted period", grant(only(period=RECENT)),
         then="terms", what=UNDATED),
    case("an undated resource is inside a denied period", grant(but(only(), deny(period=RECENT))),
         then="terms", what=UNDATED),
    case("an unsigned resource may be by the excluded author", grant(but(only(), deny(links=(
        Link(meaning="authored-by", reference="Practitioner/diaz"),)))), then="terms",
        what=UNDATED),
    case("a denied confidentiality includes the ones above it",
         grant(but(only(), deny(labels=(CONFIDENTIALITY + "R",)))), then="terms", what=SECRET),
    case("a permitted confidentiality is that one only",
         grant(only(labels=(CONFIDENTIALITY + "R",))), then="terms", what=SECRET),
    # terms that the custodian does not have
    case("a grant whose terms are missing", lost(grant(LABS)), then="terms"),
    case("a denial whose terms are missing", grant(), lost(denial(NO_ALCOHOL)), then="terms"),
    case("missing terms of one grant deny what another would permit", lost(grant(LABS)), grant(),
         then="terms"),
    case("missing terms of a grant that does not match do not matter",
         lost(grant(LABS, purposes=RESEARCH)), grant(), then="permit 2"),
    case("missing terms of a denial of the whole record cannot be", grant(), denial(),
         then="denial"),
    # paper
    case("paper counts where there is nothing else", paper(), then="permit 1"),
    case("paper never overrides a denial", denial(), paper(), then="denial"),
    case("a denial on paper is a denial", grant(), paper(kind="denial"), then="denial"),
    case("a denial on paper may say anyone, anything", grant(),
         paper(kind="denial", grantee=None, purposes=(), actions=()), then="denial"),
    case("paper never widens a grant of her own", grant(purposes=RESEARCH), paper(),
         then="purpose"),
    case("paper for another organisation stands beside her own", grant(grantee=HILLTOP), paper(),
         then="permit 2"),
    case("her own grant is the basis before paper", paper(), grant(), then="permit 2"),
    case("paper from before she revoked counts no more", paper(), grant(), revoke(2),
         then="status"),
    case("she went to the desk after she revoked", grant(), revoke(1), paper(), then="permit 3"),
    case("paper that she ended is over", paper(), revoke(1), then="status"),
)
# fmt: on
