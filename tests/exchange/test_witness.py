"""An answer is given again exactly as long as whoever asks would read the same."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from careledger.exchange.witness import Watched
from careledger.ledger.state import MemoryReader

KEYS = st.sampled_from((b"a", b"a1", b"a2", b"b", b"b1", b"c"))
ROWS = st.sampled_from((b"", b"x", b"y", b"a1x"))
STATES = st.dictionaries(KEYS, ROWS)
ASKED = st.lists(st.tuples(st.sampled_from(("get", "scan")), KEYS), max_size=5)


def _reads(state: Mapping[bytes, bytes], asked: list[tuple[str, bytes]]) -> list[object]:
    reader = MemoryReader(state)
    return [reader.get(at) if how == "get" else list(reader.scan(at)) for how, at in asked]


@given(STATES, STATES, ASKED)
def test_it_holds_where_the_same_would_be_read_and_nowhere_else(
    before: dict[bytes, bytes], after: dict[bytes, bytes], asked: list[tuple[str, bytes]]
) -> None:
    watched = Watched(MemoryReader(before))
    read = [watched.get(at) if how == "get" else list(watched.scan(at)) for how, at in asked]
    assert read == _reads(before, asked)
    witness = watched.witness()
    assert witness.holds_in(MemoryReader(before))
    assert witness.holds_in(MemoryReader(after)) == (read == _reads(after, asked))


def test_rows_that_run_into_one_another_are_told_apart() -> None:
    watched = Watched(MemoryReader({b"a1": b"xy", b"a2": b"z"}))
    assert len(list(watched.scan(b"a"))) == 2
    witness = watched.witness()
    assert not witness.holds_in(MemoryReader({b"a1": b"x", b"a2": b"yz"}))
    assert not witness.holds_in(MemoryReader({b"a1": b"xy" + b"a2" + b"z"}))


def test_what_is_asked_twice_is_read_once() -> None:
    class Counting(MemoryReader):
        asked = 0

        def get(self, key: bytes, /) -> bytes | None:
            self.asked += 1
            return super().get(key)

    state = Counting({b"a": b"x"})
    watched = Watched(state)
    assert [watched.get(b"a"), watched.get(b"a"), watched.get(b"b")] == [b"x", b"x", None]
    assert state.asked == 2
