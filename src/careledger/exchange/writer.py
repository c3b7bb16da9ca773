"""Whoever writes: what they may know of what is there, and whether they may choose ids.

The organisation's own systems keep its records: nothing it holds is hidden from what they write,
and they bring ids along. For everybody else what is withheld is absent, in every comparison.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from careledger.exchange.criteria import matching
from careledger.exchange.directory import Directory
from careledger.exchange.everything import Everything
from careledger.exchange.limits import UNLIMITED, Limits
from careledger.exchange.organisation import Organisation
from careledger.exchange.reach import Reach
from careledger.fhir.bundle import Bundle, is_conditional
from careledger.fhir.errors import FhirError, InvalidBundle
from careledger.fhir.search.graph import Graph
from careledger.mechanisms.terms import Action
from careledger.vault.opening import Opened


class SeveralMatch(InvalidBundle):
    """A condition that more than one resource meets (FHIR R4 3.1.0.4.3)."""

    code = "multiple-matches"
    status = 412


@dataclass(frozen=True, slots=True)
class Writer:
    """One caller who writes."""

    keeps_records: bool
    reach: Callable[[Action, Limits], AbstractContextManager[Reach]] | None = None
    """What they may see; only the organisation's own loading does without."""
    limits: Limits = UNLIMITED
    """Of their token. Its scopes for changes are the business of whoever takes the request."""


KEEPER: Final = Writer(keeps_records=True)
"""The organisation itself, loading what it holds."""


class Finding:
    """What one writer finds here; made for one plan, and let go of with it."""

    def __init__(
        self, writer: Writer, directory: Directory, organisation: Organisation, owned: ExitStack
    ) -> None:
        """Look as `writer` at what the organisation has; what is opened for it is `owned`."""
        self.keeps_records, self.indexed = writer.keeps_records, organisation.indexed
        self._writer, self._directory, self._owned = writer, directory, owned
        self._vault, self._at = organisation.vault, organisation.clock()
        self._seen: dict[tuple[Action, Limits], Reach | None] = {}

    def find(self, type_: str, criteria: str) -> str | None:
        """The id of the one resource that meets the criteria; None if none does.

        Raises:
            SeveralMatch: more than one does.
            InvalidQuery: search parameters that are not answered here.
        """
        if self.keeps_records and self._directory.answers(type_, criteria):
            found = self._directory.find(type_, criteria)
        else:
            graph = self._graph("search", self._writer.limits)
            found = matching(graph, type_, criteria, self.indexed)
        if len(found) > 1:
            raise SeveralMatch("a condition that at most one resource meets")
        return next(iter(found), None)

    def resolve(self, reference: str) -> str | None:
        """What `Type?criteria` refers to; None unless it is exactly one."""
        type_, _, criteria = reference.partition("?")
        try:
            found = self.find(type_, criteria)
        except FhirError:
            return None
        return None if found is None else f"{type_}/{found}"

    def is_there(self, type_: str, id_: str) -> bool:
        """Whether there is such a resource to be changed, as far as consent lets the writer know.

        Whether the token may change resources of its type is for whoever took the request.
        """
        return self._graph("read", self._consent_alone).get(type_, id_) is not None

    def may_refer_to(self, type_: str, id_: str) -> bool:
        """Whether what is written may lead there."""
        if type_ == "Patient" and self.is_patient(id_):
            return True
        return self._graph("read", self._writer.limits).get(type_, id_) is not None

    def is_patient(self, local: str) -> bool:
        """Whether records may be written for a patient of that id."""
        return self.keeps_records or self.is_there("Patient", local)

    def current(self, type_: str, id_: str) -> Opened | None:
        """The newest version, for a patch: whoever patches must be able to read."""
        seen = self._reach("read", self._writer.limits)
        opened = None if seen is None else seen.open_version(type_, id_)
        return None if opened is None or opened.deleted else opened

    @property
    def _consent_alone(self) -> Limits:
        return Limits(patient=self._writer.limits.patient)

    def _graph(self, action: Action, limits: Limits) -> Graph:
        if self.keeps_records:
            return Everything(self._vault, self._at)
        seen = self._reach(action, limits)
        if seen is None:
            raise RuntimeError("who keeps no records has a reach")
        return seen

    def _reach(self, action: Action, limits: Limits) -> Reach | None:
        if (action, limits) not in self._seen:
            reach = self._writer.reach
            self._seen[action, limits] = (
                None if reach is None else self._owned.enter_context(reach(action, limits))
            )
        return self._seen[action, limits]


@contextmanager
def finding(writer: Writer, directory: Directory, organisation: Organisation) -> Iterator[Finding]:
    """What the writer finds while the block lasts; what was opened is noted at its end."""
    with ExitStack() as owned:
        yield Finding(writer, directory, organisation, owned)


def looks_further(bundle: Bundle, directory: Directory) -> bool:
    """Whether what a plan finds may depend on what is being stored at this moment."""

    def is_quiet(type_: str, criteria: str | None) -> bool:
        return not criteria or directory.answers(type_, criteria)

    return any(
        one.method == "PATCH"
        or not is_quiet(one.type, one.condition or one.if_none_exist)
        or not all(_is_quiet_reference(each, directory) for each in one.references)
        for one in bundle.entries
    )


def _is_quiet_reference(reference: str, directory: Directory) -> bool:
    type_, _, criteria = reference.partition("?")
    return not is_conditional(reference) or directory.answers(type_, criteria)
