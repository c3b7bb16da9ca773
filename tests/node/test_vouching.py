"""A node never vouches for two histories, whatever becomes of its disk."""

import shutil
from pathlib import Path

import pytest

from careledger.ledger.checkpoint import SignedCheckpoint, log_key, parse_checkpoint
from careledger.ledger.errors import CorruptStore, Unavailable
from careledger.ledger.merkle import leaf_hash, root
from careledger.ledger.note import verify_signature
from careledger.ledger.record import Digest, MemberId, digest
from careledger.ledger.signature import SigningKey
from careledger.node.vouching import LATEST_FILE, Vouching

CHAIN = digest(b"a chain")
KEY = SigningKey("EdDSA", bytes(32))


class Disk:
    """A log on a disk that may be restored, and the folder of what was signed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.entries, self.now = folder, [b"genesis"], 1_000

    def root_at(self, size: int) -> Digest | None:
        if size > len(self.entries):
            return None
        return root([leaf_hash(entry) for entry in self.entries[:size]])

    def start(self) -> Vouching:
        return Vouching(
            self.folder,
            CHAIN,
            MemberId("clinic"),
            KEY,
            clock=lambda: self.now,
            root_at=self.root_at,
        )

    def sign(self, node: Vouching, size: int | None = None) -> SignedCheckpoint:
        size = size or len(self.entries)
        found = self.root_at(size)
        assert found is not None
        return node.sign(size, found)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "vouched")


def test_what_grows_is_signed(disk: Disk) -> None:
    node = disk.start()
    for number in range(4):
        signed = disk.sign(node)
        assert len(signed.signatures) == 2
        key = log_key(node.origin, KEY.public.public)
        verify_signature(signed.checkpoint.text(), signed.signatures[0], key)
        disk.entries.append(b"%d" % number)


def test_what_was_signed_is_durable_before_the_signature_leaves(disk: Disk) -> None:
    signed = disk.sign(disk.start())
    assert (disk.folder / LATEST_FILE).read_text() == signed.format()


def test_nothing_is_signed_that_cannot_be_kept(disk: Disk) -> None:
    node = disk.start()
    disk.folder.write_text("a file where the folder should be")
    with pytest.raises(Unavailable, match="cannot be kept"):
        disk.sign(node)


def test_an_older_disk_is_silent_until_its_log_is_back(disk: Disk) -> None:
    disk.entries += [b"a", b"b", b"c"]
    disk.sign(disk.start())
    disk.entries = disk.entries[:2]
    node = disk.start()
    with pytest.raises(Unavailable, match="has vouched for 4 log entries and holds 2"):
        disk.sign(node)
    disk.entries += [b"b", b"c", b"d"]
    assert disk.sign(node).checkpoint.size == 5


def test_an_older_disk_that_went_another_way_signs_nothing_any_more(disk: Disk) -> None:
    disk.entries += [b"a", b"b", b"c"]
    disk.sign(disk.start())
    disk.entries = [b"genesis", b"a", b"another", b"c", b"d"]
    node = disk.start()
    for size in (5, 2, 4):
        with pytest.raises(Unavailable, match="signed another history of 4 log entries"):
            disk.sign(node, size)
    assert node.fault
    with pytest.raises(Unavailable):
        disk.sign(disk.start())


def test_a_disk_restored_with_its_record_is_told_by_others(disk: Disk, tmp_path: Path) -> None:
    node = disk.start()
    disk.entries += [b"a"]
    disk.sign(node)
    shutil.copytree(disk.folder, tmp_path / "backup")
    disk.entries += [b"b", b"c"]
    seen = disk.sign(node)
    shutil.rmtree(disk.folder)
    shutil.copytree(tmp_path / "backup", disk.folder)
    disk.entries = disk.entries[:2]
    node = disk.start()
    node.recall(seen)
    with pytest.raises(Unavailable, match="has vouched for 4"):
        disk.sign(node)
    disk.entries += [b"x", b"c"]
    with pytest.raises(Unavailable, match="another history"):
        disk.sign(node)
    with pytest.raises(Unavailable, match="another history"):
        disk.sign(disk.start())  # it remembers what it was told


def test_being_told_what_is_known_changes_nothing(disk: Disk) -> None:
    node = disk.start()
    disk.entries += [b"a"]
    old = disk.sign(node)
    disk.entries += [b"b"]
    disk.sign(node)
    node.recall(old)
    assert disk.sign(node).checkpoint.size == 3


def test_a_signature_of_its_own_over_another_root_is_a_fault(disk: Disk) -> None:
    disk.entries += [b"a"]
    other = Disk(disk.folder.with_name("other"))
    other.entries += [b"z"]
    seen = other.sign(other.start())
    node = disk.start()
    disk.entries += [b"b"]
    disk.sign(node)
    node.recall(seen)
    with pytest.raises(Unavailable, match="another history"):
        disk.sign(node)


def test_nothing_is_signed_while_others_are_asked(disk: Disk) -> None:
    node = disk.start()
    node.waiting = "asking"
    with pytest.raises(Unavailable, match="asking"):
        disk.sign(node)
    node.waiting = None
    disk.sign(node)


def test_the_time_of_a_signature_is_renewed_not_its_meaning(disk: Disk) -> None:
    node = disk.start()
    first = disk.sign(node)
    disk.now += 1
    assert disk.sign(node) is first
    disk.now += 100
    again = disk.sign(node)
    assert (again.checkpoint, again == first) == (first.checkpoint, False)


def test_a_damaged_or_foreign_record_stops_the_node(disk: Disk) -> None:
    disk.sign(disk.start())
    path = disk.folder / LATEST_FILE
    kept = path.read_text()
    path.write_text(kept.replace(CHAIN.hex(), digest(b"another chain").hex()))
    with pytest.raises(CorruptStore):
        disk.start()
    path.write_text(kept[:40])
    with pytest.raises(CorruptStore):
        disk.start()
    path.write_text(kept)
    assert parse_checkpoint(kept).checkpoint.size == disk.start().signed_size
