"""Where the bytes of resources come from once it is decided that they may be released."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from msgspec.structs import replace

from careledger.fhir.search.graph import Node
from careledger.ledger.errors import Unavailable
from careledger.vault.opening import Opened

Name = tuple[str, str]
"""Type and id."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What was opened, with its bytes; only what is in here may be released."""

    opened: tuple[Opened, ...]
    changed: frozenset[Name] = frozenset()
    """What is not as it was committed to: the index has followed, so look and decide anew."""
    unanswered: int = 0
    """How many are missing because who keeps them did not answer."""


class Bodies(Protocol):
    """Any thread may call; it may take seconds."""

    def bring(self, found: Sequence[Opened]) -> Brought:
        """The bytes of what was opened, in its order; what cannot be had is left out.

        Raises:
            UpstreamLies: who keeps them answered something else than was asked.
        """
        ...


class InVault:
    """Every body is in the vault."""

    def bring(self, found: Sequence[Opened]) -> Brought:
        """See `Bodies.bring`."""
        return Brought(tuple(found))


Unseal = Callable[[str, str, int | None], Opened | None]
"""A version, or the newest, by what is decided now; None if it may not be seen."""

LOOKS: Final = 3
"""So often one that keeps changing is decided anew."""


class Whole:
    """What one asker may see, with its bytes. Mutable: it remembers what was expected."""

    def __init__(self, bodies: Bodies, unseal: Unseal) -> None:
        """Decide by `unseal`; what is not in the vault is had from `bodies`."""
        self._bodies, self._unseal = bodies, unseal
        self._expected: dict[Name, Opened | None] = {}
        self.unanswered = 0
        """How many that were expected did not come."""

    def expect(self, nodes: Iterable[Node]) -> None:
        """Fetch at once what of these is not in the vault."""
        if isinstance(self._bodies, InVault):
            return
        sealed = [self._unseal(node.type, node.id, None) for node in nodes]
        found = [one for one in sealed if one is not None and _is_away(one)]
        if not found:
            return
        brought = self._bodies.bring(found)
        self.unanswered += brought.unanswered
        self._expected |= {(one.type, one.id): None for one in found}
        self._expected |= {(one.type, one.id): one for one in brought.opened}
        for type_, id_ in brought.changed:
            self._expected[type_, id_] = self._anew(type_, id_, None)

    def is_at_hand(self, opened: Opened) -> bool:
        """Whether the vault has the bytes of what was opened, and nothing newer was brought."""
        return not _is_away(opened) and (opened.type, opened.id) not in self._expected

    def open(self, type_: str, id_: str, version: int | None) -> Opened | None:
        """A version with its bytes, decided by what they say now.

        Raises:
            Unavailable: who keeps them did not answer, and they were not expected.
        """
        name = type_, id_
        if name in self._expected:
            expected = self._expected[name]
            if expected is None or version in (None, expected.version):
                return expected
        opened = self._unseal(type_, id_, version)
        return opened if opened is None or not _is_away(opened) else self._brought(opened, version)

    def each(self, found: Iterable[Opened]) -> Iterator[Opened]:
        """Versions one by one; those that nobody has any more are left out."""
        for opened in found:
            whole = opened
            if _is_away(opened):
                brought = self._brought(opened, opened.version)
                if brought is None:
                    continue
                whole = brought
            yield whole

    def _brought(self, opened: Opened, version: int | None) -> Opened | None:
        brought = self._bodies.bring([opened])
        if brought.unanswered:
            raise Unavailable("the organisation's own FHIR server does not answer")
        if brought.changed:
            return self._anew(opened.type, opened.id, version)
        return next(iter(brought.opened), None)

    def _anew(self, type_: str, id_: str, version: int | None) -> Opened | None:
        """Decide by what it says now, which the index has by now; marked as changed."""
        for _ in range(LOOKS):
            opened = self._unseal(type_, id_, version)
            if opened is None or not _is_away(opened):
                return opened
            brought = self._bodies.bring([opened])
            if not brought.changed and not brought.unanswered:
                return next((replace(one, changed=True) for one in brought.opened), None)
        raise Unavailable("the organisation's own FHIR server does not answer")


def _is_away(opened: Opened) -> bool:
    return opened.elsewhere and not opened.data
