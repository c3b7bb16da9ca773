"""The one message that each frame on an ABCI connection holds: which call, and its message."""

from typing import Final

from careledger.consensus.cometbft import messages as m
from careledger.consensus.cometbft.protobuf import (
    BadMessage,
    Message,
    decode,
    encode,
    parts,
    read_varint,
    varint,
)

REQUESTS: Final[dict[int, type[Message]]] = {
    1: m.RequestEcho,
    2: m.RequestFlush,
    3: m.RequestInfo,
    5: m.RequestInitChain,
    6: m.RequestQuery,
    8: m.RequestCheckTx,
    11: m.RequestCommit,
    12: m.RequestListSnapshots,
    13: m.RequestOfferSnapshot,
    14: m.RequestLoadSnapshotChunk,
    15: m.RequestApplySnapshotChunk,
    16: m.RequestPrepareProposal,
    17: m.RequestProcessProposal,
    18: m.RequestExtendVote,
    19: m.RequestVerifyVoteExtension,
    20: m.RequestFinalizeBlock,
}
"""By field of the engine's message."""

RESPONSES: Final[dict[int, type[Message]]] = {
    1: m.ResponseException,
    2: m.ResponseEcho,
    3: m.ResponseFlush,
    4: m.ResponseInfo,
    6: m.ResponseInitChain,
    7: m.ResponseQuery,
    9: m.ResponseCheckTx,
    12: m.ResponseCommit,
    13: m.ResponseListSnapshots,
    14: m.ResponseOfferSnapshot,
    15: m.ResponseLoadSnapshotChunk,
    16: m.ResponseApplySnapshotChunk,
    17: m.ResponsePrepareProposal,
    18: m.ResponseProcessProposal,
    19: m.ResponseExtendVote,
    20: m.ResponseVerifyVoteExtension,
    21: m.ResponseFinalizeBlock,
}
"""By field of the application's message."""

_TAGS = {
    type_: varint(number << 3 | 2)
    for table in (REQUESTS, RESPONSES)
    for number, type_ in table.items()
}


def frame(message: Message) -> bytes:
    """A request or response as it travels: length, then the envelope around its message."""
    if message == _CHECKED:  # nearly all that there is to answer
        return _CHECKED_FRAME
    return _frame(message)


def _frame(message: Message) -> bytes:
    inner = encode(message)
    head = _TAGS[type(message)] + varint(len(inner))
    return varint(len(head) + len(inner)) + head + inner


_CHECKED = m.ResponseCheckTx()
_CHECKED_FRAME = _frame(_CHECKED)

_CHECK = varint(8 << 3 | 2)
_TX = varint(1 << 3 | 2)
_AGAIN = bytes((2 << 3, 1))
"""`RequestCheckTx` as the engine writes it: the transaction, and perhaps that it waited before."""


def open_request(data: bytes) -> Message:
    """The request within a frame's envelope.

    Raises:
        BadMessage: not exactly one request of ABCI 2.0.
    """
    if data[:1] == _CHECK and (check := _open_check(data)):
        return check
    return _open(data, REQUESTS)


def _open_check(data: bytes) -> m.RequestCheckTx | None:
    """A check as every one of them looks, at a quarter of the cost; None of any other encoding."""
    try:
        size, at = read_varint(data, 1)
        if len(data) - at != size or data[at : at + 1] != _TX:
            return None
        size, at = read_varint(data, at + 1)
    except (IndexError, BadMessage):
        return None
    rest = data[at + size :]
    if len(data) - at < size or rest not in {b"", _AGAIN}:
        return None
    return m.RequestCheckTx(tx=data[at : at + size], type=len(rest) >> 1)


def open_response(data: bytes) -> Message:
    """The response within a frame's envelope.

    Raises:
        BadMessage: not exactly one response of ABCI 2.0.
    """
    return _open(data, RESPONSES)


def _open(data: bytes, table: dict[int, type[Message]]) -> Message:
    try:
        found = list(parts(data))
    except IndexError as error:
        raise BadMessage("ends too soon") from error
    if len(found) != 1 or found[0][0] not in table or not isinstance(found[0][2], bytes):
        raise BadMessage("not one call of ABCI 2.0", [number for number, _, _ in found])
    number, _, value = found[0]
    return decode(value, table[number])


def split_frames(buffer: bytearray, most: int) -> list[bytes]:
    """Take every whole frame out of `buffer`; what is left is the beginning of the next.

    Raises:
        BadMessage: a frame of more than `most` bytes.
    """
    frames: list[bytes] = []
    at, end = 0, len(buffer)
    with memoryview(buffer) as view:
        while at < end:
            try:
                size, begin = read_varint(view, at)
            except IndexError:
                break
            if size > most:
                raise BadMessage("a message of more bytes than allowed", most, size)
            if begin + size > end:
                break
            frames.append(bytes(view[begin : begin + size]))
            at = begin + size
    del buffer[:at]
    return frames
