"""What an engine's light client may ask of a node: three methods, numbers, and nothing else."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from careledger.gateway.node_engine import read_question

ASKED = b'{"jsonrpc":"2.0","id":7,"method":"commit","params":{"height":"12"}}'


@pytest.mark.parametrize("method", ["commit", "validators", "consensus_params"])
def test_what_light_clients_ask(method: str) -> None:
    body = ASKED.replace(b"commit", method.encode()).replace(
        b'"height":"12"', b'"height":"12","page":1,"per_page":"100"'
    )
    question = read_question(body)
    assert question.method == method
    assert question.params == {"height": "12", "page": "1", "per_page": "100"}
    assert question.id == 7


def test_the_newest_is_asked_for_without_a_height() -> None:
    assert read_question(ASKED.replace(b'"12"', b"null")).params == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[" + ASKED + b"," + ASKED + b"]",
        ASKED.replace(b"commit", b"broadcast_tx_sync"),
        ASKED.replace(b"commit", b"dial_peers"),
        ASKED.replace(b'"12"', b'"-1"'),
        ASKED.replace(b'"12"', b'"1e9"'),
        ASKED.replace(b'"12"', b'"' + b"1" * 20 + b'"'),
        ASKED.replace(b'"12"', b"{}"),
        ASKED.replace(b'"height"', b'"hash"'),
        ASKED.replace(b'"2.0"', b'"1.0"'),
        ASKED[:-1] + b',"more":1}',
        b"\xff" + ASKED,
    ],
)
def test_nothing_else_reaches_the_engine(body: bytes) -> None:
    with pytest.raises(HTTPException) as refused:
        read_question(body)
    assert refused.value.status_code == 400


@given(st.binary(max_size=200))
def test_any_bytes_are_answered(body: bytes) -> None:
    try:
        question = read_question(body)
    except HTTPException:
        return
    assert msgspec.json.encode(question)
