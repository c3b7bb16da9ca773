"""The engine's calls about snapshots: what is kept is offered whole, and no lie is taken up."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from careledger.apps import installed
from careledger.consensus.cometbft import messages as m
from careledger.ledger.genesis import active_applications, load_genesis
from careledger.ledger.record import digest, encode
from careledger.node.config import load_node
from careledger.node.snapshots import SNAPSHOT_FOLDER
from careledger.node.state_sync import StateSync
from careledger.store.store import Store
from careledger.store.sync.format import parse_manifest
from careledger.store.sync.kept import Kept
from careledger.verify.trust import Trust
from tests.node.test_joining import OTHERS, history


class World:
    """A network with a snapshot, and what its engines would carry of it."""

    def __init__(self, folder: Path) -> None:
        self.net = history(folder / "net")
        homes = [self.net.home(one) for one in OTHERS]
        self.urls = [f"http://127.0.0.1:{load_node(home).port}" for home in homes]
        self.kept = Kept(self.net.home("hospital") / SNAPSHOT_FOLDER)
        self.time = self.net.time + 3_600

    @contextmanager
    def newcomer(
        self, folder: Path, *, trust: Trust | None = None
    ) -> Iterator[tuple[StateSync, Store]]:
        genesis_file = self.net.genesis.read_bytes()
        _, genesis = load_genesis(genesis_file)
        programs = installed()
        applications = active_applications(genesis, programs, 0)
        ledger = folder / "ledger"
        with Store.create(ledger, genesis_file, applications) as store:
            syncing = StateSync(
                store,
                ledger,
                Kept(folder / SNAPSHOT_FOLDER),
                programs,
                trust=trust or self.net.trusting(3),
                peers=self.urls,
                clock=lambda: self.time,
            )
            try:
                yield syncing, store
            finally:
                syncing.close()

    def giver(self, store: Store, folder: Path) -> StateSync:
        return StateSync(
            store, folder, self.kept, installed(), trust=None, peers=(), clock=lambda: self.time
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("sync"))
    with made.net.running(*OTHERS):
        yield made


def offered(world: World, syncing: StateSync) -> m.Snapshot:
    return (
        world.giver(syncing._store, syncing._ledger)
        .list_snapshots(m.RequestListSnapshots())
        .snapshots[0]
    )


def offer(syncing: StateSync, snapshot: m.Snapshot, app_hash: bytes) -> m.Offer:
    request = m.RequestOfferSnapshot(snapshot=snapshot, app_hash=app_hash)
    return syncing.offer_snapshot(request).result


def app_hash(world: World, snapshot: m.Snapshot) -> bytes:
    return parse_manifest(snapshot.metadata, world.net.chain).header.app_hash


def chunks(world: World, syncing: StateSync, snapshot: m.Snapshot) -> list[bytes]:
    giver = world.giver(syncing._store, syncing._ledger)
    requests = (
        m.RequestLoadSnapshotChunk(height=snapshot.height, format=1, chunk=number)
        for number in range(snapshot.chunks)
    )
    return [giver.load_snapshot_chunk(request).chunk for request in requests]


def apply(syncing: StateSync, index: int, chunk: bytes) -> m.ResponseApplySnapshotChunk:
    request = m.RequestApplySnapshotChunk(index=index, chunk=chunk, sender="peer")
    return syncing.apply_snapshot_chunk(request)


def test_a_store_begins_from_what_an_engine_brings(tmp_path: Path, world: World) -> None:
    with world.newcomer(tmp_path) as (syncing, store):
        snapshot = offered(world, syncing)
        assert offer(syncing, snapshot, app_hash(world, snapshot)) == m.Offer.ACCEPT
        for number, chunk in enumerate(chunks(world, syncing, snapshot)):
            assert store.latest.height == 0
            wrong = apply(syncing, number, chunk + b"x")
            assert (wrong.result, wrong.refetch_chunks) == (m.Apply.RETRY, (number,))
            assert wrong.reject_senders == ("peer",)
            assert apply(syncing, number, chunk).result == m.Apply.ACCEPT
        assert store.latest.height == snapshot.height
        assert store.latest.app_hash == app_hash(world, snapshot)
        assert apply(syncing, 0, chunk).result == m.Apply.RETRY_SNAPSHOT
        # The engine ended before it had taken note of it, and begins anew: it is there already.
        assert offer(syncing, snapshot, app_hash(world, snapshot)) == m.Offer.ACCEPT
        assert apply(syncing, 0, chunk).result == m.Apply.ACCEPT
        older = msgspec.structs.replace(snapshot, height=snapshot.height - 1)
        assert offer(syncing, older, app_hash(world, snapshot)) == m.Offer.REJECT
        assert apply(syncing, 0, chunk).result == m.Apply.RETRY_SNAPSHOT
        assert store.latest.height == snapshot.height
    with Store(tmp_path / "ledger") as again:
        assert again.latest.height == snapshot.height


def test_what_an_engine_should_not_have_taken(tmp_path: Path, world: World) -> None:
    with world.newcomer(tmp_path) as (syncing, store):
        snapshot = offered(world, syncing)
        right = app_hash(world, snapshot)
        manifest = parse_manifest(snapshot.metadata, world.net.chain)
        ahead = msgspec.structs.replace(manifest.header, height=snapshot.height + 1)
        future = encode(msgspec.structs.replace(manifest, header=ahead))
        lies: list[dict[str, Any]] = [  # Any: each field has its own type
            {"height": snapshot.height + 1},
            {"chunks": snapshot.chunks + 1},
            {"hash": bytes(32)},
            {"metadata": b""},
            {"metadata": snapshot.metadata[:-1]},
            {"metadata": bytes(4_000_000)},
        ]
        for lie in lies:
            assert offer(syncing, msgspec.structs.replace(snapshot, **lie), right) == m.Offer.REJECT
        assert offer(syncing, snapshot, bytes(32)) == m.Offer.REJECT
        another = msgspec.structs.replace(snapshot, format=2)
        assert offer(syncing, another, right) == m.Offer.REJECT_FORMAT
        # The height is the engine's to check; here, that the last block entry has it.
        believed = msgspec.structs.replace(
            snapshot, height=snapshot.height + 1, metadata=future, hash=digest(future)
        )
        assert offer(syncing, believed, right) == m.Offer.ACCEPT
        results = [
            apply(syncing, number, chunk).result
            for number, chunk in enumerate(chunks(world, syncing, snapshot))
        ]
        assert results[-1] == m.Apply.REJECT_SNAPSHOT
        assert store.latest.height == 0
        # Without a chunk that was named, it begins again.
        assert offer(syncing, snapshot, right) == m.Offer.ACCEPT
        assert apply(syncing, 1, b"").result == m.Apply.RETRY_SNAPSHOT


@pytest.mark.parametrize("threshold", [4])
def test_too_few_vouch_for_it(tmp_path: Path, world: World, threshold: int) -> None:
    """Three answer; whoever asks for four takes nothing up, though the engine would."""
    with world.newcomer(tmp_path, trust=world.net.trusting(threshold)) as (syncing, store):
        snapshot = offered(world, syncing)
        assert offer(syncing, snapshot, app_hash(world, snapshot)) == m.Offer.REJECT
        assert store.latest.height == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger"]


def test_nobody_is_believed_without_a_trust_file(tmp_path: Path, world: World) -> None:
    with world.newcomer(tmp_path) as (syncing, _):
        syncing._trust = None
        snapshot = offered(world, syncing)
        assert offer(syncing, snapshot, app_hash(world, snapshot)) == m.Offer.REJECT


def test_what_is_not_kept_is_an_empty_chunk(tmp_path: Path, world: World) -> None:
    with world.newcomer(tmp_path) as (syncing, _):
        for request in (
            m.RequestLoadSnapshotChunk(height=1, format=1, chunk=0),
            m.RequestLoadSnapshotChunk(height=world.kept.heights()[0], format=2, chunk=0),
            m.RequestLoadSnapshotChunk(height=world.kept.heights()[0], format=1, chunk=999),
        ):
            assert syncing.load_snapshot_chunk(request).chunk == b""
        assert syncing.list_snapshots(m.RequestListSnapshots()).snapshots == ()
