"""A node that lies: it passes on what a real one answers, altered as the test says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx2

from tests.node.answering import Handler, answering

Alter = Callable[[str, int, bytes], tuple[int, bytes]]
"""(path, status, body) of the honest answer -> what is answered instead."""


@contextmanager
def lying(honest: str, alter: Alter) -> Iterator[str]:
    """The URL of a liar in front of the node at `honest`."""

    class Answers(Handler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:  # noqa: N802 - its name there
            answer = httpx2.get(honest + self.path)
            status, body = alter(self.path, answer.status_code, answer.content)
            self.reply(body, status)

    with answering(Answers, to_the_end=True) as url:
        yield url
