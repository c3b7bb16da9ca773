"""A full disk stops the chain with a clear word, and it goes on when there is room."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from careledger.node.fsck import check
from careledger.store.failure import StorageFull
from careledger.store.store import Store
from tests.faults.filling import fill, within_a_file_size
from tests.store.workload import INSTALLED, Workload, create, rows

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")


def test_a_limit_on_the_file(tmp_path: Path) -> None:
    child = get_context("spawn").Process(target=within_a_file_size, args=(tmp_path,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert check(tmp_path, INSTALLED).is_sound


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("a tiny file system needs root, to mount it")
    place = tmp_path / "tiny"
    place.mkdir()
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)],
        check=False,
        capture_output=True,
    )
    if done.returncode:
        pytest.skip("a tiny file system may not be mounted here: this container forbids it")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_is_really_full(tiny_disk: Path) -> None:
    with create(tiny_disk / "chain") as store:
        ballast = tiny_disk / "ballast"
        ballast.write_bytes(bytes(500_000))
        fill(store, ballast.unlink)
    assert check(tiny_disk / "chain", INSTALLED).is_sound


def test_no_room_even_to_begin(tiny_disk: Path) -> None:
    ballast = tiny_disk / "ballast"
    with ballast.open("wb") as everything, pytest.raises(OSError):
        everything.write(bytes(3_000_000))
    with pytest.raises(StorageFull):
        create(tiny_disk / "chain")
    ballast.unlink()
    create(tiny_disk / "chain").close()
    assert check(tiny_disk / "chain", INSTALLED).is_sound


def test_a_map_that_is_too_small(tmp_path: Path) -> None:
    with create(tmp_path, map_size=1 << 20) as store:
        with pytest.raises(StorageFull, match="map"):
            Workload("map", most=60).run(store, 100)
        before = store.latest, rows(store)
    with Store(tmp_path) as store:
        assert (store.latest, rows(store)) == before
        Workload("map", most=60).run(store, 3)
    assert check(tmp_path, INSTALLED).is_sound
