"""`$validate` against HAPI's validator: R4's examples, whole and with one thing broken at a time.

Two validators agree on a resource if both find errors in it, or neither does. Where they do not,
the kind of difference is in docs/reference/fhir.md, and here; a new kind fails.
"""

from collections import Counter
from pathlib import Path

import pytest

from careledger.fhir.errors import FhirError
from careledger.fhir.validate.validator import validate
from tests.peers.broken import INVARIANTS, Document, documents
from tests.peers.servers import validated

THEIRS = {
    "VALIDATION_HL7_WG_NEEDED": "a rule for what HL7 publishes, not of R4",
    "SD_CONSTRAINED_KIND_NO_MATCH": "how a StructureDefinition fits the one it is derived from",
    "SD_DERIVATION_KIND_MISMATCH": "likewise",
    "SM_SOURCE_CONTEXT_UNKNOWN": "how a StructureMap fits together",
    "SM_TARGET_CONTEXT_UNKNOWN": "likewise",
    "Type_Specific_Checks_DT_UUID_Valid": "a UUID in capital letters, in a uri",
    "Terminology_PassThrough_TX_Message": "a code that its system has not, where any code may be",
    "Terminology_TX_NoValid_16": "a required value set that R4's definitions do not list",
    "TYPE_SPECIFIC_CHECKS_CANONICAL_ABSOLUTE": "a canonical URL that is relative",
    "FAILED": "their validator stops with an exception",
}
"""Ids of errors that they alone find, and what they are."""
OURS = {
    "array of length >= 1": "an empty array of primitives",
    "a reference to": "a reference whose text says another type than the element allows",
}
"""Beginnings of errors that we alone find, and what they are."""
ERRORS = frozenset(("ERROR", "FATAL", "FAILED"))


def ours(line: str) -> list[str]:
    """The errors that we find."""
    try:
        return [one.text for one in validate(line.encode()) if one.severity == "error"]
    except FhirError as error:
        return [issue.expected for issue in error.issues]


def difference(mine: list[str], theirs: list[list[str]]) -> str | None:
    """Which kind of difference there is; "" for a new one, None where both agree."""
    if bool(mine) == bool(theirs):
        return None
    if mine:
        kinds = {kind for kind in OURS for text in mine if text.startswith(kind)}
        return min(kinds) if len(kinds) == 1 else ""
    found = {one[0] if one[0] == "FAILED" else one[1] for one in theirs}
    return min(found) if found <= THEIRS.keys() else ""


@pytest.mark.soak
def test_both_validators_find_fault_with_the_same(shared_data: Path) -> None:
    some = list(documents(shared_data / "conformance" / "r4-examples"))
    found = validated([one.line for one in some])
    kinds, new = Counter[str](), list[tuple[str, str, list[str], list[list[str]]]]()
    for one, said in zip(some, found, strict=True):
        mine, theirs = ours(one.line), [issue for issue in said if issue[0] in ERRORS]
        kind = difference(mine, theirs)
        if kind == "":
            new.append((one.name, one.broken, mine, theirs))
        elif kind is not None:
            kinds[kind] += 1
    assert new == []
    assert len(some) > 2_000
    assert kinds.keys() <= THEIRS.keys() | OURS.keys()
    assert sum(kinds.values()) < len(some) // 50, kinds


@pytest.mark.parametrize("key", INVARIANTS)
def test_every_broken_invariant_is_found(key: str) -> None:
    found = validate(Document(key, key, INVARIANTS[key]).line.encode())
    assert any(one.text.startswith(f"{key}:") for one in found), found
