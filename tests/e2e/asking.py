"""Asks that a test signs itself, as any program may that holds an organisation's keys."""

import secrets
from dataclasses import dataclass

import httpx2

from careledger.ledger.record import encode
from careledger.ledger.signature import SigningKey
from careledger.ledger.statement import sign_statement
from careledger.mechanisms.messages import (
    ANSWER,
    ASK,
    Answer,
    Ask,
    Query,
    asked,
    decode_answer,
    split_parts,
)
from careledger.mechanisms.request import CONTENT_TYPE
from careledger.vault.keyfile import load_sealing_key
from careledger.vault.sealing import (
    Binding,
    new_sealing_key,
    open_from,
    public_sealing_key,
    seal_to,
)
from tests.e2e.network import Network
from tests.e2e.node import Node

SEALED = {"content-type": "application/vnd.careledger.sealed"}


@dataclass(frozen=True, kw_only=True)
class SealedAsk:
    """A sealed ask, and what its answer opens with."""

    url: str
    body: bytes
    private: bytes
    binding: Binding

    def post(self) -> tuple[int, Answer | None, int]:
        """Send it: the HTTP status, what was answered, and how many resources came."""
        answer = httpx2.post(self.url, content=self.body, headers=SEALED, timeout=30)
        if answer.status_code != 200:
            return answer.status_code, None, 0
        head, *parts = split_parts(open_from(self.private, self.binding, answer.content))
        return 200, decode_answer(head), len(parts) // 2


def ask(
    network: Network, node: Node, key: SigningKey, query: Query, **request: object
) -> SealedAsk:
    """An ask of `request["requester"]`, signed by `key`; no field of the request is checked."""
    custodian, requester = str(request["custodian"]), str(request["requester"])
    salt, (private, public) = secrets.token_bytes(32), new_sealing_key()
    fields = {
        "account": None,
        "practitioner": None,
        "role": None,
        "consent_id": None,
        "query": asked(salt, query, public),
        **request,
    }
    claims = node.claims(requester, "request")
    signed = sign_statement(key, CONTENT_TYPE, claims, encode(fields))
    sealing = public_sealing_key(load_sealing_key(network.home(custodian) / "keys/sealing.key"))
    body = encode(Ask(request=signed, query=query, salt=salt, reply_to=public))
    to_custodian = Binding(chain=node.chain, channel=ASK, receiver=custodian)
    to_requester = Binding(chain=node.chain, channel=ANSWER, receiver=requester, context=salt)
    return SealedAsk(
        url=network.gateways[custodian] + "/exchange/ask",
        body=seal_to(sealing, to_custodian, body),
        private=private,
        binding=to_requester,
    )
