"""Every durable write fails twice, persisted and not; and the process is killed anywhere."""

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from careledger.ledger.commitment import Batch
from careledger.ledger.errors import Unavailable
from careledger.ledger.record import TransactionId
from careledger.vault import schema
from careledger.vault.commitments import CommittedBatch
from careledger.vault.errors import NeedsReplay, VaultError
from careledger.vault.files import VaultFiles, open_vault, restore
from careledger.vault.keystore import KeyStore
from careledger.vault.rows import Found, Rows, SqliteRows, Step, Value
from careledger.vault.vault import Vault

from . import world
from .world import ALPINE, ANA, ANA_MRN, BEN, BEN_MRN, NOW, arrival, evidence, observation, own


@dataclass
class Fault:
    """The `at`-th durable act fails: before it is done, or after."""

    at: int
    persisted: bool
    acts: int = 0

    def around(self, act: Callable[[], None]) -> None:
        self.acts += 1
        failing = self.acts == self.at
        if failing and not self.persisted:
            raise Unavailable("not persisted")
        act()
        if failing:
            raise Unavailable("persisted")


@dataclass
class FaultyRows:
    rows: Rows
    fault: Fault

    def read(self, statement: str, values: Sequence[Value] = ()) -> Found:
        return self.rows.read(statement, values)

    def write(self, steps: Sequence[Step]) -> None:
        self.fault.around(lambda: self.rows.write(steps))

    def purge(self, *, rewrite: bool) -> None:
        self.fault.around(lambda: self.rows.purge(rewrite=rewrite))

    def backup(self, path: Path, steps: Sequence[Step]) -> None:
        self.fault.around(lambda: self.rows.backup(path, steps))

    def close(self) -> None:
        self.rows.close()


@dataclass
class Story:
    """What was acknowledged, so that it can be asked for afterwards."""

    written: dict[str, list[bytes]] = field(default_factory=dict)
    unsure: dict[str, bytes] = field(default_factory=dict)
    shredded: bool = False
    shredding: bool = False

    def put(self, vault: Vault, mrn: str, *resources: tuple[str, bytes]) -> None:
        self.unsure = dict(resources)
        patient = vault.patient(mrn)
        vault.put([arrival(patient, data) for _, data in resources], NOW)
        for id_, data in self.unsure.items():
            self.written.setdefault(id_, []).append(data)
        self.unsure = {}

    def commit(self, vault: Vault) -> None:
        pending = [one.commitment for one in vault.unbatched()]
        tree = Batch.of(pending)
        vault.batch_committed(
            CommittedBatch(1, tree.root, tree.size, TransactionId(b"t" * 32)), pending
        )

    def play(self, vault: Vault) -> None:
        """Two patients, some versions, a batch, a merge, a rotation, and Ana is shredded."""
        vault.register(ANA_MRN, ANA)
        vault.register(BEN_MRN, BEN)
        self.put(vault, ANA_MRN, ("a1", observation("a1")), ("a2", observation("a2")))
        self.put(vault, BEN_MRN, ("b1", observation("b1")))
        self.put(vault, ANA_MRN, ("a1", observation("a1", value="6.5")))
        self.commit(vault)
        ana, ben = vault.patient(ANA_MRN), vault.patient(BEN_MRN)
        assert ana is not None
        assert ben is not None
        vault.merge(ana, ben, NOW)
        vault.unmerge(ana, NOW)
        vault.reindex(ana)
        for number in range(9):  # until segments are joined
            self.put(vault, BEN_MRN, (f"b{number}", observation(f"b{number}", value="1.5")))
        self.shredding = True
        vault.shred(evidence(ANA))
        self.shredded = True

    def check(self, vault: Vault) -> None:
        """All that was acknowledged is there, and the rest is there whole or not at all."""
        assert vault.check() == []
        gone = self.shredded or (self.shredding and vault.is_shredded(ANA))
        for id_, versions in self.written.items():
            permit = own(ANA if id_.startswith("a") else BEN)
            for number, data in enumerate(versions, start=1):
                opened = vault.open(permit, "Observation", id_, number, at=NOW)
                if gone and id_.startswith("a"):
                    assert opened is None
                else:
                    assert opened is not None
                    assert opened.data == data
        late = [
            vault.open(
                own(ANA if id_.startswith("a") else BEN),
                "Observation",
                id_,
                len(self.written.get(id_, ())) + 1,
                at=NOW,
            )
            for id_ in self.unsure
        ]
        kept = [opened.data for opened in late if opened is not None]
        assert kept in ([], list(self.unsure.values()))


def faulty_vault(directory: Path, fault: Fault) -> tuple[Vault | None, Rows, Rows]:
    data: Rows = FaultyRows(world.rows_at(directory, "vault", schema.DATA), fault)
    keys: Rows = FaultyRows(world.rows_at(directory, "keys", schema.KEYS), fault)
    try:
        return Vault(data, keys, world.store(directory), ALPINE), data, keys
    except Unavailable:
        return None, data, keys


def acts_in_story(directory: Path) -> int:
    fault = Fault(at=0, persisted=False)
    vault, data, keys = faulty_vault(directory, fault)
    assert vault is not None
    story = Story()
    story.play(vault)
    story.check(vault)
    data.close()
    keys.close()
    return fault.acts


@pytest.mark.parametrize("stored_in", world.BOTH, indirect=True)
@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.usefixtures("stored_in")
def test_every_durable_write_may_fail(tmp_path: Path, *, persisted: bool) -> None:
    (tmp_path / "whole").mkdir()
    acts = acts_in_story(tmp_path / "whole")
    assert acts > 20
    for at in range(1, acts + 1):
        directory = tmp_path / f"{at}"
        directory.mkdir()
        vault, data, keys = faulty_vault(directory, Fault(at, persisted))
        story = Story()
        if vault is not None:
            with pytest.raises(Unavailable):
                story.play(vault)
        data.close()
        keys.close()
        with world.vault(directory) as reopened:
            story.check(reopened)
            if story.shredding and not story.shredded:
                reopened.shred(evidence(ANA))
                story.shredded = True
                story.check(reopened)


@pytest.mark.parametrize("stored_in", world.BOTH, indirect=True)
@pytest.mark.parametrize("persisted", [False, True])
@pytest.mark.usefixtures("stored_in")
def test_the_vault_goes_on_after_a_failed_write(tmp_path: Path, *, persisted: bool) -> None:
    """Without being opened anew: what is in memory follows what is on disk."""
    fault = Fault(0, persisted)
    vault, data, keys = faulty_vault(tmp_path, fault)
    assert vault is not None
    story = Story()
    vault.register(ANA_MRN, ANA)
    story.put(vault, ANA_MRN, ("a1", observation("a1")))
    assert vault.open(own(ANA), "Observation", "a1", at=NOW) is not None
    fault.at = fault.acts + 1
    with pytest.raises(Unavailable):
        story.put(vault, ANA_MRN, ("a1", observation("a1", value="6.6")))
    opened = vault.open(own(ANA), "Observation", "a1", at=NOW)
    assert opened is not None
    assert opened.version == (2 if persisted else 1)
    vault.put([arrival(vault.patient(ANA_MRN), observation("a3"))], NOW)
    assert vault.check() == []
    assert len(vault.unbatched()) == (3 if persisted else 2)
    data.close()
    keys.close()


def test_a_rotation_interrupted_halfway_is_finished_later(tmp_path: Path) -> None:
    with world.vault(tmp_path) as vault:
        vault.register(ANA_MRN, ANA)
        Story().put(vault, ANA_MRN, ("a1", observation("a1")))
    world.store(tmp_path).rotate()
    for persisted in (False, True):
        vault_, data, keys = faulty_vault(tmp_path, Fault(1, persisted))
        assert vault_ is not None
        with pytest.raises(Unavailable):
            vault_.rewrap()
        data.close()
        keys.close()
    with world.vault(tmp_path) as vault:
        assert vault.rewrap() == 0
        assert vault.open(own(ANA), "Observation", "a1", at=NOW) is not None


@pytest.mark.parametrize("act", ["write", "purge", "replace"])
def test_an_interrupted_restore_leaves_nothing_that_opens_and_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    store, backup = world.store(tmp_path), VaultFiles.under(tmp_path / "backup")
    for name in ("live", "backup"):
        (tmp_path / name).mkdir()
    with open_vault(VaultFiles.under(tmp_path / "live"), store, ALPINE) as vault:
        vault.register(ANA_MRN, ANA)
        Story().put(vault, ANA_MRN, ("a1", observation("a1")))
        vault.backup_data(backup.data)
        vault.backup_keys(backup.keys)
    owner: type[object] = Path if act == "replace" else SqliteRows
    inner = getattr(owner, act)
    for at, persisted in itertools.product(range(1, 100), (False, True)):
        restored = VaultFiles.under(tmp_path / f"{at}-{persisted}")
        restored.data.parent.mkdir()
        fault = Fault(at, persisted)

        def failing(*values: object, fault: Fault = fault, **named: object) -> None:
            fault.around(lambda: inner(*values, **named))

        with monkeypatch.context() as patch:
            patch.setattr(owner, act, failing)
            with contextlib.suppress(Unavailable):
                restore(restored, backup, store, ALPINE, [evidence(ANA)])
        if not is_restored(restored, store):
            restore(restored, backup, store, ALPINE, [evidence(ANA)])
            assert is_restored(restored, store)
        if fault.acts < at:
            assert at > 2
            return
    pytest.fail("the restore never came to an end")


def is_restored(files: VaultFiles, store: KeyStore) -> bool:
    """Whether it opens; if so, Ana must be gone. If not, it must be as a backup."""
    if not files.data.exists() or not files.keys.exists():
        return False
    try:
        with open_vault(files, store, ALPINE) as vault:
            assert vault.open(own(ANA), "Observation", "a1", at=NOW) is None
            assert vault.is_shredded(ANA)
            assert vault.check() == []
    except NeedsReplay:
        return False
    return True


CHILD = """
import sys
from pathlib import Path
from tests.vault import world
directory, start = Path(sys.argv[1]), int(sys.argv[2])
with world.vault(directory) as vault:
    ana = vault.register(world.ANA_MRN, world.ANA)
    for number in range(start, start + 100_000):
        bundle = [
            world.arrival(ana, world.observation(f"o{number}-{part}", value=f"{number}.{part}"))
            for part in range(4)
        ]
        vault.put(bundle, world.NOW)
        print(number, flush=True)
"""


def killed_run(directory: Path, start: int, seconds: float) -> int:
    """Put bundles until killed; the last one that was acknowledged."""
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory), str(start)],
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        text=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == str(start)
        time.sleep(seconds)  # the moment of the kill is the randomness of this test
        child.send_signal(signal.SIGKILL)
        acknowledged = [start, *(int(line) for line in child.stdout if line.endswith("\n"))]
    return acknowledged[-1]


def kill_and_check(directory: Path, chance: random.Random, times: int) -> None:
    world.store(directory)
    start = 0
    for _ in range(times):
        last = killed_run(directory, start, chance.random() * 0.1)
        with world.vault(directory) as vault:
            assert vault.check() == []
            found = {entry.id for entry in vault.search(own(ANA), world.anything, NOW)}
            whole = {f"o{number}-{part}" for number in range(last + 1) for part in range(4)}
            after = {f"o{last + 1}-{part}" for part in range(4)}
            assert whole <= found
            assert found - whole in (set(), after)
        start = last + 2
        with world.vault(directory) as vault:  # so that the next run's numbers have no gap
            ana = vault.patient(ANA_MRN)
            if not after <= found:
                arrivals = [arrival(ana, observation(f"o{last + 1}-{part}")) for part in range(4)]
                vault.put(arrivals, NOW)


def test_a_kill_loses_nothing_and_leaves_nothing_half(
    tmp_path: Path, chance: random.Random
) -> None:
    kill_and_check(tmp_path, chance, times=4)


@pytest.mark.soak
def test_two_hundred_kills(tmp_path: Path, chance: random.Random) -> None:
    for _ in range(20):
        directory = tmp_path / str(chance.random())
        directory.mkdir()
        kill_and_check(directory, chance, times=10)


def test_power_loss_takes_what_was_not_synced_and_no_more(
    tmp_path: Path, chance: random.Random
) -> None:
    """Whatever became of the log's unsynced tail, what was acknowledged before it is there."""
    live = tmp_path / "live"
    live.mkdir()
    log = live / "vault.sqlite-wal"
    with world.vault(live) as vault:
        ana = vault.register(ANA_MRN, ANA)
        vault.put([arrival(ana, observation(f"o{number}")) for number in range(5)], NOW)
        synced = log.stat().st_size
        vault.put([arrival(ana, observation(f"late{number}")) for number in range(5)], NOW)
        files = {path.name: path.read_bytes() for path in live.iterdir() if path.is_file()}
    tail = files[log.name][synced:]
    assert tail
    for number in range(20):
        kept = chance.randrange(len(tail))
        lost = chance.choice([b"", bytes(len(tail) - kept), chance.randbytes(len(tail) - kept)])
        directory = tmp_path / str(number)
        directory.mkdir()
        for name, content in files.items():
            (directory / name).write_bytes(content)
            (directory / name).chmod(0o600)
        (directory / log.name).write_bytes(files[log.name][:synced] + tail[:kept] + lost)
        (directory / "vault.sqlite-shm").unlink(missing_ok=True)
        with world.vault(directory) as vault:
            assert vault.check() == []
            found = {entry.id for entry in vault.search(own(ANA), world.anything, NOW)}
            assert found == {f"o{number}" for number in range(5)}


def test_a_full_disk_is_said_plainly_and_passes(tmp_path: Path) -> None:
    with world.vault(tmp_path) as vault:
        ana = vault.register(ANA_MRN, ANA)
        vault._data.read("PRAGMA max_page_count = 40")
        big = [
            arrival(ana, observation(f"o{number}", note=[{"text": "x" * 4000}]))
            for number in range(30)
        ]
        vault.put(big[:1], NOW)
        with pytest.raises(Unavailable, match="SQLITE_FULL"):
            vault.put(big, NOW)
        before = {entry.id for entry in vault.search(own(ANA), world.anything, NOW)}
        vault._data.read("PRAGMA max_page_count = 100000")
        vault.put([arrival(ana, observation("after"))], NOW)
        found = {entry.id for entry in vault.search(own(ANA), world.anything, NOW)}
        assert before == {"o0"}
        assert found == {"o0", "after"}
        assert vault.check() == []


def test_a_vault_error_says_nothing_personal(tmp_path: Path) -> None:
    with world.vault(tmp_path) as vault:
        ana = vault.register(ANA_MRN, ANA)
        vault.put([arrival(ana, observation("secret-id"))], NOW)
        attempts: list[Callable[[], object]] = [
            lambda: vault.register(ANA_MRN, BEN),
            lambda: vault.put([arrival(None, observation("secret-id"))], NOW),
            lambda: vault.put([arrival(ana, observation("secret-id"), if_version=7)], NOW),
            lambda: vault.merge(ana, ana, NOW),
        ]
        for attempt in attempts:
            with pytest.raises(VaultError) as raised:
                attempt()
            said = f"{raised.value} {raised.value.expected} {raised.value.actual}"
            assert not any(secret in said for secret in (ANA_MRN, ANA, BEN, "secret-id"))
