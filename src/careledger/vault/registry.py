"""Who the patients of a vault are: local ids, accounts, and which of them are one person."""

from collections.abc import Sequence
from threading import RLock
from typing import Final

from careledger.ledger.record import AccountId, Instant
from careledger.vault.bounded import Bounded
from careledger.vault.families import Families
from careledger.vault.objects import BlindName, PatientRef, resource_name
from careledger.vault.patients import Owner, Patients
from careledger.vault.rows import Rows

_REMEMBERED: Final = 50_000
"""Of so many resources it is remembered whose they are: blind names, as the file has them."""


class Registry:
    """The part of `Vault` that knows people; it gives away nothing of what they have."""

    def __init__(self, lock: RLock, data: Rows, patients: Patients, families: Families) -> None:
        """Answer from `patients` and `families`, one caller at a time."""
        self._lock, self._data = lock, data
        self._patients, self._families = patients, families
        self._owners = Bounded[BlindName, PatientRef](_REMEMBERED)

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

    def local_of(self, patient: PatientRef) -> str:
        """The local id of the patient.

        Raises:
            NotRegistered: no such patient, or shredded.
        """
        with self._lock:
            return self._patients.patient(patient).card.local

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
            ref = self._owners.get(name)
            if ref is None:  # what is there never changes hands; what is not may come
                statement = "SELECT patient FROM objects WHERE name = ? LIMIT 1"
                found = self._data.read(statement, [name])
                if not found:
                    return None
                ref = PatientRef(bytes(found[0][0]))
                self._owners.put(name, ref)
            return self._patients.owner(ref)

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
