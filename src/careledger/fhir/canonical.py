"""A resource as canonical JSON (RFC 8785), of `meta` only its security labels.

That is what a commitment is over when another server keeps the bytes. Such a server may write a
resource in any order, white space or number format, and stamps `meta` as it likes; none of that
changes these bytes. Numbers are those of ECMAScript: `1.00` and `1` are one. Labels decide who may
see a resource, so they go where it goes: system and code of each, once, in their own order.
"""

import json
from typing import Final

import rfc8785

from careledger.fhir.errors import NotJson, TooDeep
from careledger.fhir.nesting import MAXIMUM_DEPTH, is_deeper

_STAMPED: Final = "meta"


def canonical(data: bytes) -> bytes:
    """The canonical bytes of the resource `data`; the same for whatever says the same.

    Raises:
        TooDeep: it nests deeper than a resource may.
        NotJson: it is no JSON object, or holds what canonical JSON cannot (RFC 8785 3.1).
    """
    if is_deeper(data, MAXIMUM_DEPTH):
        raise TooDeep(f"at most {MAXIMUM_DEPTH} nested objects and arrays")
    try:
        resource = json.loads(
            data, parse_int=float, parse_constant=_refuse, object_pairs_hook=_once
        )
        if not isinstance(resource, dict):
            raise NotJson("one JSON object")
        labels = _labels(resource.pop(_STAMPED, None))
        if labels:
            resource[_STAMPED] = {"security": labels}
        return rfc8785.dumps(resource)
    except (ValueError, rfc8785.CanonicalizationError) as error:
        if isinstance(error, NotJson):
            raise
        raise NotJson("one JSON object in UTF-8") from None


def _labels(meta: object) -> list[dict[str, str]]:
    """What `meta.security` says; a server may keep it as a set, and add displays and versions."""
    security = meta.get("security") if isinstance(meta, dict) else None
    found = set[tuple[str, str]]()
    for one in security if isinstance(security, list) else ():
        code, system = (
            (one.get("code"), one.get("system", "")) if isinstance(one, dict) else ("", "")
        )
        if isinstance(code, str) and isinstance(system, str) and code:
            found.add((system, code))
    return [
        {"code": code} | ({"system": system} if system else {}) for system, code in sorted(found)
    ]


def _once(members: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose members have names of their own (RFC 7493 2.3): readers differ on others."""
    found = dict(members)
    if len(found) != len(members):
        raise ValueError(len(members))
    return found


def _refuse(constant: str) -> float:
    raise ValueError(constant)
