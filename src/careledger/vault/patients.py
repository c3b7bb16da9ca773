"""The patients of one custodian: who they are here, their keys, and which two are one person.

Everything readable about a patient is in a card sealed under that patient's own key, so shredding
the key erases it too. Columns beside it are for finding only and are checked against the card.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.ledger.errors import CorruptStore, Malformed
from careledger.ledger.record import AccountId, Instant, MemberId, decode_trusted, encode
from careledger.vault.bounded import Bounded
from careledger.vault.card import Card
from careledger.vault.datakeys import INDEX_OWNER, DataKeys
from careledger.vault.errors import (
    AccountShredded,
    AlreadyBound,
    NotMergeable,
    NotRegistered,
    Tampered,
)
from careledger.vault.keystore import KeyStore
from careledger.vault.objects import (
    CARD,
    DIRECTORY,
    BlindName,
    PatientRef,
    blind,
    seal,
    unseal,
)
from careledger.vault.rows import Rows, Step
from careledger.vault.schema import vault_id

_CACHED_PATIENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Patient:
    """A patient whose key is at hand."""

    ref: PatientRef
    account: AccountId
    key: AESGCM
    card: Card


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a resource is: its own account first, then those that this patient is merged into."""

    patient: PatientRef
    accounts: tuple[AccountId, ...]
    """Empty for the directory."""


class Patients:
    """The patients in keys.sqlite. Unwrapped keys stay in memory, a bounded number of them."""

    def __init__(self, rows: Rows, store: KeyStore, custodian: MemberId) -> None:
        """Use `rows`; the first time, make the vault's own keys."""
        self._rows, self._custodian = rows, custodian
        self._keys = DataKeys(rows, store, custodian)
        self._cache = Bounded[PatientRef, Patient](_CACHED_PATIENTS)
        self._refs = Bounded[tuple[str, str], PatientRef](_CACHED_PATIENTS * 2)
        if vault_id(rows) is None:
            self._keys.found()
        self._joined: frozenset[PatientRef] | None = None
        self.vault_id = vault_id(rows) or b""
        self.index_key = self._keys.get(INDEX_OWNER)

    def register_all(self, people: Sequence[tuple[str, AccountId]]) -> list[PatientRef]:
        """Bind local ids to accounts, each with a new key; one durable write for all.

        Whoever is bound already in the same way is left as is.

        Raises:
            AlreadyBound: the local id or the account belongs to another patient.
            AccountShredded: the account was shredded here.
        """
        bound, steps = dict[tuple[str, AccountId], PatientRef](), list[Step]()
        for local, account in people:
            known = bound.get((local, account)) or self._bound(local, account)
            if known is None:
                if self.is_shredded(account):
                    raise AccountShredded
                known = PatientRef(secrets.token_bytes(16))
                steps += self._new_patient(known, local, account)
            bound[local, account] = known
        for one_of_each in zip(*bound, strict=True):
            if len(set(one_of_each)) < len(bound):
                raise AlreadyBound("one local id, one account")
        if steps:
            self._rows.write(steps)
        return [bound[pair] for pair in people]

    def by_local(self, local: str) -> PatientRef | None:
        """The patient of that local id."""
        return self._find("local", local)

    def by_account(self, account: AccountId) -> PatientRef | None:
        """The patient that `account` is bound to."""
        return self._find("account", account)

    def patient(self, ref: PatientRef) -> Patient:
        """The patient, with the key unwrapped.

        Raises:
            NotRegistered: no such patient, or shredded.
            Tampered: the card or the key is not the one that was stored.
        """
        known = self._cache.get(ref)
        if known is None:
            known = self._directory() if ref == DIRECTORY else self._load(ref)
            self._cache.put(ref, known)
        return known

    def family(self, ref: PatientRef) -> list[Patient]:
        """The patient and all who are merged into that one, first itself."""
        found = [self.patient(ref)]
        if ref not in self.joined():
            return found
        for member in found:  # grows while it is read
            for (row,) in self._rows.read(
                "SELECT patient FROM patients WHERE merged_into = ? ORDER BY patient", [member.ref]
            ):
                child = self.patient(PatientRef(bytes(row)))
                if child.card.merged_into != member.ref or child in found:
                    raise Tampered("a merge")
                found.append(child)
        return found

    def joined(self) -> frozenset[PatientRef]:
        """Whoever is merged into somebody, or somebody into them."""
        if self._joined is None:
            found = self._rows.read(
                "SELECT patient, merged_into FROM patients WHERE merged_into IS NOT NULL"
            )
            self._joined = frozenset(PatientRef(bytes(ref)) for row in found for ref in row)
        return self._joined

    def owner(self, ref: PatientRef) -> Owner | None:
        """The patient's account, and those of whom it is merged into; None without a key."""
        if ref != DIRECTORY and not self._is_here(ref):
            return None
        accounts, at = list[AccountId](), ref
        while at != DIRECTORY:
            patient = self.patient(at)
            if patient.account in accounts:
                raise Tampered("a merge")
            accounts.append(patient.account)
            parent = patient.card.merged_into
            if parent is None or not self._is_here(PatientRef(parent)):
                break
            at = PatientRef(parent)
        return Owner(ref, tuple(accounts))

    def all(self) -> list[PatientRef]:
        """Every patient."""
        found = self._rows.read("SELECT patient FROM patients ORDER BY patient")
        return [PatientRef(ref) for (ref,) in found]

    def is_new(self) -> bool:
        """Whether there has never been a patient here."""
        return not self._rows.read(
            "SELECT 1 FROM patients UNION ALL SELECT 1 FROM tombstones LIMIT 1"
        )

    def merge(self, source: PatientRef, into: PatientRef, at: Instant) -> None:
        """From now on, `source` is the same person as `into`; nothing is sealed anew.

        Raises:
            NotMergeable: `source` is merged already, or `into` is merged into it.
        """
        child, parent = self.patient(source), self.patient(into)
        if child.card.merged_into is not None or DIRECTORY in (source, into):
            raise NotMergeable("unmerge it first")
        if any(parent.ref == member.ref for member in self.family(source)):
            raise NotMergeable("a circle")
        self._save_card(child, child.card.merged(into, at))

    def unmerge(self, source: PatientRef, at: Instant) -> None:
        """Undo `merge`; each record is again only its own patient's, also what came meanwhile."""
        child = self.patient(source)
        if child.card.merged_into is not None:
            self._save_card(child, child.card.unmerged(at))

    def destroy_steps(self, account: AccountId, transaction: bytes) -> list[Step]:
        """What erases the patient of `account` and leaves a tombstone, even for one unknown."""
        name = self._account(account)
        ref = self._find("account", account)
        mark = (name, ref, transaction, 0)
        return [
            Step("DELETE FROM keys WHERE owner = ?", [(ref,)]),
            Step("DELETE FROM patients WHERE patient = ?", [(ref,)]),
            Step(
                "INSERT INTO tombstones VALUES (?, ?, ?, ?) "
                "ON CONFLICT (account) DO UPDATE SET swept = 0",
                [mark],
            ),
        ]

    def forget(self) -> None:
        """Drop every key from memory."""
        self._joined = None
        self._cache.clear()
        self._refs.clear()

    def is_shredded(self, account: AccountId) -> bool:
        """Whether a tombstone stands for `account`."""
        name = self._account(account)
        return bool(self._rows.read("SELECT 1 FROM tombstones WHERE account = ?", [name]))

    def rewrap(self) -> int:
        """See `DataKeys.rewrap`."""
        return self._keys.rewrap()

    def _is_here(self, ref: PatientRef) -> bool:
        return self._cache.get(ref) is not None or bool(
            self._rows.read("SELECT 1 FROM patients WHERE patient = ?", [ref])
        )

    def _new_patient(self, ref: PatientRef, local: str, account: AccountId) -> list[Step]:
        key, keep = self._keys.new(ref)
        card = encode(Card(local=local, account=account))
        sealed = seal(AESGCM(key), card, self._card_binding(ref))
        row = (ref, self._local(local), self._account(account), None, sealed)
        return [keep, Step("INSERT INTO patients VALUES (?, ?, ?, ?, ?)", [row])]

    def _load(self, ref: PatientRef) -> Patient:
        found = self._rows.read(
            "SELECT local, account, merged_into, card FROM patients WHERE patient = ?", [ref]
        )
        if not found:
            raise NotRegistered
        local, account, merged_into, sealed = found[0]
        key = AESGCM(self._keys.get(ref))
        card = self._open_card(key, ref, sealed)
        patient = Patient(ref, AccountId(card.account), key, card)
        expected = self._local(card.local), self._account(patient.account), card.merged_into
        if (local, account, merged_into) != expected:
            raise Tampered("a patient's row")
        return patient

    def _open_card(self, key: AESGCM, ref: PatientRef, sealed: bytes) -> Card:
        plain = unseal(key, sealed, self._card_binding(ref), "a patient's card")
        try:
            return decode_trusted(plain, Card)
        except (msgspec.ValidationError, Malformed) as error:
            raise CorruptStore("a patient's card") from error

    def _save_card(self, patient: Patient, card: Card) -> None:
        sealed = seal(patient.key, encode(card), self._card_binding(patient.ref))
        self._cache.drop(patient.ref)
        self._joined = None
        self._rows.write(
            [
                Step(
                    "UPDATE patients SET merged_into = ?, card = ? WHERE patient = ?",
                    [(card.merged_into, sealed, patient.ref)],
                )
            ]
        )

    def _directory(self) -> Patient:
        key = AESGCM(self._keys.get(DIRECTORY))
        return Patient(DIRECTORY, AccountId(""), key, Card(local="", account=""))

    def _bound(self, local: str, account: AccountId) -> PatientRef | None:
        known, other = self.by_local(local), self.by_account(account)
        if known != other:
            raise AlreadyBound("one local id, one account")
        return known

    def _find(self, column: str, text: str) -> PatientRef | None:
        """The patient with this local id or account, found by its blind name."""
        known = self._refs.get((column, text))
        if known is None:
            name = blind(self.index_key, column, text)
            found = self._rows.read(f"SELECT patient FROM patients WHERE {column} = ?", [name])  # noqa: S608 - our own two columns
            if not found:
                return None
            known = PatientRef(bytes(found[0][0]))
            self._refs.put((column, text), known)
        return known

    def _local(self, local: str) -> BlindName:
        return blind(self.index_key, "local", local)

    def _account(self, account: AccountId) -> BlindName:
        return blind(self.index_key, "account", account)

    def _card_binding(self, ref: PatientRef) -> bytes:
        return encode((CARD, self._custodian, ref))
