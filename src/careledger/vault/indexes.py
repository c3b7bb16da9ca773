"""The search index of each patient: entries in sealed segments under the patient's key.

Each batch of one patient's resources adds a segment; segments of like size are joined now and then,
so that n batches leave about log n segments and each entry is rewritten about log n times. An index
is opened for as long as a permit is live and then dropped from memory. Of an open one, entries of a
type are decoded when somebody first looks at that type, one alone when it is asked for by its id.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, cast

import msgspec

from careledger.ledger.errors import CorruptStore
from careledger.ledger.record import Instant, MemberId, encode
from careledger.mechanisms import terms
from careledger.mechanisms.policy import Permit
from careledger.vault.bounded import Bounded
from careledger.vault.errors import Tampered
from careledger.vault.index import Entry, ResourceKey, consent_facts
from careledger.vault.objects import SEGMENT, BlindName, PatientRef, resource_name, seal, unseal
from careledger.vault.patients import Patient
from careledger.vault.rows import Rows, Step

FAN_OUT: Final = 8
"""So many segments of one level are joined into one of the next."""

PACKED_BYTES: Final = 350
"""What an entry takes in memory beyond its own bytes before anybody looks at it, about."""

ENTRY_BYTES: Final = 1_400
"""What it takes more once it is decoded, about."""

JUDGED_BYTES: Final = 800
"""What it takes more once a permit with terms has looked at it, about."""


class _Front(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The front of an `Entry`: what is needed to find or join entries without their facts."""

    type: str
    id: str
    version: int


_NONE: Final[dict[str, Entry | msgspec.Raw]] = {}
_ENCODER: Final = msgspec.msgpack.Encoder()
_ENTRIES: Final = msgspec.msgpack.Decoder(list[Entry])
_PACKED: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_FRONTS: Final = msgspec.msgpack.Decoder(list[_Front])
_ARRAY_32: Final = b"\xdd"
"""Begins a MessagePack array; its length follows in four bytes."""


@dataclass(slots=True)
class OpenIndex:
    """One patient's index in memory."""

    types: dict[str, dict[str, Entry | msgspec.Raw]]
    """Entries by type and id: a search looks at one type, and most of a record is of others. What
    nobody has looked at yet is as it was encoded."""
    packed: set[str]
    """The types of which there is such."""
    weight: int
    """About how many bytes of memory it takes."""
    until: Instant
    counted: int = 0
    """The weight that was counted last."""
    names: dict[ResourceKey, BlindName] = field(default_factory=dict)
    """Blind names as far as they were asked for."""
    judged: dict[int, terms.Facts] = field(default_factory=dict)
    """What permits looked at of entries, by `seq`, as far as any did."""

    def get(self, type_: str, id_: str) -> Entry | None:
        """The newest version of one resource, a deletion too."""
        some = self.types.get(type_)
        if some is None:
            return None
        found = some.get(id_)
        if not isinstance(found, msgspec.Raw):
            return found
        (entry,) = self._entries((found,))
        some[id_] = entry
        return entry

    def of_type(self, type_: str | None) -> Iterable[Entry]:
        """Those of a type, or all of them: type by type, in the order of their coming."""
        if type_ is not None:
            return self._all(type_)
        return chain.from_iterable(map(self._all, tuple(self.types)))

    def _all(self, type_: str) -> Iterable[Entry]:
        some = self.types.get(type_, _NONE)
        if type_ in self.packed:
            packed = [one for one in some.values() if isinstance(one, msgspec.Raw)]
            for entry in self._entries(packed):
                some[entry.id] = entry
            self.packed.discard(type_)
        return cast("Iterable[Entry]", some.values())

    def take(self, segment: bytes) -> dict[ResourceKey, int]:
        """Take in a segment, which is newer than those before; the versions that it knows."""
        versions = dict[ResourceKey, int]()
        for front, raw in zip(_FRONTS.decode(segment), _PACKED.decode(segment), strict=True):
            self.types.setdefault(front.type, {})[front.id] = raw
            versions[front.type, front.id] = front.version
        self.packed.update(self.types)
        self.weight += len(segment) + PACKED_BYTES * len(versions)
        return versions

    def add(self, entries: Iterable[Entry], size: int) -> None:
        """Take in newer entries, which are `size` bytes when encoded."""
        fresh = 0
        for entry in entries:
            known = self.get(entry.type, entry.id)
            fresh += known is None
            if known is not None:
                self.judged.pop(known.seq, None)
            self.types.setdefault(entry.type, {})[entry.id] = entry
            self.judged.pop(entry.seq, None)
        self.weight += size + (PACKED_BYTES + ENTRY_BYTES) * fresh

    def _entries(self, packed: Sequence[msgspec.Raw]) -> list[Entry]:
        self.weight += ENTRY_BYTES * len(packed)
        try:
            return _ENTRIES.decode(b"".join((_ARRAY_32, len(packed).to_bytes(4), *packed)))
        except msgspec.MsgspecError as error:
            raise CorruptStore("an entry of an index") from error

    def is_covered(self, entry: Entry, permit: Permit | None) -> bool:
        """Whether the permit opens what one of the entries describes; in the directory None does.

        Finding out what permits look at costs much more than asking them, and is done once.
        """
        if permit is None or permit.is_unlimited:
            return True
        known = self.judged.get(entry.seq)
        if known is None:
            known = self.judged[entry.seq] = consent_facts(entry.facts)
            self.weight += JUDGED_BYTES
        return permit.covers(known).allowed

    def name(self, key: ResourceKey, index_key: bytes) -> BlindName:
        """The blind name of a resource."""
        known = self.names.get(key)
        if known is None:
            known = self.names[key] = resource_name(index_key, *key)
        return known


class Indexes:
    """The indexes of all patients; those that a permit opened, bounded in memory."""

    def __init__(self, rows: Rows, custodian: MemberId, limit: int) -> None:
        """Keep at most about `limit` bytes of them in memory."""
        self._rows, self._custodian = rows, custodian
        self._cache = Bounded[PatientRef, OpenIndex](limit)
        self._used: tuple[PatientRef, OpenIndex] | None = None
        self._expired: Instant = -1

    def open(self, patient: Patient, *, until: Instant) -> OpenIndex:
        """The patient's whole index; remembered until `until`.

        Raises:
            Tampered: a segment was altered, or a segment or a version of a resource is missing.
        """
        self._settle()
        known = self._cache.get(patient.ref)
        if known is None:
            known = self._load(patient, until)
            self._cache.put(patient.ref, known, known.weight)
            known.counted = known.weight
        self._used = patient.ref, known
        known.until = max(known.until, until)
        return known

    def append(self, patient: Patient, entries: Sequence[Entry]) -> list[Step]:
        """What adds `entries` to the patient's index."""
        found = self._rows.read(
            "SELECT seq, level FROM segments WHERE patient = ? ORDER BY seq", [patient.ref]
        )
        joined, level = list[int](), 0
        while len(same := [seq for seq, at in found if at == level]) >= FAN_OUT - 1:
            joined += same
            level += 1
        plain = _ENCODER.encode(entries)
        if joined:
            plain = self._join(patient, sorted(joined), plain)
        seq = found[-1][0] + 1 if found else 0
        segment = (patient.ref, seq, level, self._seal(patient, seq, plain))
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

    def appended(self, ref: PatientRef, entries: Sequence[Entry]) -> None:
        """Bring an open index up to date with what is now durable."""
        self._settle()
        known = self._cache.get(ref)
        if known is not None:
            known.add(entries, len(_ENCODER.encode(entries)))
            self._used = ref, known
        self._settle()

    def drop(self, ref: PatientRef) -> None:
        """Forget one open index."""
        self._settle()
        self._cache.drop(ref)

    def expire(self, at: Instant) -> None:
        """Forget every index that no live permit holds open; looks once in a second."""
        if at == self._expired:
            return
        self._settle()
        self._expired = at
        self._cache.drop_where(lambda opened: opened.until <= at)

    def forget(self) -> None:
        """Forget every open index."""
        self._used = None
        self._cache.clear()

    def __len__(self) -> int:
        return len(self._cache)

    def _settle(self) -> None:
        """Let the bound know what the index that was used last weighs by now, and let go of it."""
        if self._used is None:
            return
        (ref, index), self._used = self._used, None
        if index.weight != index.counted and self._cache.get(ref) is index:
            index.counted = index.weight
            self._cache.put(ref, index, index.weight)

    def _load(self, patient: Patient, until: Instant) -> OpenIndex:
        index, newest = OpenIndex({}, set(), ENTRY_BYTES, until), dict[ResourceKey, int]()
        try:
            for plain in self._segments(patient):
                newest.update(index.take(plain))
        except msgspec.MsgspecError as error:
            raise CorruptStore("a segment of an index") from error
        versions = sum(newest.values())
        ((stored,),) = self._rows.read(
            "SELECT count(*) FROM objects WHERE patient = ?", [patient.ref]
        )
        if stored != versions:
            raise Tampered("versions of a patient", expected=versions, actual=stored)
        return index

    def _segments(self, patient: Patient) -> Iterator[bytes]:
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
        kept: dict[ResourceKey, msgspec.Raw] = {}
        for plain in (*plains, newest):
            for front, packed in zip(_FRONTS.decode(plain), _PACKED.decode(plain), strict=True):
                kept[front.type, front.id] = packed
        return _ENCODER.encode(list(kept.values()))

    def _seal(self, patient: Patient, seq: int, plain: bytes) -> bytes:
        return seal(patient.key, plain, self._binding(patient, seq))

    def _unseal(self, patient: Patient, seq: int, sealed: bytes) -> bytes:
        return unseal(patient.key, sealed, self._binding(patient, seq), "a segment of an index")

    def _binding(self, patient: Patient, seq: int) -> bytes:
        return encode((SEGMENT, self._custodian, patient.ref, seq))
