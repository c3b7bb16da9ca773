"""Writing an export: patient by patient, each decided anew when their turn comes.

Everything that goes into a file is in the patient's journal first. One look at committed state
serves a few patients and is then let go, so a revocation in the middle holds for all who follow.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Final, Protocol

import msgspec

from careledger.exchange.asker import Asker
from careledger.exchange.bulk.order import Job, Order, Output
from careledger.exchange.bulk.spool import Frame
from careledger.exchange.limits import Limits
from careledger.exchange.reach import Reach
from careledger.fhir.dates import instant_text
from careledger.fhir.search.engine import every
from careledger.fhir.search.graph import Graph, Node, Test
from careledger.fhir.search.subset import subset
from careledger.fhir.stamp import stamped
from careledger.ledger.errors import Unavailable
from careledger.ledger.record import digest, encode
from careledger.mechanisms.terms import Action
from careledger.vault.deposit import DIRECTORY_TYPES, NOBODYS_TYPES
from careledger.vault.opening import Opened

AT_ONCE: Final = 20
"""Patients for one look at committed state."""

LINES: Final = 50_000
"""Resources in one file."""


class Reaches(Protocol):
    """Where reaches come from: `Exchange.reach`."""

    def __call__(
        self, asker: Asker, limits: Limits, action: Action
    ) -> AbstractContextManager[Reach]:
        """What `asker` may see, for the length of a block."""
        ...


class _OfNobody:
    """What of a reach belongs to no patient; it refers to nothing else, so chains end in it too."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self.get = reach.get

    def of_type(
        self, type_: str | None, patients: frozenset[str] | None, test: Test
    ) -> Iterator[Node]:
        """See `Graph.of_type`; in the record of a named patient there is nothing of nobody's."""
        return self._reach.of_nobody(type_, test) if patients is None else iter(())


class Writer:
    """Writes one job's files."""

    def __init__(self, job: Job, reach: Reaches) -> None:
        """Take what `reach` gives for whoever ordered the job."""
        self._job, self._order, self._reach = job, job.order, reach
        self._counts: dict[tuple[str, str], int] = {}
        self._decision = b""
        """What was decided about the patient whose turn it is."""

    def write(self, everybody: Sequence[str]) -> None:
        """Write all of it, unless it is cancelled meanwhile; `everybody` by local id.

        Raises:
            LedgerError: nothing more can be decided, or the disk failed.
        """
        order = self._order
        named = everybody if order.patients is None else order.patients
        for start in range(0, len(named), AT_ONCE):
            if self._job.cancelled:
                return
            some = named[start : start + AT_ONCE]
            with self._reach(order.asker, order.limits, "export") as reach:
                for local in some:
                    self._patient(reach, local)
        with self._reach(order.asker, order.limits, "export") as reach:
            self._directory(reach)
        counts = self._job.spool.close()
        self._job.outputs = tuple(_output(name, *some) for name, some in sorted(counts.items()))

    def _patient(self, reach: Reach, local: str) -> None:
        decision = reach.decision(local)
        if decision is None:
            return
        self._decision = _digest(decision)
        found = self._nodes(reach, frozenset((local,)))
        self._take(reach, local, [node for node in found if reach.is_of(node, local)])
        if self._order.since is not None:
            for gone in reach.deleted(local, self._order.since):
                if self._wants(gone.type):
                    self._add("deleted", gone.type, local, _removal(gone))

    def _directory(self, reach: Reach) -> None:
        """What belongs to nobody: all of it system-wide, elsewhere the types that were named."""
        is_whole = self._order.level == "system"
        there = NOBODYS_TYPES if is_whole else DIRECTORY_TYPES
        if not is_whole and self._order.types is None:
            return
        types = there if self._order.types is None else self._order.types & there
        for type_ in sorted(types):
            self._take(reach, "", list(self._nodes(_OfNobody(reach), None, type_)))

    def _nodes(
        self, reach: Graph, patients: frozenset[str] | None, type_: str | None = None
    ) -> Iterator[Node]:
        order = self._order
        filtered = {one for one in order.filters if type_ in {None, one}}
        for one in sorted(filtered):
            met = set[str]()
            for search in order.filters[one]:
                for node in every(replace(search, patients=patients), reach):
                    if node.id not in met and self._is_new(node):
                        met.add(node.id)
                        yield node
        yield from reach.of_type(
            type_,
            patients,
            lambda node: (
                self._wants(node.type) and node.type not in filtered and self._is_new(node)
            ),
        )

    def _wants(self, type_: str) -> bool:
        return self._order.types is None or type_ in self._order.types

    def _is_new(self, node: Node) -> bool:
        """`_since`: changed since then (Bulk Data Access 2.0)."""
        return self._order.since is None or node.stored >= self._order.since

    def _take(self, reach: Reach, local: str, nodes: Sequence[Node]) -> None:
        """Write what is behind the nodes, all or nothing: an export with gaps would not show them.

        Raises:
            Unavailable: who keeps some of it does not answer.
        """
        reach.expect(nodes)
        for opened in reach.open_each(nodes):
            if opened is not None and not opened.deleted:
                self._line(local, opened)
        if reach.unanswered:
            raise Unavailable("what another server keeps is missing")

    def _line(self, local: str, opened: Opened) -> None:
        line = stamped(opened.data, opened.version, instant_text(opened.stored))
        elements = self._order.elements.get(opened.type) or self._order.elements.get("*")
        if elements is not None:
            line = subset(line, elements=elements)
        self._add("output", opened.type, local, one_line(line))
        self._job.written += 1

    def _add(self, kind: str, type_: str, local: str, line: bytes) -> None:
        self._job.spool.add(self._file(kind, type_), local, self._decision if local else b"", line)

    def _file(self, kind: str, type_: str) -> str:
        count = self._counts[kind, type_] = self._counts.get((kind, type_), 0) + 1
        return f"{kind}-{type_}-{(count - 1) // LINES + 1}.ndjson"


def one_line(data: bytes) -> bytes:
    """A resource without line breaks, every number as written."""
    return data if b"\n" not in data and b"\r" not in data else msgspec.json.format(data, indent=-1)


def _output(name: str, count: int, frames: int) -> Output:
    kind, type_, _ = name.split("-")
    return Output("deleted" if kind == "deleted" else "output", type_, name, count, frames)


def _digest(decision: tuple[object, ...]) -> bytes:
    """Equal for decisions that are."""
    return digest(encode(decision))


def _removal(gone: Opened) -> bytes:
    """A deletion as Bulk Data gives it: a transaction that would delete."""
    request = {"method": "DELETE", "url": f"{gone.type}/{gone.id}"}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"request": request}]}
    return msgspec.json.encode(bundle)


def lines_of(job: Job, output: Output, reach: Reaches) -> Iterator[bytes]:
    """The lines of one file, without those of patients about whom is decided otherwise by now."""
    for frame in job.spool.frames(output.name, output.frames):
        if frame.local and not _stands(frame, job.order, reach):
            continue
        yield frame.lines


def _stands(frame: Frame, order: Order, reach: Reaches) -> bool:
    with reach(order.asker, order.limits, "export") as now:
        decision = now.decision(frame.local)
    return decision is not None and _digest(decision) == frame.decision


def locals_of(people: Iterable[tuple[str, object]]) -> tuple[str, ...]:
    """Local ids in a stable order."""
    return tuple(sorted(local for local, _ in people))
