"""A chain with a past, and a snapshot of it on the way to another store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from careledger.store.store import Store
from careledger.store.sync.format import Manifest
from careledger.store.sync.kept import Kept
from careledger.store.sync.restoring import Restoration
from careledger.store.sync.taking import put_in_place, take
from tests.store.workload import APPLICATIONS, CHAIN, Keep, Workload, add, genesis_file, signed

Snapshot = tuple[Manifest, list[bytes]]


def with_transactions(store: Store, workload: Workload) -> None:
    """One more block, which is not empty."""
    time = store.latest.time + 5
    nonce = store.latest.height.to_bytes(16)
    more = signed("riverside", Keep(shelf="always", text=nonce), nonce=nonce, time=time)
    add(store, [*workload.transactions(time), more])


def snapshot_of(store: Store, folder: Path) -> Snapshot:
    """Take a snapshot as a node does, and read it back."""
    with store.snapshot() as committed:
        manifest, staged = take(committed, folder)
    put_in_place(staged, kept=2)
    kept = Kept(folder)
    chunks = [kept.chunk(manifest.header.height, at) for at in range(len(manifest.chunks))]
    assert kept.load(manifest.header.height, CHAIN) == manifest
    return manifest, [chunk for chunk in chunks if chunk is not None]


def restore(ledger: Path, manifest: Manifest, chunks: Sequence[bytes], **options: Any) -> None:
    """Begin the store in `ledger` from a snapshot."""
    with Restoration(ledger, manifest, genesis_file(), APPLICATIONS, **options) as restoration:
        for chunk in chunks:
            restoration.add(chunk)
        restoration.finish()
        restoration.put_in_place().close()
