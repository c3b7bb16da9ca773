from hypothesis import given
from hypothesis import strategies as st

from careledger.ledger.record import decode, encode
from careledger.mechanisms.anchored import FIRST, Stream


def test_the_first_batch_is_number_one() -> None:
    assert Stream().next == FIRST == 1
    assert Stream().is_next(1)
    assert not Stream().is_next(0)


@given(st.lists(st.integers(1, 1_000)), st.integers(0, 50))
def test_only_one_number_follows_and_nothing_is_lost(sizes: list[int], sequence: int) -> None:
    stream = Stream()
    for number, size in enumerate(sizes, start=FIRST):
        assert stream.is_next(number)
        stream = stream.extended(size)
    assert stream.items == sum(sizes)
    assert stream.is_next(sequence) == (sequence == len(sizes) + FIRST)
    assert decode(encode(stream), Stream) == stream
