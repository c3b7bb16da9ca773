"""Looks for a patient's identifiers in the ledger's file: raw, in hex, in base64, hashed."""

import base64
import hashlib
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

_SHORTEST = 5
"""Shorter tokens occur by chance in a file of random bytes."""


def search_ledger(folder: Path, bundle: bytes) -> list[str]:
    """Which of the patient's identifiers are in the ledger's file, in any of four shapes."""
    with (
        (folder / "data.mdb").open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        return [
            token
            for token in sorted(set(tokens(bundle)))
            if any(data.find(shape) >= 0 for shape in shapes(token))
        ]


def shapes(token: str) -> Iterator[bytes]:
    """How a token might hide."""
    raw = token.encode()
    yield raw
    yield raw.hex().encode()
    yield base64.b64encode(raw).rstrip(b"=")
    for name in ("sha256", "sha1", "md5"):
        yield hashlib.new(name, raw).digest()


def tokens(bundle: bytes) -> Iterator[str]:
    """Names, birth date, numbers, telephone, address and drugs in a patient's bundle."""
    for entry in msgspec.json.decode(bundle).get("entry", []):
        resource = entry["resource"]
        if resource["resourceType"] == "Patient":
            yield from _person(resource)
        if resource["resourceType"] == "MedicationRequest":
            for coding in resource.get("medicationCodeableConcept", {}).get("coding", []):
                yield from _long(coding.get("display"))


def _person(patient: dict[str, Any]) -> Iterator[str]:  # Any: FHIR JSON
    yield from _long(patient.get("birthDate"), patient.get("id"))
    for name in patient.get("name", []):
        yield from _long(name.get("family"), *name.get("given", []))
    for identifier in patient.get("identifier", []):
        yield from _long(identifier.get("value"))
    for telecom in patient.get("telecom", []):
        yield from _long(telecom.get("value"))
    for address in patient.get("address", []):
        yield from _long(*address.get("line", []))


def _long(*values: object) -> Iterator[str]:
    return (value for value in values if isinstance(value, str) and len(value) >= _SHORTEST)
