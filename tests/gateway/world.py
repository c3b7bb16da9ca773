"""Riverside's and Lakeview's gateways, with every door open, on one real chain.

HTTP is real up to the socket: each gateway is an ASGI application that clients and the other
gateway call. Ana, Dr Cho, Dr Finn and both members have client keys to sign in with.
"""

import asyncio
import base64
import itertools
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2

from careledger.apps.governance.commands import Propose, RegisterKey, Suspend, Vote
from careledger.apps.identity.commands import RegisterAccountKey
from careledger.consensus.chain import Chain
from careledger.consensus.solo import SoloEngine
from careledger.exchange.transport import MEDIA_TYPE
from careledger.exchange.upstream.settings import Upstream
from careledger.gateway.app import gateway_app
from careledger.ledger.errors import Unavailable
from careledger.ledger.possession import new_key, thumbprint
from careledger.ledger.record import AccountId, MemberId, SignerId, digest
from careledger.ledger.signature import SigningKey
from tests.exchange import world as base
from tests.exchange.world import (
    ANA,
    ANA_AT_LAKEVIEW,
    ANA_LOCAL,
    ANA_MRN,
    BEN,
    BEN_MRN,
    DR_CHO,
    DR_DIAZ,
    DR_FINN,
    HILLTOP,
    LAKEVIEW,
    NOW,
    RECORD,
    RIVERSIDE,
)

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FHIR = "application/fhir+json"

Story = Callable[["World"], Awaitable[None]]


def client_key(name: str) -> SigningKey:
    """The same name always has the same key, for signing in."""
    return SigningKey("ES256", digest(f"client {name}".encode()))


def key_id(signing: SigningKey) -> str:
    return thumbprint(signing.algorithm, signing.public.public).hex()


def url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jwt(header: dict[str, Any], claims: Any, sign: Callable[[bytes], bytes]) -> str:
    """A JWT put together by hand (RFC 7515 3.1), so that anything can be wrong in it."""
    parts = [url64(json.dumps(part).encode()) for part in (header, claims)]
    return ".".join([*parts, url64(sign(".".join(parts).encode()))])


class World(base.World):
    """The network, and what people say to its gateways over HTTP."""

    def __init__(self, folder: Path, engine: SoloEngine, tip: Chain) -> None:
        super().__init__(folder, engine, tip)
        self.clients: dict[str, httpx2.AsyncClient] = {}
        self._ids = itertools.count()
        self._processes: dict[str, AsyncExitStack] = {}
        self.down: set[str] = set()

    @property
    def at_riverside(self) -> httpx2.AsyncClient:
        return self.clients[RIVERSIDE]

    @property
    def at_lakeview(self) -> httpx2.AsyncClient:
        return self.clients[LAKEVIEW]

    # --- processes -----------------------------------------------------------------------------

    async def open(
        self, member: MemberId, upstream: Upstream | None = None, *, shadow: bool = False
    ) -> None:
        """Start a member's gateway, with whatever an earlier one left."""
        async with AsyncExitStack() as stack:
            opened = base.gateway(self, member, upstream, shadow=shadow)
            exchange = await stack.enter_async_context(opened)
            url = f"http://{member}.test"
            client = httpx2.AsyncClient(
                transport=httpx2.ASGITransport(gateway_app(exchange, url, "http://127.0.0.1:7410")),
                base_url=url,
            )
            self.clients[member] = await stack.enter_async_context(client)
            self._processes[member] = stack.pop_all()

    async def stop(self, member: MemberId) -> None:
        """Stop a member's gateway as it should be."""
        await self._processes.pop(member).aclose()

    async def restart(self, member: MemberId) -> None:
        """Stop a member's gateway, and start it again."""
        await self.stop(member)
        await self.open(member)

    async def crash(self, member: MemberId) -> None:
        """Go on with the files as they are now: what a process does on its way out is undone."""
        folder, left = self.folder / member, self.folder / f"{member} as it was"
        shutil.copytree(folder, left)
        await self.stop(member)
        shutil.rmtree(folder)
        left.rename(folder)
        await self.open(member)

    async def close_gateways(self) -> None:
        """Stop all that run."""
        for member in list(self._processes):
            await self.stop(MemberId(member))

    async def transport(self, url: str, message: bytes) -> bytes:
        """Between gateways, through their doors."""
        member = url.removeprefix("http://").partition(".test")[0]
        if member not in self.clients or member in self.down:
            raise Unavailable(url)
        headers = {"content-type": MEDIA_TYPE}
        answer = await self.clients[member].post(url, content=message, headers=headers)
        if answer.status_code != 200:
            raise Unavailable(str(answer.status_code))
        said = self.tamper(answer.content)
        self.letters.append((url, message, said))
        return said

    # --- signing in ----------------------------------------------------------------------------

    async def register_client(
        self, signer: SignerId, signing: SigningKey | None = None, algorithm: str = ""
    ) -> SigningKey:
        signing = signing or client_key(signer)
        proved = new_key(signing, "client", signer, self.id)
        if signer.startswith("@"):
            await self.submit(signer, "identity", RegisterAccountKey(key=proved))
        else:
            await self.submit(signer, "governance", RegisterKey(key=proved))
        return signing

    def claims(self, signer: str, member: str, **changed: Any) -> dict[str, Any]:
        """What a client assertion says; `b2b` changes its extension, None leaves a claim out."""
        business = {"version": "1", "purpose_of_use": ["TREAT"]} | changed.pop("b2b", {})
        said = {
            "iss": signer,
            "sub": signer,
            "aud": f"http://{member}.test/auth/token",
            "exp": self.clock() + 240,
            "iat": self.clock(),
            "jti": f"id {next(self._ids)}",
            "extensions": {"hl7-b2b": {k: v for k, v in business.items() if v is not None}},
        } | changed
        return {name: value for name, value in said.items() if value is not None}

    def assertion(
        self,
        signer: str,
        member: str,
        *,
        signing: SigningKey | None = None,
        header: dict[str, Any] | None = None,
        **changed: Any,
    ) -> str:
        signing = signing or client_key(signer)
        said = {"alg": signing.algorithm, "kid": key_id(signing), "typ": "JWT"} | (header or {})
        return jwt(said, self.claims(signer, member, **changed), signing.sign)

    async def sign_in(
        self, member: str, assertion: str, scope: str = "system/*.rs", **form: str
    ) -> httpx2.Response:
        fields = {
            "grant_type": "client_credentials",
            "client_assertion_type": JWT_BEARER,
            "client_assertion": assertion,
            "scope": scope,
        } | form
        return await self.clients[member].post("/auth/token", data=fields)

    async def token(
        self, signer: str, member: str, scope: str = "system/*.rs", **changed: Any
    ) -> dict[str, str]:
        """The header of a signed-in client."""
        answer = await self.sign_in(member, self.assertion(signer, member, **changed), scope)
        assert answer.status_code == 200, answer.text
        return {"authorization": f"Bearer {answer.json()['access_token']}"}

    async def ana(self, scope: str = "system/*.rs") -> dict[str, str]:
        return await self.token(ANA, RIVERSIDE, scope, b2b={"purpose_of_use": ["PATRQT"]})

    async def dr_finn(self, scope: str = "system/*.rs") -> dict[str, str]:
        return await self.token(DR_FINN, RIVERSIDE, scope, b2b={"subject_role": "clinician"})

    async def dr_cho(self, scope: str = "system/*.rs") -> dict[str, str]:
        return await self.token(DR_CHO, LAKEVIEW, scope, b2b={"subject_role": "clinician"})

    async def service(self, scope: str = "system/*.cruds") -> dict[str, str]:
        """Riverside's own software, under the member's key."""
        return await self.token(RIVERSIDE, RIVERSIDE, scope, b2b={"purpose_of_use": ["HOPERAT"]})

    async def suspend(self, member: MemberId) -> None:
        """Everybody votes the member out, for now."""
        proposal = digest(b"suspend")[:16]
        until = self.clock() + 600
        motion = Propose(proposal=proposal, motion=Suspend(member=member), until=until)
        others = [one for one in (HILLTOP, LAKEVIEW, RIVERSIDE) if one != HILLTOP]
        await self.submit(HILLTOP, "governance", motion)
        for voter in others:
            await self.submit(voter, "governance", Vote(proposal=proposal, approve=True))


@asynccontextmanager
async def world(
    folder: Path, upstream: Upstream | None = None, *, shadow: bool = False
) -> AsyncIterator[World]:
    """Both gateways are open; Ana's record is at Riverside, and she is known at Lakeview.

    Riverside's stands in front of the FHIR server `upstream`, if there is one.
    """
    made: list[World] = []
    clock = lambda: made[0].clock() if made else NOW
    async with AsyncExitStack() as stack:
        engine, tip = await stack.enter_async_context(base.chain(folder / "chain", clock))
        here = World(folder, engine, tip)
        made.append(here)
        stack.push_async_callback(here.close_gateways)
        await here.open(RIVERSIDE, upstream, shadow=shadow and upstream is not None)
        await here.open(LAKEVIEW)
        await here.enrol(RIVERSIDE, ANA, ANA_MRN)
        await here.enrol(RIVERSIDE, BEN, BEN_MRN)
        await here.enrol(LAKEVIEW, ANA_AT_LAKEVIEW, ANA_LOCAL)
        for account, employer in ((DR_CHO, LAKEVIEW), (DR_DIAZ, LAKEVIEW), (DR_FINN, RIVERSIDE)):
            await here.hire(employer, account)
        signers: tuple[SignerId, ...] = (ANA, DR_CHO, DR_FINN, RIVERSIDE, LAKEVIEW)
        for signer in signers:
            await here.register_client(signer)
        await here.riverside.ingestion.bundle(base.bundle(*RECORD))
        await here.riverside.ingestion.settled()
        yield here


def tell(
    folder: Path, story: Story, upstream: Upstream | None = None, *, shadow: bool = False
) -> None:
    """Play a story."""

    async def play() -> None:
        async with world(folder, upstream, shadow=shadow) as here:
            await story(here)

    asyncio.run(asyncio.wait_for(play(), 60))


def account(number: int) -> AccountId:
    return AccountId("@" + base64.b32encode(digest(bytes([number]))[:16]).decode().lower()[:26])
