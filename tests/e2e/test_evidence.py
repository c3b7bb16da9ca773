"""Evidence: what somebody takes along is checked by anybody, and any change to it is noticed."""

import json
import random
import struct
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.conftest import World
from tests.e2e.network import careledger, quickly, resources, run, verify

OFFLINE = """
import socket, sys
def no(*arguments, **options):
    raise OSError("there is no network")
socket.socket = socket.create_connection = socket.getaddrinfo = no
from careledger.verify.main import main
main(sys.argv[1:])
"""


def _place(file: Path, part: zipfile.ZipInfo) -> tuple[int, int]:
    """Where the compressed bytes of one part begin, and how many there are."""
    header = file.read_bytes()[part.header_offset :][:30]
    lengths = struct.unpack("<HH", header[26:30])
    return part.header_offset + 30 + sum(lengths), part.compress_size


# --- 1.6 ------------------------------------------------------------------------------------------


def test_1_6_a_whole_record_is_verified_anywhere_with_the_trust_file_alone(
    world: World, tmp_path: Path, chance: random.Random
) -> None:
    network, ana = world.network, world.ana
    file = tmp_path / "ana.zip"
    said = ana.says("export", file)
    both = [one for m in ana.account for one in resources(network.bundle(ana.number, m))]
    assert f"{len(both):,} resources from riverside, lakeview" in said

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    file.rename(elsewhere / file.name)
    (elsewhere / "trust.json").write_bytes(network.trust.read_bytes())
    alone = run(*(sys.executable, "-c", OFFLINE, "ana.zip", "--trust", "trust.json"), cwd=elsewhere)
    assert alone.returncode == 0, alone.stdout + alone.stderr
    assert (
        f"{len(both):,} resources are byte for byte what the custodians committed" in alone.stdout
    )
    assert alone.stdout.endswith("Verified.\n")

    file = elsewhere / "ana.zip"
    with zipfile.ZipFile(file) as archive:
        bundle = json.loads(archive.read("bundle.json"))
        parts = {one.filename: _place(file, one) for one in archive.infolist()}
    assert bundle["resourceType"] == "Bundle"
    kinds = Counter(entry["resource"]["resourceType"] for entry in bundle["entry"])
    assert kinds == Counter(one["resourceType"] for one in both)

    # Every part of the file, as it lies there; the last byte of each is padding and an end mark.
    good, changed = file.read_bytes(), elsewhere / "changed.zip"
    assert len(parts) == 5
    for name, (start, size) in parts.items():
        for place in (start, chance.randrange(start, start + size - 1)):
            changed.write_bytes(turned(good, place, 0xFF))
            assert quickly(changed, network.trust) == 1, (name, place - start)
    assert quickly(file, network.trust) == 0


@pytest.fixture(scope="module")
def exported(world: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The parts of what Oscar takes along from one hospital."""
    file = tmp_path_factory.mktemp("export") / "oscar.zip"
    world.oscar.says("export", file, "--from", "lakeview")
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("part", ["manifest", "checkpoint", "transactions", "proofs", "bundle"])
def test_1_6_a_changed_byte_in_any_part_is_noticed(
    world: World, exported: dict[str, bytes], tmp_path: Path, chance: random.Random, part: str
) -> None:
    """Packed again after the change, so that no checksum of the zip format gives it away."""
    forged, parts = tmp_path / "forged.zip", exported
    [name] = [name for name in parts if name.startswith(part)]
    signed = parts[name].find(b"\n\n") if part == "checkpoint" else len(parts[name])
    _pack(forged, parts)
    assert quickly(forged, world.network.trust) == 0, "the control"
    for place in (0, signed - 1, *(chance.randrange(signed) for _ in range(8))):
        _pack(forged, {**parts, name: turned(parts[name], place)})
        assert quickly(forged, world.network.trust) == 1, place


def turned(data: bytes, place: int, bits: int = 1) -> bytes:
    """`data` with some bits of one byte turned over; with the lowest, letters stay letters."""
    return data[:place] + bytes([data[place] ^ bits]) + data[place + 1 :]


def _pack(file: Path, parts: dict[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def test_1_6_a_resource_left_out_or_put_in_is_noticed(
    world: World, exported: dict[str, bytes], tmp_path: Path
) -> None:
    forged, lines = tmp_path / "forged.zip", exported["bundle.json"].split(b"\n")
    assert len(lines) > 4
    for told in ([*lines[:1], *lines[2:]], [*lines[:2], lines[1], *lines[2:]]):
        _pack(forged, {**exported, "bundle.json": b"\n".join(told)})
        assert quickly(forged, world.network.trust) == 1


# --- U3 -------------------------------------------------------------------------------------------


def test_u3_deleting_a_row_of_the_log_is_noticed_by_anybody(
    world: World, tmp_path: Path, chance: random.Random
) -> None:
    node, trust, account = world.node, world.network.trust, world.ana.account["riverside"]
    file, changed = tmp_path / "log.jsonl", tmp_path / "changed.jsonl"
    size = node.save_log(file)
    said = verify(file, "--trust", trust, "--about", account)
    assert said.returncode == 0, said.stdout
    assert f"Rows 0 to {size - 1:,} are all there" in said.stdout
    assert f"of this slice speak of {account}" in said.stdout
    assert said.stdout.endswith("Verified.\n")

    header, *lines = file.read_bytes().splitlines(keepends=True)
    rows = [json.loads(line) for line in lines]
    for gone in (1, size - 1, *(chance.randrange(1, size - 1) for _ in range(4))):
        kept = lines[:gone] + lines[gone + 1 :]
        changed.write_bytes(header + b"".join(kept))
        assert quickly(changed, trust) == 1, f"row {gone} is missing"
        # Whoever deletes it may number the others anew, end the slice earlier, or fill it up.
        closed = [_line({**json.loads(line), "index": at}) for at, line in enumerate(kept)]
        shorter = json.loads(header)
        shorter["span"]["end"] = size - 1
        changed.write_bytes(_line(shorter) + b"".join(closed))
        assert quickly(changed, trust) == 1, f"row {gone} is missing, and the slice is shorter"
        filled = _line({**rows[-2], "index": size - 1})
        changed.write_bytes(header + b"".join([*closed, filled]))
        assert quickly(changed, trust) == 1, f"row {gone} is missing, and another stands at the end"
    told = [at for at, row in enumerate(rows) if row["events"]]
    first, second = told[0], told[-1]
    lines[first] = _line({**rows[second], "index": first})
    changed.write_bytes(header + b"".join(lines))
    assert quickly(changed, trust) == 1, "one row in the place of another"


def _line(row: object) -> bytes:
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def test_u3_anybody_mirrors_the_log_and_a_row_deleted_from_the_mirror_is_noticed(
    world: World, tmp_path: Path, chance: random.Random
) -> None:
    """Followed over HTTP, then checked without a network, a row at a time deleted."""
    from careledger.ledger.tile import decode_bundle, encode_bundle

    trust, mirror = world.network.trust, tmp_path / "mirror"
    for _ in range(2):  # the second time it goes on from where it was
        careledger("audit", world.network.node, "--folder", mirror, "--trust", trust, "--once")
    said = run(*(sys.executable, "-c", OFFLINE, mirror, "--trust", trust), cwd=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "all are there, in order" in said.stdout
    bundles = [path for path in (mirror / "tile" / "entries").rglob("*") if path.is_file()]
    assert bundles
    for path in bundles:
        kept = path.read_bytes()
        entries = decode_bundle(kept)
        for gone in (0, len(entries) - 1, chance.randrange(len(entries))):
            path.write_bytes(encode_bundle(entries[:gone] + entries[gone + 1 :]))
            assert quickly(mirror, trust) == 1, f"row {gone} of {path.name} is missing"
        path.write_bytes(kept)
    assert quickly(mirror, trust) == 0


def test_u3_the_log_only_grows(world: World, tmp_path: Path) -> None:
    """What one checkpoint said stays in every later one: nobody rewrites the past."""
    from careledger.ledger.checkpoint import parse_checkpoint
    from careledger.ledger.merkle import verify_consistency

    node = world.node
    before = parse_checkpoint(node.get("/v1/checkpoint").text).checkpoint
    home = "--home", world.network.home("lakeview")
    careledger(
        *("identity", "set-assurance", *home, "--account", world.cho.account),
        *("--ial", "2", "--aal", "2"),
    )
    after = parse_checkpoint(node.get("/v1/checkpoint").text).checkpoint
    assert after.size > before.size
    found = node.get("/v1/log/consistency", first=before.size, second=after.size).json()
    path = [bytes.fromhex(one) for one in found["path"]]
    verify_consistency(before.size, after.size, path, before.root, after.root)
