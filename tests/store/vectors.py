"""The vector of a snapshot: a chain of two blocks; see `tests/proof_vectors.py`."""

import tempfile
from pathlib import Path

from careledger.ledger.record import encode
from careledger.store.sync.format import decode_entries, decode_rows
from tests.store.sync.world import snapshot_of
from tests.store.workload import Keep, add, create, genesis_file, signed


def snapshot() -> dict[str, object]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with create(folder / "ledger") as store:
            for number, text in enumerate((b"first", b"second")):
                time = store.latest.time + 5
                keep = Keep(shelf=f"shelf {number}", text=text)
                add(store, [signed("riverside", keep, nonce=bytes([number]) * 16, time=time)])
            manifest, chunks = snapshot_of(store, folder / "snapshots")
    return {
        "genesis file": genesis_file().decode(),
        "manifest": encode(manifest).hex(),
        "hash": manifest.hash.hex(),
        "chunks": [chunk.hex() for chunk in chunks],
        "log entries": [entry.hex() for entry in decode_entries(chunks[0])],
        "state keys": [key.hex() for key, _ in decode_rows(chunks[1], b"")],
    }
