"""OperationOutcome resources: what went wrong, for the caller's machine and for its reader."""

from typing import Final, Literal

import msgspec

from careledger.fhir.errors import FhirError, Issue

Severity = Literal["fatal", "error", "warning", "information"]

FHIR_JSON: Final = "application/fhir+json"


class _Issue(msgspec.Struct, omit_defaults=True):
    severity: Severity
    code: str
    diagnostics: str
    expression: list[str] | None = None


class _Outcome(msgspec.Struct, tag="OperationOutcome", tag_field="resourceType"):
    issue: list[_Issue]


def outcome_of(error: FhirError) -> bytes:
    """Return the OperationOutcome of a refusal; the HTTP status is `error.status`."""
    return encode_issues(error.issues)


def operation_outcome(code: str, diagnostics: str, *, severity: Severity = "error") -> bytes:
    """Return an OperationOutcome of one issue; `code` is of http://hl7.org/fhir/issue-type."""
    return msgspec.json.encode(_Outcome([_Issue(severity, code, diagnostics)]))


def encode_issues(issues: tuple[Issue, ...], *, severity: Severity = "error") -> bytes:
    """Return an OperationOutcome of these issues, all of one severity."""
    return msgspec.json.encode(
        _Outcome(
            [
                _Issue(
                    severity,
                    issue.code,
                    f"expected {issue.expected}",
                    [issue.location] if issue.location else None,
                )
                for issue in issues
            ]
        )
    )
