"""Search parameters as they come in a URL: those of FHIR, and those of paging."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request

from careledger.gateway.outcome import Refused

OFFSET: Final = "_offset"
"""Where a page begins; only links that we give carry it."""

_MOST: Final = 32
_LONGEST: Final = 1_000
_FURTHEST: Final = 1_000_000

Parameters = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Paging:
    """Which of the matches are asked for."""

    offset: int
    count: int

    def next_url(self, url: str, given: Parameters, total: int) -> str | None:
        """The link to what follows; None on the last page."""
        if self.offset + self.count >= total:
            return None
        rest = [pair for pair in given if pair[0] not in {OFFSET, "_count"}]
        paging = [("_count", str(self.count)), (OFFSET, str(self.offset + self.count))]
        return f"{url}?{urlencode([*rest, *paging])}"


def parameters_of(request: Request) -> Parameters:
    """Every parameter but `_format`, in order.

    Raises:
        Refused: 400, too many or too long.
    """
    given = tuple(
        (name, value) for name, value in request.query_params.multi_items() if name != "_format"
    )
    if len(given) > _MOST or any(len(part) > _LONGEST for pair in given for part in pair):
        raise Refused(400, "too-costly", f"at most {_MOST} parameters of {_LONGEST} characters")
    return given


def offset_in(given: Parameters) -> int:
    """Where the page begins.

    Raises:
        Refused: 400, not a number.
    """
    texts = [value for name, value in given if name == OFFSET]
    if not texts:
        return 0
    if len(texts) > 1 or not (texts[0].isascii() and texts[0].isdigit() and len(texts[0]) <= 7):  # noqa: PLR2004
        raise Refused(400, "value", "follow the links of the page before")
    return min(int(texts[0]), _FURTHEST)
