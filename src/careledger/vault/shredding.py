"""Erasing a patient: the key, the salts, the sealed records and the index, beyond any backup.

The keys file comes first: from its commit on nothing opens any more, whatever happens next. What
the data file still holds is swept afterwards, and again at every start, until it is done.
"""

from dataclasses import dataclass

from careledger.ledger.record import AccountId, MemberId, TransactionId
from careledger.vault.errors import NotOurShred
from careledger.vault.objects import PatientRef
from careledger.vault.patients import Patients
from careledger.vault.rows import Rows, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Shredded:
    """Evidence, read from committed blocks, that the custodian's `ShredRecords` happened."""

    custodian: MemberId
    account: AccountId
    transaction: TransactionId
    """The transaction that holds the event."""
    legal_hold: bool
    """Whether a legal hold was in force at that position; then nothing may be shredded."""


class Shredder:
    """Erases in both files of one vault."""

    def __init__(self, data: Rows, keys: Rows, patients: Patients, custodian: MemberId) -> None:
        """Erase `patients` of `custodian`."""
        self._data, self._keys = data, keys
        self._patients, self._custodian = patients, custodian

    def shred(self, *evidence: Shredded) -> None:
        """Destroy the keys that the evidence speaks of, and then everything sealed under them.

        An account that is unknown here gets its tombstone too: it cannot be registered later.

        Raises:
            NotOurShred: about another custodian, or under legal hold; nothing was done.
        """
        for one in evidence:
            if one.custodian != self._custodian:
                raise NotOurShred("custodian", expected=self._custodian, actual=one.custodian)
            if one.legal_hold:
                raise NotOurShred("a legal hold was in force")
        steps = list[Step]()
        for one in evidence:
            steps += self._patients.destroy_steps(one.account, one.transaction)
        self._patients.forget()
        if steps:
            self._keys.write(steps)
        self.sweep()

    def sweep(self) -> list[PatientRef]:
        """Finish what a tombstone began; whom it erased."""
        unswept = self._keys.read("SELECT account, patient FROM tombstones WHERE swept = 0")
        if not unswept:
            return []
        self._keys.purge(rewrite=True)
        refs = [PatientRef(patient) for _, patient in unswept if patient is not None]
        rows = [(ref,) for ref in refs]
        self._data.write(
            [
                Step("DELETE FROM objects WHERE patient = ?", rows),
                Step("DELETE FROM segments WHERE patient = ?", rows),
            ]
        )
        self._data.purge(rewrite=False)
        done = [(account,) for account, _ in unswept]
        self._keys.write([Step("UPDATE tombstones SET swept = 1 WHERE account = ?", done)])
        return refs
