"""The places in a resource that a FHIRPath expression of a FHIRPath Patch leads to.

A subset of FHIRPath (N1) with which one finds places: names, `[n]`, `where`, `first`, `last`,
`single`, `tail`, `ofType`, `exists`, `empty`, `not`, `extension`, `=`, `!=`, `and`, `or`. Anything
else is refused, never guessed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from careledger.fhir.errors import PatchFailed
from careledger.fhir.patch.document import MISSING, Json, Path, at, equal
from careledger.fhir.patch.expression import Binary, Call, Expression, Literal, Name, parse
from careledger.fhir.patch.shape import Element, Holder, elements, model_of

MOST_STEPS: Final = 200_000
"""So much work one expression may cause."""


@dataclass(frozen=True, slots=True)
class Found:
    """A value, and where it is; computed values and literals are nowhere."""

    value: Json
    path: Path | None = None
    holder: Holder | None = None
    """Its model, if it is not a primitive."""


def places(expression: str, resource: Json) -> list[Found]:
    """Where the expression leads, in the order of the resource.

    Raises:
        BadPatch: it is outside the subset.
        PatchFailed: it leads to no place, as a comparison does; or it costs too much.
    """
    root = Found(resource, (), model_of(at(resource, ("resourceType",))))
    found = _Search(root).values(parse(expression), [root], start=True)
    if any(one.path is None for one in found):
        raise PatchFailed("a path to an element")
    return found


def element_of(one: Found, name: str) -> Element | None:
    """What R4 says of an element of `one`; None if it has none of that name."""
    return None if one.holder is None else elements(one.holder).get(name)


class _Search:
    def __init__(self, root: Found) -> None:
        self._root, self._left = root, MOST_STEPS

    def values(
        self, expression: Expression, focus: list[Found], *, start: bool = False
    ) -> list[Found]:
        """What the expression is for `focus`; at the `start`, the resource's type names it."""
        self._left -= 1 + len(focus)
        if self._left < 0:
            raise PatchFailed("an expression that costs less")
        match expression:
            case Literal(value=value):
                return [Found(value)]
            case Binary():
                return self._binary(expression, focus)
            case Name(of=None, name="$this"):
                return focus
            case Name(of=None, name=name) if start and name == self._type():
                return [self._root]
            case Name(of=of, name=name):
                inner = focus if of is None else self.values(of, focus, start=start)
                return self._each(inner, lambda one: _members(one, name))
            case Call(of=of, name=name, arguments=arguments):
                inner = focus if of is None else self.values(of, focus, start=start)
                return self._call(name, arguments, inner)

    def _type(self) -> object:
        return at(self._root.value, ("resourceType",))

    def _each(self, focus: list[Found], read: Callable[[Found], Iterable[Found]]) -> list[Found]:
        found = [inner for one in focus for inner in read(one)]
        self._left -= len(found)
        return found

    def _binary(self, expression: Binary, focus: list[Found]) -> list[Found]:
        left = self.values(expression.left, focus)
        if expression.operator in ("and", "or"):
            first, both = _truth(left), expression.operator == "and"
            if first != both:
                return [Found(first)]
            return [Found(_truth(self.values(expression.right, focus)))]
        right = self.values(expression.right, focus)
        if not left or not right:
            return []
        same = len(left) == len(right) and all(
            equal(one.value, other.value) for one, other in zip(left, right, strict=True)
        )
        return [Found(same == (expression.operator == "="))]

    def _call(
        self, name: str, arguments: tuple[Expression, ...], focus: list[Found]
    ) -> list[Found]:
        match name, arguments:
            case "where", (test,):
                return [one for one in focus if _truth(self.values(test, [one]))]
            case "exists", (test,):
                return [Found(any(_truth(self.values(test, [one])) for one in focus))]
            case "extension", (Literal(value=str() as url),):
                found = self._each(focus, lambda one: _members(one, "extension"))
                return [one for one in found if at(one.value, ("url",)) == url]
            case "ofType", (Name(of=None, name=type_),):
                return [one for one in focus if _is(one, type_)]
            case _:
                return _cut(name, arguments, focus)


def _cut(name: str, arguments: tuple[Expression, ...], focus: list[Found]) -> list[Found]:
    if name == "single" and len(focus) > 1:
        raise PatchFailed("at most one element")
    if not arguments and name in _ASKED:
        return _ASKED[name](focus)
    match name, arguments:
        case "single", ():
            return focus
        case "first", ():
            return focus[:1]
        case "last", ():
            return focus[-1:]
        case "tail", ():
            return focus[1:]
        case "[]", (Literal(value=int() as index),):
            return focus[index : index + 1]
        case _:
            raise PatchFailed("functions that find places")


_ASKED: Final[dict[str, Callable[[list[Found]], list[Found]]]] = {
    "exists": lambda focus: [Found(bool(focus))],
    "empty": lambda focus: [Found(not focus)],
    "not": lambda focus: [Found(not _truth(focus))] if focus else [],
}


def _members(one: Found, name: str) -> Iterable[Found]:
    """Every value of the element `name`, choices by their plain name as well."""
    if not isinstance(one.value, dict) or one.holder is None:
        return
    known = elements(one.holder)
    names = [name] if name in known else [full for full in known if is_choice(name, full)]
    for full in names:
        values = one.value.get(full, MISSING)
        stand_ins = one.value.get("_" + full, MISSING)
        if values is MISSING and stand_ins is MISSING:
            continue
        path = None if one.path is None else (*one.path, full)
        element = known[full]
        if not element.repeats:
            yield _found(None if values is MISSING else values, path, element)
            continue
        listed = [each if isinstance(each, list) else [] for each in (values, stand_ins)]
        for index in range(max(map(len, listed))):
            value = listed[0][index] if index < len(listed[0]) else None
            yield _found(value, None if path is None else (*path, index), element)


def _found(value: Json, path: Path | None, element: Element) -> Found:
    holder = model_of(at(value, ("resourceType",))) if element.is_resource else element.holder
    return Found(value, path, holder)


def is_choice(name: str, full: str) -> bool:
    """Whether `full` (`valueQuantity`) is one of the types of the choice `name` (`value`)."""
    return full.startswith(name) and full[len(name) :][:1].isupper()


def _is(one: Found, type_: str) -> bool:
    if one.holder is not None:
        return one.holder.__name__ == type_
    name = one.path[-1] if one.path else ""
    return isinstance(name, str) and name.endswith(type_[:1].upper() + type_[1:])


def _truth(found: list[Found]) -> bool:
    """What a condition comes to: nothing is no (FHIRPath 5.2.1)."""
    if len(found) == 1 and isinstance(found[0].value, bool):
        return found[0].value
    return bool(found)
