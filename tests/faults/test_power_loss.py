"""Power loss: every unsynced write may be gone, and no acknowledged block ever is."""

import random
import re
import shutil
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest

from careledger.node.fsck import check
from careledger.store.layout import data_file
from careledger.store.store import Store
from tests.faults.images import crash_images
from tests.store.workload import INSTALLED, Workload, create

ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")


def cut_the_power(folder: Path, blocks: int, workload: Workload, chance: random.Random) -> int:
    """Store blocks; at each, try every kind of crash, and go on from one of them."""
    crashes = 0
    place = folder / "crashed"
    place.mkdir(parents=True, exist_ok=True)
    create(folder).close()
    for _ in range(blocks):
        before = data_file(folder).read_bytes()
        with Store(folder) as store:
            last = store.latest
            workload.run(store, 1)
            new = store.latest
        after = data_file(folder).read_bytes()
        for image, is_done in crash_images(before, after, chance):
            data_file(place).write_bytes(image)
            assert check(place, INSTALLED).is_sound, "equals a replay from genesis"
            with Store(place) as store:
                assert store.latest == (new if is_done else last)
                Workload(chance.random().hex(), most=3).run(store, 1)
            assert check(place, INSTALLED).is_sound, "and goes on"
            crashes += 1
    return crashes


def test_what_was_acknowledged_survives(tmp_path: Path, chance: random.Random) -> None:
    assert cut_the_power(tmp_path, 6, Workload("power", shelves=80), chance) == 36


@pytest.mark.soak
def test_what_was_acknowledged_survives_for_long(
    tmp_path: Path, chance: random.Random, soak_seconds: float
) -> None:
    end, crashes, chains = monotonic() + soak_seconds, 0, 0
    while monotonic() < end:
        folder = tmp_path / "chain"
        workload = Workload(chance.random().hex(), shelves=2_000, most=chance.choice((2, 60)))
        crashes += cut_the_power(folder, 20, workload, chance)
        shutil.rmtree(folder)
        chains += 1
    print(f"{crashes} power losses on {chains} chains, nothing lost")


@pytest.mark.parametrize("commits", [0, 1])
def test_a_chain_that_was_being_made_is_made_again(tmp_path: Path, commits: int) -> None:
    class PowerLossError(Exception):
        pass

    done = 0

    def commit(transaction: object) -> None:
        nonlocal done
        if done == commits:
            raise PowerLossError
        done += 1
        transaction.commit()  # type: ignore[attr-defined] # LMDB's own

    with pytest.raises(PowerLossError):
        create(tmp_path, commit=commit)
    create(tmp_path).close()
    assert check(tmp_path, INSTALLED).is_sound


STORE_A_BLOCK = """
import sys
from pathlib import Path
from careledger.store.store import Store
from tests.store.workload import Workload
with Store(Path(sys.argv[1])) as store:
    print("BEGIN", flush=True)
    for number in range(3):
        Workload(number, most=40).run(store, 1)
        print("ACKNOWLEDGED", flush=True)
"""


def test_the_order_is_really_so(tmp_path: Path) -> None:
    """Watch the system calls: pages, sync, root page through a synced descriptor, then the word."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is missing: install it to watch what LMDB asks of the disk")
    create(tmp_path).close()
    log = tmp_path / "calls"
    calls = "openat,write,writev,pwrite64,pwritev,fdatasync,fsync,msync,ftruncate"
    command = [strace, "-f", "-y", "-e", f"trace={calls}", "-o", str(log)]
    subprocess.run(
        [*command, sys.executable, "-c", STORE_A_BLOCK, str(tmp_path)],
        check=True,
        cwd=ROOT,
        capture_output=True,
    )
    words = [word for line in log.read_text().splitlines() if (word := _word(line))]
    steps = " ".join(words)
    assert "synced-open" in steps
    step = r"(pages )+sync root acknowledged"
    assert re.fullmatch(rf"(synced-open )BEGIN {step} {step} {step}", steps), steps


# What one line of strace means for the order; the first that fits. The root pages are the first
# two of the file: their records lie at 32 and 4128.
WORDS = (
    (r"openat\(.*data\.mdb.*O_DSYNC", "synced-open"),
    (r"openat\(", ""),
    (r"write\(1.*BEGIN", "BEGIN"),
    (r"write\(1.*ACKNOWLEDGED", "acknowledged"),
    (r"fdatasync\(.*data\.mdb>", "sync"),
    (r".*data\.mdb>.*, 120, (32|4128)\) = 120$", "root"),
    (r".*data\.mdb>", "pages"),
)


def _word(line: str) -> str:
    call = line.partition(" ")[2].strip()
    return next((word for pattern, word in WORDS if re.match(pattern, call)), "")
