"""Identifiers: NPIs that were never issued, record numbers, and UUIDs derived from names."""

import hashlib
import uuid

# Issued NPIs begin with 1 or 2; one that begins with 9 belongs to nobody.
UNISSUED = "9"
NPI_PREFIX = "80840"
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "synthetic.careledger.example")


def luhn_digit(digits: str) -> str:
    """Return the Luhn check digit that completes these digits (ISO/IEC 7812-1 annex B).

    >>> luhn_digit("80840" + "123456789")
    '3'
    """
    total = 0
    for place, character in enumerate(reversed(digits)):
        value = int(character) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value  # noqa: PLR2004  casting out nines
    return str(-total % 10)


def npi(*names: str | int) -> str:
    """Return a well-formed National Provider Identifier for whatever the names mean."""
    digits = UNISSUED + number(8, "npi", *names)
    return digits + luhn_digit(NPI_PREFIX + digits)


def number(digits: int, *names: str | int) -> str:
    """Return so many decimal digits, always the same for the same names."""
    label = "/".join(str(name) for name in names)
    value = int.from_bytes(hashlib.sha256(label.encode()).digest()[:8])
    return str(value % 10**digits).zfill(digits)


def derived_uuid(*names: str | int) -> str:
    """Return the name-based UUID of these names (RFC 9562 5.5)."""
    return str(uuid.uuid5(_NAMESPACE, "/".join(str(name) for name in names)))


def system(organisation: str, what: str) -> str:
    """Return the address of an identifier system of one organisation; .example is nobody's."""
    return f"http://{organisation}.example/{what}"
