"""What a validation finds: issues with a severity, a place and a sentence that says what to do."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

Severity = Literal["error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; `code` is of http://hl7.org/fhir/issue-type, `place` a FHIRPath."""

    severity: Severity
    code: str
    place: str
    text: str


def outcome(findings: Sequence[Finding]) -> bytes:
    """The OperationOutcome that `$validate` answers with (FHIR R4, Resource $validate)."""
    issues: list[dict[str, object]] = [
        {
            "severity": one.severity,
            "code": one.code,
            "diagnostics": one.text,
            "expression": [one.place],
        }
        for one in findings
    ]
    good = {"severity": "information", "code": "informational", "diagnostics": "no issues found"}
    return msgspec.json.encode({"resourceType": "OperationOutcome", "issue": issues or [good]})
