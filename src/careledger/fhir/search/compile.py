"""Compiles the paths of many parameters into one function that walks a resource once.

Paths that begin alike are walked together, and what is absent costs one look. The same tree serves
the generated models and the structs of `fhir.search.figures`, which hold the amounts.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any, Final, NamedTuple  # Any: what stands at a path differs by path

from careledger.fhir.model import values_of
from careledger.fhir.search.convert import CONVERSIONS, Convert, code_in
from careledger.fhir.search.figures import AMOUNTS, Shape
from careledger.fhir.search.table import Kind, Path

SLOTS: Final[tuple[Kind, ...]] = (
    "string",
    "token",
    "reference",
    "date",
    "number",
    "quantity",
    "uri",
    "special",
)
"""The order of the fields of `Values`; what a special parameter needs is kept as a composite."""


class Found:
    """What one walk has found so far: by slot and key, and whether there are amounts to be read.

    Values that came from several places are in a list until `settle`, so that a long array costs
    no more than its length.
    """

    __slots__ = ("_several", "amounts", "slots")

    def __init__(self) -> None:
        self.slots: tuple[dict[str, Any], ...] = ({}, {}, {}, {}, {}, {}, {}, {})
        self.amounts = False
        self._several = False

    def add(self, slot: int, key: str, made: tuple[Any, ...]) -> None:
        """Add values to those of a key."""
        into = self.slots[slot]
        have = into.get(key)
        if have is None:
            into[key] = made
        elif type(have) is list:
            have += made
        else:
            into[key] = [*have, *made]
            self._several = True

    def settle(self) -> None:
        """Make tuples of all values; then nothing may be added."""
        if self._several:
            for into in self.slots:
                for key, values in into.items():
                    if type(values) is list:
                        into[key] = tuple(values)


Act = Callable[[Any, Found], None]


class Wish(NamedTuple):
    """Values wanted under a key from the end of a path."""

    key: str
    kind: Kind
    path: Path
    only: str = ""
    """The one type a reference may lead to."""


@dataclass(slots=True)
class _Branch:
    many: bool = False
    ends: list[Wish] = field(default_factory=list)
    tests: dict[str, "_Branch"] = field(default_factory=dict)
    below: dict[str, "_Branch"] = field(default_factory=dict)


def walk(wishes: Iterable[Wish], *, amounts: bool) -> Act | None:
    """Compile the walk over a model, or over the figures if `amounts`; None if nothing is wanted.

    A walk over the model only notes that amounts are there.
    """
    root = _tree(each for each in wishes if not amounts or (each.kind, each.path[1]) in AMOUNTS)
    return _item(root, amounts=amounts) if root.ends or root.below else None


def shape(wishes: Iterable[Wish]) -> Shape:
    """Return which amounts have to be decoded for these."""
    return _shape(_tree(each for each in wishes if (each.kind, each.path.datatype) in AMOUNTS))


def _tree(wishes: Iterable[Wish]) -> _Branch:
    root = _Branch()
    for wish in wishes:
        branch, kept = root, wish
        for step in wish.path.steps:
            branch = branch.below.setdefault(step.name, _Branch(step.many))
            if step.test.startswith("is="):
                kept = wish._replace(only=step.test.removeprefix("is="))
            elif step.test:
                branch = branch.tests.setdefault(step.test, _Branch())
        branch.ends.append(kept)
    return root


def _shape(branch: _Branch) -> Shape:
    found: Shape = {}
    for name, below in branch.below.items():
        if below.ends:
            first = below.ends[0]
            found[name] = below.many, AMOUNTS[first.kind, first.path.datatype][0]
        else:
            found[name] = below.many, _shape(below)
    return found


def _item(branch: _Branch, *, amounts: bool) -> Act:
    """Compile what is done with one element."""
    acts = _ends(branch.ends, amounts=amounts)
    acts += [
        _tested(test, _item(below, amounts=amounts))
        for test, below in branch.tests.items()
        if test != "0"
    ]
    if branch.below:
        acts.append(_below(branch, amounts=amounts))
    if len(acts) == 1:
        return acts[0]

    def act(item: Any, found: Found) -> None:
        for one in acts:
            one(item, found)

    return act


def _below(branch: _Branch, *, amounts: bool) -> Act:
    names = tuple(f"{name}_" if iskeyword(name) else name for name in branch.below)
    read = values_of(names)
    acts = tuple(_member(below, amounts=amounts) for below in branch.below.values())

    def act(item: Any, found: Found) -> None:
        for value, one in zip(read(item), acts, strict=True):
            if value is not None:
                one(value, found)

    return act


def _member(branch: _Branch, *, amounts: bool) -> Act:
    """Compile what is done with the value of a member, which may be an array."""
    act = _item(branch, amounts=amounts)
    first = branch.tests.get("0")
    if not branch.many:
        return act

    def each(values: Any, found: Found) -> None:
        for value in values:
            if value is not None:
                act(value, found)

    if first is None:
        return each
    at_first = _item(first, amounts=amounts)

    def first_and_each(values: Any, found: Found) -> None:
        at_first(values[0], found)
        each(values, found)

    return first_and_each


def _tested(test: str, act: Act) -> Act:
    member, _, wanted = test.partition("=")

    def only(item: Any, found: Found) -> None:
        if getattr(item, member) == wanted:
            act(item, found)

    return only


def _ends(ends: list[Wish], *, amounts: bool) -> list[Act]:
    """Compile what is done at the end of paths; each conversion is made once."""
    grouped: dict[tuple[Kind, str, str], list[Wish]] = {}
    for wish in ends:
        group = wish.kind, wish.path.datatype, wish.path.system
        grouped.setdefault(group, []).append(wish)
    acts: list[Act] = []
    for (kind, datatype, system), wishes in grouped.items():
        if (kind, datatype) in AMOUNTS:
            acts.append(_leaf(kind, AMOUNTS[kind, datatype][1], wishes) if amounts else _note)
        else:
            convert = code_in(system) if system else CONVERSIONS[kind, datatype]
            acts.append(_leaf(kind, convert, wishes))
    return acts


def _note(_: Any, found: Found) -> None:
    found.amounts = True


def _leaf(kind: Kind, convert: Convert, wishes: list[Wish]) -> Act:
    slot = SLOTS.index(kind)
    keys = tuple(dict.fromkeys(wish.key for wish in wishes if not wish.only))
    typed = tuple(dict.fromkeys((wish.key, wish.only) for wish in wishes if wish.only))

    def act(value: Any, found: Found) -> None:
        made = convert(value)
        if not made:
            return
        for key in keys:
            found.add(slot, key, made)
        for key, only in typed:
            if made[0].type == only:
                found.add(slot, key, made)

    return act
