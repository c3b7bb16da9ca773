"""The vault: clinical resources go in sealed and come out by a permit only.

One process has it open; any of its threads may call. Time is passed in. `put` is durable when it
returns, all of it or none. Absent and forbidden look alike: both are None.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import RLock
from typing import Final

from careledger.fhir import index as fhir
from careledger.fhir.search.values import forget_values
from careledger.ledger.errors import LedgerError
from careledger.ledger.record import AccountId, Digest, Instant, MemberId
from careledger.vault.aside import Aside
from careledger.vault.bodies import Bodies, Body, Move, Standing
from careledger.vault.commitments import Commitments, CommittedBatch, Pending
from careledger.vault.deposit import Arrival, Depositor, Stored
from careledger.vault.families import Families
from careledger.vault.history import Historian
from careledger.vault.indexes import Indexes
from careledger.vault.introduction import introduce
from careledger.vault.keystore import KeyStore
from careledger.vault.objects import DIRECTORY, PatientRef
from careledger.vault.opening import Opened, Opener
from careledger.vault.reading import Reading
from careledger.vault.registry import Registry
from careledger.vault.reindex import Reindexer
from careledger.vault.rows import Rows, Step
from careledger.vault.schema import MARK_BACKUP
from careledger.vault.shredding import Shredded, Shredder
from careledger.vault.upkeep import Upkeep

INDEX_BYTES: Final = 400_000_000
"""How much memory the opened indexes may take by default, about."""


class Vault(Registry, Reading, Upkeep):
    """The vault of one custodian."""

    def __init__(
        self,
        data: Rows,
        keys: Rows,
        store: KeyStore,
        custodian: MemberId,
        *,
        index_bytes: int = INDEX_BYTES,
        replay: Sequence[Shredded] | None = None,
    ) -> None:
        """Open the two files and finish what an interrupted shredding left.

        `replay` is for `restore` alone: what to shred in a backup before anything opens.

        Raises:
            WrongVault: they do not belong together.
            NeedsReplay: one of them is a backup.
        """
        lock = RLock()
        patients = introduce(data, keys, store, custodian, replaying=replay is not None)
        Registry.__init__(self, lock, data, patients, Families(keys, patients))
        self.custodian, self._keys = custodian, keys
        self.aside = Aside(lock, patients, custodian)
        """Seals what lies beside the vault."""
        self._shredder = Shredder(data, keys, self._patients, custodian)
        self._shredder.shred(*(replay or ()))
        self._indexes = Indexes(data, custodian, index_bytes)
        self._commitments = Commitments(data)
        self._depositor = Depositor(data, self._patients, self._indexes, custodian)
        reindexer = Reindexer(data, self._patients, self._indexes, custodian)
        self._bodies = Bodies(data, self._patients, self._indexes, self._commitments, custodian)
        opener = Opener(data, self._patients, self._indexes, self._commitments, custodian)
        Reading.__init__(self, lock, opener, Historian(data, self._patients, opener))
        Upkeep.__init__(self, lock, data, patients, self._indexes, reindexer, self._store)

    # --- in ----------------------------------------------------------------------------------

    def put(self, arrivals: Sequence[Arrival], at: Instant) -> list[Stored]:
        """Seal, index and commit; all of it is durable when this returns, or none of it.

        Raises:
            NoOwner: clinical data without a patient.
            NotRegistered: no such patient, or shredded.
            WrongOwner: the resource is another patient's.
            WrongFacts: the facts are of another resource.
            VersionConflict: it is not at the version that was expected.
            Unavailable: the disk failed; read before putting it again.
        """
        with self._lock:
            deposit = self._depositor.prepare(arrivals, at, self._commitments.next_seq)
            self._store(deposit.steps)
            self._commitments.next_seq += len(arrivals)
            for ref, entries in deposit.entries.items():
                self._indexes.appended(ref, entries)
            return deposit.stored

    def bring_here(self, bodies: Sequence[Body]) -> int:
        """Take in bytes that were elsewhere: no new version, one durable write; how many it were.

        Raises:
            WrongBody: not the bytes that were committed to, or no such version; nothing was done.
        """
        with self._lock:
            return self._moved(self._bodies.prepare(bodies, elsewhere=False))

    def send_away(self, bodies: Sequence[Body]) -> int:
        """Keep these bytes no longer: they are elsewhere as well. The inverse of `bring_here`.

        `bodies` as they were read there: what differs from the commitment is refused.

        Raises:
            WrongBody: not the bytes that were committed to, or no such version; nothing was done.
        """
        with self._lock:
            return self._moved(self._bodies.prepare(bodies, elsewhere=True))

    def standing(
        self, type_: str, id_: str, data: bytes, is_known: Callable[[fhir.Facts], bool]
    ) -> Standing | None:
        """How the newest version stands to `data`, which another server has; None without one.

        For whoever takes in what that server has: nothing of the resource comes out. `is_known`
        says whether its facts are those of `data`.
        """
        with self._lock:
            return self._bodies.standing(type_, id_, data, is_known)

    def bodies_to_send(self, patient: PatientRef | None) -> list[Body]:
        """The newest versions that are kept here, of a patient or of the directory.

        Without a permit: for the organisation alone, which moves them to a store of its own.

        Raises:
            Tampered: what is stored is not what was put.
        """
        with self._lock:
            return self._bodies.held(DIRECTORY if patient is None else patient)

    def commitment_matches(self, opened: Opened, data: bytes) -> bool:
        """Whether `data`, kept elsewhere, are the bytes that `opened` was committed to with."""
        with self._lock:
            return self._bodies.matches(opened, data)

    # --- commitments -------------------------------------------------------------------------

    def unbatched(self, limit: int = 10_000, after: int = -1) -> list[Pending]:
        """The oldest commitments in no batch yet, beyond number `after`, in order."""
        with self._lock:
            return self._commitments.pending(limit, after)

    def batch_committed(self, batch: CommittedBatch, commitments: Sequence[Digest]) -> None:
        """Record that the ledger committed to these, a run of `unbatched`; twice changes nothing.

        Raises:
            NotOurBatch: they are not pending here, or have another root.
        """
        with self._lock:
            try:
                self._commitments.record(batch, commitments)
            except LedgerError:
                self._recover()
                raise

    # --- the end -----------------------------------------------------------------------------

    def shred(self, evidence: Shredded) -> None:
        """Destroy a patient's key, and everything sealed under it; on return no trace is left.

        Raises:
            NotOurShred: about another custodian, or a legal hold was in force.
        """
        with self._lock:
            self._families.forget()
            self._owners.clear()
            self._indexes.forget()
            forget_values()
            self._shredder.shred(evidence)

    def is_shredded(self, account: AccountId) -> bool:
        """Whether the account's patient was shredded here."""
        with self._lock:
            return self._patients.is_shredded(account)

    def rewrap(self) -> int:
        """After a rotation: wrap every key under the current one; how many were not yet."""
        with self._lock:
            return self._patients.rewrap()

    def expire(self, at: Instant) -> None:
        """Forget the indexes that no live permit holds open; call it now and then."""
        with self._lock:
            self._indexes.expire(at)

    def backup_data(self, path: Path) -> None:
        """Copy the sealed data to a new file; take it before the keys, so that none is missing."""
        with self._lock:
            self._data.backup(path, [MARK_BACKUP])

    def backup_keys(self, path: Path) -> None:
        """Copy the wrapped keys to a new file, to be kept apart from the data."""
        with self._lock:
            self._keys.backup(path, [MARK_BACKUP])

    def close(self) -> None:
        """Let go of keys and files."""
        with self._lock:
            self._patients.forget()
            self._indexes.forget()
            self._data.close()
            self._keys.close()

    def _moved(self, move: Move) -> int:
        self._store(move.steps)
        for ref, entries in move.entries.items():
            self._indexes.appended(ref, entries)
        return move.moved

    def _store(self, steps: Sequence[Step]) -> None:
        """Write, or else find out afterwards what is there now."""
        try:
            self._data.write(steps)
        except LedgerError:
            self._recover()
            raise

    def _recover(self) -> None:
        self._families.forget()
        self._owners.clear()
        self._indexes.forget()
        self._patients.forget()
        self._commitments.reload()
