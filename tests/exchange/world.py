"""Two hospitals on one real chain: Riverside keeps Ana's records, Dr Cho practises at Lakeview.

The engine, the store and the vaults are real; only the wire between the two gateways is a call.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from careledger.apps import discover
from careledger.apps.consent.commands import DenyConsent, GrantConsent, RevokeConsent
from careledger.apps.governance.commands import MemberAdmitted, SetEndpoint
from careledger.apps.identity.commands import EnrolAccount, PatientHolder, PractitionerHolder
from careledger.consensus.chain import Chain
from careledger.consensus.intake import Ordered
from careledger.consensus.solo import SoloEngine
from careledger.exchange.asker import Asker
from careledger.exchange.exchange import Exchange
from careledger.exchange.organisation import Organisation, claims
from careledger.exchange.upstream.settings import Upstream
from careledger.exchange.wire import seal, sealing_key_of
from careledger.ledger.errors import Unavailable
from careledger.ledger.genesis import Activation, Genesis, GenesisEvent, load_genesis
from careledger.ledger.membership import NetworkParameters
from careledger.ledger.possession import PublishedKey, new_key
from careledger.ledger.record import AccountId, Digest, MemberId, Record, SignerId, digest, encode
from careledger.ledger.signature import SigningKey
from careledger.ledger.state import View
from careledger.ledger.transaction import call, sign_transaction
from careledger.mechanisms.deadline import day_of
from careledger.mechanisms.delivery import SignedTerms, TermsPackage, sign_package
from careledger.mechanisms.messages import TERMS, Query
from careledger.mechanisms.terms import Terms
from careledger.store.store import Store
from careledger.vault.files import VaultPlaces, open_vault
from careledger.vault.keystore import FileKeyStore
from careledger.vault.postgres import PostgresPlace
from careledger.vault.sealing import new_sealing_key, public_sealing_key

NOW = 1_790_000_000
RIVERSIDE, LAKEVIEW, HILLTOP = MemberId("riverside"), MemberId("lakeview"), MemberId("hilltop")
ANA, ANA_AT_LAKEVIEW, BEN = (AccountId("@" + letter * 26) for letter in "ahb")
DR_CHO, DR_DIAZ, DR_FINN = (AccountId("@" + letter * 26) for letter in "cdf")
ANA_MRN, ANA_LOCAL, BEN_MRN = "MRN-000-4711", "lv-2210", "MRN-000-0815"

TREAT = Asker(purpose="TREAT", practitioner=DR_CHO, role="clinician")
MEDICATIONS = Query(type="MedicationRequest")
EVERYTHING = Query()

Story = Callable[["World"], Awaitable[None]]

_conninfo: list[str] = []


def key(name: str) -> SigningKey:
    """The same name always has the same key."""
    return SigningKey("EdDSA", digest(name.encode()))


def sealing(member: str) -> bytes:
    return digest(f"sealing {member}".encode())


def genesis_file() -> bytes:
    applications = discover()

    def admitted(member: str) -> GenesisEvent:
        public = key(member).public
        keys = (
            PublishedKey(use="transaction", algorithm="EdDSA", public=public.public),
            PublishedKey(
                use="sealing", algorithm="X25519", public=public_sealing_key(sealing(member))
            ),
        )
        event = MemberAdmitted(
            member=member,
            name=member.title(),
            roles=("provider",),
            keys=keys,
            at=NOW,
            gateway=f"http://{member}.test",
        )
        return GenesisEvent(application="governance", event=msgspec.Raw(msgspec.json.encode(event)))

    genesis = Genesis(
        name="test",
        time=NOW,
        activations=tuple(
            Activation(application=one.name, version=one.version) for one in applications.values()
        ),
        parameters=NetworkParameters(),
        events=tuple(map(admitted, (RIVERSIDE, LAKEVIEW, HILLTOP))),
    )
    return msgspec.json.encode(genesis)


class World:
    """Everything that a story needs at hand."""

    def __init__(self, folder: Path, engine: SoloEngine, chain: Chain) -> None:
        self.folder, self.engine, self.chain = folder, engine, chain
        self.offset = 0
        self.is_stopped = False
        self.exchanges: dict[str, Exchange] = {}
        self.letters: list[tuple[str, bytes, bytes]] = []
        self.tamper: Callable[[bytes], bytes] = lambda answer: answer
        self._consents = itertools.count(1)

    def clock(self) -> int:
        return NOW + self.offset

    @property
    def id(self) -> Digest:
        return self.chain.id

    @property
    def riverside(self) -> Exchange:
        return self.exchanges[RIVERSIDE]

    @property
    def lakeview(self) -> Exchange:
        return self.exchanges[LAKEVIEW]

    async def transport(self, url: str, message: bytes) -> bytes:
        """What HTTP does between two gateways."""
        member, _, path = url.removeprefix("http://").partition(".test")
        if member not in self.exchanges:
            raise Unavailable(url)
        gateway = self.exchanges[member]
        doors = {"/exchange/ask": gateway.custodian.receive, "/mailbox": gateway.mailbox.receive}
        answer = self.tamper(await doors[path](message))
        self.letters.append((url, message, answer))
        return answer

    async def submit(self, signer: SignerId, application: str, *commands: Record) -> Ordered:
        said = claims(signer, application, self.id, self.clock())
        calls = (call(application, command) for command in commands)
        ordered = await self.engine.submit(sign_transaction(key(signer), said, *calls))
        assert ordered.receipt.code == 0, ordered.receipt.code
        return ordered

    async def pass_time(self, seconds: int) -> None:
        """Turn the clock, and let a block carry the new time."""
        self.offset += seconds
        await self.submit(HILLTOP, "governance", SetEndpoint(gateway=None))

    async def stop_the_network(self, seconds: int = 60) -> None:
        """No block is made any more, for so long already."""
        self.is_stopped = True
        await self.engine.close()
        self.offset += seconds

    async def go_on(self) -> None:
        """The network decides again."""
        self.engine = SoloEngine(self.chain, clock=self.clock)
        await self.engine.start()
        self.is_stopped = False

    async def close(self) -> None:
        """End whichever engine runs."""
        await self.engine.close()

    def view(self) -> Any:
        return self.chain.store.snapshot()

    # --- people ------------------------------------------------------------------------------

    async def enrol(self, member: MemberId, account: AccountId, local: str) -> None:
        """A patient who has claimed the account already."""
        command = EnrolAccount(
            account=account,
            holder=PatientHolder(),
            ial=2,
            key=new_key(key(account), "transaction", account, self.id),
        )
        await self.submit(member, "identity", command)
        self.exchanges[member].organisation.vault.register(local, account)

    async def hire(self, member: MemberId, account: AccountId, *roles: str) -> None:
        command = EnrolAccount(
            account=account,
            holder=PractitionerHolder(name=f"Dr {account[1]}", roles=roles or ("clinician",)),
            ial=2,
            aal=2,
            key=new_key(key(account), "transaction", account, self.id),
        )
        await self.submit(member, "identity", command)

    # --- consent -----------------------------------------------------------------------------

    def package(self, terms: Terms | None, **changed: Any) -> TermsPackage:
        number = next(self._consents)
        fields: dict[str, Any] = {
            "consent_id": digest(f"consent {number}".encode())[:16],
            "custodian": RIVERSIDE,
            "custodian_account": ANA,
            "grantee": LAKEVIEW,
            "grantee_account": ANA_AT_LAKEVIEW,
            "terms": None if terms is None else encode(terms),
            "salt": None if terms is None else digest(f"salt {number}".encode()),
        }
        return TermsPackage(**(fields | changed))

    async def grant(
        self,
        terms: Terms | None = None,
        *,
        deliver: tuple[str, ...] = (RIVERSIDE, LAKEVIEW),
        **said: Any,
    ) -> TermsPackage:
        """Ana lets Lakeview see her records at Riverside, and sends both the terms."""
        package = said.pop("package", None) or self.package(terms)
        fields: dict[str, Any] = {
            "consent_id": package.consent_id,
            "custodian": RIVERSIDE,
            "grantee": LAKEVIEW,
            "purposes": ("TREAT",),
            "actions": ("read", "search", "export"),
            "valid_from": day_of(NOW),
            "valid_until": day_of(NOW) + 365,
            "terms": package.commitment(),
        }
        await self.submit(ANA, "consent", GrantConsent(**(fields | said)))
        for member in deliver:
            await self.deliver(member, package)
        return package

    async def deny(self, **said: Any) -> bytes:
        consent_id = digest(f"consent {next(self._consents)}".encode())[:16]
        fields: dict[str, Any] = {
            "consent_id": consent_id,
            "custodian": RIVERSIDE,
            "valid_from": day_of(NOW),
        }
        await self.submit(ANA, "consent", DenyConsent(**(fields | said)))
        return consent_id

    async def revoke(self, package: TermsPackage) -> None:
        await self.submit(ANA, "consent", RevokeConsent(consent_id=package.consent_id))

    async def deliver(
        self, member: str, package: TermsPackage, signers: tuple[AccountId, ...] | None = None
    ) -> bytes:
        named = (package.custodian_account, package.grantee_account)
        accounts = signers if signers is not None else tuple(one for one in named if one)
        signatures = tuple(
            sign_package(key(account), claims(account, "terms", self.id, self.clock()), package)
            for account in accounts
        )
        signed = SignedTerms(package=package, signatures=signatures)
        with self.view() as committed:
            public = sealing_key_of(View(committed), MemberId(member))
        sealed = seal(public, self.id, TERMS, MemberId(member), encode(signed))
        return await self.transport(f"http://{member}.test/mailbox", sealed)


@dataclass(frozen=True)
class Door:
    """The ledger as the gateways reach it: whichever engine runs now."""

    world: World

    async def submit(self, raw: bytes) -> Ordered:
        if self.world.is_stopped:
            raise Unavailable("no node answers")
        return await self.world.engine.submit(raw)


def bundle(*resources: dict[str, Any], type_: str = "transaction", **request: Any) -> bytes:
    """Creates each resource; `id` becomes its place in the bundle."""
    entries = []
    for resource in resources:
        kind, id_ = resource["resourceType"], resource["id"]
        put = {"method": "PUT", "url": f"{kind}/{id_}"}
        entries.append(
            {
                "fullUrl": f"http://x.test/{kind}/{id_}",
                "resource": resource,
                "request": put | request,
            }
        )
    return json.dumps({"resourceType": "Bundle", "type": type_, "entry": entries}).encode()


def patient(local: str, family: str = "Rivera-Quill", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": local,
        "name": [{"family": family, "given": ["Ana"]}],
        "birthDate": "1984-03-07",
        **more,
    }


def medication(id_: str, local: str = ANA_MRN, drug: str = "Zolpidemex 10 mg") -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": id_,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": {"text": drug},
        "subject": {"reference": f"Patient/{local}"},
        "authoredOn": "2026-05-04",
    }


def observation(id_: str, local: str = ANA_MRN, value: float = 7.2) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": id_,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "4548-4"}]},
        "subject": {"reference": f"Patient/{local}"},
        "effectiveDateTime": "2026-06-01",
        "valueQuantity": {"value": value, "unit": "%"},
    }


def note(id_: str, local: str = ANA_MRN) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": id_,
        "status": "current",
        "subject": {"reference": f"Patient/{local}"},
        "content": [{"attachment": {"contentType": "text/plain", "data": "c2VjcmV0"}}],
    }


RECORD = (patient(ANA_MRN), medication("m1"), medication("m2"), observation("o1"), note("n1"))


@asynccontextmanager
async def chain(folder: Path, clock: Callable[[], int]) -> AsyncIterator[tuple[SoloEngine, Chain]]:
    data, applications = genesis_file(), discover()
    id_, genesis = load_genesis(data)
    Store.create(folder, data, applications).close()
    store = Store(folder)
    installed = {(one.name, one.version): one for one in applications.values()}
    tip = Chain(store, id_, genesis, installed)
    engine = SoloEngine(tip, clock=clock)
    await engine.start()
    try:
        yield engine, tip
    finally:
        await engine.close()
        store.close()


def places(folder: Path) -> VaultPlaces:
    """Where a vault is: in files, or in schemas of the database that `in_postgres` named."""
    if not _conninfo:
        return VaultPlaces.under(folder)
    name = sha256(bytes(folder)).hexdigest()[:16]
    data, keys = (PostgresPlace(_conninfo[0], f"{name}_{part}") for part in ("vault", "keys"))
    return VaultPlaces(data, keys)


def in_postgres(conninfo: str | None) -> None:
    """From now on vaults are in that database; with None, in files."""
    _conninfo[:] = [] if conninfo is None else [conninfo]


@asynccontextmanager
async def gateway(
    world: World, member: MemberId, upstream: Upstream | None = None, *, shadow: bool = False
) -> AsyncIterator[Exchange]:
    """One organisation's gateway process, in front of the FHIR server `upstream`, if any."""
    folder = world.folder / member
    folder.mkdir(exist_ok=True)
    path = folder / "organisation.keys"
    keystore = FileKeyStore(path) if path.exists() else FileKeyStore.create(path)
    with open_vault(places(folder), keystore, member) as vault:
        organisation = Organisation(
            member=member,
            chain=world.id,
            key=key(member),
            sealing=(new_sealing_key(sealing(member))[0],),
            keystore=keystore,
            vault=vault,
            committed=world.chain.store,
            ledger=Door(world),
            clock=world.clock,
        )
        exchange = Exchange(organisation, folder, world.transport, upstream=upstream, shadow=shadow)
        world.exchanges[member] = exchange
        await exchange.start()
        try:
            yield exchange
        finally:
            await world.exchanges.pop(member).close()


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """The chain and both gateways; Ana's record is at Riverside, and she is known at Lakeview."""
    offset: list[World] = []
    clock = lambda: offset[0].clock() if offset else NOW
    async with AsyncExitStack() as stack:
        engine, tip = await stack.enter_async_context(chain(folder / "chain", clock))
        here = World(folder, engine, tip)
        offset.append(here)
        stack.push_async_callback(here.close)
        for member in (RIVERSIDE, LAKEVIEW):
            await stack.enter_async_context(gateway(here, member))
        await asyncio.gather(
            here.enrol(RIVERSIDE, ANA, ANA_MRN),
            here.enrol(LAKEVIEW, ANA_AT_LAKEVIEW, ANA_LOCAL),
            here.hire(LAKEVIEW, DR_CHO),
            here.hire(LAKEVIEW, DR_DIAZ),
            here.hire(RIVERSIDE, DR_FINN),
        )
        await here.riverside.ingestion.bundle(bundle(*RECORD))
        await here.riverside.ingestion.settled()
        yield here


def tell(folder: Path, story: Story) -> None:
    """Play a story."""

    async def play() -> None:
        async with world(folder) as here:
            await story(here)

    asyncio.run(asyncio.wait_for(play(), 60))
