"""Riverside twice on one chain: with what is denied, and as if that had never been.

Both houses are whole gateways with vaults of their own. They read the same ledger, and their clocks
stand at the same second whenever something is stored; nothing runs in them beside the requests.
"""

import json
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from careledger.apps.consent.commands import DenyConsent
from careledger.apps.governance.commands import RegisterKey
from careledger.apps.identity.commands import (
    EnrolAccount,
    PatientHolder,
    PractitionerHolder,
    RegisterAccountKey,
)
from careledger.exchange.exchange import Exchange
from careledger.exchange.organisation import Organisation, claims
from careledger.exchange.wire import seal, sealing_key_of
from careledger.gateway.app import gateway_app
from careledger.gateway.auth_caller import Caller, Identity
from careledger.gateway.auth_files import staff_in
from careledger.gateway.auth_memory import Shelf
from careledger.gateway.auth_scopes import grant, grant_in_app, parse_scopes
from careledger.gateway.auth_settings import SignInSettings
from careledger.gateway.auth_tokens import Tokens
from careledger.ledger.errors import Unavailable
from careledger.ledger.possession import new_key, thumbprint
from careledger.ledger.record import AccountId, Digest, digest, encode
from careledger.ledger.state import View
from careledger.mechanisms.deadline import day_of
from careledger.mechanisms.delivery import SignedTerms, TermsPackage, sign_package
from careledger.mechanisms.messages import TERMS
from careledger.vault.files import VaultFiles, open_vault
from careledger.vault.keystore import FileKeyStore
from careledger.vault.sealing import new_sealing_key
from tests.exchange import world as base
from tests.exchange.world import DR_FINN, NOW, RIVERSIDE, key, sealing
from tests.gateway.world import client_key
from tests.rule.oracle import Denial, Who
from tests.rule.population import Event, Population

BASE = "http://riverside.test"
STEP_S = 60
"""Between two steps of a population, in seconds."""

STAFF = '[[staff]]\nsubject = "desk"\nname = "Kim at the desk"\nrole = "registrar"\n'


@dataclass
class House:
    """One gateway of Riverside's."""

    exchange: Exchange
    client: httpx2.AsyncClient
    header: dict[str, str] = field(default_factory=dict)


class Ground:
    """One chain, on which house after house is built, each with patients of its own."""

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

    async def people(self) -> None:
        """Dr Finn and Riverside's own software have keys to sign in with."""
        await self.world.submit(
            RIVERSIDE,
            "identity",
            EnrolAccount(
                account=DR_FINN,
                holder=PractitionerHolder(name="Dr Finn", roles=("clinician",)),
                ial=2,
                aal=2,
                key=new_key(key(DR_FINN), "transaction", DR_FINN, self.world.id),
            ),
        )
        await self.register(DR_FINN)
        proved = new_key(client_key(RIVERSIDE), "client", RIVERSIDE, self.world.id)
        await self.world.submit(RIVERSIDE, "governance", RegisterKey(key=proved))

    async def register(self, who: AccountId) -> None:
        proved = new_key(client_key(who), "client", who, self.world.id)
        await self.world.submit(who, "identity", RegisterAccountKey(key=proved))

    async def settle(self, patients: Iterable[str]) -> None:
        """New accounts for the patients of one population."""
        self._number += 1
        locals_ = tuple(patients)
        self.accounts = {
            local: AccountId("@" + _letters(f"{self._number} {local}")) for local in locals_
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

    async def deny(self, denials: Iterable[Denial]) -> list[bytes]:
        """Put the denials on the ledger; the sealed letters with the terms that are delivered."""
        letters = list[bytes]()
        for number, one in enumerate(denials):
            who = self.accounts[one.patient]
            named = digest(f"{who} {number}".encode())
            package = TermsPackage(
                consent_id=named[:16],
                custodian=RIVERSIDE,
                custodian_account=who,
                grantee=RIVERSIDE,
                grantee_account=None,
                terms=None if one.terms is None else encode(one.terms),
                salt=None if one.terms is None else named,
            )
            command = DenyConsent(
                consent_id=named[:16],
                custodian=RIVERSIDE,
                grantee=RIVERSIDE,
                valid_from=day_of(NOW),
                terms=package.commitment(),
                role=one.role,
                purposes=one.purposes,
            )
            await self.world.submit(who, "consent", command)
            if one.terms is not None and one.delivered:
                letters.append(self._sealed(who, package))
        return letters

    def _sealed(self, who: AccountId, package: TermsPackage) -> bytes:
        said = claims(who, "terms", self.world.id, self.world.clock())
        signed = SignedTerms(package=package, signatures=(sign_package(key(who), said, package),))
        with self.world.view() as committed:
            public = sealing_key_of(View(committed), RIVERSIDE)
        return seal(public, self.world.id, TERMS, RIVERSIDE, encode(signed))

    # --- houses ----------------------------------------------------------------------------------

    @asynccontextmanager
    async def house(self, who: Who, letters: Iterable[bytes]) -> AsyncIterator[House]:
        """An empty house that knows one caller."""
        self._number += 1
        folder = self.folder / f"house {self._number}"
        folder.mkdir()
        keystore = FileKeyStore.create(folder / "organisation.keys")
        async with AsyncExitStack() as stack:
            vault = stack.enter_context(open_vault(VaultFiles.under(folder), keystore, RIVERSIDE))
            organisation = Organisation(
                member=RIVERSIDE,
                chain=self.world.id,
                key=key(RIVERSIDE),
                sealing=(new_sealing_key(sealing(RIVERSIDE))[0],),
                keystore=keystore,
                vault=vault,
                committed=self.world.chain.store,
                ledger=self.world.engine,
                clock=self.clock,
            )
            exchange = Exchange(organisation, folder, _nowhere)
            stack.push_async_callback(exchange.close)
            token = Tokens(Shelf(exchange.sign_ins)).issue(self.caller(who), self.clock())
            app = gateway_app(exchange, BASE, sign_in=SignInSettings(staff=staff_in(self.staff)))
            client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=BASE)
            await stack.enter_async_context(client)
            for letter in letters:
                await exchange.mailbox.receive(letter)
            yield House(exchange, client, {"authorization": f"Bearer {token}"})

    async def move_in(
        self,
        house: House,
        population: Population,
        keeps: Callable[[str], bool],
        lives: Callable[[str], bool],
    ) -> None:
        """Store what `keeps` says, version by version, of the patients who live there."""
        vault = house.exchange.organisation.vault
        here = [local for local in population.patients if lives(local)]
        for local in here:
            vault.register(local, self.accounts[local])
        steps = sorted({event.step for event in population.events})
        for step in steps:
            self.behind = STEP_S * (len(steps) + 1 - step)
            some = [one for one in population.events if one.step == step and keeps(one.name)]
            try:
                for outcome in await house.exchange.ingestion.bundle(_batch(some)) if some else []:
                    assert outcome.error is None, outcome
            finally:
                self.behind = 0
        for source, into in population.merged.items():
            if source in here and into in here:
                child, parent = vault.patient(source), vault.patient(into)
                assert child is not None
                assert parent is not None
                vault.merge(child, parent, self.clock())

    def caller(self, who: Who) -> Caller:
        """The caller as a token has it; its scopes are cut as a sign-in cuts them."""
        signer = {"practitioner": DR_FINN}.get(who.kind, RIVERSIDE)
        if who.own is not None:
            signer = self.accounts[who.own]
        words = " ".join(map(str, who.scopes))
        scopes = (
            grant_in_app(parse_scopes(words), "staff")
            if who.kind == "staff"
            else grant(words, who.kind)
        )
        assert len(scopes.granted) == len(who.scopes), (words, str(scopes))
        public = client_key(signer)
        known = None if who.kind == "staff" else thumbprint(public.algorithm, public.public.public)
        identity = Identity(
            signer=signer,
            kind=who.kind,
            key_id=None if known is None else Digest(known),
            practitioner=None if who.practitioner is None else AccountId(who.practitioner),
            role=who.role,
            subject="desk" if who.kind == "staff" else None,
        )
        return Caller(
            identity=identity,
            purpose=who.purpose,
            scopes=scopes,
            patient=who.patient or who.own,
            keeps_records=who.kind == "member",
        )


def _letters(text: str) -> str:
    drawn = random.Random(text)
    return "".join(drawn.choice("abcdefghijklmnopqrstuvwxyz234567") for _ in range(26))


def _batch(events: Iterable[Event]) -> bytes:
    entries = [
        {
            "request": {"method": "DELETE" if one.resource is None else "PUT", "url": one.name},
            **(
                {}
                if one.resource is None
                else {"resource": {"resourceType": one.type, "id": one.id} | one.resource}
            ),
        }
        for one in events
    ]
    return json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}).encode()


async def _nowhere(url: str, message: bytes) -> bytes:
    raise Unavailable(url)


@asynccontextmanager
async def ground(folder: Path) -> AsyncIterator[Ground]:
    """A chain with Riverside's people on it."""
    made: list[base.World] = []
    clock = lambda: made[0].clock() if made else NOW
    async with base.chain(folder / "chain", clock) as (engine, tip):
        made.append(base.World(folder, engine, tip))
        here = Ground(made[0], folder)
        await here.people()
        yield here
