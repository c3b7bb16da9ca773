"""Tiles: paths and bundles are those of C2SP tlog-tiles, and nothing altered gets through."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import Malformed, ProofError
from careledger.ledger.merkle import EMPTY_ROOT, Frontier, leaf_hash
from careledger.ledger.tile import (
    ENTRIES,
    WIDTH,
    Place,
    ProvedTiles,
    decode_bundle,
    encode_bundle,
    levels,
    parse_place,
    place_at,
)
from careledger.store.tiles import grow

SIZE = 3 * WIDTH * WIDTH // 100
BYTES = [b"entry %d" % number for number in range(SIZE)]
LEAVES = [leaf_hash(entry) for entry in BYTES]

PLACES = st.builds(Place, st.integers(ENTRIES, 63), st.integers(0, 2**53), st.integers(1, WIDTH))


@given(PLACES)
def test_every_path_says_its_place_and_no_other(place: Place) -> None:
    assert parse_place(place.path()) == place


def test_paths_are_those_of_the_standard() -> None:
    assert Place(0, 1234067).path() == "tile/0/x001/x234/067"
    assert Place(ENTRIES, 0).path() == "tile/entries/000"
    assert Place(2, 1000, 17).path() == "tile/2/x001/000.p/17"
    assert Place(1, 999, 255).path() == "tile/1/999.p/255"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/data/000",
        "tile/8/0/000",
        "tile/0/001/000",
        "tile/0/x000/000",
        "tile/0/x001/x000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",
        "tile/entries/../0/000",
        "tile/0/" + "x001/" * 40 + "000",
    ],
)
def test_no_other_spelling_is_read(path: str) -> None:
    with pytest.raises(Malformed):
        parse_place(path)


@given(st.text("tile/entrisx0123456789.p-", max_size=30))
def test_what_is_read_is_written_the_same(path: str) -> None:
    try:
        place = parse_place(path)
    except Malformed:
        return
    assert place.path() == path


def test_a_log_of_70_000_has_the_tiles_that_the_standard_counts() -> None:
    def widths(level: int) -> list[int]:
        found: list[int] = []
        while place := place_at(level, len(found), 70_000):
            found.append(place.width)
        return found

    assert widths(0) == [256] * 273 + [112] == widths(ENTRIES)
    assert widths(1) == [256, 17]
    assert widths(2) == [1]
    assert widths(3) == []
    assert list(levels(70_000)) == [ENTRIES, 0, 1, 2]
    assert list(levels(256)) == [ENTRIES, 0, 1]
    assert list(levels(255)) == [ENTRIES, 0]
    assert [place_at(1, 0, 256), place_at(0, 1, 256)] == [Place(1, 0, 1), None]


@given(PLACES, st.integers(0, 2**60))
def test_a_log_has_a_place_from_the_size_on_that_it_needs(place: Place, size: int) -> None:
    at = place_at(place.level, place.number, size)
    assert (size >= place.needs) == (at is not None and at.width >= place.width)


@given(st.lists(st.binary(max_size=300), max_size=WIDTH))
def test_bundles_are_read_as_they_were_written(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries)) == entries


def test_the_largest_entry_fits_a_bundle() -> None:
    assert decode_bundle(encode_bundle([bytes(65_535)] * 2)) == [bytes(65_535)] * 2
    assert encode_bundle([b"ab", b""]) == bytes.fromhex("000261620000")


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.data())
def test_a_bundle_that_breaks_off_is_not_read(entries: list[bytes], data: st.DataObject) -> None:
    whole = encode_bundle(entries)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    try:
        assert encode_bundle(decode_bundle(cut)) == cut
        assert len(decode_bundle(cut)) < len(entries)
    except Malformed:
        pass


def test_a_bundle_holds_no_more_than_256() -> None:
    with pytest.raises(Malformed):
        decode_bundle(encode_bundle([b""] * (WIDTH + 1)))


class Served:
    """The tiles of a log of `size`, which a test may alter."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.tiles = {
            (level, number): tile for level, number, tile in grow(_none, 0, LEAVES[:size])
        }
        self.root = Frontier().extend(LEAVES[:size]).root()

    def fetch(self, place: Place) -> bytes:
        return self.tiles[place.level, place.number]

    def proved(self) -> ProvedTiles:
        return ProvedTiles(self.fetch, self.size, self.root)


def _none(level: int, number: int) -> bytes:
    return b""


@given(st.integers(0, SIZE), st.data())
def test_proved_tiles_give_the_root_of_every_size_before(size: int, data: st.DataObject) -> None:
    tiles = Served(size).proved()
    before = data.draw(st.integers(0, size))
    assert tiles.root_at(before) == Frontier().extend(LEAVES[:before]).root()
    with pytest.raises(ProofError):
        tiles.root_at(size + 1)


def test_an_empty_log_has_no_tiles() -> None:
    assert ProvedTiles(Served(0).fetch, 0, EMPTY_ROOT).root_at(0) == EMPTY_ROOT


@given(st.integers(1, SIZE), st.data())
def test_no_altered_tile_gets_through(size: int, data: st.DataObject) -> None:
    served = Served(size)
    level, number = data.draw(st.sampled_from(sorted(served.tiles)))
    tile = served.tiles[level, number]
    at = data.draw(st.integers(0, len(tile) - 1))
    for altered in (
        tile[:at] + bytes([tile[at] ^ data.draw(st.integers(1, 255))]) + tile[at + 1 :],
        tile[:-32],
        tile + tile[:32],
    ):
        served.tiles[level, number] = altered
        with pytest.raises(ProofError):
            served.proved().read(level, number)


def test_every_entry_is_compared_with_its_hash() -> None:
    tiles, chance = Served(SIZE).proved(), random.Random(3)
    for number in (0, 3, SIZE // WIDTH):
        place = place_at(ENTRIES, number, SIZE)
        assert place is not None
        entries = BYTES[number * WIDTH : number * WIDTH + place.width]
        tiles.check_bundle(place, entries)
        at = chance.randrange(len(entries))
        altered = [*entries[:at], entries[at] + b"!", *entries[at + 1 :]]
        with pytest.raises(ProofError, match=f"entry {number * WIDTH + at:,} is not the one"):
            tiles.check_bundle(place, altered)
        for wrong in (entries[:-1], [*entries, b"more"], entries[::-1], []):
            with pytest.raises(ProofError):
                tiles.check_bundle(place, wrong)
