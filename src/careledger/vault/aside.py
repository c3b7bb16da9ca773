"""Sealing under a patient's key what lies beside the vault: it dies with the key, like the record.

`spec/vault-object.md` has the format. Whoever keeps such things decides who may open them.
"""

from threading import RLock
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.ledger.record import MemberId, encode
from careledger.vault.objects import PatientRef, seal, unseal
from careledger.vault.patients import Patients

ASIDE: Final = "careledger vault aside v1"


class Aside:
    """Seals and opens for one vault; any thread may call."""

    def __init__(self, lock: RLock, patients: Patients, custodian: MemberId) -> None:
        """Use the keys of `patients`, one caller at a time."""
        self._lock, self._patients, self._custodian = lock, patients, custodian

    def seal(self, patient: PatientRef, plain: bytes, place: bytes) -> bytes:
        """Seal `plain` so that it opens for this patient and `place` alone.

        Raises:
            NotRegistered: no such patient, or shredded.
        """
        return seal(self._key(patient), plain, self._binding(patient, place))

    def open(self, patient: PatientRef, sealed: bytes, place: bytes) -> bytes:
        """Inverse of `seal`.

        Raises:
            NotRegistered: no such patient, or shredded.
            Tampered: altered, or it belongs elsewhere.
        """
        key = self._key(patient)
        return unseal(key, sealed, self._binding(patient, place), "something beside the vault")

    def _key(self, patient: PatientRef) -> AESGCM:
        with self._lock:
            return self._patients.patient(patient).key

    def _binding(self, patient: PatientRef, place: bytes) -> bytes:
        return encode((ASIDE, self._custodian, patient, place))
