"""Requests at a gateway's own interface (ASGI): no client in between."""

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from starlette.types import Message, Scope

from tests.rule.questions import Question

if TYPE_CHECKING:
    from tests.rule.houses import House

BASE = "http://riverside.test"
_AS_IT_IS = "%/:=&?,|$.*~!@;+'()[]-_"


@dataclass(frozen=True)
class Answer:
    """What a door answered."""

    method: str
    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


async def ask(house: "House", question: Question) -> Answer:
    """Ask one house, at the gateway's own interface (ASGI): no client in between."""
    path, _, query = question.path.removeprefix(BASE).partition("?")
    headers = {"host": "riverside.test"} | house.header | question.headers
    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("riverside.test", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "method": question.method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": quote(query, safe=_AS_IT_IS).encode(),
        "headers": [(name.lower().encode(), text.encode()) for name, text in headers.items()],
    }
    asked = [{"type": "http.request", "body": question.body, "more_body": False}]
    told, body = list[Message](), list[bytes]()

    async def receive() -> Message:
        if asked:
            return asked.pop()
        await asyncio.get_running_loop().create_future()  # who asks stays
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            told.append(message)
        else:
            body.append(message.get("body", b""))

    with house.alike():
        await house.app(scope, receive, send)
    names = {name.decode(): text.decode() for name, text in told[0]["headers"]}
    return Answer(question.method, told[0]["status"], names, b"".join(body))
