"""The search index: the facts of each resource, in sealed segments under the patient's key.

Each batch of one patient's resources adds a segment; segments of like size are joined now and then,
so that n batches leave about log n segments and each entry is rewritten about log n times. An index
is opened for as long as a permit is live and then dropped from memory.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from careledger.fhir import index as fhir
from careledger.ledger.errors import CorruptStore
from careledger.ledger.record import Instant, MemberId, encode
from careledger.mechanisms import terms
from careledger.vault.bounded import Bounded
from careledger.vault.errors import Tampered
from careledger.vault.objects import SEGMENT, PatientRef, seal, unseal
from careledger.vault.patients import Patient
from careledger.vault.rows import Rows, Step

FAN_OUT: Final = 8
"""So many segments of one level are joined into one of the next."""

ResourceKey = tuple[str, str]
"""Type and id."""

Predicate = Callable[[fhir.Facts], bool]


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """The newest version of one resource; the facts of a deletion are those before it."""

    type: str
    id: str
    version: int
    deleted: bool
    facts: fhir.Facts


class _Unread(msgspec.Struct, frozen=True, array_like=True):
    """An `Entry` whose facts are carried along without a look."""

    type: str
    id: str
    version: int
    deleted: bool
    facts: msgspec.Raw


OpenIndex = dict[ResourceKey, Entry]

_ENCODER: Final = msgspec.msgpack.Encoder()
_ENTRIES: Final = msgspec.msgpack.Decoder(list[Entry])
_UNREAD: Final = msgspec.msgpack.Decoder(list[_Unread])
_FACTS: Final = msgspec.msgpack.Decoder(fhir.Facts)


def encode_facts(facts: fhir.Facts) -> bytes:
    """Facts as they are sealed with their object (MessagePack)."""
    return _ENCODER.encode(facts)


def decode_facts(data: bytes) -> fhir.Facts:
    """Inverse of `encode_facts`."""
    try:
        return _FACTS.decode(data)
    except msgspec.MsgspecError as error:
        raise CorruptStore("the facts of a resource") from error


def consent_facts(facts: fhir.Facts) -> terms.Facts:
    """What a permit looks at. The consent's periods exclude their end, FHIR's include it."""
    return terms.Facts(
        type=facts.type,
        id=facts.id or "",
        categories=tuple(map("|".join, facts.categories)),
        codes=tuple(map("|".join, facts.codes)),
        labels=tuple(map("|".join, facts.labels)),
        start=facts.start,
        end=None if facts.end is None else facts.end + 1,
        authors=tuple(map(_relative, facts.authors)),
        related=_related(facts),
    )


def _related(facts: fhir.Facts) -> tuple[str, ...]:
    """The encounter it belongs to; an encounter, episode or care plan belongs to itself."""
    related = () if facts.encounter is None else (_relative(facts.encounter),)
    if facts.type in ("Encounter", "EpisodeOfCare", "CarePlan"):
        return (*related, f"{facts.type}/{facts.id}")
    return related


def _relative(reference: str) -> str:
    """`Type/id`, however the reference was written: absolute, or to a version."""
    return "/".join(reference.split("/_history/", maxsplit=1)[0].split("/")[-2:])


@dataclass(frozen=True, slots=True)
class _Opened:
    entries: OpenIndex
    until: Instant


class Indexes:
    """The indexes of all patients; those that a permit opened, bounded in memory."""

    def __init__(self, rows: Rows, custodian: MemberId, limit: int) -> None:
        """Keep at most about `limit` entries in memory."""
        self._rows, self._custodian = rows, custodian
        self._cache = Bounded[PatientRef, _Opened](limit)

    def open(self, patient: Patient, *, until: Instant) -> OpenIndex:
        """The patient's whole index; remembered until `until`.

        Raises:
            Tampered: a segment was altered, or a segment or a version of a resource is missing.
        """
        known = self._cache.get(patient.ref)
        if known is None:
            entries = self._load(patient)
        elif known.until >= until:
            return known.entries
        else:
            entries = known.entries
        self._remember(patient.ref, entries, until)
        return entries

    def append(self, patient: Patient, entries: Sequence[Entry]) -> list[Step]:
        """What adds `entries` to the patient's index."""
        found = self._rows.read(
            "SELECT seq, level FROM segments WHERE patient = ? ORDER BY seq", [patient.ref]
        )
        joined, level = list[int](), 0
        while len(same := [seq for seq, at in found if at == level]) >= FAN_OUT - 1:
            joined += same
            level += 1
        sealed = _ENCODER.encode(entries)
        if joined:
            sealed = self._join(patient, sorted(joined), sealed)
        seq = found[-1][0] + 1 if found else 0
        segment = (patient.ref, seq, level, self._seal(patient, seq, sealed))
        return [
            Step(
                "DELETE FROM segments WHERE patient = ? AND seq = ?",
                [(patient.ref, old) for old in joined],
            ),
            Step("INSERT INTO segments VALUES (?, ?, ?, ?)", [segment]),
        ]

    def replace(self, patient: Patient, entries: Iterable[Entry]) -> list[Step]:
        """What makes `entries` the patient's whole index."""
        sealed = self._seal(patient, 0, _ENCODER.encode(list(entries)))
        return [
            Step("DELETE FROM segments WHERE patient = ?", [(patient.ref,)]),
            Step("INSERT INTO segments VALUES (?, ?, ?, ?)", [(patient.ref, 0, FAN_OUT, sealed)]),
        ]

    def appended(self, ref: PatientRef, entries: Iterable[Entry]) -> None:
        """Bring an open index up to date with what is now durable."""
        known = self._cache.get(ref)
        if known is not None:
            known.entries.update(((entry.type, entry.id), entry) for entry in entries)
            self._remember(ref, known.entries, known.until)

    def drop(self, ref: PatientRef) -> None:
        """Forget one open index."""
        self._cache.drop(ref)

    def expire(self, at: Instant) -> None:
        """Forget every index that no live permit holds open."""
        self._cache.drop_where(lambda opened: opened.until <= at)

    def forget(self) -> None:
        """Forget every open index."""
        self._cache.clear()

    def __len__(self) -> int:
        return len(self._cache)

    def _remember(self, ref: PatientRef, entries: OpenIndex, until: Instant) -> None:
        self._cache.put(ref, _Opened(entries, until), len(entries) + 1)

    def _load(self, patient: Patient) -> OpenIndex:
        entries: OpenIndex = {}
        try:
            for plain in self._segments(patient):
                for entry in _ENTRIES.decode(plain):
                    entries[entry.type, entry.id] = entry
        except msgspec.MsgspecError as error:
            raise CorruptStore("a segment of an index") from error
        versions = sum(entry.version for entry in entries.values())
        ((stored,),) = self._rows.read(
            "SELECT count(*) FROM objects WHERE patient = ?", [patient.ref]
        )
        if stored != versions:
            raise Tampered("versions of a patient", expected=versions, actual=stored)
        return entries

    def _segments(self, patient: Patient) -> Iterable[bytes]:
        for seq, sealed in self._rows.read(
            "SELECT seq, sealed FROM segments WHERE patient = ? ORDER BY seq", [patient.ref]
        ):
            yield self._unseal(patient, seq, sealed)

    def _join(self, patient: Patient, old: Sequence[int], newest: bytes) -> bytes:
        """The segments in one, without what later versions replaced."""
        marks = ", ".join("?" * len(old))
        found = self._rows.read(
            f"SELECT seq, sealed FROM segments WHERE patient = ? AND seq IN ({marks}) ORDER BY seq",  # noqa: S608 - only question marks
            [patient.ref, *old],
        )
        plains = [self._unseal(patient, seq, sealed) for seq, sealed in found]
        kept: dict[ResourceKey, _Unread] = {}
        for plain in (*plains, newest):
            kept.update(((entry.type, entry.id), entry) for entry in _UNREAD.decode(plain))
        return _ENCODER.encode(list(kept.values()))

    def _seal(self, patient: Patient, seq: int, plain: bytes) -> bytes:
        return seal(patient.key, plain, self._binding(patient, seq))

    def _unseal(self, patient: Patient, seq: int, sealed: bytes) -> bytes:
        return unseal(patient.key, sealed, self._binding(patient, seq), "a segment of an index")

    def _binding(self, patient: Patient, seq: int) -> bytes:
        return encode((SEGMENT, self._custodian, patient.ref, seq))
