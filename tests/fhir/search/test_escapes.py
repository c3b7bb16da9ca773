"""Splitting at separators that no backslash escapes."""

from hypothesis import given
from hypothesis import strategies as st

from careledger.fhir.search.escapes import split, unescape

PARTS = st.lists(st.text("a,|$\\é", max_size=5), min_size=1, max_size=6)


def escaped(text: str) -> str:
    for character in "\\,|$":
        text = text.replace(character, f"\\{character}")
    return text


@given(PARTS, st.sampled_from(",|$"))
def test_what_was_escaped_and_joined_comes_apart_again(parts: list[str], separator: str) -> None:
    joined = separator.join(map(escaped, parts))
    found = split(joined, separator, len(parts))
    assert found is not None
    assert [unescape(part) for part in found] == parts
    assert len(parts) == 1 or split(joined, separator, len(parts) - 1) is None


def test_a_backslash_before_anything_else_stands_for_itself() -> None:
    assert unescape(r"a\b\\c\,") == r"a\b\c,"
    assert split("a\\", ",", 2) == ["a\\"]
