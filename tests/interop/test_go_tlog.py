"""A mirror is read by Go's sumdb/tlog and sumdb/note: paths, tiles, hashes, signature, proofs."""

import base64
import subprocess
from pathlib import Path

import pytest

from careledger.ledger.checkpoint import log_key, origin_of
from careledger.ledger.merkle import leaf_hash, root
from careledger.ledger.tile import decode_bundle, encode_bundle
from tests.conftest import ROOT
from tests.verify.test_mirror import CHAIN, KEY, log, mirror

CHECKER = ROOT / ".tools" / "tlog-check"

pytestmark = pytest.mark.skipif(
    not CHECKER.exists(), reason="no .tools/tlog-check: install Go and run `make interop`"
)


def check(folder: Path, smaller: int, key: str = "") -> "subprocess.CompletedProcess[str]":
    key = key or log_key(origin_of(CHAIN), KEY.public.public).format()
    command = [str(CHECKER), str(folder), key, str(smaller)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("blocks", [1, 127, 128, 300, 33_000])
def test_go_reads_the_mirror_and_comes_to_the_same_roots(tmp_path: Path, blocks: int) -> None:
    entries = log(blocks)
    mirror(tmp_path / "mirror", entries)
    smaller = 2 * len(entries) // 3
    found = check(tmp_path / "mirror", smaller)
    assert found.returncode == 0, found.stderr
    leaves = [leaf_hash(entry) for entry in entries]
    roots = [base64.b64encode(root(leaves[:size])).decode() for size in (smaller, len(leaves))]
    assert found.stdout.split() == roots


def test_go_notices_what_we_notice(tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    mirror(folder, log(300))
    other = log_key("careledger/other", KEY.public.public).format()
    assert check(folder, 100, other).returncode == 1
    path = folder / "tile/entries/001"
    kept = path.read_bytes()
    entries = decode_bundle(kept)
    path.write_bytes(encode_bundle([*entries[:3], entries[4], *entries[4:]]))
    found = check(folder, 100)
    assert (found.returncode, "entry 259 is not" in found.stderr) == (1, True)
    path.write_bytes(kept)
    tile = folder / "tile/0/001"
    tile.write_bytes(bytes(32) + tile.read_bytes()[32:])
    assert check(folder, 100).returncode == 1
