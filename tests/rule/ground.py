"""One chain, with Riverside's and Lakeview's people, and what patients say on it.

On it house after house is built, each with patients of its own.
"""

import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from careledger.apps.consent.commands import DenyConsent, GrantConsent
from careledger.apps.governance.commands import RegisterKey
from careledger.apps.identity.commands import (
    EnrolAccount,
    PatientHolder,
    PractitionerHolder,
    RegisterAccountKey,
)
from careledger.exchange.organisation import claims
from careledger.exchange.wire import seal, sealing_key_of
from careledger.ledger.possession import new_key
from careledger.ledger.record import AccountId, MemberId, Record, digest, encode
from careledger.ledger.state import View
from careledger.mechanisms.deadline import day_of
from careledger.mechanisms.delivery import SignedTerms, TermsPackage, sign_package
from careledger.mechanisms.messages import TERMS
from tests.exchange import world as base
from tests.exchange.world import DR_CHO, DR_FINN, LAKEVIEW, NOW, RIVERSIDE, key
from tests.gateway.world import client_key
from tests.rule.oracle import Denial, Grant

STAFF = '[[staff]]\nsubject = "desk"\nname = "Kim at the desk"\nrole = "registrar"\n'


@dataclass(frozen=True)
class Said:
    """What patients said of one population: letters to Riverside, and the ids of their grants."""

    letters: tuple[bytes, ...]
    grants: dict[Grant, bytes]


class Ground:
    """One chain. Its clock stands still, but for houses that look back."""

    def __init__(self, world: base.World, folder: Path) -> None:
        self.world, self.folder = world, folder
        self.behind = 0
        """How many seconds the houses' clocks are behind the ledger's."""
        self._number = 0
        self.accounts: dict[str, AccountId] = {}
        self.staff = folder / "staff.toml"
        self.staff.write_text(STAFF)

    def clock(self) -> int:
        return self.world.clock() - self.behind

    def next(self) -> int:
        self._number += 1
        return self._number

    async def people(self) -> None:
        """Dr Finn, Dr Cho, and both organisations' software have keys to sign in with."""
        for member, who in ((RIVERSIDE, DR_FINN), (LAKEVIEW, DR_CHO)):
            holder = PractitionerHolder(name=f"Dr {who[1]}", roles=("clinician",))
            said = {"ial": 2, "aal": 2}
            transaction = new_key(key(who), "transaction", who, self.world.id)
            command = EnrolAccount(account=who, holder=holder, key=transaction, **said)
            await self.world.submit(member, "identity", command)
            await self.register(who)
            proved = new_key(client_key(member), "client", member, self.world.id)
            await self.world.submit(member, "governance", RegisterKey(key=proved))

    async def register(self, who: AccountId) -> None:
        proved = new_key(client_key(who), "client", who, self.world.id)
        await self.world.submit(who, "identity", RegisterAccountKey(key=proved))

    async def settle(self, patients: Iterable[str]) -> None:
        """New accounts for the patients of one population."""
        number = self.next()
        self.accounts = {
            local: AccountId("@" + _letters(f"{number} {local}")) for local in patients
        }
        commands = [
            EnrolAccount(
                account=one,
                holder=PatientHolder(),
                ial=2,
                key=new_key(key(one), "transaction", one, self.world.id),
            )
            for one in self.accounts.values()
        ]
        await self.world.submit(RIVERSIDE, "identity", *commands)

    async def say(self, denials: Iterable[Denial], grants: Iterable[Grant]) -> Said:
        """Put all on the ledger; what is delivered of the terms, sealed to Riverside."""
        letters, granted = list[bytes](), dict[Grant, bytes]()
        every: list[Denial | Grant] = [*denials, *grants]
        for number, one in enumerate(every):
            who = self.accounts[one.patient]
            package = self._package(one, who, number)
            await self.world.submit(who, "consent", _command(one, package))
            if one.terms is not None and one.delivered:
                letters.append(self._sealed(who, package))
            if isinstance(one, Grant):
                granted[one] = package.consent_id
        return Said(tuple(letters), granted)

    def _package(self, one: Denial | Grant, who: AccountId, number: int) -> TermsPackage:
        named = digest(f"{who} {number}".encode())
        return TermsPackage(
            consent_id=named[:16],
            custodian=RIVERSIDE,
            custodian_account=who,
            grantee=None if one.grantee is None else MemberId(one.grantee),
            grantee_account=None,
            terms=None if one.terms is None else encode(one.terms),
            salt=None if one.terms is None else named,
        )

    def _sealed(self, who: AccountId, package: TermsPackage) -> bytes:
        said = claims(who, "terms", self.world.id, self.world.clock())
        signed = SignedTerms(package=package, signatures=(sign_package(key(who), said, package),))
        with self.world.view() as committed:
            public = sealing_key_of(View(committed), RIVERSIDE)
        return seal(public, self.world.id, TERMS, RIVERSIDE, encode(signed))


def _command(one: Denial | Grant, package: TermsPackage) -> Record:
    common = {
        "consent_id": package.consent_id,
        "custodian": RIVERSIDE,
        "valid_from": day_of(NOW),
        "terms": package.commitment(),
        "role": one.role,
        "purposes": one.purposes,
        "actions": one.actions,
        "grantee": one.grantee,
    }
    kind = GrantConsent if isinstance(one, Grant) else DenyConsent
    return kind(**common)  # type: ignore[arg-type] # each under its own name


def _letters(text: str) -> str:
    drawn = random.Random(text)
    return "".join(drawn.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(26))


@asynccontextmanager
async def ground(folder: Path) -> AsyncIterator[Ground]:
    """A chain with everybody's people on it."""
    made: list[base.World] = []
    clock = lambda: made[0].clock() if made else NOW
    async with base.chain(folder / "chain", clock) as (engine, tip):
        made.append(base.World(folder, engine, tip))
        here = Ground(made[0], folder)
        await here.people()
        yield here
