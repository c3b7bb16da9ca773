"""A node in another process, reached over its HTTP API (`/openapi.json` describes it)."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import cbor2
import httpx2

from careledger.consensus.intake import Ordered
from careledger.consensus.verification import INADMISSIBLE
from careledger.ledger.entry import EventRecord
from careledger.ledger.errors import Inadmissible, Unavailable
from careledger.ledger.state_root import StateProof
from careledger.ledger.transition import Receipt

Json = dict[str, Any]  # Any: an answer in JSON

TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Happened:
    """One transaction of the event feed."""

    index: int
    receipt: Receipt


@dataclass(frozen=True, kw_only=True)
class Page:
    """Part of the event feed; `following` is the cursor to go on from."""

    happened: tuple[Happened, ...]
    following: int
    size: int


@dataclass(frozen=True, kw_only=True)
class ProvedRow:
    """A row, or its absence, with what proves it: against state root, block entry, checkpoint."""

    key: bytes
    row: bytes | None
    state_root: bytes
    proof: StateProof
    entry: bytes | None
    index: int
    size: int
    path: tuple[bytes, ...]
    checkpoint: str


class RemoteNode:
    """A client of one node. Owns its connections until `close`."""

    def __init__(self, url: str, client: httpx2.AsyncClient | None = None) -> None:
        """Talk to the node at `url`, such as `http://127.0.0.1:7400`."""
        self.url = url.rstrip("/")
        self._client = client or httpx2.AsyncClient(timeout=TIMEOUT_S, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()

    async def submit(self, raw: bytes) -> Ordered:
        """Wait until the transaction is durable; resubmitting one gives its first receipt.

        Raises:
            Inadmissible: it may not enter a block.
            Unavailable: the node is busy or out of reach; nothing is known to be decided.
        """
        answer = await self._send(
            "POST", "/v1/transactions", raw, {"content-type": "application/cose"}
        )
        return _ordered(answer.json())

    async def submit_many(self, raws: Sequence[bytes]) -> list[Ordered | Exception]:
        """Up to 500 at once; each has its receipt or its error, in order."""
        body = cbor2.dumps(list(raws))
        answer = await self._send("POST", "/v1/batch", body, {"content-type": "application/cbor"})
        return [_outcome(one) for one in answer.json()]

    async def receipt(self, id_: bytes) -> Ordered | None:
        """What became of a transaction; None if it was never ordered."""
        answer = await self._find(f"/v1/transactions/{id_.hex()}/receipt")
        return None if answer is None else _ordered(answer.json())

    async def transaction(self, id_: bytes) -> bytes | None:
        """A transaction as it was signed."""
        answer = await self._find(f"/v1/transactions/{id_.hex()}")
        return None if answer is None else answer.content

    async def receipt_cose(self, id_: bytes, algorithm: str = "EdDSA") -> bytes | None:
        """The COSE Receipt (RFC 9942) of a transaction."""
        path = f"/v1/transactions/{id_.hex()}/receipt.cose?alg={algorithm}"
        answer = await self._find(path)
        return None if answer is None else answer.content

    async def tlog_proof(self, id_: bytes) -> str | None:
        """The C2SP .tlog-proof of a transaction."""
        answer = await self._find(f"/v1/transactions/{id_.hex()}/proof")
        return None if answer is None else answer.text

    async def checkpoint(self, *, wait: int = 0) -> str:
        """The newest checkpoint, as a signed note; `wait` seconds for others to cosign it."""
        return (await self._get(f"/v1/checkpoint?wait={wait}")).text

    async def genesis(self) -> bytes:
        """The genesis file."""
        return (await self._get("/v1/genesis")).content

    async def health(self) -> Json:
        """How the node is; it answers even when it cannot commit."""
        answer = await self._request("GET", "/v1/health")
        found: Json = answer.json()
        return found

    async def events(self, after: int = 0, limit: int = 100, wait: int = 0) -> Page:
        """What happened from the log position `after` on; `wait` seconds for something new."""
        path = f"/v1/events?after={after}&limit={limit}&wait={wait}"
        found = (await self._get(path)).json()
        return Page(
            happened=tuple(
                Happened(index=one["index"], receipt=_receipt(one["transaction"], one))
                for one in found["events"]
            ),
            following=found["next"],
            size=found["size"],
        )

    async def entries(self, begin: int, end: int) -> list[bytes]:
        """Log entries [begin, end), at most 1,000."""
        found = (await self._get(f"/v1/log/entries?begin={begin}&end={end}")).json()
        return [base64.b64decode(entry) for entry in found["entries"]]

    async def inclusion(self, index: int, size: int) -> tuple[bytes, ...]:
        """The inclusion path of a log entry (RFC 9162 2.1.3)."""
        found = (await self._get(f"/v1/log/inclusion?index={index}&size={size}")).json()
        return _hashes(found["path"])

    async def consistency(self, first: int, second: int) -> tuple[bytes, ...]:
        """The consistency path between two sizes (RFC 9162 2.1.4)."""
        found = (await self._get(f"/v1/log/consistency?first={first}&second={second}")).json()
        return _hashes(found["path"])

    async def row(self, table: str, *key: str) -> ProvedRow:
        """A state row with its proof; key components as text, bytes in hex."""
        answer = await self._send(
            "GET", f"/v1/state/{table}", parameters=tuple(("key", k) for k in key)
        )
        found = answer.json()
        entry = found["block_entry"] or {"entry": "", "index": 0, "size": 1, "path": []}
        return ProvedRow(
            key=bytes.fromhex(found["key"]),
            row=None if found["row_bytes"] is None else base64.b64decode(found["row_bytes"]),
            state_root=bytes.fromhex(found["state_root"]),
            proof=StateProof(
                bucket=bytes.fromhex(found["proof"]["bucket"]), path=_hashes(found["proof"]["path"])
            ),
            entry=base64.b64decode(entry["entry"]) or None,
            index=entry["index"],
            size=entry["size"],
            path=_hashes(entry["path"]),
            checkpoint=found["checkpoint"],
        )

    async def _get(self, path: str) -> httpx2.Response:
        return await self._send("GET", path)

    async def _find(self, path: str) -> httpx2.Response | None:
        answer = await self._request("GET", path)
        return None if answer.status_code == httpx2.codes.NOT_FOUND else _checked(answer)

    async def _send(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        parameters: tuple[tuple[str, str], ...] = (),
    ) -> httpx2.Response:
        return _checked(await self._request(method, path, content, headers, parameters))

    async def _request(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
        parameters: tuple[tuple[str, str], ...] = (),
    ) -> httpx2.Response:
        try:
            return await self._client.request(
                method, self.url + path, content=content, headers=headers, params=parameters or None
            )
        except httpx2.HTTPError as error:
            raise Unavailable(f"no answer from {self.url}: {type(error).__name__}") from error


def _checked(answer: httpx2.Response) -> httpx2.Response:
    """The answer, if it is a good one; problem details become our own errors."""
    if answer.is_success:
        return answer
    try:
        found = answer.json()
    except json.JSONDecodeError:
        found = {}
    error = INADMISSIBLE.get(found.get("code", 0))
    if error is not None:
        raise error(found.get("detail", ""))
    detail = found.get("detail") or found.get("title") or answer.reason_phrase
    raise Unavailable(f"{answer.url.path}: {answer.status_code} {detail}")


def _outcome(found: Json) -> Ordered | Exception:
    if "error" not in found:
        return _ordered(found)
    error: type[Inadmissible] | None = INADMISSIBLE.get(found.get("code", 0))
    return error(found["detail"]) if error else Unavailable(found["detail"])


def _ordered(found: Json) -> Ordered:
    return Ordered(
        receipt=_receipt(found["id"], found),
        index=found["index"],
        height=found["height"],
        time=found["time"],
    )


def _receipt(id_: str, found: Json) -> Receipt:
    return Receipt(
        id=bytes.fromhex(id_),
        code=found["code"],
        events=tuple(
            EventRecord(application=one["application"], event=base64.b64decode(one["event"]))
            for one in found["events"]
        ),
    )


def _hashes(texts: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(text) for text in texts)
