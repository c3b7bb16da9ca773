"""Parameters as they come in a URL or a form, and what is the same in all of them."""

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from careledger.fhir.dates import Span, search_span
from careledger.fhir.errors import BadParameterValue
from careledger.fhir.search.query import DEFAULT_COUNT, MAXIMUM_COUNT
from careledger.gateway.body import read_body
from careledger.gateway.outcome import Refused

FORM: Final = "application/x-www-form-urlencoded"

NOT_SEARCHED: Final = frozenset(("_format", "_pretty", "_totalMethod"))
"""About the form of the answer: other parts of the door have read them.

fhirpy sends `_totalMethod=count` with each count; totals are exact here whatever it says.
"""

_MOST: Final = 64
_LONGEST: Final = 40_000
"""Parameters in one request, and characters in all of them."""

Parameters = tuple[tuple[str, str], ...]


def parameters_of(request: Request) -> Parameters:
    """Every parameter of the URL that is not about the form of the answer, in order.

    Raises:
        Refused: 400, too many or too long.
    """
    return _checked(request.query_params.multi_items())


async def form_of(request: Request) -> Parameters:
    """The parameters of a URL, and then of the form in the body (FHIR R4 3.1.1.1).

    Raises:
        Refused: 400, 415: not a form, or too long.
    """
    body = await read_body(request, 4 * _LONGEST)
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != FORM and (media or body):
        raise Refused(415, "not-supported", f"send {FORM}")
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MOST, errors="strict"
        )
    except ValueError as error:
        raise Refused(400, "structure", f"a form of at most {_MOST} fields") from error
    return _checked([*request.query_params.multi_items(), *pairs])


def _checked(pairs: list[tuple[str, str]]) -> Parameters:
    given = tuple(pair for pair in pairs if pair[0] not in NOT_SEARCHED)
    if len(given) > _MOST or sum(len(part) for pair in given for part in pair) > _LONGEST:
        raise Refused(
            400, "too-costly", f"at most {_MOST} parameters, of {_LONGEST} characters together"
        )
    return given


def count_in(text: str | None) -> int:
    """How many are asked for on a page, of the most that there can be.

    Raises:
        BadParameterValue: not a number above zero.
    """
    if text is None:
        return DEFAULT_COUNT
    if not (text.isascii() and text.isdigit() and int(text[:10])):
        raise BadParameterValue("a number above zero", "_count")
    return min(int(text[:10]), MAXIMUM_COUNT)


def moment_in(name: str, text: str) -> Span:
    """First and last second of a date or an instant; in a URL, `+` has become a space.

    Raises:
        BadParameterValue: neither.
    """
    found = search_span(text.replace(" ", "+"))
    if found is None:
        raise BadParameterValue("a date or an instant", name)
    return found
