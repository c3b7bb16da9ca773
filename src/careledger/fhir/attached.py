"""Which other resources have a resource's content: the Binary of an attachment, and back.

FHIR R4 2.42.3: a Binary says little of itself, so whoever decides on it looks at what it belongs
to: what its `securityContext` names, and every document that has it as an attachment.
"""

from collections.abc import Iterator
from re import compile as regex
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from careledger.fhir.resource import Resource

BINARY: Final = "Binary"

_ID: Final = r"([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
_TO_BINARY: Final = regex(rf"(?:.*/)?Binary/{_ID}")
"""However the address is written: who put the document in may have named us by any host."""
_LOCAL: Final = regex(rf"([A-Z][A-Za-z]+)/{_ID}")
_ESCAPED: Final = regex(rb"\\u00[4-7]")
"""A letter that is written as an escape (RFC 8259 7)."""


def attached(resource: "Resource") -> tuple[str, ...]:
    """`Type/id` of each: of a Binary its security context, of others their attachments."""
    if resource.type == BINARY:
        context = getattr(resource.model, "securityContext", None)
        match = _LOCAL.fullmatch(getattr(context, "reference", None) or "")
        return () if match is None or match[1] == "Patient" else (f"{match[1]}/{match[2]}",)
    if b"Binary" not in resource.raw and _ESCAPED.search(resource.raw) is None:
        return ()
    found = map(_TO_BINARY.fullmatch, _urls(msgspec.json.decode(resource.raw)))
    return tuple(dict.fromkeys(f"{BINARY}/{one[1]}" for one in found if one is not None))


def _urls(body: object) -> Iterator[str]:
    """The text of every member `url`, wherever it is; the depth is bounded by who checked it."""
    waiting = [body]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            url = one.get("url")
            if isinstance(url, str):
                yield url
            waiting += one.values()
