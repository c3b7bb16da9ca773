"""Scopes: only what is asked, known and open to the caller is granted."""

from hypothesis import given
from hypothesis import strategies as st

from careledger.gateway.auth_scopes import grant

LETTERS = "cruds"


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


@given(st.text(max_size=200), st.sampled_from(["member", "practitioner", "patient"]))
def test_a_scope_is_granted_as_it_was_asked_or_not_at_all(asked: str, kind: str) -> None:
    for scope in grant(asked, kind).granted:  # type: ignore[arg-type] # one of the three
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
            assert scopes.allow(type_, letter) == expected  # type: ignore[arg-type] # one of cruds
