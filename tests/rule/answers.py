"""Answers of two houses, laid side by side: what is drawn at random in each reads the same."""

import asyncio
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from starlette.types import Message, Scope

from tests.rule.houses import BASE, House
from tests.rule.questions import Question

PAGES = 12
_AS_IT_IS = "%/:=&?,|$.*~!@;+'()[]-_"
_CURSOR = re.compile(rb"_cursor=([A-Za-z0-9_-]+)")
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


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


async def ask(house: House, question: Question) -> Answer:
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


def said(answer: Answer) -> tuple[int, dict[str, str], Any]:
    """All of an answer that can tell anything; a cursor counts by its length."""
    drawn: dict[bytes, bytes] = {}

    def alike(match: re.Match[bytes]) -> bytes:
        return drawn.setdefault(match[0], b"drawn-%d" % len(drawn))

    def as_long(match: re.Match[bytes]) -> bytes:
        return b"_cursor=%d" % len(match[1])

    content = _UUID.sub(alike, _CURSOR.sub(as_long, answer.content))
    headers = {
        name: _UUID.sub(alike, text.encode()).decode()
        for name, text in answer.headers.items()
        if name != "date"
    }
    try:
        return answer.status, headers, json.loads(content)
    except ValueError:
        return answer.status, headers, content


async def compare(one: House, other: House, question: Question) -> Answer:
    """Ask both, and follow the pages of both; the answers are equal. The first of the one."""
    first = mine = await ask(one, question)
    theirs = await ask(other, question)
    for _ in range(PAGES):
        assert said(mine) == said(theirs), (question, said(mine), said(theirs))
        links = following(mine), following(theirs)
        if None in links:
            break
        mine = await ask(one, Question("GET", links[0] or ""))
        assert mine.status == 200, (question, mine.text)
        theirs = await ask(other, Question("GET", links[1] or ""))
    return first


def following(answer: Answer) -> str | None:
    """Where the next page is."""
    if answer.method == "HEAD" or not answer.content:
        return None
    try:
        body = answer.json()
    except ValueError:
        return None
    links = body.get("link", []) if isinstance(body, dict) else []
    for link in links:
        if isinstance(link, dict) and link.get("relation") == "next":
            parts = urlsplit(link["url"])
            return f"{parts.path}?{parts.query}"
    return None
