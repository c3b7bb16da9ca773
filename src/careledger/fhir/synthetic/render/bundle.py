"""Bundles: resources as entries of a transaction or a batch, in bytes that never change."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from careledger.fhir.synthetic.content.code import NPI
from careledger.fhir.synthetic.render.element import Element

# Decimals are written as they are, zeros at the end included: 7.20 stays 7.20.
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def transaction(resources: Iterable[Element]) -> bytes:
    """Return a transaction that creates every resource, or none."""
    return _bundle("transaction", [_entry(each) for each in resources])


def batch(resources: Iterable[Element]) -> bytes:
    """Return a batch; what has an identifier is created only if nothing has it yet."""
    return _bundle("batch", [_entry(each, once=True) for each in resources])


def _bundle(kind: Literal["transaction", "batch"], entries: list[Element]) -> bytes:
    return _ENCODER.encode({"resourceType": "Bundle", "type": kind, "entry": entries}) + b"\n"


def _entry(resource: Element, *, once: bool = False) -> Element:
    request: Element = {"method": "POST", "url": resource["resourceType"]}
    if once:
        request["ifNoneExist"] = "identifier=" + _identifier(resource)
    return {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource, "request": request}


def _identifier(resource: Element) -> str:
    match resource["identifier"]:
        case [{"system": str(system), "value": str(value)}, *_]:
            return f"{system}|{value}"
        case other:
            raise ValueError(f"expected an identifier such as {NPI}, actual: {other!r}")
