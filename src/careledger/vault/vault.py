"""The vault: clinical resources go in sealed and come out by a permit only.

One process has it open; any of its threads may call. Time is passed in. `put` is durable when it
returns, all of it or none. Absent and forbidden look alike: both are None.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import RLock
from typing import Final

from careledger.fhir import index as fhir
from careledger.ledger.errors import LedgerError
from careledger.ledger.record import AccountId, Digest, Instant, MemberId
from careledger.vault.commitments import Commitments, CommittedBatch, Pending
from careledger.vault.deposit import Arrival, Depositor, Stored
from careledger.vault.families import Families
from careledger.vault.history import Historian
from careledger.vault.indexes import Indexes
from careledger.vault.keystore import KeyStore
from careledger.vault.objects import DIRECTORY, PatientRef, resource_name
from careledger.vault.opening import Opener
from careledger.vault.patients import Owner, introduce
from careledger.vault.reading import Reading
from careledger.vault.reindex import Damage, Reindexer
from careledger.vault.rows import Rows, Step
from careledger.vault.schema import INDEX_IS_CURRENT, MARK_BACKUP, is_index_current
from careledger.vault.shredding import Shredded, Shredder

INDEX_BYTES: Final = 400_000_000
"""How much memory the opened indexes may take by default, about."""


class Vault(Reading):
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
        self.custodian, self._data, self._keys, self._lock = custodian, data, keys, RLock()
        self._patients = introduce(data, keys, store, custodian, replaying=replay is not None)
        self._shredder = Shredder(data, keys, self._patients, custodian)
        self._shredder.shred(*(replay or ()))
        self._indexes = Indexes(data, custodian, index_bytes)
        self._commitments = Commitments(data)
        self._depositor = Depositor(data, self._patients, self._indexes, custodian)
        self._reindexer = Reindexer(data, self._patients, self._indexes, custodian)
        self._families = Families(keys, self._patients)
        opener = Opener(data, self._patients, self._indexes, self._commitments, custodian)
        super().__init__(self._lock, opener, Historian(data, self._patients, opener))
        if not is_index_current(data):
            self._rebuild_all()

    # --- patients ----------------------------------------------------------------------------

    def register(self, local: str, account: AccountId) -> PatientRef:
        """Bind a local id to an account; see `register_all`."""
        return self.register_all([(local, account)])[0]

    def register_all(self, people: Sequence[tuple[str, AccountId]]) -> list[PatientRef]:
        """Bind local ids to accounts, each with a new key; one durable write for all.

        Raises:
            AlreadyBound: the local id or the account belongs to another patient.
            AccountShredded: the account was shredded here.
        """
        with self._lock:
            self._families.forget()
            return self._patients.register_all(people)

    def patient(self, local: str) -> PatientRef | None:
        """The patient of a local id."""
        with self._lock:
            return self._patients.by_local(local)

    def patient_of(self, account: AccountId) -> PatientRef | None:
        """The patient that `account` is bound to."""
        with self._lock:
            return self._patients.by_account(account)

    def account_of(self, patient: PatientRef) -> AccountId:
        """The account that the patient is bound to.

        Raises:
            NotRegistered: no such patient, or shredded.
        """
        with self._lock:
            return self._patients.patient(patient).account

    def patients(self) -> list[tuple[str, AccountId]]:
        """Local id and account of every patient."""
        with self._lock:
            found = map(self._patients.patient, self._patients.all())
            return [(patient.card.local, patient.account) for patient in found]

    def owner(self, type_: str, id_: str) -> Owner | None:
        """Whose the resource is, for whoever must decide before it may be opened.

        None if there is no such resource; the directory's owner has no accounts.
        """
        with self._lock:
            name = resource_name(self._patients.index_key, type_, id_)
            found = self._data.read("SELECT patient FROM objects WHERE name = ? LIMIT 1", [name])
            ref = PatientRef(found[0][0]) if found else None
            return None if ref is None else self._patients.owner(ref)

    def families(self) -> list[list[Owner]]:
        """Every person, as the patients that are one: first who is merged into nobody."""
        with self._lock:
            return self._families.all()

    def family(self, patient: PatientRef) -> list[Owner]:
        """Whose records are the patient's: their own, then those of whoever is merged into them."""
        with self._lock:
            return self._families.of(patient)

    def is_joined(self, patient: PatientRef) -> bool:
        """Whether the patient is merged into somebody, or somebody into them."""
        with self._lock:
            return patient in self._families.joined()

    def merge(self, source: PatientRef, into: PatientRef, at: Instant) -> None:
        """From now on a permit for `into` opens what `source` has; nothing is sealed anew.

        Raises:
            NotMergeable: `source` is merged already, or `into` is merged into it.
        """
        with self._lock:
            self._families.forget()
            self._patients.merge(source, into, at)

    def unmerge(self, source: PatientRef, at: Instant) -> None:
        """Undo `merge`; each record is again only its own patient's."""
        with self._lock:
            self._families.forget()
            self._patients.unmerge(source, at)

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
            self._write(deposit.steps)
            self._commitments.next_seq += len(arrivals)
            for ref, entries in deposit.entries.items():
                self._indexes.appended(ref, entries)
            return deposit.stored

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

    def check(self) -> list[Damage]:
        """Open everything once and compare it with its commitment; what is wrong, if anything."""
        with self._lock:
            return list(self._reindexer.check())

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
            self._indexes.forget()
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

    def _rebuild_all(self) -> None:
        """Bring the indexes that an earlier release wrote to today's form; again if interrupted."""
        held = {bytes(ref) for (ref,) in self._data.read("SELECT DISTINCT patient FROM objects")}
        for ref in (DIRECTORY, *self._patients.all()):
            if ref in held:
                self._write(self._reindexer.rebuild(ref, None)[0])
        self._data.write([INDEX_IS_CURRENT])

    def _write(self, steps: Sequence[Step]) -> None:
        """Write, or else find out afterwards what is there now."""
        try:
            self._data.write(steps)
        except LedgerError:
            self._recover()
            raise

    def _recover(self) -> None:
        self._families.forget()
        self._indexes.forget()
        self._patients.forget()
        self._commitments.reload()
