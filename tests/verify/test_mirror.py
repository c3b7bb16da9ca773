"""A mirror of the example log: one missing or altered row is noticed, whoever checks it."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from careledger.ledger.checkpoint import (
    Checkpoint,
    SignedCheckpoint,
    origin_of,
    sign_checkpoint,
)
from careledger.ledger.entry import BlockEntry, GenesisEntry, TransactionEntry, encode_entry
from careledger.ledger.merkle import leaf_hash, root
from careledger.ledger.record import MemberId, digest
from careledger.ledger.signature import SigningKey
from careledger.ledger.tile import ENTRIES, WIDTH, decode_bundle, encode_bundle, levels, place_at
from careledger.store.tile_files import TileFiles
from careledger.store.tiles import grow
from careledger.verify.main import command
from careledger.verify.trust import format_trust, make_trust

CHAIN = digest(b"a mirrored chain")
KEY = SigningKey("EdDSA", digest(b"mirrored"))
TIME = 1_790_000_000


def log(blocks: int, *, chain: bytes = CHAIN, last_open: bool = False) -> list[bytes]:
    entries = [encode_entry(GenesisEntry(chain=chain))]
    for height in range(1, blocks + 1):
        entries.append(
            encode_entry(
                TransactionEntry(
                    id=digest(b"%d" % height), exp=TIME, code=0, events=digest(b"events")
                )
            )
        )
        if height < blocks or not last_open:
            entries.append(block(height, TIME + height))
    return entries


def block(height: int, time: int) -> bytes:
    return encode_entry(BlockEntry(height=height, time=time, state_root=bytes(32), version=1))


def mirror(folder: Path, entries: list[bytes]) -> SignedCheckpoint:
    files, leaves = TileFiles(folder), [leaf_hash(entry) for entry in entries]
    for level, number, tile in grow(lambda level, number: b"", 0, leaves):
        place = place_at(level, number, len(entries))
        assert place is not None
        files.write(place, tile)
    for number in range(0, len(entries), WIDTH):
        place = place_at(ENTRIES, number // WIDTH, len(entries))
        assert place is not None
        files.write(place, encode_bundle(entries[number : number + WIDTH]))
    checkpoint = Checkpoint(origin=origin_of(CHAIN), size=len(entries), root=root(leaves))
    signed = sign_checkpoint(checkpoint, MemberId("mercy"), KEY, TIME)
    files.put("checkpoint", signed.format().encode())
    return signed


def check(folder: Path, *more: str) -> tuple[int, str]:
    trust = folder.with_name("trust.json")
    trust.write_text(format_trust(make_trust(CHAIN, 1, [("mercy", "checkpoint", KEY.public)])))
    result = CliRunner().invoke(
        command, [str(folder), "--trust", str(trust), *more], standalone_mode=False
    )
    return int(result.return_value), result.output


@pytest.mark.parametrize("blocks", [0, 1, 127, 128, 300])
def test_a_whole_mirror_verifies(tmp_path: Path, blocks: int) -> None:
    folder = tmp_path / "mirror"
    signed = mirror(folder, log(blocks))
    status, told = check(folder)
    assert status == 0, told
    assert f"{signed.checkpoint.size:,} entr" in told
    assert "all are there, in order" in told


def test_without_trust_it_stays_open(tmp_path: Path) -> None:
    mirror(tmp_path / "mirror", log(3))
    result = CliRunner().invoke(command, [str(tmp_path / "mirror")], standalone_mode=False)
    assert int(result.return_value) == 2


def bundle(folder: Path, number: int) -> Path:
    paths = sorted((folder / "tile/entries").rglob(f"{number:03}*"))
    return (
        next(path for path in paths if path.is_file())
        if paths[0].is_file()
        else next(paths[0].iterdir())
    )


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("at", [0, 1, 30])
def test_one_deleted_row_is_noticed_and_named(tmp_path: Path, number: int, at: int) -> None:
    folder = tmp_path / "mirror"
    mirror(folder, log(300))
    path = bundle(folder, number)
    entries = decode_bundle(path.read_bytes())
    path.write_bytes(encode_bundle(entries[:at] + entries[at + 1 :]))
    status, told = check(folder)
    assert status == 1
    assert f"Entry {number * WIDTH + at:,} is not the one that was logged" in told


def test_the_last_row_cannot_be_cut_off(tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    mirror(folder, log(20))
    path = bundle(folder, 0)
    path.write_bytes(encode_bundle(decode_bundle(path.read_bytes())[:-1]))
    status, told = check(folder)
    assert (status, "does not hold every entry" in told) == (1, True)


def test_no_byte_of_any_file_can_change(tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    mirror(folder, log(200))
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        kept = path.read_bytes()
        at = len(kept) // 2
        path.write_bytes(kept[:at] + bytes([kept[at] ^ 1]) + kept[at + 1 :])
        assert check(folder)[0] == 1, path
        path.unlink()
        assert check(folder)[0] == 1, path
        path.write_bytes(kept)
    assert check(folder)[0] == 0


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (log(2, chain=bytes(32)), "Entry 0 begins another chain"),
        (log(2)[1:], "The log does not begin with its chain"),
        ([*log(2), log(1)[0]], "Entry 5 begins another chain"),
        ([*log(2), block(2, TIME + 9)], "Entry 5: block heights run back"),
        ([*log(2), block(3, TIME)], "Entry 5: block time runs back"),
        (log(2, last_open=True), "The log breaks off within a block"),
        ([*log(2), b"no entry"], "Entry 5 is none that this program knows"),
    ],
)
def test_a_log_that_no_node_writes_is_refused(
    tmp_path: Path, entries: list[bytes], reason: str
) -> None:
    """Even with a root that its members signed."""
    mirror(tmp_path / "mirror", entries)
    status, told = check(tmp_path / "mirror")
    assert (status, reason in told) == (1, True), told


def test_what_an_interrupted_audit_left_beyond_the_checkpoint_does_not_matter(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "mirror"
    mirror(folder, log(300))
    signed = mirror(tmp_path / "shorter", log(10))
    text = signed.format()
    for level in levels(signed.checkpoint.size):
        place = place_at(level, 0, signed.checkpoint.size)
        if place is not None:
            data = (tmp_path / "shorter" / place.path()).read_bytes()
            TileFiles(folder).write(place, data)
    (folder / "checkpoint").write_text(text)
    assert check(folder)[0] == 0


def test_no_mirror(tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    status, told = check(tmp_path / "mirror")
    assert (status, "it is no mirror" in told) == (1, True)


def test_what_it_says_of_an_account_stays_open(tmp_path: Path) -> None:
    mirror(tmp_path / "mirror", log(3))
    status, told = check(tmp_path / "mirror", "--about", "@ana")
    assert (status, "save-log" in told) == (2, True)


def test_evidence_of_another_history_is_told(tmp_path: Path) -> None:
    mirror(tmp_path / "mirror", log(3))
    (tmp_path / "mirror/evidence").mkdir()
    (tmp_path / "mirror/evidence/split-view-1.json").write_text("{}")
    assert "met another history" in check(tmp_path / "mirror")[1]
