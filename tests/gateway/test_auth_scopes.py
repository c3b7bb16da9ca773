"""Scopes: only what is asked, known and open to the caller is granted; and what they reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.exchange.limits import Interaction
from careledger.fhir.index import Facts
from careledger.fhir.search.values import TokenValue, Values, encode_values
from careledger.gateway.auth_limits import TokenLimits
from careledger.gateway.auth_scopes import (
    CallerKind,
    Scope,
    Scopes,
    grant,
    grant_in_app,
    parse_scopes,
)

LETTERS: tuple[Interaction, ...] = ("c", "r", "u", "d", "s")
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
VITAL = Facts(
    type="Observation", id="v", patients=("ana",), categories=((CATEGORY, "vital-signs"),)
)
LABORATORY = Facts(
    type="Observation",
    id="l",
    patients=("ana",),
    categories=((CATEGORY, "laboratory"),),
    codes=(("http://loinc.org", "4548-4"),),
    values=encode_values(Values(tokens={"status": (TokenValue("http://x", "final"),)})),
)
OF_BEN = Facts(type="Observation", id="b", patients=("ben",))
CONDITION = Facts(type="Condition", id="c", patients=("ana",))
ORGANISATION = Facts(type="Organization", id="o")
EVERYTHING = (VITAL, LABORATORY, OF_BEN, CONDITION, ORGANISATION)


def reached(scopes: Scopes, patient: str | None = "ana", how: Interaction = "r") -> set[str | None]:
    """The ids of what a token reaches."""
    limits = TokenLimits(scopes, patient)
    return {one.id for one in EVERYTHING if limits.visible(one, how)}


def test_only_what_is_asked_is_granted() -> None:
    scopes = grant("system/Observation.rs system/Patient.r", "practitioner")
    assert scopes.allow("Observation", "s")
    assert not scopes.allow("Observation", "u")
    assert not scopes.allow("Patient", "s")
    assert not scopes.allow("Condition", "r")
    assert not scopes.allow("*", "r")
    assert str(scopes) == "system/Observation.rs system/Patient.r"


def test_patients_never_get_to_write() -> None:
    assert str(grant("system/*.cruds patient/Observation.rs", "patient")) == (
        "system/*.rs patient/Observation.rs"
    )
    assert not grant("system/*.cud", "patient").granted


@pytest.mark.parametrize(
    ("kind", "left"),
    [
        ("patient", "openid patient/*.rs"),
        ("staff", "openid patient/*.rs user/*.cruds"),
        ("service", ""),
        ("partner", ""),
        ("member", ""),
    ],
)
def test_an_application_never_gets_what_is_for_programs(kind: CallerKind, left: str) -> None:
    asked = parse_scopes("openid patient/*.cruds user/*.cruds system/*.cruds")
    granted = grant_in_app(asked, kind)
    assert str(Scopes(granted.granted, granted.extras if granted.granted else ())) == left


def test_version_1_is_read_and_written_as_version_2() -> None:
    scopes = grant("system/Observation.read system/Patient.write system/Condition.*", "member")
    assert str(scopes) == "system/Observation.rs system/Patient.cud system/Condition.cruds"


def test_a_restriction_is_kept_and_reads_only() -> None:
    asked = f"user/Observation.cruds?category={CATEGORY}|vital-signs"
    scopes = grant_in_app(parse_scopes(asked), "staff")
    assert str(scopes) == f"user/Observation.rs?category={CATEGORY}|vital-signs"
    assert reached(scopes) == {"v"}
    assert scopes.allow("Observation", "r")
    assert not scopes.allow_whole("Observation", "r")


@pytest.mark.parametrize(
    ("restriction", "found"),
    [
        (f"category={CATEGORY}|vital-signs", {"v"}),
        (f"category={CATEGORY.replace(':', '%3A').replace('/', '%2F')}%7Cvital-signs", {"v"}),
        ("category=vital-signs", {"v"}),
        (f"category={CATEGORY}|", {"v", "l"}),
        ("category=|vital-signs", set()),
        ("category=http://else|vital-signs", set()),
        ("category=vital-signs,laboratory", {"v", "l"}),
        ("category=laboratory&code=4548-4", {"l"}),
        ("category=vital-signs&code=4548-4", set()),
        ("status=final", {"l"}),
        ("_id=v", {"v"}),
        ("colour=red", set()),
    ],
)
def test_a_restriction_reaches_what_it_matches(restriction: str, found: set[str]) -> None:
    assert reached(parse_scopes(f"user/Observation.rs?{restriction}")) == found


@pytest.mark.parametrize(
    "scope",
    [
        "user/Observation.rs?",
        "user/Observation.rs?category",
        "user/Observation.rs?category=",
        "user/Observation.rs?category=|",
        "user/Observation.rs?category=a|b|c",
        "user/Observation.rs?category:not=a",
        "user/Observation.rs?patient.name=x",
        "user/Observation.rs?_has:x=y",
        "user/Observation.rs?_include=x",
        "user/Observation.rs?category=a,",
        "user/Observation.rs?category=a\\,b",
        "user/Observation.sr",
        "user/Unicorn.rs",
        "user/*.",
        "User/*.rs",
        "user/*.rs " + "user/Observation.rs?category=" + "x" * 2_000,
    ],
)
def test_what_cannot_be_decided_is_not_granted(scope: str) -> None:
    assert all(not one.restriction for one in parse_scopes(scope).granted)
    assert len(parse_scopes(scope).granted) <= scope.count("user/*.rs ")


def test_a_patient_scope_reaches_one_patient_and_the_directory() -> None:
    scopes = parse_scopes("patient/*.rs")
    assert reached(scopes) == {"v", "l", "c", "o"}
    assert reached(scopes, "ben") == {"b", "o"}
    assert reached(scopes, None) == {"o"}
    assert TokenLimits(scopes, "ana").confined_to == "ana"
    both = parse_scopes("patient/*.rs user/Condition.rs")
    assert TokenLimits(both, "ben").confined_to is None
    assert reached(both, "ben") == {"b", "o", "c"}


@given(st.text(max_size=200), st.sampled_from(["member", "practitioner", "patient", "partner"]))
def test_a_scope_is_granted_as_it_was_asked_or_not_at_all(asked: str, kind: CallerKind) -> None:
    for scope in grant(asked, kind).granted:
        assert f"{scope.context}/{scope.type}." in asked
        assert set(scope.interactions) <= set(LETTERS)


@given(
    st.lists(st.sampled_from(["*", "Observation", "Patient"]), min_size=1, max_size=4),
    st.sets(st.sampled_from(LETTERS), min_size=1),
)
def test_no_more_is_allowed_than_was_asked(types: list[str], letters: set[str]) -> None:
    wanted = "".join(one for one in LETTERS if one in letters)
    scopes = grant(" ".join(f"system/{one}.{wanted}" for one in types), "member")
    for type_ in ("*", "Observation", "Patient", "Condition"):
        for letter in LETTERS:
            expected = letter in letters and ("*" in types or type_ in types)
            assert scopes.allow(type_, letter) == expected


SCOPES = st.builds(
    Scope,
    st.sampled_from(["patient", "user"]),
    st.sampled_from(["*", "Observation", "Condition", "Organization"]),
    st.sampled_from(["r", "s", "rs", "cruds"]),
    st.sampled_from(["", "category=vital-signs", "category=laboratory&code=4548-4", "_id=v"]),
)
ALL = st.lists(SCOPES, max_size=4).map(lambda found: Scopes(tuple(found)))


@given(ALL, ALL, st.sampled_from(["ana", "ben", None]), st.sampled_from(LETTERS))
def test_what_is_within_two_reaches_no_more_than_either(
    one: Scopes, other: Scopes, patient: str | None, how: Interaction
) -> None:
    both = reached(one.within(other), patient, how)
    assert both <= reached(one, patient, how)
    assert both <= reached(other, patient, how)


@given(ALL, st.sampled_from(["ana", "ben", None]), st.sampled_from(LETTERS))
def test_what_is_written_is_read_back(
    scopes: Scopes, patient: str | None, how: Interaction
) -> None:
    again = parse_scopes(str(scopes))
    assert reached(again, patient, how) == reached(scopes, patient, how)
    assert reached(again.within(again), patient, how) == reached(again, patient, how)
