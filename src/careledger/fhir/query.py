"""The thin search: by patient, id, type, code, category and date, over facts alone.

FHIR R4 3.1.1. Parameters that are not known are refused rather than ignored, so that nobody takes
everything for what they asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from re import compile as regex
from typing import Final, Literal, cast, get_args

from careledger.fhir.dates import Span, search_span
from careledger.fhir.errors import BadParameterValue, NotAResource, UnknownParameter
from careledger.fhir.index import Facts, Token
from careledger.fhir.r4.registry import MODULES
from careledger.fhir.r4.search import ELEMENTS

Prefix = Literal["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb"]
ParameterKind = Literal["reference", "token", "date", "number"]

MAXIMUM_COUNT: Final = 1_000

_PATIENT: Final = regex(r"(?:Patient/)?([A-Za-z0-9\-.]{1,64})")
_ID: Final = regex(r"[A-Za-z0-9\-.]{1,64}")
_PREFIXED: Final = regex(r"([a-z]{2})?(.*)")


@dataclass(frozen=True, slots=True)
class TokenTest:
    """`code`, `system|code`, `|code` or `system|`: None stands for any."""

    system: str | None
    code: str | None

    def accepts(self, token: Token) -> bool:
        """Say whether a token is what was asked for."""
        return self.system in (None, token[0]) and self.code in (None, token[1])


@dataclass(frozen=True, slots=True)
class DateTest:
    """A prefix, and the first and last second of the date behind it."""

    prefix: Prefix
    span: Span

    def accepts(self, start: int, end: int) -> bool:
        """Compare ranges as FHIR R4 3.1.1.4.7 does; both ends are inside."""
        first, last = self.span
        inside = first <= start and end <= last
        answers: dict[Prefix, bool] = {
            "eq": inside,
            "ne": not inside,
            "gt": end > last,
            "ge": end > last or inside,
            "lt": start < first,
            "le": start < first or inside,
            "sa": start > last,
            "eb": end < first,
        }
        return answers[self.prefix]


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked: every test must hold; within one test any of its alternatives."""

    type: str
    ids: tuple[tuple[str, ...], ...] = ()
    patients: tuple[tuple[str, ...], ...] = ()
    codes: tuple[tuple[TokenTest, ...], ...] = ()
    categories: tuple[tuple[TokenTest, ...], ...] = ()
    dates: tuple[tuple[DateTest, ...], ...] = ()
    count: int | None = None


def parameters(type_: str) -> dict[str, ParameterKind]:
    """Return the search parameters of a type, by name: what the CapabilityStatement may claim.

    `code`, `category` and `date` also go by their official names, such as `onset-date`.
    """
    elements = ELEMENTS[type_]
    found: dict[str, ParameterKind] = {"_id": "token", "_count": "number"}
    if elements.patient and type_ != "Patient":
        found["patient"] = "reference"
    if elements.code_parameter:
        found |= {"code": "token", elements.code_parameter: "token"}
    if elements.category_parameter:
        found |= {"category": "token", elements.category_parameter: "token"}
    if elements.date_parameter:
        found |= {"date": "date", elements.date_parameter: "date"}
    return found


def parse_query(type_: str, params: Iterable[tuple[str, str]]) -> Query:
    """Read the parameters of a search on a type; a name given twice means both must hold.

    Raises:
        NotAResource: no R4 resource type.
        UnknownParameter: a parameter, or a modifier, that this type has not here.
        BadParameterValue: a value that is not of the parameter's form.
    """
    if type_ not in MODULES:
        raise NotAResource("the name of an R4 resource type")
    known, elements = parameters(type_), ELEMENTS[type_]
    ids: list[tuple[str, ...]] = []
    patients: list[tuple[str, ...]] = []
    codes: list[tuple[TokenTest, ...]] = []
    categories: list[tuple[TokenTest, ...]] = []
    dates: list[tuple[DateTest, ...]] = []
    count: int | None = None
    for name, value in params:
        if name not in known:
            raise UnknownParameter(f"one of {', '.join(sorted(known))}", type_)
        if name == "_count":
            count = _count(value)
        elif name == "_id":
            ids.append(
                tuple(_matched(name, _ID.fullmatch(part) and part) for part in _parts(name, value))
            )
        elif name == "patient":
            found = ((part, _PATIENT.fullmatch(part)) for part in _parts(name, value))
            patients.append(tuple(_matched(name, match and match[1]) for part, match in found))
        elif known[name] == "date":
            dates.append(tuple(_date(name, part) for part in _parts(name, value)))
        elif name in ("category", elements.category_parameter):
            categories.append(tuple(_token(name, part) for part in _parts(name, value)))
        else:
            codes.append(tuple(_token(name, part) for part in _parts(name, value)))
    return Query(
        type_, tuple(ids), tuple(patients), tuple(codes), tuple(categories), tuple(dates), count
    )


def matches(facts: Facts, query: Query) -> bool:
    """Say whether a resource is what was asked for, judged by its facts alone."""
    return (
        facts.type == query.type
        and all(facts.id in ids for ids in query.ids)
        and all(not set(facts.patients).isdisjoint(wanted) for wanted in query.patients)
        and all(_any_token(facts.codes, tests) for tests in query.codes)
        and all(_any_token(facts.categories, tests) for tests in query.categories)
        and all(_any_date(facts, tests) for tests in query.dates)
    )


def _any_token(tokens: tuple[Token, ...], tests: tuple[TokenTest, ...]) -> bool:
    return any(test.accepts(token) for test in tests for token in tokens)


def _any_date(facts: Facts, tests: tuple[DateTest, ...]) -> bool:
    if facts.start is None or facts.end is None:
        return False
    return any(test.accepts(facts.start, facts.end) for test in tests)


def _parts(name: str, value: str) -> list[str]:
    r"""Split at commas that no backslash escapes (FHIR R4 3.1.1.4.0.1); escapes stay."""
    parts, current, characters = [], "", iter(value)
    for character in characters:
        if character == "\\":
            current += character + next(characters, "")
        elif character == ",":
            parts.append(current)
            current = ""
        else:
            current += character
    parts.append(current)
    if not all(parts):
        raise BadParameterValue("values, with commas only between them", name)
    return parts


_ESCAPE: Final = regex(r"\\([\\,|$])")
_BAR: Final = regex(r"((?:[^\\|]|\\.)*)\|((?:[^\\|]|\\.)*)")


def _token(name: str, part: str) -> TokenTest:
    split = _BAR.fullmatch(part)
    if split is None:
        return TokenTest(None, _matched(name, "|" not in part and _ESCAPE.sub(r"\1", part)))
    system, code = (_ESCAPE.sub(r"\1", text) for text in split.groups())
    _matched(name, system or code)
    return TokenTest(system, code or None)


def _date(name: str, part: str) -> DateTest:
    match = _PREFIXED.fullmatch(part)
    prefix, text = (match[1] or "eq", match[2]) if match else ("", "")
    span = search_span(text) if prefix in get_args(Prefix) else None
    if span is None:
        raise BadParameterValue(
            f"a date, with one of {', '.join(get_args(Prefix))} before it", name
        )
    return DateTest(cast("Prefix", prefix), span)


def _count(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= MAXIMUM_COUNT):
        raise BadParameterValue(f"a number from 1 to {MAXIMUM_COUNT}", "_count")
    return int(value)


def _matched(name: str, found: str | Literal[False] | None) -> str:
    if not found:
        forms = {"_id": "ids", "patient": "ids of patients, with or without Patient/"}
        raise BadParameterValue(forms.get(name, "code, system|code, |code or system|"), name)
    return found
