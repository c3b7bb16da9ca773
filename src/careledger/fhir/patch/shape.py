"""What R4 says of an element by its name: whether it repeats, and what it holds."""

import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Union, get_args, get_origin  # Any: type annotations

import msgspec

from careledger.fhir.model import Model
from careledger.fhir.r4.registry import MODULES

Holder = type[Model]
"""The model of an element that has elements."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a model."""

    name: str
    """As JSON has it: `valueQuantity`."""
    repeats: bool
    holder: Holder | None
    """None for a primitive."""
    is_resource: bool = False


def model_of(type_: object) -> Holder | None:
    """The model of a resource type; None for what is none."""
    if not isinstance(type_, str) or type_ not in MODULES:
        return None
    module = import_module(f"careledger.fhir.r4.{MODULES[type_]}")
    found: Holder = getattr(module, type_)
    return found


@cache
def elements(holder: Holder) -> Mapping[str, Element]:
    """The elements of a model by their names in JSON, stand-ins of primitives left out."""
    return {
        field.encode_name: _element(field.encode_name, field.type)
        for field in msgspec.structs.fields(holder)
        if not field.encode_name.startswith("_")
    }


def _element(name: str, annotation: Any) -> Element:
    inner = _bare(annotation)
    repeats = get_origin(inner) is list
    if repeats:
        inner = _bare(get_args(inner)[0])
    holder = inner if isinstance(inner, type) and issubclass(inner, Model) else None
    return Element(name, repeats, holder, is_resource=inner is msgspec.Raw)


def _bare(annotation: Any) -> Any:
    """The type behind `Annotated` and `| None`."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in (Union, types.UnionType):
            rest = [one for one in get_args(annotation) if one is not type(None)]
            if len(rest) != 1:
                return annotation
            annotation = rest[0]
        else:
            return annotation
