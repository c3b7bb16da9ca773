"""Faults put into the gateway on purpose: a name, and what takes the place of which functions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from careledger.exchange.everything import Everything
from careledger.exchange.reach import Reach
from careledger.fhir.search.graph import Node
from careledger.vault.objects import DIRECTORY
from careledger.vault.opening import Opened
from careledger.vault.vault import Vault

Replace = Callable[[Any], Any]
"""From the function that stands there to the one that takes its place."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong, as a reviewer would say it; and where, as `module:name` or `module:A.b`."""

    name: str
    places: tuple[tuple[str, Replace], ...]


def faults(*rows: tuple[Any, ...]) -> tuple[Fault, ...]:
    """Each row: the name, and the places."""
    return tuple(Fault(name, tuple(places)) for name, *places in rows)


def always(answer: Any) -> Replace:
    """The same answer, whatever is asked."""
    return lambda _: lambda *_, **__: answer


@contextmanager
def with_fault(fault: Fault) -> Iterator[None]:
    """While the block lasts the gateway has the fault."""
    done = list[tuple[Any, str, Any]]()
    try:
        for place, replace in fault.places:
            owner, name = _owner(place)
            standing = vars(owner)[name]
            done.append((owner, name, standing))
            plain = standing.__func__ if isinstance(standing, staticmethod) else standing
            setattr(owner, name, replace(plain))
        yield
    finally:
        for owner, name, standing in reversed(done):
            setattr(owner, name, standing)


def _owner(place: str) -> tuple[Any, str]:
    module, _, path = place.partition(":")
    owner: Any = import_module(module)
    *classes, name = path.split(".")
    for one in classes:
        owner = vars(owner)[one]
    return owner, name


# --- past every decision -------------------------------------------------------------------------


def peek(vault: Vault, type_: str, id_: str, version: int | None = None) -> Opened | None:
    """A version as it lies in the vault, whoever asks."""
    owner = vault.owner(type_, id_)
    if owner is None:
        return None
    opener = vault._opener
    patient = opener._patients.patient(owner.patient)
    entry = opener.index(patient, until=2**53).get(type_, id_)
    wanted = entry.version if entry is not None and version is None else version
    if entry is None or wanted is None or not 1 <= wanted <= entry.version:
        return None
    return opener.unseal(patient, type_, id_, wanted)


def all_of(vault: Vault) -> Everything:
    """A graph of everything."""
    return Everything(vault, 2**40)


def hidden(reach: Reach, type_: str | None = None) -> list[Node]:
    """What there is and may not be seen."""
    found = list(all_of(reach._vault).of_type(type_, None, lambda _: True))
    return [node for node in found if reach._holdings.get(node.type, node.id) is None]


def is_hidden(reach: Reach, type_: str, id_: str) -> bool:
    """Whether it is there and may not be seen."""
    return all_of(reach._vault).get(type_, id_) is not None and (
        reach._holdings.get(type_, id_) is None
    )


def is_directory(vault: Vault, type_: str, id_: str) -> bool:
    owner = vault.owner(type_, id_)
    return owner is not None and owner.patient == DIRECTORY
