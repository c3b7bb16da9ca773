"""What is done to all of a vault now and then: index it anew, and look for damage."""

from collections.abc import Callable, Iterator, Sequence
from threading import RLock

from careledger.fhir import index as fhir
from careledger.vault.indexes import Indexes
from careledger.vault.objects import DIRECTORY, PatientRef
from careledger.vault.patients import Patients
from careledger.vault.reindex import Damage, Reindexer
from careledger.vault.rows import Rows, Step
from careledger.vault.schema import (
    CLEAR_REINDEXED,
    INDEX_FORM,
    INDEX_RULES,
    REINDEXED,
    read_meta,
    set_meta,
)


class Upkeep:
    """The part of `Vault` that reads everything and gives nothing of it away."""

    def __init__(
        self,
        lock: RLock,
        data: Rows,
        patients: Patients,
        indexes: Indexes,
        reindexer: Reindexer,
        write: Callable[[Sequence[Step]], None],
    ) -> None:
        """Make indexes of an earlier release anew; if interrupted, again the next time."""
        self._lock, self._data, self._write = lock, data, write
        self._patients, self._indexes, self._reindexer = patients, indexes, reindexer
        if read_meta(data, "index") != INDEX_FORM:
            self._rebuild_all()

    def reindex(
        self, patient: PatientRef | None, extract: Callable[[bytes], fhir.Facts] | None = None
    ) -> int:
        """Rebuild an index from the sealed objects, with new facts if `extract` finds them.

        Returns how many versions there are. All of it is durable, or none.

        Raises:
            Tampered: an object does not open.
        """
        with self._lock:
            ref = DIRECTORY if patient is None else patient
            steps, versions = self._reindexer.rebuild(ref, extract)
            self._write(steps)
            self._indexes.drop(ref)
            return versions

    def is_indexed_by(self, rules: str) -> bool:
        """Whether every resource's facts were found by `rules`, as `reindex_all` was told last.

        So they are from now on, if there is nothing here yet. A `reindex_all` by other rules that
        was interrupted begins anew after this.
        """
        with self._lock:
            known = read_meta(self._data, INDEX_RULES)
            if known is None and not self._data.read("SELECT 1 FROM objects LIMIT 1"):
                self._write([set_meta(INDEX_RULES, rules.encode())])
                return True
            if known == rules.encode() and read_meta(self._data, REINDEXED) is not None:
                self._write([CLEAR_REINDEXED])  # what comes in now is not as that would have it
            return known == rules.encode()

    def reindex_all(
        self, extract: Callable[[bytes], fhir.Facts], rules: str
    ) -> Iterator[tuple[int, int]]:
        """Find all facts anew, patient by patient; yields how many of how many are done.

        Each patient is durable before the next. Begun again with the same `rules`, it goes on
        where it stopped.

        Raises:
            Tampered: an object does not open.
        """
        with self._lock:
            refs = [DIRECTORY, *self._patients.all()]
            done = read_meta(self._data, REINDEXED) or b""
        begun = rules.encode() + b"\0"
        for number, ref in enumerate(refs, start=1):
            if begun + ref > done or not done.startswith(begun):
                with self._lock:
                    steps, _ = self._reindexer.rebuild(ref, extract)
                    self._write([*steps, set_meta(REINDEXED, begun + ref)])
                    self._indexes.drop(ref)
            yield number, len(refs)
        with self._lock:
            self._write([set_meta(INDEX_RULES, rules.encode()), CLEAR_REINDEXED])

    def check(self) -> list[Damage]:
        """Open everything once and compare it with its commitment; what is wrong, if anything."""
        with self._lock:
            return list(self._reindexer.check())

    def _rebuild_all(self) -> None:
        held = {bytes(ref) for (ref,) in self._data.read("SELECT DISTINCT patient FROM objects")}
        for ref in (DIRECTORY, *self._patients.all()):
            if ref in held:
                self._write(self._reindexer.rebuild(ref, None)[0])
        self._write([set_meta("index", INDEX_FORM)])
