"""The node API as a test uses it: submit, read the feed, read rows, take the log along."""

import base64
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2
import msgspec

from careledger.apps import discover
from careledger.ledger.entry import EventRecord
from careledger.ledger.record import Digest, MemberId, Record, decode_trusted
from careledger.ledger.signature import SigningKey
from careledger.ledger.span import Span
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import call, sign_transaction
from careledger.vault.keyfile import load_signing_key
from careledger.verify.slice import slice_lines
from careledger.wallet.keys import pairwise_key
from tests.e2e.network import Json, Network, Patient

COSE = {"content-type": "application/cose"}


class Node:
    """A client of the node; it knows nothing but what the node answers."""

    def __init__(self, network: Network) -> None:
        self.chain = Digest(network.chain)
        self._network = network
        self._http = httpx2.Client(base_url=network.node, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def get(self, path: str, **parameters: str | int) -> httpx2.Response:
        """The answer to a GET that must succeed."""
        answer = self._http.get(path, params=parameters or None)
        assert answer.status_code == 200, answer.text
        return answer

    def post(self, raw: bytes) -> httpx2.Response:
        """The answer to a transaction, whatever it is."""
        return self._http.post("/v1/transactions", content=raw, headers=COSE)

    def claims(self, signer: str, about: str) -> Claims:
        """Claims that count for the next five minutes."""
        now = int(time.time())
        return Claims(
            issuer=signer,
            subject=about,
            audience=self.chain.hex(),
            not_before=now - 5,
            expires=now + 300,
            nonce=secrets.token_bytes(16),
        )

    def sign(self, signer: str, key: SigningKey, application: str, *commands: Record) -> bytes:
        """A transaction of `commands`."""
        calls = [call(application, one) for one in commands]
        return sign_transaction(key, self.claims(signer, application), *calls)

    def code(self, signer: str, key: SigningKey, application: str, command: Record) -> int:
        """The number of the refusal; 0 if it was accepted; also of what enters no block."""
        answer = self.post(self.sign(signer, key, application, command))
        assert answer.status_code in {200, 422}, answer.text
        code: int = answer.json()["code"]
        return code

    def member_key(self, member: str, name: str = "transaction") -> SigningKey:
        """A key out of an organisation's home."""
        return load_signing_key(self._network.home(member) / "keys" / f"{name}.key")

    def patient_key(self, patient: Patient, member: str, generation: int = 0) -> SigningKey:
        """A patient's own key toward a member, out of the wallet's seed."""
        seed = base64.b64decode(json.loads((patient.wallet / "seed.json").read_bytes())["seed"])
        return pairwise_key(seed, self.chain, MemberId(member), generation)

    def row(self, table: str, *key: str) -> Json:
        """A state row with its proof."""
        answer = self._http.get(f"/v1/state/{table}", params=[("key", one) for one in key])
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def size(self) -> int:
        """How many entries the log has."""
        found: int = self.get("/v1/health").json()["size"]
        return found

    def feed(self, after: int = 0) -> Iterator[tuple[int, Record]]:
        """Every event from a log position on, and where in the log it stands."""
        types = {name: one.event_type for name, one in discover().items()}
        for one in self.transactions(after):
            for event in one["events"]:
                data = base64.b64decode(event["event"])
                yield one["index"], decode_trusted(data, types[event["application"]])

    def transactions(self, after: int = 0) -> Iterator[Json]:
        """Every transaction of the event feed from a log position on."""
        size = after + 1
        while after < size:
            page = self.get("/v1/events", after=after, limit=1_000).json()
            yield from page["events"]
            after, size = page["next"], page["size"]

    def raw(self, id_: str) -> bytes:
        """A transaction as it was signed."""
        return self.get(f"/v1/transactions/{id_}").content

    def save_log(self, path: Path) -> int:
        """Write the whole log, with its events, for the verifier; how many rows it has."""
        checkpoint = self.get("/v1/checkpoint").text
        size = int(checkpoint.splitlines()[1])
        entries: list[bytes] = []
        while len(entries) < size:
            found = self.get("/v1/log/entries", begin=len(entries), end=size).json()
            entries += map(base64.b64decode, found["entries"])
        events = {
            one["index"]: tuple(
                EventRecord(application=e["application"], event=base64.b64decode(e["event"]))
                for e in one["events"]
            )
            for one in self.transactions()
        }
        span = Span(begin=0, end=size, size=size, before=(), after=())
        rows = ((entry, events.get(index)) for index, entry in enumerate(entries))
        path.write_bytes(b"".join(slice_lines(self.chain, checkpoint, span, rows)))
        return size


def leaves(value: object) -> Iterator[object]:
    """Every scalar in a record, however deep."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value, builtin_types=(bytes,))
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value
