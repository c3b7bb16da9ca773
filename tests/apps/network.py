"""A network to tell stories in: real keys, real signatures, real blocks, a clock one can turn.

Riverside, Lakeview and Hilltop are members. Ana is Riverside's patient, Ben is Lakeview's; Dr Cho
practises at Lakeview.
"""

import importlib
import itertools
from typing import Any

from careledger.apps.governance.commands import MemberAdmitted
from careledger.apps.identity.commands import (
    EnrolAccount,
    PatientHolder,
    PractitionerHolder,
)
from careledger.ledger.application import Application
from careledger.ledger.entry import EventRecord
from careledger.ledger.errors import Inadmissible, Refusal
from careledger.ledger.membership import PARAMETERS, NetworkParameters
from careledger.ledger.merkle import Frontier, leaf_hash
from careledger.ledger.possession import PublishedKey, new_key
from careledger.ledger.record import AccountId, MemberId, Record, SignerId, decode, digest
from careledger.ledger.signature import SigningKey, key_id
from careledger.ledger.state import MemoryReader, View
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import (
    VerifiedTransaction,
    call,
    check_admissible,
    parse_transaction,
    sign_transaction,
    verify_transaction,
)
from careledger.ledger.transition import Block, Header, Receipt, apply_block

CHAIN = digest(b"a network to tell stories in")
NOW = 1_790_000_000

RIVERSIDE, LAKEVIEW, HILLTOP = MemberId("riverside"), MemberId("lakeview"), MemberId("hilltop")
ANA, BEN, DR_CHO = (AccountId("@" + letter * 26) for letter in "abc")


def applications(*names: str) -> dict[str, Application[Any, Any]]:
    return {name: importlib.import_module(f"careledger.apps.{name}").APPLICATION for name in names}


def key(name: str, generation: int = 0) -> SigningKey:
    """The same name and generation always have the same key."""
    return SigningKey("EdDSA", digest(f"{name} {generation}".encode()))


def id_of(signing: SigningKey) -> bytes:
    return key_id(signing.public)


def published(signing: SigningKey, use: Any = "transaction") -> PublishedKey:
    public = signing.public
    return PublishedKey(use=use, algorithm=public.algorithm, public=public.public)


class Network:
    """One chain in memory. `do` expects success, `refuse` the named refusal."""

    def __init__(
        self,
        *members: MemberId,
        parameters: NetworkParameters | None = None,
        names: tuple[str, ...] = ("governance", "identity"),
    ) -> None:
        self.applications = applications(*names)
        self.of = {
            command: name for name, app in self.applications.items() for command in app.commands
        }
        self.state, self.time, self.height = MemoryReader(), NOW, 0
        self.keys: dict[SignerId, SigningKey] = {}
        self.last: tuple[Receipt, ...] = ()
        self._nonces = itertools.count()
        self.state.apply(PARAMETERS.put(parameters or NetworkParameters(), "network"))
        for member in members or (RIVERSIDE, LAKEVIEW, HILLTOP):
            self.keys[member] = key(member)
            admitted = MemberAdmitted(
                member=member,
                name=member.title(),
                roles=("provider",),
                keys=(published(key(member)),),
                at=NOW,
            )
            self.state.apply(self.applications["governance"].evolve(admitted, self.view))

    @property
    def view(self) -> View:
        return View(self.state)

    def nonce(self) -> bytes:
        return next(self._nonces).to_bytes(16)

    def claims(self, signer: SignerId, subject: str = "test") -> Claims:
        return Claims(
            issuer=signer,
            subject=subject,
            audience=CHAIN.hex(),
            not_before=self.time - 5,
            expires=self.time + 600,
            nonce=self.nonce(),
        )

    def signed(
        self, signer: SignerId, *commands: Record, signing: SigningKey | None = None
    ) -> VerifiedTransaction:
        calls = (call(self.of[type(command)], command) for command in commands)
        with_key = signing or self.keys[signer]
        raw = sign_transaction(with_key, self.claims(signer), *calls)
        return verify_transaction(parse_transaction(raw), with_key.public)

    def admissible(self, transaction: VerifiedTransaction) -> bool:
        """Whether the door would let it into a block, by committed state."""
        try:
            parsed = parse_transaction(transaction.raw)
            check_admissible(self.view, lambda _: False, parsed, self.time, CHAIN)
        except Inadmissible:
            return False
        return True

    def block(self, *transactions: VerifiedTransaction) -> tuple[Receipt, ...]:
        """Order `transactions`, all of them, whatever the door would have said."""
        parent = self.parent(self.height)
        self.height += 1
        block = Block(height=self.height, time=self.time, transactions=transactions)
        applied = apply_block(self.view, parent, block, CHAIN, self.applications)
        assert applied.alarms == ()
        self.state.apply(applied.changes)
        self.last = applied.receipts
        return applied.receipts

    def parent(self, height: int) -> Header:
        """A header for the next block to follow."""
        return Header(
            height=height,
            time=self.time,
            first=0,
            size=1,
            version=1,
            state_root=bytes(32),
            log_root=Frontier().extend([leaf_hash(b"genesis")]).root(),
            app_hash=bytes(32),
        )

    def event(self, record: EventRecord) -> Any:
        return decode(record.event, self.applications[record.application].event_type)

    def attempt(
        self, signer: SignerId, *commands: Record, signing: SigningKey | None = None
    ) -> Receipt:
        [receipt] = self.block(self.signed(signer, *commands, signing=signing))
        return receipt

    def do(
        self, signer: SignerId, *commands: Record, signing: SigningKey | None = None
    ) -> list[Any]:
        """What happened, in order."""
        receipt = self.attempt(signer, *commands, signing=signing)
        assert receipt.code == 0, self.name(receipt.code)
        return [self.event(record) for record in receipt.events]

    def refuse(
        self,
        signer: SignerId,
        refusal: type[Refusal],
        *commands: Record,
        signing: SigningKey | None = None,
    ) -> None:
        before = dict(self.state.rows())
        receipt = self.attempt(signer, *commands, signing=signing)
        assert self.name(receipt.code) == self.name(refusal.code)
        assert dict(self.state.rows()) == before

    def name(self, code: int) -> str:
        known = {r.code: r.__name__ for app in self.applications.values() for r in app.refusals}
        return known.get(code, str(code))

    def new_key(self, signer: SignerId, signing: SigningKey, use: Any = "transaction") -> Any:
        return new_key(signing, use, signer, CHAIN)

    def enrol_patient(self, member: MemberId, account: AccountId) -> None:
        self.keys[account] = key(account)
        self.do(
            member,
            EnrolAccount(
                account=account,
                holder=PatientHolder(),
                ial=2,
                key=self.new_key(account, key(account)),
            ),
        )

    def enrol_practitioner(self, member: MemberId, account: AccountId) -> None:
        self.keys[account] = key(account)
        self.do(
            member,
            EnrolAccount(
                account=account,
                holder=PractitionerHolder(name="Dr Cho", roles=("clinician",)),
                ial=3,
                aal=2,
                key=self.new_key(account, key(account)),
            ),
        )
