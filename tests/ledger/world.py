"""A small world for the tests of the core: two members, an account, and a toy application."""

from collections.abc import Iterator
from typing import Any

from careledger.ledger.application import Application, Context
from careledger.ledger.errors import Refusal, require
from careledger.ledger.membership import KEYS, SIGNERS, KeyRow, SignerRow
from careledger.ledger.merkle import Frontier, leaf_hash
from careledger.ledger.record import Digest, Record, digest
from careledger.ledger.signature import Algorithm, SigningKey, key_id
from careledger.ledger.state import Changes, MemoryReader, Table, View
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import (
    Call,
    VerifiedTransaction,
    call,
    parse_transaction,
    sign_transaction,
    verify_transaction,
)
from careledger.ledger.transition import Header

CHAIN = digest(b"a test chain")
NOW = 1_700_000_000


class SetNote(Record, tag="set"):
    """Keep a note under my name."""

    at: str
    text: str


class Explode(Record, tag="explode"):
    """Trip over a bug."""


class Protect(Record, tag="protect"):
    """Something even a suspended member's patient may do."""


class Claim(Record, tag="claim"):
    """Something only a claim key may do."""


class NoteSet(Record, tag="noted"):
    owner: str
    at: str
    text: str


class NoteRow(Record):
    text: str


class Unwelcome(Refusal):
    """That note is not welcome."""

    code = 9_000


NOTES = Table("toy.notes", NoteRow, (str, str))


def decide(command: Any, context: Context, view: View) -> Iterator[NoteSet]:
    if isinstance(command, Explode):
        raise ZeroDivisionError
    if isinstance(command, SetNote):
        require(command.text != "unwelcome", Unwelcome)
        yield NoteSet(owner=context.signer, at=command.at, text=command.text)
    else:
        yield NoteSet(owner=context.signer, at=type(command).__name__, text="done")


def evolve(event: NoteSet, view: View) -> Changes:
    return NOTES.put(NoteRow(text=event.text), event.owner, event.at)


TOY: Application[Any, NoteSet] = Application(
    name="toy",
    version=1,
    tables=(NOTES,),
    commands=(SetNote, Explode, Protect, Claim),
    events=(NoteSet,),
    refusals=(Unwelcome,),
    decide=decide,
    evolve=evolve,
    protective=(Protect,),
    claims=(Claim,),
)
APPLICATIONS = {"toy": TOY}

RIVERSIDE, LAKEVIEW = "riverside", "lakeview"
ANA = "@" + "a" * 26


def key(name: str, algorithm: Algorithm = "EdDSA") -> SigningKey:
    """The same name always has the same key."""
    return SigningKey(algorithm, digest(name.encode()))


def registered(signer: str, signing: SigningKey, use: Any = "transaction") -> Changes:
    row = KeyRow(use=use, algorithm=signing.algorithm, public=signing.public.public, since=NOW - 10)
    return KEYS.put(row, signer, key_id(signing.public))


def enrolled(signer: str, payer: str, status: Any = "active") -> Changes:
    kind: Any = "account" if signer.startswith("@") else "member"
    return SIGNERS.put(SignerRow(kind=kind, payer=payer, status=status), signer)


def first_state() -> MemoryReader:
    rows: dict[bytes, bytes | None] = {}
    for signer, payer in ((RIVERSIDE, RIVERSIDE), (LAKEVIEW, LAKEVIEW), (ANA, RIVERSIDE)):
        rows.update(enrolled(signer, payer))
        rows.update(registered(signer, key(signer)))
    reader = MemoryReader()
    reader.apply(rows)
    return reader


def claims(signer: str, nonce: int = 0, **changed: Any) -> Claims:
    fields: dict[str, Any] = {
        "issuer": signer,
        "subject": "toy",
        "audience": CHAIN.hex(),
        "not_before": NOW - 5,
        "expires": NOW + 600,
        "nonce": nonce.to_bytes(16),
    }
    return Claims(**(fields | changed))


def signed(
    signer: str,
    *commands: Record,
    nonce: int = 0,
    signing: SigningKey | None = None,
    **changed: Any,
) -> bytes:
    calls: list[Call] = [call("toy", command) for command in commands]
    return sign_transaction(signing or key(signer), claims(signer, nonce, **changed), *calls)


def verified(
    signer: str, *commands: Record, nonce: int = 0, signing: SigningKey | None = None
) -> VerifiedTransaction:
    signing = signing or key(signer)
    raw = signed(signer, *commands, nonce=nonce, signing=signing)
    return verify_transaction(parse_transaction(raw), signing.public)


def parent(height: int = 0) -> Header:
    leaf: Digest = leaf_hash(b"genesis")
    root = Frontier().extend([leaf]).root()
    return Header(
        height=height,
        time=NOW,
        first=0,
        size=1,
        version=1,
        state_root=bytes(32),
        log_root=root,
        app_hash=bytes(32),
    )
