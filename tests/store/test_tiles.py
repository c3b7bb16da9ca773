"""Tiles: however the log grew, they are the same, and every perfect subtree follows from them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import CorruptStore
from careledger.ledger.merkle import Frontier, leaf_hash, root
from careledger.ledger.tile import TILE_BYTES, WIDTH
from careledger.store.tiles import frontier, grow, subtree

LEAVES = [leaf_hash(b"entry %d" % number) for number in range(3 * WIDTH * WIDTH // 100)]


class Tiles:
    def __init__(self) -> None:
        self.size = 0
        self.stored: dict[tuple[int, int], bytes] = {}

    def add(self, count: int) -> None:
        leaves = LEAVES[self.size : self.size + count]
        for level, number, tile in list(grow(self.read, self.size, leaves)):
            self.stored[level, number] = tile
        self.size += len(leaves)

    def read(self, level: int, number: int) -> bytes:
        return self.stored.get((level, number), b"")


@given(st.lists(st.integers(0, 700), max_size=6))
def test_how_the_log_grew_does_not_show(steps: list[int]) -> None:
    grown, whole = Tiles(), Tiles()
    for step in steps:
        grown.add(step)
    whole.add(sum(steps))
    assert grown.stored == whole.stored
    assert frontier(grown.read, grown.size) == Frontier().extend(LEAVES[: grown.size])


def test_every_subtree_follows_from_one_tile() -> None:
    tiles, chance = Tiles(), random.Random(1)
    tiles.add(len(LEAVES))
    for level in range(len(LEAVES).bit_length() - 1):
        for _ in range(5):
            index = chance.randrange(len(LEAVES) >> level)
            expected = root(LEAVES[index << level : (index + 1) << level])
            assert subtree(tiles.read, level, index) == expected


def test_tiles_are_full_but_the_last_of_a_level() -> None:
    tiles = Tiles()
    tiles.add(2 * WIDTH + 3)
    assert {place: len(tile) // 32 for place, tile in tiles.stored.items()} == {
        (0, 0): WIDTH,
        (0, 1): WIDTH,
        (0, 2): 3,
        (1, 0): 2,
    }


def test_a_tile_that_is_short_is_not_built_upon() -> None:
    tiles = Tiles()
    tiles.add(WIDTH - 1)
    tiles.stored[0, 0] = tiles.stored[0, 0][:-32]
    with pytest.raises(CorruptStore):
        tiles.add(1)
    with pytest.raises(CorruptStore):
        subtree(tiles.read, 0, WIDTH - 2)
    assert TILE_BYTES == 8_192
