"""Riverside again and again on one chain: with what is denied, and as if that had never been.

Every house is a whole gateway with a vault of its own. All read the same ledger, their clocks stand
at the same second whenever something is stored, and the ids they give are drawn alike; nothing runs
in them beside the requests.
"""

import json
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace

from starlette.applications import Starlette
from starlette.types import ASGIApp

from careledger.exchange import plan
from careledger.exchange.errors import AccessRefused
from careledger.exchange.exchange import Exchange
from careledger.exchange.organisation import Organisation, claims
from careledger.exchange.shelf import Shelf
from careledger.gateway.app import gateway_app
from careledger.gateway.auth_caller import Caller, Identity, Partner
from careledger.gateway.auth_files import staff_in
from careledger.gateway.auth_scopes import grant, grant_in_app, parse_scopes
from careledger.gateway.auth_settings import SignInSettings
from careledger.gateway.auth_tokens import Tokens
from careledger.ledger.errors import Unavailable
from careledger.ledger.possession import thumbprint
from careledger.ledger.record import AccountId, Digest, SignerId
from careledger.mechanisms.request import AccessRequest, sign_request
from careledger.vault.files import VaultFiles, open_vault
from careledger.vault.keystore import FileKeyStore
from careledger.vault.sealing import new_sealing_key
from tests.exchange.world import DR_FINN, LAKEVIEW, RIVERSIDE, key, sealing
from tests.gateway.world import client_key
from tests.rule.asking import BASE, ask
from tests.rule.ground import Ground, Said
from tests.rule.oracle import Reaching, Who
from tests.rule.population import DIRECTORY, NOBODYS, Event, Json, Population
from tests.rule.questions import Question

STEP_S = 60
"""Between two steps of a population, in seconds."""


KEEPER = Who(
    name="warehouse",
    kind="member",
    purpose="HOPERAT",
    scopes=(Reaching("system", "*", "cruds"),),
)


class Refused(Exception):
    """The caller does not get as far as a token."""


@dataclass(frozen=True)
class House:
    """One gateway of Riverside's, as one caller meets it."""

    ground: Ground
    exchange: Exchange
    app: ASGIApp
    header: dict[str, str] = field(default_factory=dict)
    ids: random.Random = field(default_factory=lambda: random.Random(0))

    @contextmanager
    def alike(self) -> Iterator[None]:
        """Ids that are given meanwhile are those that another house gives as its next."""
        names = vars(plan)
        names["uuid"] = _Ids(self.ids)
        try:
            yield
        finally:
            names["uuid"] = uuid

    async def met_by(self, who: Who, said: Said) -> "House":
        """The same house, with a token of `who`.

        Raises:
            Refused: another member's request is refused.
        """
        session = await self._session(who, said) if who.kind == "partner" else None
        caller = caller_of(self.ground, who, session)
        token = Tokens(Shelf(self.exchange.sign_ins)).issue(caller, self.ground.world.clock())
        sign_in = SignInSettings(staff=staff_in(self.ground.staff))
        app = gateway_app(self.exchange, BASE, sign_in=sign_in)  # it knows the tokens of before
        return replace(self, app=app, header={"authorization": f"Bearer {token}"})

    async def _session(self, who: Who, said: Said) -> bytes:
        """What Lakeview signs, for each house anew: a request is answered once."""
        assert who.grant is not None
        signed = AccessRequest(
            custodian=RIVERSIDE,
            account=self.ground.accounts[who.grant.patient],
            requester=LAKEVIEW,
            purpose=who.purpose,
            actions=who.actions,
            practitioner=who.practitioner,
            role=who.role,
            consent_id=said.grants[who.grant],
        )
        what = claims(LAKEVIEW, "request", self.ground.world.id, self.ground.clock())
        request, partners = sign_request(key(LAKEVIEW), what, signed), self.exchange.partners
        try:
            opened = await partners.open(request, partners.verify(request))
        except AccessRefused as error:
            raise Refused from error
        return opened.id

    # --- what is in it ---------------------------------------------------------------------------

    async def move_in(
        self,
        population: Population,
        keeps: Callable[[str], bool],
        lives: Callable[[str], bool],
        shown: Callable[[Event], Event],
        *,
        by_import: bool = False,
    ) -> None:
        """Store what `keeps` says, version by version, of the patients who live there.

        As a bundle of the organisation's own, or by what its system sends to `$import`.
        """
        put = self._import if by_import else self._put
        vault, ground = self.exchange.organisation.vault, self.ground
        here = [local for local in population.patients if lives(local)]
        for local in here:
            vault.register(local, ground.accounts[local])
        steps = sorted({event.step for event in population.events})
        for step in steps:
            ground.behind = STEP_S * (len(steps) + 1 - step)
            some = [one for one in population.events if one.step == step and keeps(one.name)]
            apart = [one for one in some if one.type in DIRECTORY or one.name in NOBODYS]
            try:  # what is nobody's would be the patient's, were there one with it
                await put(map(shown, apart))
                await put(shown(one) for one in some if one not in apart)
            finally:
                ground.behind = 0
        for source, into in population.merged.items():
            if source in here and into in here:
                child, parent = vault.patient(source), vault.patient(into)
                assert child is not None
                assert parent is not None
                vault.merge(child, parent, ground.clock())

    async def _put(self, events: Iterable[Event]) -> None:
        some = list(events)
        for outcome in await self.exchange.ingestion.bundle(_batch(some)) if some else []:
            assert outcome.error is None, outcome

    async def _import(self, events: Iterable[Event]) -> None:
        some = list(events)
        keeper = await self.met_by(KEEPER, Said((), {}))
        lines = [json.dumps(_body(one)) for one in some if one.resource is not None]
        kind = {"content-type": "application/fhir+ndjson"}
        body = "\n".join(lines).encode()
        told = (await ask(keeper, Question("POST", "/fhir/$import", kind, body))).json()
        assert told["parameter"][1] == {"name": "refused", "valueInteger": 0}, told
        for one in some:
            if one.resource is None:
                assert (await ask(keeper, Question("DELETE", f"/fhir/{one.name}"))).status == 204


class _Ids:
    """Stands for the module `uuid` where ids are given."""

    UUID = uuid.UUID

    def __init__(self, drawn: random.Random) -> None:
        self._drawn = drawn

    def uuid4(self) -> uuid.UUID:
        return uuid.UUID(int=self._drawn.getrandbits(128), version=4)


@asynccontextmanager
async def house(ground: Ground, letters: Iterable[bytes]) -> AsyncIterator[House]:
    """An empty house that has the patients' letters."""
    folder = ground.folder / f"house {ground.next()}"
    folder.mkdir()
    keystore = FileKeyStore.create(folder / "organisation.keys")
    async with AsyncExitStack() as stack:
        vault = stack.enter_context(open_vault(VaultFiles.under(folder), keystore, RIVERSIDE))
        organisation = Organisation(
            member=RIVERSIDE,
            chain=ground.world.id,
            key=key(RIVERSIDE),
            sealing=(new_sealing_key(sealing(RIVERSIDE))[0],),
            keystore=keystore,
            vault=vault,
            committed=ground.world.chain.store,
            ledger=ground.world.engine,
            clock=ground.clock,
        )
        exchange = Exchange(organisation, folder, _nowhere)
        stack.push_async_callback(exchange.close)
        for letter in letters:
            await exchange.mailbox.receive(letter)
        yield House(ground, exchange, Starlette())


def caller_of(ground: Ground, who: Who, session: bytes | None) -> Caller:
    """The caller as a token has it; its scopes are cut as a sign-in cuts them."""
    signers: dict[str, SignerId] = {"practitioner": DR_FINN, "partner": LAKEVIEW}
    signer = signers.get(who.kind, RIVERSIDE)
    if who.own is not None:
        signer = ground.accounts[who.own]
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
        partner=None if session is None else Partner(organisation=LAKEVIEW, session=session),
        keeps_records=who.kind == "member",
    )


def _batch(events: Iterable[Event]) -> bytes:
    entries = [
        {
            "request": {"method": "DELETE" if one.resource is None else "PUT", "url": one.name},
            **({} if one.resource is None else {"resource": _body(one)}),
        }
        for one in events
    ]
    return json.dumps({"resourceType": "Bundle", "type": "batch", "entry": entries}).encode()


def _body(one: Event) -> Json:
    return {"resourceType": one.type, "id": one.id} | (one.resource or {})


async def _nowhere(url: str, message: bytes) -> bytes:
    raise Unavailable(url)
