"""The desk: what an organisation's own staff does about accounts, under the member's key.

Patients are given codes after proofing; practitioners are enrolled with keys that they hold.
"""

import secrets
from typing import Annotated, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from careledger.apps.identity.commands import (
    AssuranceLevel,
    CredentialRoles,
    EnrolAccount,
    PatientHolder,
    PractitionerHolder,
    ReissueClaim,
)
from careledger.apps.identity.queries import account as account_of
from careledger.exchange.enrolling import new_account_id
from careledger.exchange.errors import CommandRefused
from careledger.exchange.limits import Interaction
from careledger.gateway.auth_bearer import caller_of, insufficient_scope, require_scope
from careledger.gateway.body import read_body
from careledger.gateway.fhir_http import is_id
from careledger.gateway.problem import problem
from careledger.gateway.services import GatewayServices
from careledger.ledger.claim import CODE_BYTES, claim_key, format_code
from careledger.ledger.membership import NewKey
from careledger.ledger.possession import new_key
from careledger.ledger.record import AccountId, AccountName, Instant, PublicName, Record, encode

CODE_S: Final = 30 * 86_400
"""How long a code that the desk gives counts, in seconds."""

_DESK: Final = "/desk"
_MAX_BODY: Final = 16_384
_JSON: Final = "application/json"


class Practitioner(Record):
    """Who is to be enrolled; the key signed the proof for the account, as `NewKey` says."""

    account: AccountName
    name: PublicName
    roles: CredentialRoles
    ial: AssuranceLevel
    aal: AssuranceLevel | None = None
    key: Annotated[NewKey, msgspec.Meta(description="use transaction")]


def routes(services: GatewayServices) -> list[Route]:
    """Where staff works."""
    door = _Desk(services)
    one = _DESK + "/patients/{id}"
    return [
        Route(_DESK + "/patients", door.patients, methods=["GET"]),
        Route(one, door.patient, methods=["GET"]),
        Route(one + "/claim", door.claim, methods=["POST"]),
        Route(one + "/shred", door.shred, methods=["POST"]),
        Route(_DESK + "/practitioners", door.practitioner, methods=["POST"]),
    ]


class _Desk:
    def __init__(self, services: GatewayServices) -> None:
        self._services = services

    async def patients(self, request: Request) -> Response:
        """Every patient here: local id, account, and whether it is claimed."""
        self._check(request, "Patient", "s")
        organisation = self._services.organisation
        everyone = organisation.vault.patients()
        with organisation.now() as now:
            found = [
                _patient(local, account, claimed=bool(row and row.claimed))
                for local, account in everyone
                for row in (account_of(now.view, account),)
            ]
        return JSONResponse({"patients": found})

    async def patient(self, request: Request) -> Response:
        """One patient."""
        self._check(request, "Patient", "r")
        local = request.path_params["id"]
        account = self._account(local)
        if account is None:
            return problem(404, "no such patient")
        return JSONResponse(_patient(local, account, claimed=self._is_claimed(account)))

    async def claim(self, request: Request) -> Response:
        """A code with which the patient takes the account over; the code before it dies."""
        self._check(request, "Patient", "u")
        local = request.path_params["id"]
        if not is_id(local):
            return problem(404, "no such patient")
        account = self._account(local)
        if account is not None and self._is_claimed(account):
            return problem(409, "claimed", "the patient holds the account; no code opens it")
        entropy = secrets.token_bytes(CODE_BYTES)
        until = self._services.organisation.clock() + CODE_S
        if account is None:
            account = await self._enrol(local, entropy, until)
        else:
            command = ReissueClaim(
                account=account, key=self._claim_key(account, entropy), claim_until=until
            )
            await self._services.organisation.submit("identity", command)
        body = {"account": account, "code": format_code(entropy), "claim_until": until}
        return JSONResponse(body, 201, headers={"Cache-Control": "no-store"})

    async def shred(self, request: Request) -> Response:
        """Erase the patient for good, unless a legal hold forbids it."""
        self._check(request, "Patient", "d")
        account = self._account(request.path_params["id"])
        if account is None:
            return problem(404, "no such patient")
        try:
            erased = await self._services.exchange.erasure.shred(account)
        except CommandRefused as error:
            return problem(409, "refused", str(error), code=error.code)
        self._services.tokens.end_about(request.path_params["id"], account)
        self._services.sign_ins.end_about(request.path_params["id"], account)
        body = {
            "account": account,
            "transaction": erased.transaction.hex(),
            "certificate": encode(erased.certificate).hex(),
            "elsewhere": self._services.exchange.upstream is not None,
        }
        return JSONResponse(body)

    async def practitioner(self, request: Request) -> Response:
        """Enrol a practitioner, who keeps the key."""
        self._check(request, "Practitioner", "c")
        try:
            who = msgspec.json.decode(await read_body(request, _MAX_BODY), type=Practitioner)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return problem(400, "not a practitioner", "account, name, roles, ial, aal and key")
        command = EnrolAccount(
            account=who.account,
            holder=PractitionerHolder(name=who.name, roles=who.roles),
            ial=who.ial,
            aal=who.aal,
            key=who.key,
        )
        ordered = await self._services.organisation.submit("identity", command)
        body = {"account": who.account, "transaction": ordered.receipt.id.hex()}
        return JSONResponse(body, 201)

    def _check(self, request: Request, type_: str, interaction: Interaction) -> None:
        """Only the member's own key works the desk, within its scopes."""
        caller = caller_of(request, self._services)
        if caller.identity.kind != "member":
            raise insufficient_scope()
        require_scope(caller, type_, interaction)

    def _account(self, local: str) -> AccountId | None:
        vault = self._services.organisation.vault
        patient = vault.patient(local)
        return None if patient is None else vault.account_of(patient)

    def _is_claimed(self, account: AccountId) -> bool:
        with self._services.organisation.now() as now:
            found = account_of(now.view, account)
        return found is not None and found.claimed

    async def _enrol(self, local: str, entropy: bytes, until: Instant) -> AccountId:
        """A new account for someone who has no record here yet."""
        organisation, account = self._services.organisation, new_account_id()
        command = EnrolAccount(
            account=account,
            holder=PatientHolder(),
            ial=1,
            key=self._claim_key(account, entropy),
            claim_until=until,
        )
        await organisation.submit("identity", command)
        organisation.vault.register(local, account)
        return account

    def _claim_key(self, account: AccountId, entropy: bytes) -> NewKey:
        chain = self._services.organisation.chain
        return new_key(claim_key(entropy, account, chain), "claim", account, chain)


def _patient(local: str, account: AccountId, *, claimed: bool) -> dict[str, object]:
    return {"id": local, "account": account, "claimed": claimed}
