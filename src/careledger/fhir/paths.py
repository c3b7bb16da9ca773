"""Reading the elements that a path such as `participant.actor` leads to, from any model."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any  # Any: what is at the end of a path differs by path

from careledger.fhir.model import values_of

if TYPE_CHECKING:
    from careledger.fhir.model import Model

Read = Callable[["Model"], list[object]]


def reader(paths: tuple[str, ...]) -> Read:
    """Build a function that returns what is there at these paths, arrays flattened, in order."""
    if not paths:
        return lambda _: []
    heads = tuple(dict.fromkeys(path.partition(".")[0] for path in paths))
    rests = [
        tuple(path.partition(".")[2] for path in paths if path.partition(".")[0] == head)
        for head in heads
    ]
    read = values_of(heads)
    if not any(any(rest) for rest in rests):
        return lambda model: _flat(read(model))
    below = [reader(rest) if all(rest) else None for rest in rests]

    def descend(model: "Model") -> list[object]:
        found: list[object] = []
        for value, inner in zip(read(model), below, strict=True):
            if value is None:
                continue
            items: list[Any] = value if type(value) is list else [value]
            if inner is None:
                found += items
            else:
                for item in items:
                    found += inner(item)
        return found

    return descend


def _flat(values: tuple[object, ...]) -> list[object]:
    found: list[object] = []
    for value in values:
        if type(value) is list:
            found += value
        elif value is not None:
            found.append(value)
    return found
