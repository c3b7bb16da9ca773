"""A log that somebody serves as C2SP tlog-tiles over HTTP; nothing of it is believed."""

from types import TracebackType
from typing import Self

import httpx2

from careledger.ledger.checkpoint import SignedCheckpoint, parse_checkpoint
from careledger.ledger.entry import MAX_ENTRY_BYTES
from careledger.ledger.errors import Malformed, ProofError, Unavailable
from careledger.ledger.merkle import HASH_BYTES
from careledger.ledger.note import MAX_NOTE_BYTES
from careledger.ledger.tile import ENTRIES, Place, decode_bundle, encode_bundle

TIMEOUT_S = 20.0

_LENGTH_BYTES = 2


class LogSource:
    """One served log. Owns its connections until `close`."""

    def __init__(self, url: str, client: httpx2.Client | None = None) -> None:
        """The log at `url`, which is a node or any server of the same files."""
        self.url = url.rstrip("/")
        self._client = client or httpx2.Client(timeout=TIMEOUT_S, trust_env=False)

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

    def checkpoint(self) -> SignedCheckpoint:
        """The newest checkpoint that it shows; its signatures are not checked yet.

        Raises:
            Unavailable: it does not answer, or not with a checkpoint.
        """
        try:
            data = self.get("checkpoint", MAX_NOTE_BYTES)
        except ProofError as error:
            raise Unavailable(f"{self.url}/checkpoint is no checkpoint") from error
        if data is None:
            raise Unavailable(f"{self.url} serves no checkpoint")
        try:
            return parse_checkpoint(data.decode())
        except (Malformed, UnicodeDecodeError) as error:
            raise Unavailable(f"{self.url}/checkpoint is no checkpoint") from error

    def tile(self, place: Place) -> bytes:
        """The hashes at `place`; a partial tile that is gone is cut from the full one.

        Raises:
            ProofError: it is larger than a tile may be.
            Unavailable: it does not answer, or not with a tile.
        """
        wanted = place.width * HASH_BYTES
        data = self.get(place.path(), wanted)
        if data is None and not place.is_full:
            data = self.get(place.full.path(), place.full.width * HASH_BYTES)
        if data is None:
            raise Unavailable(f"{self.url} does not serve {place.path()}")
        return data[:wanted]

    def bundle(self, place: Place) -> list[bytes]:
        """The entries at `place`; not checked yet.

        Raises:
            ProofError: it is no bundle.
            Unavailable: it does not answer, or not with a bundle.
        """
        most = place.full.width * (MAX_ENTRY_BYTES + _LENGTH_BYTES)
        data = self.get(place.path(), most)
        if data is None and not place.is_full:
            data = self.get(place.full.path(), most)
        if data is None:
            raise Unavailable(f"{self.url} does not serve {place.path()}")
        try:
            return decode_bundle(data)[: place.width]
        except Malformed as error:
            raise ProofError(f"{place.path()} is damaged") from error

    def fetch(self, place: Place) -> bytes:
        """A tile or bundle as it is kept in a mirror."""
        if place.level == ENTRIES:
            return encode_bundle(self.bundle(place))
        return self.tile(place)

    def get(self, path: str, most: int) -> bytes | None:
        """What is served at `path`; None if there is nothing.

        Raises:
            Unavailable: no answer, or another one.
            ProofError: it is longer than `most` bytes.
        """
        try:
            with self._client.stream("GET", f"{self.url}/{path}") as answer:
                if answer.status_code == httpx2.codes.NOT_FOUND:
                    return None
                if not answer.is_success:
                    raise Unavailable(f"{self.url}/{path}: {answer.status_code}")
                data = bytearray()
                for part in answer.iter_bytes():
                    data += part
                    if len(data) > most:
                        raise ProofError(f"{path} is longer than it may be", expected=most)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Unavailable(f"no answer from {self.url}: {type(error).__name__}") from error
        return bytes(data)
