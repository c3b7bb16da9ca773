"""Answers of two houses, laid side by side: what is drawn at random in each reads the same."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

from tests.rule.asking import Answer, ask
from tests.rule.houses import House
from tests.rule.questions import Question

PAGES = 12
_CURSOR = re.compile(rb"_cursor=([A-Za-z0-9_-]+)")
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


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
