"""Bodies that come slowly, or stop coming."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.requests import Request
from starlette.types import Message

from careledger.gateway import body
from careledger.gateway.outcome import Refused


def request(parts: Iterable[bytes], every_s: float) -> Request:
    """A client that sends a part now and then, and after the last one nothing more."""
    left = iter(parts)

    async def receive() -> Message:
        await asyncio.sleep(every_s)
        part = next(left, None)
        if part is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": part, "more_body": part != b"last"}

    return Request({"type": "http", "headers": [], "method": "POST"}, receive)


def read(parts: Iterable[bytes], every_s: float = 0.0) -> bytes:
    return asyncio.run(body.read_body(request(parts, every_s), 1_000))


def test_a_body_in_parts_is_put_together() -> None:
    assert read([b"first ", b"", b"last"]) == b"first last"


def test_a_client_that_falls_silent_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "SILENT_S", 0.05)
    with pytest.raises(Refused) as refused:
        read([b"first "])
    assert refused.value.status == 408
    assert refused.value.headers == {"Connection": "close"}


def test_a_client_that_drips_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """No silence is long, but there is no end."""
    monkeypatch.setattr(body, "WITHIN_S", 0.1)
    with pytest.raises(Refused) as refused:
        read([b"."] * 900, every_s=0.01)
    assert refused.value.status == 408
