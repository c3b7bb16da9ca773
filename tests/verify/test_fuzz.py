"""Whatever the file holds, the verifier answers with a sentence and never with a traceback."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from careledger.ledger.errors import LedgerError
from careledger.verify.format import encode_file
from careledger.verify.main import check_file
from tests.example_log import ANA
from tests.verify.network import trust
from tests.verify.test_consent import kept
from tests.verify.test_export import export
from tests.verify.test_main import GOOD, log_slice

FILES = [
    *(data for data, _ in GOOD.values()),
    log_slice(),
    export(),
    encode_file(kept()),
]


def mutations(chance: random.Random) -> Iterator[bytes]:
    """Good files with some bytes flipped, replaced, cut out, added or copied elsewhere."""
    while True:
        data = bytearray(chance.choice(FILES))
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            at, from_ = chance.randrange(len(data)), chance.randrange(len(data))
            match chance.randrange(5):
                case 0:
                    data[at] ^= 1 << chance.randrange(8)
                case 1:
                    data[at] = chance.randrange(256)
                case 2:
                    del data[at : at + chance.randrange(1, 40)]
                    data += b"\0"
                case 3:
                    data[at:at] = chance.randbytes(chance.randrange(1, 10))
                case _:
                    data[at : at + 20] = data[from_ : from_ + 20]
        yield bytes(data)


def run(file: Path, data: bytes) -> None:
    file.write_bytes(data)
    try:
        for step in check_file(file, [trust()], ANA):
            assert step.sentence
    except LedgerError:
        return


def test_a_thousand_damaged_files(tmp_path: Path, chance: random.Random) -> None:
    for _, data in zip(range(1_000), mutations(chance), strict=False):
        run(tmp_path / "evidence", data)


@pytest.mark.soak
def test_damaged_files_for_long(tmp_path: Path, chance: random.Random, soak_seconds: float) -> None:
    ends = time.monotonic() + soak_seconds
    for data in mutations(chance):
        run(tmp_path / "evidence", data)
        if time.monotonic() > ends:
            break
