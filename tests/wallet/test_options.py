"""Plain options, by what the terms they make let through."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.mechanisms.deadline import day_of
from careledger.mechanisms.policy import Use
from careledger.mechanisms.purpose import PURPOSES
from careledger.mechanisms.terms import Facts, Terms
from careledger.wallet.errors import BadOption
from careledger.wallet.options import LABELS, WHY, WORDS, Options, draft, parse_day, purpose

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category|"
LAB = Facts(type="Observation", categories=(f"{CATEGORY}laboratory",))
PULSE = Facts(type="Observation", categories=(f"{CATEGORY}vital-signs",))
PILLS = Facts(type="MedicationRequest")
REPORT = Facts(type="DiagnosticReport")
ILLNESS = Facts(type="Condition")
EVERY = (LAB, PULSE, PILLS, REPORT, ILLNESS)
USE = Use(
    custodian="riverside",
    account="@" + "a" * 26,
    requester="lakeview",
    purpose="TREAT",
    action="read",
    time=1_790_000_000,
)


def options(**said: Any) -> Options:
    fields: dict[str, Any] = {"grantee": "lakeview", "purposes": ["treatment"], "valid_from": 1}
    return Options(**(fields | said))


def granted(**said: Any) -> Terms:
    terms = draft("grant", options(**said)).terms
    assert terms is not None
    return terms


def covered(terms: Terms, *facts: Facts) -> list[Facts]:
    return [one for one in facts if terms.covers(one, USE)]


def test_medications_and_results_are_these_and_no_more() -> None:
    assert covered(granted(what=["medications", "results"]), *EVERY) == [LAB, PILLS, REPORT]


def test_the_order_of_words_does_not_matter() -> None:
    words = ["results", "vital-signs", "medications"]
    assert covered(granted(what=words), *EVERY) == covered(granted(what=words[::-1]), *EVERY)
    assert covered(granted(what=words), *EVERY) == [LAB, PULSE, PILLS, REPORT]


@given(st.lists(st.sampled_from(sorted(WORDS)), min_size=1, max_size=4))
def test_several_words_cover_what_each_of_them_covers(words: list[str]) -> None:
    together = covered(granted(what=words), *EVERY)
    apart = [covered(granted(what=[word]), *EVERY) for word in words]
    assert together == [one for one in EVERY if any(one in some for some in apart)]


@given(st.lists(st.sampled_from(sorted(WORDS)), min_size=1, max_size=4))
def test_a_denial_of_words_denies_what_a_grant_of_them_grants(words: list[str]) -> None:
    denied = draft("denial", Options(valid_from=1, what=words)).terms
    assert denied is not None
    assert denied.base.effect == "deny"
    assert covered(denied, *EVERY) == covered(granted(what=words), *EVERY)


@pytest.mark.parametrize("word", sorted(LABELS))
def test_what_is_labelled_stays_out(word: str) -> None:
    labelled = Facts(type="Condition", labels=(LABELS[word],))
    terms = granted(except_labels=[word])
    assert covered(terms, labelled, ILLNESS) == [ILLNESS]


def test_parts_and_codes_stay_out() -> None:
    code = "http://snomed.info/sct|44054006"
    terms = granted(except_what=["vital-signs"], except_codes=[code])
    diabetes = Facts(type="Condition", codes=(code,))
    assert covered(terms, *EVERY, diabetes) == [LAB, PILLS, REPORT, ILLNESS]


def test_the_period_of_the_data_holds_for_every_part() -> None:
    terms = granted(
        what=["medications", "results"], data_from="2024-01-01", data_until="2025-01-01"
    )
    inside, after = 1_714_521_600, 1_740_000_000
    dated = [
        Facts(type=one.type, categories=one.categories, start=at, end=at + 1)
        for one in (LAB, PILLS)
        for at in (inside, after)
    ]
    assert covered(terms, *dated, LAB) == [dated[0], dated[2]]


def test_a_code_narrows_what_is_named() -> None:
    terms = granted(what=["Observation"], codes=["http://loinc.org|4548-4"])
    coded = Facts(type="Observation", codes=("http://loinc.org|4548-4",))
    assert covered(terms, LAB, coded) == [coded]


def test_without_limits_it_is_the_whole_record() -> None:
    assert draft("grant", options()).terms is None
    assert draft("denial", Options(valid_from=1)).terms is None


def test_a_grant_is_read_and_search_unless_it_says_more() -> None:
    assert draft("grant", options()).actions == ("read", "search")
    assert draft("grant", options(actions=["export"])).actions == ("export",)
    assert draft("denial", Options(valid_from=1)).actions == ()


def test_purposes_by_word_and_by_code() -> None:
    assert {purpose(word) for word in WHY} <= set(PURPOSES)
    assert [purpose(code.lower()) for code in PURPOSES] == list(PURPOSES)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("grant", {"grantee": None}),
        ("grant", {"purposes": []}),
        ("grant", {"actions": ["write"]}),
        ("grant", {"what": ["medication!"]}),
        ("denial", {"grantee": None, "role": "clinician"}),
        ("denial", {"except_what": ["results"]}),
        ("grant", {"data_from": "2024-13-01"}),
    ],
)
def test_what_no_consent_can_say(kind: Any, said: dict[str, Any]) -> None:
    with pytest.raises(BadOption):
        draft(kind, options(**said))


def test_days() -> None:
    assert parse_day("1970-01-02") == 1
    assert parse_day("2026-11-22") == day_of(1_795_305_600)
    for wrong in ("2026-11-22T10:00:00Z", "1969-12-31", "tomorrow"):
        with pytest.raises(BadOption):
            parse_day(wrong)
