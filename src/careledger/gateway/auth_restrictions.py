"""Search restrictions of scopes, `?category=vital-signs` (SMART App Launch 2.2, 3.0.2.3).

A restriction is one or more token parameters; every one must match, each by one of its values. What
cannot be decided from the index is no restriction that is granted here, so nothing widens.
"""

from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, urlencode

from careledger.fhir.index import Facts, Token
from careledger.fhir.search.values import decode_values

_MOST: Final = 8
_MOST_VALUES: Final = 64

Criteria = tuple[tuple[str, tuple[str, ...]], ...]
"""Each parameter with the values of which one must match."""

_FROM_FACTS: Final = frozenset(("_id", "_security", "category", "code"))
"""Parameters that every index answers; all others are read from the values that it keeps."""


@lru_cache(maxsize=4_096)
def parse_restriction(text: str) -> Criteria | None:
    """What a restriction says; None if it is none that can be decided here."""
    try:
        pairs = parse_qsl(text, strict_parsing=True, max_num_fields=_MOST)
    except ValueError:
        return None
    criteria = tuple((name, tuple(value.split(","))) for name, value in pairs)
    if not criteria or not all(_is_plain(name, values) for name, values in criteria):
        return None
    return criteria


def format_restriction(criteria: Criteria) -> str:
    """The one way in which we write it; no space or quote can be in it (RFC 6749 3.3)."""
    pairs = dict.fromkeys((name, ",".join(values)) for name, values in criteria)
    return urlencode(list(pairs), safe=":/|,")


def _is_plain(name: str, values: tuple[str, ...]) -> bool:
    is_name = name.isascii() and name.removeprefix("_").replace("-", "").isalnum()
    are_values = len(values) <= _MOST_VALUES and all(_is_token(value) for value in values)
    return is_name and are_values and (not name.startswith("_") or name in _FROM_FACTS)


def _is_token(value: str) -> bool:
    """`code`, `|code`, `system|code` or `system|`, none of it escaped."""
    return value.count("|") <= 1 and value not in {"", "|"} and "\\" not in value


@lru_cache(maxsize=65_536)
def _wanted(value: str) -> tuple[str | None, str]:
    """System and code; the system is None where any will do, the code "" where any will."""
    system, mark, code = value.rpartition("|")
    return (system if mark else None), code


def is_within(facts: Facts, restriction: str) -> bool:
    """Whether the resource meets the restriction; an empty one is met by all."""
    if not restriction:
        return True
    criteria = parse_restriction(restriction)
    return criteria is not None and all(
        any(_is_one(token, value) for value in values for token in _tokens(facts, name))
        for name, values in criteria
    )


def _is_one(token: Token, value: str) -> bool:
    system, code = _wanted(value)
    return system in {None, token[0]} and code in {"", token[1]}


def _tokens(facts: Facts, name: str) -> tuple[Token, ...]:
    match name:
        case "_id":
            return (("", facts.id or ""),)
        case "_security":
            return facts.labels
        case "category":
            found = facts.categories
        case "code":
            found = facts.codes
        case _:
            found = ()
    more = decode_values(facts.values).tokens.get(name, ())
    return found or tuple((one.system, one.code) for one in more)
