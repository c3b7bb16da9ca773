"""People who use the network while it is being broken, and remember what they were told.

Patients grant, practitioners ask, the custodian discloses, patients revoke; beside them a member
commits records without end. Whoever gets no answer sends the same transaction again, to any node.
"""

import asyncio
import itertools
import random
import secrets
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from careledger.apps.consent.commands import GrantConsent, RevokeConsent
from careledger.apps.identity.commands import EnrolAccount, PatientHolder, PractitionerHolder
from careledger.apps.records.basis import GrantBasis
from careledger.apps.records.commands import CommitRecords, DiscloseRecords
from careledger.consensus.intake import Ordered
from careledger.consensus.remote import RemoteNode
from careledger.exchange.enrolling import new_account_id
from careledger.ledger.errors import Inadmissible, Unavailable
from careledger.ledger.possession import new_key
from careledger.ledger.record import AccountId, Digest, Record, digest
from careledger.ledger.signature import SigningKey
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import call, parse_transaction, sign_transaction
from careledger.mechanisms.deadline import day_of
from careledger.mechanisms.request import AccessRequest, sign_request
from careledger.node.founding import Network
from careledger.node.member_keys import TRANSACTION_KEY
from careledger.vault.keyfile import load_signing_key
from tests.faults.history import Operation

CUSTODIAN, GRANTEE = "hospital", "clinic"
LIVES_S = 900
"""How long a transaction counts: longer than any single fault lasts."""

PAUSE_S = 0.25
"""Before something is sent again."""

APPLICATION = {
    EnrolAccount: "identity",
    GrantConsent: "consent",
    RevokeConsent: "consent",
    DiscloseRecords: "records",
    CommitRecords: "records",
}


class People:
    """Everyone who sends, and the history of what they sent."""

    def __init__(self, network: Network, urls: Sequence[str], chance: random.Random) -> None:
        self.operations: list[Operation] = []
        self.consent_of: dict[bytes, bytes] = {}
        """The consent that a disclosure rests on, or that a revocation ends, by transaction."""
        self._network, self._urls, self._chance = network, urls, chance
        self._nodes: dict[str, RemoteNode] = {}
        self._keys: dict[str, SigningKey] = {
            member: load_signing_key(_home(network, member) / TRANSACTION_KEY)
            for member in (CUSTODIAN, GRANTEE)
        }
        self._numbers = itertools.count(1)
        self._doctor = self._account()
        self._tasks: list[asyncio.Task[None]] = []
        self.stopping = False

    def _account(self) -> AccountId:
        account = new_account_id()
        self._keys[account] = SigningKey("EdDSA", digest(account.encode()))
        return account

    async def arrive(self, patients: int) -> None:
        """Enrol everybody, and let them begin."""
        doctor = PractitionerHolder(name="Dr Cho", roles=("clinician",))
        await self._enrol(GRANTEE, self._doctor, doctor)
        for _ in range(patients):
            account = self._account()
            await self._enrol(CUSTODIAN, account, PatientHolder())
            self._tasks.append(asyncio.create_task(self._live(account)))
        self._tasks.append(asyncio.create_task(self._commit()))

    async def leave(self) -> None:
        """Finish what is under way."""
        self.stopping = True
        await asyncio.wait_for(asyncio.gather(*self._tasks), 120)
        for node in self._nodes.values():
            await node.close()

    # --- what they do --------------------------------------------------------------------------

    async def _enrol(
        self, member: str, account: AccountId, holder: PatientHolder | PractitionerHolder
    ) -> None:
        key = new_key(self._keys[account], "transaction", account, self._network.chain)
        await self.do(member, EnrolAccount(account=account, holder=holder, ial=2, key=key))

    async def _live(self, patient: AccountId) -> None:
        """Grant, be looked at, revoke, be looked at, and again."""
        while not self.stopping:
            consent = secrets.token_bytes(16)
            grant = GrantConsent(
                consent_id=consent,
                custodian=CUSTODIAN,
                grantee=GRANTEE,
                purposes=("TREAT",),
                actions=("read",),
                valid_from=day_of(int(time.time())),
            )
            await self.do(patient, grant)
            looking = [asyncio.create_task(self._look(patient, consent)) for _ in range(2)]
            await asyncio.sleep(self._chance.uniform(0, 0.5))
            await self.do(patient, RevokeConsent(consent_id=consent), consent)
            await self._look(patient, consent)
            await asyncio.gather(*looking)

    async def _look(self, patient: AccountId, consent: bytes) -> None:
        await asyncio.sleep(self._chance.uniform(0, 0.6))
        asked = AccessRequest(
            custodian=CUSTODIAN,
            account=patient,
            requester=GRANTEE,
            purpose="TREAT",
            actions=("read",),
            practitioner=self._doctor,
            role="clinician",
        )
        request = sign_request(self._keys[self._doctor], self._claims(self._doctor), asked)
        command = DiscloseRecords(
            account=patient,
            request=request,
            basis=GrantBasis(consent_id=consent),
            manifest=secrets.token_bytes(32),
            session=secrets.token_bytes(16),
        )
        await self.do(CUSTODIAN, command, consent)

    async def _commit(self) -> None:
        """Steady load: a few batches of records at a time."""
        while not self.stopping:
            roots = [Digest(secrets.token_bytes(32)) for _ in range(5)]
            commands = [CommitRecords(root=root, size=64) for root in roots]
            await asyncio.gather(*(self.do(CUSTODIAN, command) for command in commands))

    # --- sending -------------------------------------------------------------------------------

    async def do(self, signer: str, command: Record, consent: bytes | None = None) -> Operation:
        """Send until it is acknowledged, or until it is too late for it to count."""
        claims = self._claims(signer)
        name = APPLICATION[type(command)]
        raw = sign_transaction(self._keys[signer], claims, call(name, command))
        sent = Operation(
            id=parse_transaction(raw).id, kind=type(command).__name__, sent=time.monotonic()
        )
        if consent is not None:
            self.consent_of[sent.id] = consent
        found = await self._acknowledged(raw, sent, claims.expires)
        self.operations.append(found)
        return found

    async def _acknowledged(self, raw: bytes, sent: Operation, expires: int) -> Operation:
        while time.time() < expires:
            try:
                ordered: Ordered = await self._node(self._chance.choice(self._urls)).submit(raw)
            except (Unavailable, Inadmissible):
                # Inadmissible too: a node that is behind does not know the signer yet.
                await asyncio.sleep(PAUSE_S)
            else:
                return replace(
                    sent,
                    acknowledged=time.monotonic(),
                    index=ordered.index,
                    code=ordered.receipt.code,
                )
        return sent

    def _node(self, url: str) -> RemoteNode:
        """The node there, by connections that are kept."""
        if url not in self._nodes:
            self._nodes[url] = RemoteNode(url)
        return self._nodes[url]

    def _claims(self, signer: str) -> Claims:
        now = int(time.time())
        return Claims(
            issuer=signer,
            subject="fault trial",
            audience=self._network.chain.hex(),
            not_before=now - 5,
            expires=now + LIVES_S,
            nonce=next(self._numbers).to_bytes(16),
        )


def _home(network: Network, member: str) -> Path:
    return network.node_homes[member].parent


def wrongly_disclosed(people: People) -> list[str]:
    """Disclosures that were permitted although they were asked for after an acknowledged end."""
    ended = {
        people.consent_of[one.id]: one.acknowledged
        for one in people.operations
        if one.kind == "RevokeConsent" and one.code == 0
    }
    return [
        f"disclosed at {one.index} after the revocation was acknowledged"
        for one in people.operations
        if one.kind == "DiscloseRecords"
        and one.code == 0
        and ended.get(people.consent_of[one.id], one.sent) < one.sent
    ]
