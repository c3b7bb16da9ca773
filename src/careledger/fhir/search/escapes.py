r"""Splitting search values at separators that no backslash escapes (FHIR R4 3.1.1.4.0.1).

A backslash before `\`, `,`, `|` or `$` stands for that character; elsewhere it stands for itself.
"""

from re import compile as regex
from typing import Final

_ESCAPE: Final = regex(r"\\([\\,|$])")


def split(text: str, separator: str, limit: int) -> list[str] | None:
    r"""Split at a separator; escapes stay. None if there would be more than `limit` parts.

    >>> split(r"a,b\,c", ",", 9)
    ['a', 'b\\,c']
    """
    if "\\" not in text:
        parts = text.split(separator, limit)
        return parts if len(parts) <= limit else None
    parts, start, place = [], 0, 0
    while place < len(text):
        if text[place] == "\\":
            place += 2
            continue
        if text[place] == separator:
            parts.append(text[start:place])
            if len(parts) >= limit:
                return None
            start = place + 1
        place += 1
    parts.append(text[start:])
    return parts


def unescape(text: str) -> str:
    """Return what was meant."""
    return _ESCAPE.sub(r"\1", text) if "\\" in text else text
