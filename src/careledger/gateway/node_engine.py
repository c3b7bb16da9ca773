"""What light clients ask a node's engine: signed headers, validators, parameters; nothing else.

The engine itself answers this node alone, on a socket. An engine that joins follows the validators'
votes with what it reads here, and believes none of it but by their signatures.
"""

import re
from typing import Annotated, Any, Literal

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from careledger.gateway.body import read_body
from careledger.gateway.node_services import NodeServices
from careledger.gateway.outcome import Refused

MAX_BODY_BYTES = 2_000

_NUMBER = re.compile(r"[0-9]{1,19}")
_NUMBERS = {"height", "page", "per_page"}


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON-RPC 2.0 request, of the three methods that a light client needs."""

    method: Literal["commit", "validators", "consensus_params"]
    id: int | Annotated[str, msgspec.Meta(max_length=64)]
    params: dict[str, str | int | None] = {}
    jsonrpc: Literal["2.0"] = "2.0"


def routes(services: NodeServices) -> list[Route]:
    """`POST /v1/engine` of `services`."""

    async def engine(request: Request) -> Response:
        if services.engine_rpc is None:
            raise HTTPException(404, "this node orders without an engine of its own")
        try:
            question = read_question(await read_body(request, MAX_BODY_BYTES))
        except Refused as error:
            raise HTTPException(error.status, f"send at most {MAX_BODY_BYTES} bytes") from error
        answer = await services.engine_rpc(msgspec.json.encode(question))
        return Response(answer, media_type="application/json")

    return [Route("/v1/engine", engine, methods=["POST"])]


def read_question(body: bytes) -> Question:
    """The question, if it is one that light clients ask.

    Raises:
        HTTPException: it is none.
    """
    try:
        question = msgspec.json.decode(body, type=Question)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HTTPException(400, "ask for commit, validators or consensus_params") from error
    given: dict[str, Any] = {key: one for key, one in question.params.items() if one is not None}
    if not given.keys() <= _NUMBERS or not all(_NUMBER.fullmatch(str(v)) for v in given.values()):
        raise HTTPException(400, "give height, page and per_page as whole numbers")
    return msgspec.structs.replace(question, params={key: str(one) for key, one in given.items()})
