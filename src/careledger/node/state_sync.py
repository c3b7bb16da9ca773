"""Snapshots as the engine carries them from node to node (ABCI 2.0, state sync).

The engine's light client vouches for the app hash of what it offers. This asks the members besides:
a snapshot to which no checkpoint leads that the trust file's policy accepts is rejected here.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from careledger.consensus.cometbft import messages as m
from careledger.ledger.errors import LedgerError, Malformed, ProofError, Unavailable
from careledger.ledger.genesis import Installed, active_applications, load_genesis
from careledger.ledger.record import Instant
from careledger.node.joining import check_time, open_peers
from careledger.node.vouched import check_vouched
from careledger.store.store import Store
from careledger.store.sync.format import FORMAT, Manifest, parse_manifest
from careledger.store.sync.kept import Kept
from careledger.store.sync.restoring import Restoration
from careledger.verify.trust import Trust

_log = logging.getLogger(__name__)


class StateSync:
    """Both sides of it for one node: what it keeps for others, and what it begins from itself."""

    def __init__(
        self,
        store: Store,
        ledger: Path,
        kept: Kept,
        programs: Installed,
        *,
        trust: Trust | None,
        peers: Sequence[str],
        clock: Callable[[], Instant],
        adopted: Callable[[], object] = lambda: None,
    ) -> None:
        """Begin `store` only from what `trust` believes by the word of the nodes at `peers`.

        `adopted` is called when the store has begun from a snapshot.
        """
        with store.snapshot() as committed:
            self._genesis_file = committed.genesis()
        self._chain, self._genesis = load_genesis(self._genesis_file)
        self._store, self._ledger, self._kept, self._programs = store, ledger, kept, programs
        self._trust, self._peers, self._clock, self._adopted = trust, peers, clock, adopted
        self._restoration: Restoration | None = None
        self._is_there = False

    # --- for others --------------------------------------------------------------------------

    def list_snapshots(self, _: m.RequestListSnapshots, /) -> m.ResponseListSnapshots:
        """What is kept, newest first."""
        found: list[m.Snapshot] = []
        for height in self._kept.heights():
            manifest, data = self._kept.load(height, self._chain), self._kept.manifest(height)
            if manifest is not None and data is not None:
                found.append(
                    m.Snapshot(
                        height=height,
                        format=FORMAT,
                        chunks=len(manifest.chunks),
                        hash=manifest.hash,
                        metadata=data,
                    )
                )
        return m.ResponseListSnapshots(snapshots=tuple(found))

    def load_snapshot_chunk(
        self, request: m.RequestLoadSnapshotChunk, /
    ) -> m.ResponseLoadSnapshotChunk:
        """One chunk; an empty one if it is not kept any more."""
        data = self._kept.chunk(request.height, request.chunk) if request.format == FORMAT else None
        return m.ResponseLoadSnapshotChunk(chunk=data or b"")

    # --- for this node -----------------------------------------------------------------------

    def offer_snapshot(self, request: m.RequestOfferSnapshot, /) -> m.ResponseOfferSnapshot:
        """Take it up if it is whole by its manifest, and enough members vouch for it."""
        self.close()
        offered = request.snapshot
        if offered is None or offered.format != FORMAT:
            return m.ResponseOfferSnapshot(result=m.Offer.REJECT_FORMAT)
        latest = self._store.latest
        if latest.height:
            if (offered.height, request.app_hash) == (latest.height, latest.app_hash):
                self._is_there = True  # the engine ended before it had taken note
                return m.ResponseOfferSnapshot(result=m.Offer.ACCEPT)
            _log.error("no snapshot of block %d: the ledger holds blocks already", offered.height)
            return m.ResponseOfferSnapshot(result=m.Offer.REJECT)
        try:
            manifest = self._believed(offered, request.app_hash)
            applications = active_applications(self._genesis, self._programs, 0)
            self._restoration = Restoration(
                self._ledger, manifest, self._genesis_file, applications
            )
        except (ProofError, Malformed) as error:
            _log.error("no snapshot of block %d: %s", offered.height, _words(error))
            return m.ResponseOfferSnapshot(result=m.Offer.REJECT)
        except Unavailable as error:  # nothing was decided: the engine asks again, or for another
            _log.warning("no snapshot of block %d yet: %s", offered.height, _words(error))
            return m.ResponseOfferSnapshot(result=m.Offer.REJECT)
        return m.ResponseOfferSnapshot(result=m.Offer.ACCEPT)

    def apply_snapshot_chunk(
        self, request: m.RequestApplySnapshotChunk, /
    ) -> m.ResponseApplySnapshotChunk:
        """The next chunk; with the last one the store begins, or the snapshot is rejected."""
        if self._is_there:
            return m.ResponseApplySnapshotChunk(result=m.Apply.ACCEPT)
        restoration = self._restoration
        if restoration is None or request.index != restoration.added:
            return m.ResponseApplySnapshotChunk(result=m.Apply.RETRY_SNAPSHOT)
        if not restoration.is_next(request.chunk):
            _log.warning("a peer gives another chunk %d than was named", request.index)
            return m.ResponseApplySnapshotChunk(
                result=m.Apply.RETRY,
                refetch_chunks=(request.index,),
                reject_senders=(request.sender,),
            )
        try:
            restoration.add(request.chunk)
            if restoration.added == len(restoration.manifest.chunks):
                restoration.finish()
                self._store.adopt(restoration)
                self.close()
                self._adopted()
        except ProofError as error:
            _log.error("a snapshot does not hold: %s", _words(error))
            self.close()
            return m.ResponseApplySnapshotChunk(result=m.Apply.REJECT_SNAPSHOT)
        except LedgerError as error:
            _log.error("a snapshot cannot be stored: %s", _words(error))
            self.close()
            return m.ResponseApplySnapshotChunk(result=m.Apply.ABORT)
        return m.ResponseApplySnapshotChunk(result=m.Apply.ACCEPT)

    def close(self) -> None:
        """Drop what was begun and is not the ledger."""
        self._is_there = False
        if self._restoration:
            self._restoration.close()
            self._restoration = None

    def _believed(self, offered: m.Snapshot, app_hash: bytes) -> Manifest:
        """The manifest of what is offered.

        Raises:
            ProofError: it is not what the engine says, or not enough members vouch for it.
            Malformed: it is none.
            Unavailable: no member answers.
        """
        manifest = parse_manifest(offered.metadata, self._chain)
        header = manifest.header
        found = (offered.height, offered.chunks, offered.hash, app_hash)
        expected = (header.height, len(manifest.chunks), manifest.hash, header.app_hash)
        if found != expected:
            raise ProofError("the manifest is of another snapshot than was offered")
        check_time(manifest, self._clock())
        if self._trust is None:
            raise ProofError("node.toml names no `trust` file, so nobody is believed")
        with open_peers(self._peers) as peers:
            check_vouched(manifest, self._trust, peers)
        return manifest


def _words(error: LedgerError) -> str:
    return str(error) or " ".join((type(error).__doc__ or type(error).__name__).split())
