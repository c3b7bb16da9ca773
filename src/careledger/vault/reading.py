"""The vault's ways out: each takes a permit, or comes from the directory, and holds the lock."""

from collections.abc import Sequence
from threading import RLock

from careledger.fhir import index as fhir
from careledger.ledger.commitment import Opening
from careledger.ledger.record import Instant
from careledger.mechanisms.policy import Permit
from careledger.vault.commitments import CommittedBatch
from careledger.vault.history import Historian
from careledger.vault.index import Entry, Predicate
from careledger.vault.objects import PatientRef
from careledger.vault.opening import Opened, Opener, Sees, Version


class Reading:
    """What may be asked of a vault; the part of `Vault` that gives something away."""

    def __init__(self, lock: RLock, opener: Opener, historian: Historian) -> None:
        """Ask `opener` and `historian`, one caller at a time."""
        self._lock, self._opener, self._historian = lock, opener, historian

    def open(
        self,
        permit: Permit,
        type_: str,
        id_: str,
        version: int | None = None,
        *,
        at: Instant,
        sees: Sees | None = None,
    ) -> Opened | None:
        """The resource, or the version asked for; None if it is absent or not covered.

        An older version is covered only if the newest is too: a label given later holds for all.
        What `sees` lets through likewise, if it is given.

        Raises:
            Tampered: what is stored is not what was put.
        """
        with self._lock:
            return self._opener.open(permit, type_, id_, version, at, sees)

    def open_each(
        self, permit: Permit, wanted: Sequence[Version], *, at: Instant
    ) -> list[Opened | None]:
        """What `open` gives for each of these versions, in their order, read together.

        Raises:
            Tampered: what is stored is not what was put.
        """
        with self._lock:
            return self._opener.open_each(permit, wanted, at)

    def entry(self, permit: Permit, type_: str, id_: str, at: Instant) -> Entry | None:
        """What the index knows of the newest version, a deletion too; no resource is opened.

        None if it is absent or not covered.

        Raises:
            Tampered: the index is not what was put.
        """
        with self._lock:
            return self._opener.entry(permit, type_, id_, at)

    def search(
        self, permit: Permit, matches: Predicate, at: Instant, type_: str | None = None
    ) -> list[Entry]:
        """The newest versions of a type (None: of any) that match and that the permit covers.

        Deletions are not among them.

        Raises:
            Tampered: the index is not what was put.
        """
        with self._lock:
            return self._opener.search(permit, matches, at, type_)

    def history(
        self,
        permit: Permit | None,
        type_: str | None = None,
        id_: str | None = None,
        *,
        before: int | None = None,
        since: Instant | None = None,
        limit: int,
        at: Instant,
    ) -> list[Opened]:
        """At most `limit` versions, deletions too, the newest first by `Opened.seq`.

        Of one resource, one type, or all that the permit opens; without one, of the directory.
        `before`: below this number only, the last of the page before. `since`: stored then or
        later. A version is in it if the newest of its resource is covered and it itself is.

        Raises:
            Tampered: what is stored is not what was put.
        """
        with self._lock:
            return self._historian.versions(
                permit, type_, id_, before=before, since=since, limit=limit, at=at
            )

    def open_directory(self, type_: str, id_: str, version: int | None = None) -> Opened | None:
        """A resource that belongs to no patient; nothing else can come out of here."""
        with self._lock:
            return self._opener.open(None, type_, id_, version, 0)

    def entry_directory(self, type_: str, id_: str) -> Entry | None:
        """What the index knows of a resource that belongs to no patient, a deletion too."""
        with self._lock:
            return self._opener.entry(None, type_, id_, 0)

    def search_directory(self, matches: Predicate, type_: str | None = None) -> list[Entry]:
        """The newest versions that match of what belongs to no patient."""
        with self._lock:
            return self._opener.search(None, matches, 0, type_)

    def attachments(self, patient: PatientRef, at: Instant) -> dict[str, list[fhir.Facts]]:
        """By `Binary/id`, the facts of what has it as its content, deleted or not.

        For whoever decides whether the Binary may be opened; nothing of it goes out.
        """
        with self._lock:
            return self._opener.attachments(patient, at)

    def locate(
        self, patient: PatientRef | None, matches: Predicate, at: Instant
    ) -> list[tuple[str, str, int]]:
        """Type, id and version of what matches, for conditional references and updates."""
        with self._lock:
            return self._opener.locate(patient, matches, at)

    def opening(self, opened: Opened) -> tuple[CommittedBatch, Opening] | None:
        """What proves that the ledger committed to what was opened; None until it is in a batch.

        Bytes that are elsewhere must have been put into `opened`, or it counts as tampered with.

        Raises:
            Tampered: the commitment stored is not the one to these bytes.
        """
        with self._lock:
            return self._opener.opening(opened)
