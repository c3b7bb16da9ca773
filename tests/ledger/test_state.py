import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.errors import KeyTooLong, Malformed, Refusal
from careledger.ledger.record import Record, encode
from careledger.ledger.state import (
    Changes,
    MemoryReader,
    Overlay,
    RememberingReader,
    Table,
    View,
)


class Row(Record):
    value: int


class Missing(Refusal):
    """There is no such row."""

    code = 9_001


TABLE = Table("t", Row, (str, bytes, int))
OTHER = Table("t2", Row, (str,))

texts = st.text(st.characters(codec="utf-8"), max_size=12)
keys = st.tuples(texts, st.binary(max_size=12), st.integers(0, 2**64 - 1))


@given(keys)
def test_keys_parse_back(key: tuple[str, bytes, int]) -> None:
    assert TABLE.parse(TABLE.at(*key)) == key


@given(keys, keys)
def test_keys_sort_as_their_components_do(
    one: tuple[str, bytes, int], two: tuple[str, bytes, int]
) -> None:
    def order(key: tuple[str, bytes, int]) -> tuple[bytes, bytes, int]:
        return key[0].encode(), key[1], key[2]

    assert (TABLE.at(*one) < TABLE.at(*two)) == (order(one) < order(two))


@given(keys, texts)
def test_an_owners_rows_are_contiguous_and_nobody_elses(
    key: tuple[str, bytes, int], other: str
) -> None:
    assert TABLE.at(*key).startswith(TABLE.prefix(other)) == (key[0] == other)


def test_keys_have_pinned_bytes() -> None:
    assert TABLE.at("a\0b", b"\0", 258).hex() == "74006100ff62000100ff00010000000000000102"


def test_wrong_components_are_bugs_and_long_ids_refusals() -> None:
    with pytest.raises(TypeError):
        TABLE.at("a", b"b")
    with pytest.raises(TypeError):
        TABLE.at("a", "b", 1)
    with pytest.raises(KeyTooLong):
        TABLE.at("a" * 256, b"", 1)


@given(st.binary(max_size=40))
def test_no_other_bytes_parse(data: bytes) -> None:
    try:
        assert TABLE.at(*TABLE.parse(data)) == data
    except Malformed:
        return


small = st.tuples(st.sampled_from("ab"), st.sampled_from([b"", b"\0", b"x"]), st.integers(0, 2))
layers = st.lists(st.dictionaries(small, st.none() | st.integers(0, 9), max_size=8), max_size=4)


@given(layers, st.sampled_from([(), ("a",), ("a", b"\0")]))
def test_a_layered_view_reads_like_one_map(
    stack: list[dict[tuple[str, bytes, int], int | None]], prefix: tuple[str | bytes, ...]
) -> None:
    flat: dict[tuple[str, bytes, int], int] = {}
    reader, view = MemoryReader(), View()
    for number, layer in enumerate(stack):
        changes = {
            TABLE.at(*key): None
            if value is None
            else TABLE.put(Row(value=value), *key)[TABLE.at(*key)]
            for key, value in layer.items()
        }
        if number == 0:
            reader.apply(changes)
            view = View(reader)
        else:
            view = view.under(changes)
        for key, value in layer.items():
            if value is None:
                flat.pop(key, None)
            else:
                flat[key] = value
    expected = sorted((k, v) for k, v in flat.items() if k[: len(prefix)] == prefix)
    assert [(key, row.value) for key, row in view.scan(TABLE, *prefix)] == expected
    for key, value in flat.items():
        assert view.row(TABLE, *key).value == value


pieces = st.lists(st.dictionaries(small, st.none() | st.integers(0, 9), max_size=4), max_size=6)


@given(pieces, pieces, st.sampled_from([(), ("a",), ("a", b"\0"), ("a", b"\0", 1)]))
def test_a_block_so_far_reads_like_its_changes_in_one_map(
    committed: list[dict[tuple[str, bytes, int], int | None]],
    block: list[dict[tuple[str, bytes, int], int | None]],
    prefix: tuple[str | bytes | int, ...],
) -> None:
    def encoded(piece: dict[tuple[str, bytes, int], int | None]) -> Changes:
        changes: dict[bytes, bytes | None] = {}
        for key, value in piece.items():
            row = None if value is None else Row(value=value)
            changes.update(TABLE.remove(*key) if row is None else TABLE.put(row, *key))
        return changes

    reader, overlay, flat = MemoryReader(), Overlay(), dict[bytes, bytes | None]()
    for piece in committed:
        reader.apply(encoded(piece))
    for piece in block:
        overlay.lay(encoded(piece))
        flat.update(encoded(piece))
        laid, plain = View(reader, overlay), View(reader, flat)
        assert list(laid.scan(TABLE, *prefix)) == list(plain.scan(TABLE, *prefix))
        assert overlay == flat


def test_absence_is_none_a_refusal_or_a_bug_as_asked() -> None:
    view = View(None, OTHER.put(Row(value=1), "here"))
    assert view.get(OTHER, "there") is None
    with pytest.raises(Missing):
        view.find(OTHER, "there", absent=Missing)
    with pytest.raises(KeyError):
        view.row(OTHER, "there")
    assert view.find(OTHER, "here", absent=Missing).value == 1
    assert view.under(OTHER.remove("here")).get(OTHER, "here") is None


@given(st.dictionaries(small, st.integers(0, 9), max_size=8), st.lists(small, max_size=20))
def test_a_remembering_reader_reads_the_same_and_each_row_once(
    rows: dict[tuple[str, bytes, int], int], asked: list[tuple[str, bytes, int]]
) -> None:
    beneath = CountingReader()
    beneath.apply({TABLE.at(*key): encode(Row(value=value)) for key, value in rows.items()})
    view = View(RememberingReader(beneath))
    for key in asked:
        found = view.get(TABLE, *key)
        assert (None if found is None else found.value) == rows.get(key)
    assert beneath.gets == len(set(asked))
    assert len(list(view.scan(TABLE))) == len(rows)


class CountingReader(MemoryReader):
    gets = 0

    def get(self, key: bytes, /) -> bytes | None:
        self.gets += 1
        return super().get(key)
