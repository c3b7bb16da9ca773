"""Text as searches compare it: without case, accents and extra spaces (FHIR R4 3.1.1.4.8)."""

from functools import lru_cache
from unicodedata import category, normalize


@lru_cache(maxsize=65_536)
def fold(text: str) -> str:
    """Fold text for comparison.

    >>> fold("  José  GARCÍA ")
    'jose garcia'
    """
    if text.isascii():
        return " ".join(text.lower().split())
    bare = "".join(one for one in normalize("NFKD", text.casefold()) if category(one) != "Mn")
    return " ".join(normalize("NFKD", bare.casefold()).split())
