"""An auditor: follows one log, keeps a mirror of it, and compares what others show of it.

What it keeps is always whole: tiles and entries are checked against a believed checkpoint before
they are written, and the checkpoint follows when all are there. Whatever interrupts it, it goes on
from the checkpoint that it kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from careledger.ledger.checkpoint import Checkpoint, SignedCheckpoint, parse_checkpoint
from careledger.ledger.errors import CorruptStore, LedgerError, Malformed, ProofError
from careledger.ledger.merkle import consistency_proof, leaf_hash
from careledger.ledger.note import cosign_note
from careledger.ledger.record import Instant
from careledger.ledger.signature import SigningKey
from careledger.ledger.tile import (
    ENTRIES,
    WIDTH,
    Place,
    ProvedTiles,
    encode_bundle,
    levels,
    place_at,
    subtree,
)
from careledger.node.audit.alarm import Alarm, Kind
from careledger.node.audit.belief import Belief
from careledger.node.audit.source import LogSource
from careledger.store.tile_files import CHECKPOINT_FILE, TileFiles, missing
from careledger.verify.mirror import read_bundle, read_place
from careledger.verify.order import LogOrder

Tell = Callable[[int, int], None]
"""(entries checked, entries in all)."""


@dataclass(frozen=True, kw_only=True)
class Cosigner:
    """The auditor's own voice on the copy that it keeps."""

    name: str
    key: SigningKey
    clock: Callable[[], Instant]


class Auditor:
    """One mirror and the log that it follows."""

    def __init__(
        self,
        source: LogSource,
        files: TileFiles,
        belief: Belief,
        *,
        cosigner: Cosigner | None = None,
    ) -> None:
        """Go on from what `files` holds."""
        self._source, self._files, self._belief = source, files, belief
        self._cosigner = cosigner

    @property
    def kept(self) -> SignedCheckpoint | None:
        """The newest checkpoint of which everything is in the mirror.

        Raises:
            CorruptStore: the mirror is damaged.
        """
        text = self._files.checkpoint()
        try:
            return None if text is None else parse_checkpoint(text)
        except Malformed as error:
            raise CorruptStore("the mirror's checkpoint is damaged") from error

    def follow(self, tell: Tell | None = None) -> int:
        """Bring the mirror up to what the node shows now; how many entries were new.

        Raises:
            Alarm: it shows what cannot be true; what was kept stays as it was.
            NotBelievable: too few have signed it so far.
            Unavailable: it does not answer.
        """
        signed = self._source.checkpoint()
        self._belief.check(self._source.url, signed)
        kept, shown = self.kept, signed.checkpoint
        if kept is not None and kept.checkpoint.origin != shown.origin:
            raise Alarm("rewritten-history", "the node shows another chain", *self._both(signed))
        if kept is not None and shown.size <= kept.checkpoint.size:
            self._check_older(kept, signed)
            return 0
        try:
            self._extend(kept.checkpoint if kept else None, signed, tell)
        except ProofError as error:
            raise Alarm(
                "altered-log",
                f"{self._source.url} serves what its own checkpoint does not vouch for: "
                f"{error.reason}",
                (self._source.url, signed.format()),
            ) from error
        return shown.size - (kept.checkpoint.size if kept else 0)

    def compare(self, others: Sequence[LogSource]) -> dict[str, str | None]:
        """Compare what others show with the mirror; why each could not be compared, or None.

        Raises:
            Alarm: one of them shows another history.
        """
        return {other.url: self._compare(other) for other in others}

    # --- following ---------------------------------------------------------------------------

    def _extend(self, kept: Checkpoint | None, signed: SignedCheckpoint, tell: Tell | None) -> None:
        shown = signed.checkpoint
        tiles = ProvedTiles(self._source.tile, shown.size, shown.root)
        if kept is not None and kept.size and tiles.root_at(kept.size) != kept.root:
            raise _contradiction(
                "rewritten-history",
                f"{self._source.url} has changed what it showed before: its first {kept.size:,} "
                "entries are others now",
                self._both(signed),
                kept.size,
                tiles,
            )
        self._copy_entries(kept.size if kept else 0, shown, tiles, tell)
        for level in levels(shown.size):
            for place in missing(self._files, level, shown.size):
                self._files.write(place, tiles.read(place.level, place.number))
        self._keep(signed)

    def _copy_entries(
        self, begin: int, shown: Checkpoint, tiles: ProvedTiles, tell: Tell | None
    ) -> None:
        """Check and write every entry from `begin` on, a bundle at a time."""
        chain = shown.origin.removeprefix("careledger/")
        order = LogOrder(chain, begin, self._entry(begin - 1) if begin else None)
        for number in range(begin // WIDTH, (shown.size + WIDTH - 1) // WIDTH):
            place = place_at(ENTRIES, number, shown.size)
            if place is None:
                break
            entries = self._bundle(place, tiles)
            first = number * WIDTH
            for entry in entries[max(begin - first, 0) :]:
                order.take(entry)
            hashes = b"".join(map(leaf_hash, entries))
            self._files.write(replace(place, level=0), hashes)
            if tell:
                tell(first + len(entries), shown.size)
        if not order.is_whole:
            raise ProofError("the log breaks off within a block")

    def _bundle(self, place: Place, tiles: ProvedTiles) -> list[bytes]:
        """The entries at `place`, checked: from the mirror where it has them, else fetched."""
        if self._files.has(place):
            try:
                entries = read_bundle(self._files.folder, place)
                tiles.check_bundle(place, entries)
            except ProofError:  # damaged here: it is fetched again
                pass
            else:
                return entries
        entries = self._source.bundle(place)
        tiles.check_bundle(place, entries)
        self._files.write(place, encode_bundle(entries))
        return entries

    def _keep(self, signed: SignedCheckpoint) -> None:
        """Now everything is there: keep the checkpoint, with the auditor's own signature."""
        if self._cosigner is not None:
            own = cosign_note(
                signed.checkpoint.text(),
                self._cosigner.name,
                self._cosigner.key,
                self._cosigner.clock(),
            )
            signed = signed.with_signatures([own])
        self._files.put(CHECKPOINT_FILE, signed.format().encode())

    # --- comparing ---------------------------------------------------------------------------

    def _check_older(self, kept: SignedCheckpoint, signed: SignedCheckpoint) -> None:
        """What is no newer than the mirror must be its beginning."""
        shown = signed.checkpoint
        tiles = self._tiles(kept)
        if shown.size and _root_at(tiles, shown.size) != shown.root:
            raise _contradiction(
                "rewritten-history",
                f"{self._source.url} has changed what it showed before: its {shown.size:,} entries "
                "are not those of the mirror",
                self._both(signed)[::-1],
                shown.size,
                tiles,
            )
        if shown == kept.checkpoint:
            more = kept.with_signatures(signed.signatures)
            if len(more.signatures) > len(kept.signatures):
                self._files.put(CHECKPOINT_FILE, more.format().encode())

    def _compare(self, other: LogSource) -> str | None:
        kept = self.kept
        if kept is None:
            return "nothing is in the mirror yet"
        try:
            signed = other.checkpoint()
            self._belief.check_one(other.url, signed)
            if signed.checkpoint.origin != kept.checkpoint.origin:
                return f"{other.url} serves another chain"
            self._side_by_side(kept, other, signed)
        except ProofError as error:
            reason = f"{other.url} serves what its checkpoint does not vouch for: {error.reason}"
            raise Alarm("altered-log", reason) from error
        except (Alarm, CorruptStore):
            raise
        except LedgerError as error:
            return str(error)
        return None

    def _side_by_side(
        self, kept: SignedCheckpoint, other: LogSource, signed: SignedCheckpoint
    ) -> None:
        """Compare the roots of both at the lesser of their sizes."""
        own, theirs = kept.checkpoint, signed.checkpoint
        shown = ((self._source.url, kept.format()), (other.url, signed.format()))
        if theirs.size <= own.size:
            tiles, smaller = self._tiles(kept), theirs
            found, shown = _root_at(tiles, theirs.size), shown[::-1]
        else:
            tiles, smaller = ProvedTiles(other.tile, theirs.size, theirs.root), own
            found = tiles.root_at(own.size)
        if found != smaller.root:
            raise _contradiction(
                "split-view",
                f"{self._source.url} and {other.url} show two different histories",
                shown,
                smaller.size,
                tiles,
            )

    def _tiles(self, kept: SignedCheckpoint) -> ProvedTiles:
        """The mirror's own.

        Raises:
            CorruptStore: the mirror is damaged.
        """
        checkpoint = kept.checkpoint
        try:
            return ProvedTiles(self._read, checkpoint.size, checkpoint.root)
        except ProofError as error:
            raise CorruptStore(f"the mirror is damaged: {error.reason}") from error

    def _read(self, place: Place) -> bytes:
        return read_place(self._files.folder, place)

    def _entry(self, index: int) -> bytes:
        """An entry of the mirror."""
        kept = self.kept
        place = place_at(ENTRIES, index // WIDTH, kept.checkpoint.size) if kept else None
        if place is None:
            raise CorruptStore("the mirror ends early", index)
        try:
            return read_bundle(self._files.folder, place)[index % WIDTH]
        except (ProofError, IndexError) as error:
            raise CorruptStore("the mirror is damaged: an entry is missing", index) from error

    def _both(self, signed: SignedCheckpoint) -> tuple[tuple[str, str], ...]:
        kept = self.kept
        before = (("the mirror", kept.format()),) if kept else ()
        return (*before, (self._source.url, signed.format()))


def _root_at(tiles: ProvedTiles, size: int) -> bytes:
    """The root that the mirror has at a size.

    Raises:
        CorruptStore: the mirror is damaged.
    """
    try:
        return tiles.root_at(size)
    except ProofError as error:
        raise CorruptStore(f"the mirror is damaged: {error.reason}") from error


def _contradiction(
    kind: Kind,
    reason: str,
    notes: tuple[tuple[str, str], ...],
    size: int,
    larger: ProvedTiles,
) -> Alarm:
    """The alarm with all that shows it: `notes`, the smaller log's first.

    The proof says with which root the `larger` log begins, where the smaller one has another.
    """
    path = consistency_proof(size, larger.size, partial(subtree, larger.read)) if size else ()
    return Alarm(kind, reason, *notes, older=larger.root_at(size), path=path)
