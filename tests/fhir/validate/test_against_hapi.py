"""`$validate` against HAPI's validator: R4's examples, whole and with one thing broken at a time.

Two validators agree on a resource if both find errors in it, or neither does. Where they do not,
the kind of difference is in docs/reference/fhir.md, and here; a new kind fails.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from careledger.fhir.errors import FhirError
from careledger.fhir.validate.validator import validate
from tests.peers.broken import INVARIANTS, Document, documents
from tests.peers.servers import validator

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
FEWEST = 20
"""Documents that have to be judged, at least."""


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


def judged(
    some: Sequence[Document], log: Path, within_s: float, tell: Callable[[str], None]
) -> list[tuple[Document, list[list[str]]]]:
    """Documents with what HAPI's validator says of them, as many as the time is enough for.

    `within_s` counts from the first answer on; `tell` is told every 15 s how far it is.
    """
    found = list[tuple[Document, list[list[str]]]]()
    tell(f"building and starting HAPI's validator, for {len(some)} documents")
    with validator(log) as ask:
        end = told = 0.0
        for one in some:
            found.append((one, ask(one.line)))
            now = time.monotonic()
            end = end or now + within_s
            if now > end:
                break
            if now > told + 15:
                told = now
                tell(f"{len(found)} of {len(some)} documents judged")
    tell(f"{len(found)} of {len(some)} documents judged: done")
    return found


@pytest.mark.soak
def test_both_validators_find_fault_with_the_same(
    shared_data: Path,
    tmp_path: Path,
    soak_seconds: float,
    chance: random.Random,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All documents, if the time is enough for them; else some, drawn by the seed."""

    def tell(text: str) -> None:
        with capsys.disabled():
            print(f"\n{text}", end="", flush=True)

    some = list(documents(shared_data / "conformance" / "r4-examples"))
    assert len(some) > 2_000
    chance.shuffle(some)
    found = judged(some, tmp_path / "validator.log", soak_seconds, tell)
    kinds, new = Counter[str](), list[tuple[str, str, list[str], list[list[str]]]]()
    for one, said in found:
        mine, theirs = ours(one.line), [issue for issue in said if issue[0] in ERRORS]
        kind = difference(mine, theirs)
        if kind == "":
            new.append((one.name, one.broken, mine, theirs))
        elif kind is not None:
            kinds[kind] += 1
    tell(f"{kinds.total()} are judged otherwise: {dict(kinds)}")
    assert new == []
    assert len(found) >= FEWEST, "the time is not enough to say anything: give it more, SOAK=10"
    assert kinds.keys() <= THEIRS.keys() | OURS.keys()
    assert kinds.total() <= max(5, len(found) // 50), kinds


@pytest.mark.parametrize("key", INVARIANTS)
def test_every_broken_invariant_is_found(key: str) -> None:
    found = validate(Document(key, key, INVARIANTS[key]).line.encode())
    assert any(one.text.startswith(f"{key}:") for one in found), found
