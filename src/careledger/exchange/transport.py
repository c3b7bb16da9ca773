"""How sealed messages reach another gateway: HTTP here, anything that carries bytes in tests."""

import ssl
from collections.abc import Awaitable, Callable
from typing import Final

import httpx2

from careledger.ledger.errors import Unavailable
from careledger.mechanisms.messages import MAX_ANSWER_BYTES

Transport = Callable[[str, bytes], Awaitable[bytes]]
"""Posts a message to an address and returns the answer; raises `Unavailable`."""

MEDIA_TYPE: Final = "application/vnd.careledger.sealed"

ASK_PATH: Final = "/exchange/ask"
MAILBOX_PATH: Final = "/mailbox"
"""Where a gateway takes asks and deliveries, below its address on the ledger."""

_OK: Final = 200


class HttpTransport:
    """Posts over HTTP, keeping connections open until `close`."""

    def __init__(self, *, timeout_s: float = 20.0, context: ssl.SSLContext | None = None) -> None:
        """Give up on a gateway that stays silent for `timeout_s`; trust whom `context` trusts."""
        self._client = httpx2.AsyncClient(
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            verify=True if context is None else context,
        )

    async def __call__(self, url: str, message: bytes) -> bytes:
        """Post `message`.

        Raises:
            Unavailable: no answer, one that is no answer, or one that is too long.
        """
        headers = {"content-type": MEDIA_TYPE}
        try:
            async with self._client.stream("POST", url, content=message, headers=headers) as answer:
                if answer.status_code != _OK:
                    raise Unavailable(f"the gateway answered {answer.status_code}")
                return await _read(answer)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable("the gateway did not answer") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


async def _read(answer: httpx2.Response) -> bytes:
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > MAX_ANSWER_BYTES:
            raise Unavailable("the gateway's answer is too long")
    return bytes(body)
