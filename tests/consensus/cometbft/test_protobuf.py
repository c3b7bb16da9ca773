"""Our wire format against protobuf's own library, over every message of ABCI."""

from collections.abc import Callable
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import given
from hypothesis import strategies as st

from careledger.consensus.cometbft import messages
from careledger.consensus.cometbft.envelope import (
    REQUESTS,
    RESPONSES,
    _open,
    frame,
    open_request,
    open_response,
    split_frames,
)
from careledger.consensus.cometbft.protobuf import (
    BadMessage,
    Message,
    decode,
    encode,
    read_varint,
    varint,
)

EVERY = [
    one
    for one in vars(messages).values()
    if isinstance(one, type) and issubclass(one, Message) and one is not Message
]
FIELD = descriptor_pb2.FieldDescriptorProto


def shape(type_: type[Message]) -> dict[str, tuple[Any, int, bool]]:
    """Name -> (type, field number, repeated), read from the annotations."""
    found = {}
    for name, hint in get_type_hints(type_, include_extras=True).items():
        inner, number = get_args(hint)
        repeated = get_origin(inner) is tuple
        if repeated or not isinstance(inner, type):
            inner = get_args(inner)[0]
        found[name] = (inner, number, repeated)
    return found


def theirs() -> dict[str, Any]:
    """The same messages as protobuf's library makes them."""
    file = descriptor_pb2.FileDescriptorProto(name="abci.proto", package="t", syntax="proto3")
    for type_ in EVERY:
        made = file.message_type.add(name=type_.__name__)
        for name, (inner, number, repeated) in shape(type_).items():
            label = FIELD.LABEL_REPEATED if repeated else FIELD.LABEL_OPTIONAL
            field = made.field.add(name=name, number=number, label=label)
            if issubclass(inner, Message):
                field.type, field.type_name = FIELD.TYPE_MESSAGE, f".t.{inner.__name__}"
            else:
                kinds = {bool: FIELD.TYPE_BOOL, str: FIELD.TYPE_STRING, bytes: FIELD.TYPE_BYTES}
                field.type = kinds.get(inner, FIELD.TYPE_INT64)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        type_.__name__: message_factory.GetMessageClass(
            pool.FindMessageTypeByName(f"t.{type_.__name__}")
        )
        for type_ in EVERY
    }


THEIRS = theirs()


def values(type_: type[Message]) -> st.SearchStrategy[Message]:
    def one(inner: Any) -> st.SearchStrategy[Any]:
        if issubclass(inner, Message):
            return values(inner)
        if inner is int:
            return st.integers(-(1 << 63), (1 << 63) - 1)
        return st.from_type(inner)

    return st.builds(
        type_,
        **{
            name: st.lists(one(inner), max_size=4).map(tuple) if repeated else one(inner)
            for name, (inner, _, repeated) in shape(type_).items()
        },
    )


def as_theirs(message: Message) -> Any:
    made = THEIRS[type(message).__name__]()
    for name, (inner, _, repeated) in shape(type(message)).items():
        value = getattr(message, name)
        if repeated:
            getattr(made, name).extend(
                map(as_theirs, value) if issubclass(inner, Message) else value
            )
        elif isinstance(value, Message):
            getattr(made, name).CopyFrom(as_theirs(value))
        elif value is not None:
            setattr(made, name, value)
    return made


@given(st.sampled_from(EVERY).flatmap(values))
def test_both_read_what_either_wrote(message: Message) -> None:
    mine, other = encode(message), as_theirs(message).SerializeToString(deterministic=True)
    assert sorted(mine) == sorted(other)  # they put fields in the order of their numbers
    assert decode(mine, type(message)) == message == decode(other, type(message))
    assert type(as_theirs(message)).FromString(mine) == as_theirs(message)


@given(st.sampled_from(EVERY), st.binary(max_size=60))
def test_garbage_is_refused_and_nothing_else_happens(type_: type[Message], data: bytes) -> None:
    try:
        message = decode(data, type_)
    except BadMessage:
        return
    assert decode(encode(message), type_) == message


@pytest.mark.parametrize(
    ("number", "data"),
    [(0, "00"), (127, "7f"), (128, "8001"), (300, "ac02"), (-1, "ffffffffffffffffff01")],
)
def test_numbers_in_base_128(number: int, data: str) -> None:
    assert varint(number).hex() == data
    assert read_varint(bytes.fromhex(data), 0)[1] == len(data) // 2


def test_a_number_without_an_end_is_refused() -> None:
    with pytest.raises(BadMessage):
        decode(b"\x08" + b"\xff" * 11, messages.Timestamp)


@pytest.mark.parametrize("data", ["0a05aa", "08", "0d00", "0b", "0a", "1a02c328"])
def test_what_ends_too_soon_or_is_not_text_is_refused(data: str) -> None:
    with pytest.raises(BadMessage):
        decode(bytes.fromhex(data), messages.ResponseCheckTx)


def test_unknown_fields_are_skipped_and_the_last_of_two_counts() -> None:
    data = bytes.fromhex("0801" + "7a03616263" + "4900000000000000ff" + "0802")
    assert decode(data, messages.ResponseCheckTx).code == 2


def test_frames_are_as_the_engine_writes_them() -> None:
    # Request{info: RequestInfo{version: "0.38.25", block_version: 11, p2p_version: 8}}
    expected = "0f" + "1a0d" + "0a07302e33382e3235" + "100b" + "1808"
    request = messages.RequestInfo(version="0.38.25", block_version=11, p2p_version=8)
    assert frame(request).hex() == expected
    assert open_request(bytes.fromhex(expected)[1:]) == request
    assert frame(messages.ResponseFlush()).hex() == "021a00"


@given(
    st.lists(
        st.sampled_from([*REQUESTS.values(), *RESPONSES.values()]).flatmap(values), max_size=5
    ),
    st.integers(1, 9),
)
def test_frames_come_out_however_they_arrive(calls: list[Message], step: int) -> None:
    data = b"".join(map(frame, calls))
    buffer, found = bytearray(), list[Message]()
    for at in range(0, len(data), step):
        buffer += data[at : at + step]
        for one in split_frames(buffer, 1 << 20):
            call = calls[len(found)]
            opens = open_request if type(call) in REQUESTS.values() else open_response
            found.append(opens(one))
    assert (found, buffer) == (calls, bytearray())


def test_a_frame_beyond_bounds_is_refused_before_it_arrives() -> None:
    with pytest.raises(BadMessage):
        split_frames(bytearray(varint(101)), 100)


@pytest.mark.parametrize("data", [b"", b"\x0a\x00\x12\x00", b"\x22\x00", b"\x08\x01", b"\x0a"])
def test_what_is_not_one_call_is_refused(data: bytes) -> None:
    with pytest.raises(BadMessage):
        open_request(data)


CHECKS = st.builds(
    messages.RequestCheckTx, tx=st.binary(max_size=300), type=st.sampled_from((0, 1, 1, 2, -1))
)


@given(CHECKS, st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=2))
def test_the_short_way_to_read_a_check_reads_as_the_long_one(
    check: messages.RequestCheckTx, spoilt: list[tuple[int, int]]
) -> None:
    [data] = split_frames(bytearray(frame(check)), 1 << 20)
    changed = bytearray(data)
    for at, byte in spoilt:
        changed[at % len(data)] = byte

    def read(how: Callable[[bytes], Message]) -> Message | type[Exception]:
        try:
            return how(bytes(changed))
        except BadMessage:
            return BadMessage

    assert read(open_request) == read(lambda one: _open(one, REQUESTS))
    if not spoilt:
        assert open_request(data) == check


def test_the_usual_answer_is_written_as_any_other() -> None:
    usual = messages.ResponseCheckTx()
    [data] = split_frames(bytearray(frame(usual)), 1 << 20)
    assert open_response(data) == usual
    assert frame(messages.ResponseCheckTx(code=3)) != frame(usual)
