"""Letters to an organisation's gateway: sealed to its key, posted over HTTP."""

from typing import Final

import httpx2

from careledger.apps.governance.queries import member
from careledger.ledger.errors import Unavailable
from careledger.ledger.membership import live_keys
from careledger.ledger.record import Digest, MemberId
from careledger.ledger.state import View
from careledger.mechanisms.messages import MAX_ANSWER_BYTES
from careledger.vault.sealing import Binding, seal_to
from careledger.wallet.errors import NotReachable

MEDIA_TYPE: Final = "application/vnd.careledger.sealed"
ASK_PATH: Final = "/exchange/ask"
MAILBOX_PATH: Final = "/mailbox"

TIMEOUT_S: Final = 20.0


class Post:
    """Posts letters; owns its connections until `close`."""

    def __init__(self, client: httpx2.AsyncClient | None = None) -> None:
        """Use `client`, or one of its own."""
        self._client = client or httpx2.AsyncClient(
            timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
        )

    async def send(self, url: str, letter: bytes) -> bytes:
        """The answer to `letter`.

        Raises:
            Unavailable: the gateway is out of reach, or did not take the letter.
        """
        headers = {"content-type": MEDIA_TYPE}
        try:
            async with self._client.stream("POST", url, content=letter, headers=headers) as answer:
                if not answer.is_success:
                    raise Unavailable(f"the gateway at {url} answered {answer.status_code}")
                body = bytearray()
                async for piece in answer.aiter_bytes():
                    body += piece
                    if len(body) > MAX_ANSWER_BYTES:
                        raise Unavailable(f"the gateway at {url} answered without end")
                return bytes(body)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(f"no answer from {url}: {type(error).__name__}") from error

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()


def gateway_of(view: View, id_: MemberId) -> str:
    """Where the gateway of a member answers.

    Raises:
        NotReachable: the ledger names no gateway.
    """
    found = member(view, id_)
    if found is None or found.gateway is None:
        raise NotReachable(f"the ledger says nothing of a gateway of {id_}")
    return found.gateway.rstrip("/")


def seal_letter(view: View, chain: Digest, id_: MemberId, channel: str, body: bytes) -> bytes:
    """`body`, sealed to the newest sealing key of a member.

    Raises:
        NotReachable: it has none.
    """
    keys = [(row.since, key_id, row.public) for key_id, row in live_keys(view, id_, "sealing")]
    if not keys:
        raise NotReachable(f"{id_} has no sealing key on the ledger")
    binding = Binding(chain=chain, channel=channel, receiver=id_)
    return seal_to(max(keys)[2], binding, body)
