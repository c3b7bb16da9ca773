"""The base of every generated R4 model, and of the rules that JSON types cannot say.

`second_pass` builds the function that a generated class runs as soon as the decoder has made one of
its objects; the decoder adds the place to whatever it raises. The rules are data: names, no code.
"""

from collections.abc import Callable, Mapping
from operator import attrgetter
from re import compile as regex
from typing import Annotated, Any, Final, TypeVar

from msgspec import Meta, Struct

from careledger.fhir.errors import (
    ChoiceRepeated,
    CodeNotAllowed,
    MissingElement,
    ReferenceNotAllowed,
    WrongType,
)

T = TypeVar("T")
Some = Annotated[list[T], Meta(min_length=1)]
"""An array as FHIR has it: absent rather than empty (FHIR R4 2.1.0.8.2.1)."""


Check = Callable[[object], None]
Names = tuple[str, ...]
Codings = frozenset[tuple[str, str]]

_REFERENCE_TYPE: Final = regex(
    r"(?:\A|/)([A-Z][A-Za-z]+)(?:/[A-Za-z0-9\-.]{1,64}(?:/_history/[^/]+)?\Z|\?)"
)


class Model(
    Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """One element or resource of R4: closed, read-only, absent elements are None."""


def second_pass(
    *,
    required: Names = (),
    arrays: Names = (),
    choices: Mapping[str, Names] | None = None,
    required_choices: Mapping[str, Names] | None = None,
    targets: Mapping[str, Names] | None = None,
    bindings: Mapping[str, Codings] | None = None,
) -> Check:
    """Build the checks of one class (FHIR R4 2.1.0.8, 2.6.0.5, 4.1.5).

    required: primitives of which the value or the extension must be there.
    arrays: arrays of primitives, whose nulls an extension must stand in for.
    choices, required_choices: `value` -> the members of which at most, or exactly, one is there.
    targets: Reference member -> the types it may lead to.
    bindings: CodeableConcept or Coding member -> the codings of which one must be there.
    """
    checks: tuple[Check, ...] = (
        *([_required(required)] if required else ()),
        *([_arrays(arrays)] if arrays else ()),
        *(_choice(name, members, minimum=0) for name, members in (choices or {}).items()),
        *(_choice(name, members, minimum=1) for name, members in (required_choices or {}).items()),
        *([_targets(targets)] if targets else ()),
        *(_binding(name, allowed) for name, allowed in (bindings or {}).items()),
    )
    if len(checks) == 1:
        return checks[0]

    def check(model: object) -> None:
        for one in checks:
            one(model)

    return check


def values_of(names: Names) -> Callable[[object], tuple[Any, ...]]:  # any element may be there
    """Return a reader of these attributes that always gives a tuple."""
    if len(names) == 1:
        read_one = attrgetter(names[0])
        return lambda model: (read_one(model),)
    return attrgetter(*names)


def json_name(attribute: str) -> str:
    """Return the FHIR name of an attribute: keywords carry a trailing underscore here."""
    return attribute.removesuffix("_")


def _required(names: Names) -> Check:
    read = values_of(names)

    def check(model: object) -> None:
        if None in read(model):
            for name in names:
                if getattr(model, name) is None and getattr(model, f"{name}_ext") is None:
                    raise MissingElement("a value or an extension in its place", json_name(name))

    return check


def _arrays(names: Names) -> Check:
    read, read_extensions = values_of(names), values_of(tuple(f"{name}_ext" for name in names))
    none = (None,) * len(names)

    def check(model: object) -> None:
        arrays, extensions = read(model), read_extensions(model)
        if extensions == none:
            if arrays == none:
                return
            for array in arrays:
                if array is not None and None in array:
                    break
            else:
                return
        for name, values, stand_ins in zip(names, arrays, extensions, strict=True):
            check_array(json_name(name), values, stand_ins)

    return check


def check_array(name: str, values: list[object] | None, extensions: list[object] | None) -> None:
    """Hold an array of primitives against the extensions at the same positions (2.6.2.1)."""
    if values is not None and extensions is not None and len(values) != len(extensions):
        raise WrongType("as many values as extensions", name)
    length = len(values or extensions or ())
    for one in zip(values or [None] * length, extensions or [None] * length, strict=True):
        if one == (None, None):
            raise WrongType("a value or an extension at every position", name)


def _choice(name: str, members: Names, *, minimum: int) -> Check:
    """Count a member and the extension in its place (`member_ext`) as one."""
    read = attrgetter(*members)
    fewest = len(members) - 1

    def check(model: object) -> None:
        absent = read(model).count(None)
        if absent == fewest or (absent > fewest and not minimum):
            return
        present = {
            member.removesuffix("_ext") for member in members if getattr(model, member) is not None
        }
        if len(present) > 1:
            raise ChoiceRepeated("at most one type", f"{name}[x]")
        if len(present) < minimum:
            raise MissingElement("exactly one type", f"{name}[x]")

    return check


def _targets(targets: Mapping[str, Names]) -> Check:
    read = values_of(tuple(targets))
    rules = [(name, frozenset(allowed)) for name, allowed in targets.items()]
    none = (None,) * len(rules)

    def check(model: object) -> None:
        values = read(model)
        if values == none:
            return
        for value, (name, allowed) in zip(values, rules, strict=True):
            if value is None:
                continue
            for reference in value if type(value) is list else (value,):
                text = reference.reference
                if text is not None and text.partition("/")[0] not in allowed:
                    check_target(text, name, allowed)

    return check


def check_target(reference: str, name: str, allowed: frozenset[str]) -> None:
    """Refuse a reference whose type can be read and is not allowed; `#x` and `urn:` say no type."""
    if reference.startswith(("#", "urn:")):
        return
    found = _REFERENCE_TYPE.search(reference)
    if found is not None and found[1] not in allowed:
        raise ReferenceNotAllowed(f"a reference to {' or '.join(sorted(allowed))}", json_name(name))


def _binding(name: str, allowed: Codings) -> Check:
    read = attrgetter(name)

    def check(model: object) -> None:
        value = read(model)
        if value is None:
            return
        for concept in value if type(value) is list else (value,):
            codings = getattr(concept, "coding", (concept,)) or ()
            if not any((coding.system, coding.code) in allowed for coding in codings):
                raise CodeNotAllowed("a coding from the required value set", json_name(name))

    return check
