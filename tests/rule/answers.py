"""Answers of two houses, laid side by side: what is drawn at random in each reads the same."""

import json
import re
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.rule.houses import House
from tests.rule.questions import Question

PAGES = 12
_CURSOR = re.compile(rb"_cursor=([A-Za-z0-9_-]+)")
_UUID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


async def ask(house: House, question: Question) -> httpx2.Response:
    """Ask one house."""
    return await house.client.request(
        question.method,
        question.path,
        headers=house.header | question.headers,
        content=question.body or None,
    )


def said(answer: httpx2.Response) -> tuple[int, dict[str, str], Any]:
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
        body = _in_order(json.loads(content))
    except ValueError:
        return answer.status_code, headers, content
    return answer.status_code, headers, body


def _in_order(body: Any) -> Any:
    """Included resources come in no order (FHIR R4 3.1.1.5.4), so in none of the vault's."""
    if isinstance(body, dict) and body.get("resourceType") == "Bundle":
        entries = [_inner(one) for one in body.get("entry", [])]
        matches = [one for one in entries if one.get("search", {}).get("mode") != "include"]
        others = [one for one in entries if one.get("search", {}).get("mode") == "include"]
        others.sort(key=lambda one: str(one.get("fullUrl")))
        return body | {"entry": [*matches, *others]}
    return body


def _inner(entry: Any) -> Any:
    return entry | {"resource": _in_order(entry["resource"])} if "resource" in entry else entry


async def compare(one: House, other: House, question: Question) -> httpx2.Response:
    """Ask both, and follow the pages of both; the answers are equal. The first of the one."""
    first = mine = await ask(one, question)
    theirs = await ask(other, question)
    for _ in range(PAGES):
        assert said(mine) == said(theirs), (question, said(mine), said(theirs))
        links = following(mine), following(theirs)
        if None in links:
            break
        mine = await ask(one, Question("GET", links[0] or ""))
        assert mine.status_code == 200, (question, mine.text)
        theirs = await ask(other, Question("GET", links[1] or ""))
    return first


def following(answer: httpx2.Response) -> str | None:
    """Where the next page is."""
    if answer.request.method == "HEAD" or not answer.content:
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
