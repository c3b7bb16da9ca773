"""Everything the FHIR room refuses, as one tree.

    FhirError
    ├── InvalidResource          the bytes are not a resource this room accepts
    │   ├── TooLarge             more bytes than the limit
    │   ├── TooDeep              more nested objects and arrays than the limit
    │   ├── NotJson              not one JSON document in UTF-8
    │   ├── NotAResource         JSON, but no R4 resource
    │   ├── UnknownElement       an element R4 does not define in this place
    │   ├── ElementRepeated      an element twice in one object, or null as its value
    │   ├── WrongType            another type, or a primitive outside its pattern
    │   ├── MissingElement       a required element is absent, or any element empty
    │   ├── ChoiceRepeated       more than one of the types of a choice element
    │   ├── CodeNotAllowed       a code outside a required value set
    │   └── ReferenceNotAllowed  a reference to a type that R4 does not allow here
    ├── InvalidBundle            the bundle cannot be taken apart into requests
    │   ├── UnsupportedRequest   a kind of bundle or a verb that this room does not do
    │   ├── EntryIncomplete      an entry without what its verb needs
    │   ├── EntryRepeated        two entries with one fullUrl
    │   └── DanglingReference    a reference inside a transaction that leads nowhere
    ├── BadPatch                 not a JSON Patch or FHIRPath Patch
    ├── PatchFailed              a patch that cannot be done to this resource
    └── InvalidQuery             search parameters that this room does not answer
        ├── UnknownParameter
        ├── BadParameterValue
        └── TooCostly            more of something than is answered

No error carries a value that was received: only the place, and what was expected there.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, Self


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing wrong: an OperationOutcome issue code, a FHIRPath-like place, what it expects."""

    code: str
    location: str
    expected: str


class FhirError(ValueError):
    """The input is refused; `issues` says where and why, `status` is the HTTP status."""

    code: ClassVar[str] = "invalid"
    status: ClassVar[int] = 400

    def __init__(self, expected: str, location: str = "") -> None:
        self.issues: tuple[Issue, ...] = (Issue(self.code, location, expected),)
        super().__init__(expected)

    def __str__(self) -> str:
        return "; ".join(
            f"{issue.location}: expected {issue.expected}"
            if issue.location
            else f"expected {issue.expected}"
            for issue in self.issues
        )

    @property
    def location(self) -> str:
        """Return the place of the first issue."""
        return self.issues[0].location

    @property
    def expected(self) -> str:
        """Return what the first issue expected."""
        return self.issues[0].expected

    def under(self, place: str) -> Self:
        """Move every location below `place`; return the same error."""
        self.issues = tuple(
            replace(issue, location=join(place, issue.location)) for issue in self.issues
        )
        return self


def join(place: str, location: str) -> str:
    """Join two FHIRPath-like places.

    >>> join("Bundle.entry[0].resource", "Patient.name")
    'Bundle.entry[0].resource.name'
    """
    if not location:
        return place
    head, dot, rest = location.partition(".")
    if place and head[:1].isupper():
        return f"{place}{dot}{rest}"
    if not place or location.startswith("["):
        return place + location
    return f"{place}.{location}"


class InvalidResource(FhirError):
    """The bytes are not a resource this room accepts."""


class TooLarge(InvalidResource):
    """More bytes than the limit."""

    code = "too-long"
    status = 413


class TooDeep(InvalidResource):
    """More nested objects and arrays than the limit."""

    code = "too-costly"


class NotJson(InvalidResource):
    """Not one JSON document in UTF-8."""

    code = "structure"


class NotAResource(InvalidResource):
    """JSON, but no R4 resource."""

    code = "structure"


class UnknownElement(InvalidResource):
    """An element R4 does not define in this place."""

    code = "structure"


class ElementRepeated(InvalidResource):
    """An element twice in one object, or null as its value."""

    code = "structure"


class WrongType(InvalidResource):
    """Another type, or a primitive outside its pattern."""

    code = "value"


class MissingElement(InvalidResource):
    """A required element is absent, or any element empty."""

    code = "required"


class ChoiceRepeated(InvalidResource):
    """More than one of the types of a choice element."""

    code = "structure"


class CodeNotAllowed(InvalidResource):
    """A code outside a required value set."""

    code = "code-invalid"


class ReferenceNotAllowed(InvalidResource):
    """A reference to a type that R4 does not allow here."""

    code = "value"


class InvalidBundle(FhirError):
    """The bundle cannot be taken apart into requests."""


class UnsupportedRequest(InvalidBundle):
    """A kind of bundle or a verb that this room does not do."""

    code = "not-supported"


class EntryIncomplete(InvalidBundle):
    """An entry without what its verb needs."""

    code = "required"


class EntryRepeated(InvalidBundle):
    """Two entries with one fullUrl."""

    code = "duplicate"


class DanglingReference(InvalidBundle):
    """A reference inside a transaction that leads nowhere."""

    code = "not-found"


class BadPatch(FhirError):
    """Not a JSON Patch or FHIRPath Patch."""

    code = "structure"


class PatchFailed(FhirError):
    """A patch that cannot be done to this resource: no such place, or a test that fails."""

    code = "processing"
    status = 422


class InvalidQuery(FhirError):
    """Search parameters that this room does not answer."""


class UnknownParameter(InvalidQuery):
    """A search parameter that is not supported for this type."""

    code = "not-supported"


class BadParameterValue(InvalidQuery):
    """A search parameter whose value has the wrong form."""

    code = "value"


class TooCostly(InvalidQuery):
    """A search with more parameters, values, chains or includes than are answered."""

    code = "too-costly"
