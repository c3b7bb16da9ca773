"""The calls about snapshots, by which a new node begins without all of history."""

from typing import Protocol

from careledger.consensus.cometbft import messages as m


class Snapshots(Protocol):
    """Who keeps snapshots and begins from them."""

    def list_snapshots(self, request: m.RequestListSnapshots, /) -> m.ResponseListSnapshots: ...

    def offer_snapshot(self, request: m.RequestOfferSnapshot, /) -> m.ResponseOfferSnapshot: ...

    def load_snapshot_chunk(
        self, request: m.RequestLoadSnapshotChunk, /
    ) -> m.ResponseLoadSnapshotChunk: ...

    def apply_snapshot_chunk(
        self, request: m.RequestApplySnapshotChunk, /
    ) -> m.ResponseApplySnapshotChunk: ...


class NoSnapshots:
    """Offers none and begins from none."""

    def list_snapshots(self, _: m.RequestListSnapshots, /) -> m.ResponseListSnapshots:
        return m.ResponseListSnapshots()

    def offer_snapshot(self, _: m.RequestOfferSnapshot, /) -> m.ResponseOfferSnapshot:
        return m.ResponseOfferSnapshot(result=m.Offer.ABORT)

    def load_snapshot_chunk(self, _: m.RequestLoadSnapshotChunk, /) -> m.ResponseLoadSnapshotChunk:
        return m.ResponseLoadSnapshotChunk()

    def apply_snapshot_chunk(
        self, _: m.RequestApplySnapshotChunk, /
    ) -> m.ResponseApplySnapshotChunk:
        return m.ResponseApplySnapshotChunk(result=m.Apply.ABORT)
