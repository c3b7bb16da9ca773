"""Another node, asked for snapshots, checkpoints and the past; nothing of it is believed."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx2
import msgspec

from careledger.ledger.checkpoint import SignedCheckpoint, parse_checkpoint
from careledger.ledger.errors import Malformed, Unavailable
from careledger.ledger.note import MAX_NOTE_BYTES
from careledger.ledger.record import MAX_BYTES, Digest, load_cbor
from careledger.node.audit.source import LogSource
from careledger.store.sync.format import MAX_CHUNK_BYTES
from careledger.store.sync.past import PastBlock

TIMEOUT_S = 20.0

MAX_PAST_BYTES = 48_000_000
"""Longest answer with blocks of the past: one full block may be most of it."""

_MOST_HEIGHTS = 100
_MOST_ANSWER = 100_000
_MOST_HEADERS = 2_000_000


class Peer:
    """One other node. Owns its connections until `close`."""

    def __init__(self, url: str, client: httpx2.Client | None = None) -> None:
        """The node at `url`."""
        self.url = url.rstrip("/")
        self._client = client or httpx2.Client(
            timeout=TIMEOUT_S, follow_redirects=False, trust_env=False
        )
        self.log = LogSource(self.url, self._client)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def heights(self) -> list[int]:
        """The heights of which it keeps snapshots, newest first.

        Raises:
            Unavailable: it does not answer, or not as a node does.
        """
        data = self.log.get("v1/snapshots", _MOST_ANSWER) or b"[]"
        try:
            found = msgspec.json.decode(data, type=_Snapshots).snapshots
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._unlike("v1/snapshots") from error
        return sorted({one.height for one in found}, reverse=True)[:_MOST_HEIGHTS]

    def manifest(self, height: int) -> bytes | None:
        """The manifest of its snapshot at `height`, not looked at; None if it has none."""
        return self.log.get(f"v1/snapshots/{height}", MAX_BYTES)

    def chunk(self, height: int, number: int) -> bytes | None:
        """One chunk of it, not looked at; None if it has none."""
        return self.log.get(f"v1/snapshots/{height}/{number}", MAX_CHUNK_BYTES)

    def checkpoint(self, size: int) -> SignedCheckpoint | None:
        """Its checkpoint at `size`; None if its log is not that long.

        Raises:
            Unavailable: it does not answer, or signs none at present.
        """
        path = f"v1/checkpoint?size={size}"
        data = self.log.get(path, MAX_NOTE_BYTES)
        try:
            return None if data is None else parse_checkpoint(data.decode())
        except (Malformed, UnicodeDecodeError) as error:
            raise self._unlike(path) from error

    def consistency(self, first: int, second: int) -> tuple[Digest, ...]:
        """That its log of `first` entries begins that of `second`; not checked yet."""
        path = f"v1/log/consistency?first={first}&second={second}"
        data = self.log.get(path, _MOST_ANSWER)
        try:
            found = msgspec.json.decode(data or b"", type=_Consistency)
            return tuple(Digest(bytes.fromhex(one)) for one in found.path)
        except (msgspec.DecodeError, ValueError) as error:
            raise self._unlike(path) from error

    def past(self, height: int) -> tuple[PastBlock, ...]:
        """Consecutive blocks from `height` on, as many as it gives at once; not checked yet.

        Raises:
            Malformed: what it gives are no blocks.
            Unavailable: it does not answer, or has not got them.
        """
        data = self.log.get(f"v1/history?height={height}", MAX_PAST_BYTES)
        if data is None:
            raise Unavailable(f"{self.url} is not as far as block {height:,}")
        try:
            blocks = msgspec.convert(
                load_cbor(data, most=MAX_PAST_BYTES),
                tuple[PastBlock, ...],
                builtin_types=(bytes,),
            )
        except (msgspec.ValidationError, TypeError) as error:
            raise Malformed from error
        if not blocks:
            raise Malformed
        return blocks

    def ask_engine(self, method: str, *, height: int | None) -> Mapping[str, Any]:  # Any: JSON
        """What its engine answers to a light client, of its newest block without a height.

        Nothing of it is checked yet.

        Raises:
            Unavailable: it has no engine, or that does not answer so.
        """
        params = {} if height is None else {"height": str(height)}
        question = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        try:
            answer = self._client.post(f"{self.url}/v1/engine", json=question)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(f"no answer from {self.url}: {type(error).__name__}") from error
        try:
            found = msgspec.json.decode(answer.content[:_MOST_HEADERS], type=_Answered).result
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._unlike("v1/engine") from error
        return found

    def _unlike(self, path: str) -> Unavailable:
        return Unavailable(f"{self.url}/{path} does not answer as a node does")


class _Snapshot(msgspec.Struct):
    height: int


class _Snapshots(msgspec.Struct):
    snapshots: tuple[_Snapshot, ...]


class _Answered(msgspec.Struct):
    result: dict[str, Any]  # Any: JSON


class _Consistency(msgspec.Struct):
    path: tuple[str, ...]
