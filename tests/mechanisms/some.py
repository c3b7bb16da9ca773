"""Some of everything that a decision looks at, from small sets, so that it often matches."""

from typing import Any

from hypothesis import strategies as st

from careledger.ledger.record import encode
from careledger.mechanisms.conflict import resolve
from careledger.mechanisms.envelope import Envelope
from careledger.mechanisms.policy import Denied, Use
from careledger.mechanisms.terms import (
    CONFIDENTIALITY,
    SENSITIVITY,
    Actor,
    Facts,
    Link,
    OpenedTerms,
    Period,
    Provision,
    Terms,
    commit,
    open_terms,
)

ANA, CHO, DIAZ = ("@" + letter * 26 for letter in "acd")
RIVERSIDE, LAKEVIEW, HILLTOP = "riverside", "lakeview", "hilltop"
DAY = 86_400
SALT = bytes(32)

WHOM = [None, LAKEVIEW, HILLTOP]
FOR = [*[("TREAT", "HRESCH")] * 4, ("TREAT",), ("ETREAT",), ("HRESCH",), ("BTG", "CLINTRCH")]
DOING = [*[("read", "search", "export")] * 3, ("read",), ("search", "export")]
"""What grants are for, and what they let do; a denial may leave it open."""

Consent = tuple[Envelope, Terms | None]

members = st.sampled_from([RIVERSIDE, LAKEVIEW, HILLTOP])
people = st.sampled_from([CHO, DIAZ])
roles = st.sampled_from(["clinician", "nurse"])
purposes = st.sampled_from(["TREAT", "ETREAT", "BTG", "HRESCH", "CLINTRCH"])
actions = st.sampled_from(["read", "search", "export"])
types = st.sampled_from(["Observation", "MedicationRequest"])
codes = st.sampled_from(["x|1", "x|2"])
labels = st.sampled_from(
    [CONFIDENTIALITY + "N", CONFIDENTIALITY + "R", SENSITIVITY + "ETH", SENSITIVITY + "ETHUD"]
)
references = st.sampled_from(["Observation/1", "Encounter/1", "Practitioner/1"])
seconds = st.integers(-3, 3)


def some(strategy: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=most, unique=True).map(tuple)


uses = st.builds(
    Use,
    custodian=st.just(RIVERSIDE),
    account=st.just(ANA),
    requester=st.sampled_from([*[LAKEVIEW] * 5, HILLTOP]),
    practitioner=st.sampled_from([CHO, CHO, DIAZ, None]),
    role=st.sampled_from(["clinician", "clinician", "nurse", None]),
    purpose=st.sampled_from(["TREAT", "TREAT", "ETREAT", "BTG", "HRESCH", "CLINTRCH"]),
    action=st.sampled_from(["read", "read", "search", "export"]),
    time=st.sampled_from([2 * DAY, 2 * DAY + 5, 3 * DAY - 1, 4 * DAY]),
)

facts = st.builds(
    Facts,
    type=types,
    id=st.sampled_from(["1", "2"]),
    categories=some(codes),
    codes=some(codes),
    labels=some(labels),
    start=st.none() | seconds,
    end=st.none() | seconds,
    authors=some(references),
    related=some(references),
)

links = st.builds(
    Link,
    meaning=st.sampled_from(["instance", "related", "authored-by"]),
    reference=references,
)
who = st.one_of(
    members.map(lambda id_: Actor(kind="member", id=id_)),
    people.map(lambda id_: Actor(kind="practitioner", id=id_)),
    roles.map(lambda id_: Actor(kind="role", id=id_)),
)


def provisions(effect: st.SearchStrategy[Any]) -> st.SearchStrategy[Provision]:
    return st.builds(
        Provision,
        effect=effect,
        types=some(types, 1),
        categories=st.just(()),
        codes=some(codes, 1),
        labels=some(labels),
        period=st.none() | st.builds(Period, start=st.none() | seconds, end=st.none() | seconds),
        links=some(links, 1),
        purposes=some(purposes, 1),
        actors=some(who, 1),
        actions=some(actions, 1),
    )


def terms(effect: str) -> st.SearchStrategy[Terms]:
    either = st.sampled_from(["permit", "deny"])
    return st.builds(Terms, base=provisions(st.just(effect)), exceptions=some(provisions(either)))


@st.composite
def consents(
    draw: st.DrawFn, /, kind: str | None = None, form: str | None = None, **fields: Any
) -> Consent:
    """An envelope as the rules let it onto the ledger, and its terms."""
    kind = kind or draw(st.sampled_from(["grant", "grant", "grant", "grant", "denial"]))
    form = form or draw(st.sampled_from(["electronic", "electronic", "paper"]))
    is_grant = kind == "grant"
    said = draw(st.none() | st.none() | terms("permit" if is_grant else "deny"))
    start = draw(st.sampled_from([0, 0, 0, 0, 0, 2, 3]))
    made: dict[str, Any] = {
        "kind": kind,
        "form": form,
        "custodian": RIVERSIDE,
        "grantee": draw(st.sampled_from([*[LAKEVIEW] * 5, HILLTOP] if is_grant else WHOM)),
        "practitioner": draw(st.sampled_from([*[None] * 6, CHO, DIAZ])),
        "role": draw(st.sampled_from([*[None] * 6, "clinician", "nurse"])),
        "purposes": draw(st.sampled_from(FOR if is_grant else [*FOR, ()])),
        "actions": draw(st.sampled_from(DOING if is_grant else [*DOING, ()])),
        "valid_from": start,
        "valid_until": draw(st.sampled_from([None, None, None, start + 1, 6])),
        "terms": None if said is None else commit(SALT, said),
        "given": draw(st.integers(0, 6 * DAY)),
        "ended": draw(st.sampled_from([None, None, None, None, None, None, DAY, 5 * DAY])),
    }
    return Envelope(**(made | fields)), said


def held(given: list[Consent]) -> dict[bytes, OpenedTerms]:
    """What the custodian holds of the terms, by consent id."""
    return {
        number.to_bytes(16): open_terms(envelope.terms, SALT, encode(said))
        for number, (envelope, said) in enumerate(given)
        if envelope.terms is not None
    }


def opens(use: Use, given: list[Consent], what: Facts, *, missing: int | None = None) -> bool:
    """Whether `use` opens the resource `what`; the terms of consent `missing` were lost."""
    stored = held(given)
    if missing is not None:
        stored.pop(missing.to_bytes(16), None)
    every = [(number.to_bytes(16), envelope) for number, (envelope, _) in enumerate(given)]
    answer = resolve(use, every, stored.get)
    if isinstance(answer, Denied):
        return False
    return any(permit.covers(what).allowed for permit in answer)
