"""A node process, Riverside's gateway process, and Ana's consent, for the exchange's benchmarks."""

import time
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from bench.measure import trial_network
from careledger.apps.consent.commands import GrantConsent
from careledger.apps.identity.commands import EnrolAccount, PatientHolder, PractitionerHolder
from careledger.consensus.remote import RemoteNode
from careledger.exchange.organisation import claims
from careledger.exchange.wire import seal
from careledger.ledger.possession import new_key
from careledger.ledger.record import AccountId, MemberId, Record, SignerId, digest, encode
from careledger.ledger.signature import SigningKey
from careledger.ledger.transaction import call, sign_transaction
from careledger.mechanisms.deadline import day_of
from careledger.mechanisms.delivery import SignedTerms, TermsPackage, sign_package
from careledger.mechanisms.messages import TERMS
from careledger.mechanisms.terms import Provision, Terms
from careledger.node.config import load_gateway
from careledger.node.founding import Network
from careledger.node.gateway_process import RunningGateway, open_gateway
from careledger.vault.sealing import public_sealing_key

RIVERSIDE, LAKEVIEW = MemberId("riverside"), MemberId("lakeview")
ANA, ANA_AT_LAKEVIEW, DR_CHO = (AccountId("@" + letter * 26) for letter in "ahc")
LOCAL = "ana-at-lakeview"


def key(name: str) -> SigningKey:
    return SigningKey("EdDSA", digest(name.encode()))


@dataclass(frozen=True)
class World:
    """A founded network whose node runs; `keys` are the members'."""

    network: Network
    keys: dict[str, SigningKey]

    @classmethod
    def found(cls, folder: Path, port: int) -> "World":
        return cls(*trial_network(folder, port))

    async def submit(self, signer: SignerId, application: str, *commands: Record) -> None:
        said = claims(signer, application, self.network.chain, int(time.time()))
        signing = self.keys.get(signer) or key(signer)
        calls = (call(application, command) for command in commands)
        async with RemoteNode(self.network.node_url) as node:
            ordered = await node.submit(sign_transaction(signing, said, *calls))
        assert ordered.receipt.code == 0, ordered.receipt.code

    def gateway(self, member: MemberId) -> AbstractAsyncContextManager[RunningGateway]:
        """A member's gateway in this process, which can have one at a time."""
        home = self.network.home(member)
        return open_gateway(home, load_gateway(home))

    async def enrol(
        self, member: MemberId, account: AccountId, *, practitioner: bool = False
    ) -> None:
        holder = (
            PractitionerHolder(name="Dr Cho", roles=("clinician",))
            if practitioner
            else PatientHolder()
        )
        first = new_key(key(account), "transaction", account, self.network.chain)
        command = EnrolAccount(account=account, holder=holder, ial=2, key=first)
        await self.submit(member, "identity", command)

    async def consent(self) -> TermsPackage:
        """Ana grants Lakeview treatment access to what is not a document."""
        exception = Provision(effect="deny", types=("DocumentReference",))
        terms = Terms(base=Provision(effect="permit"), exceptions=(exception,))
        package = TermsPackage(
            consent_id=bytes(range(16)),
            custodian=RIVERSIDE,
            custodian_account=ANA,
            grantee=LAKEVIEW,
            grantee_account=ANA_AT_LAKEVIEW,
            terms=encode(terms),
            salt=digest(b"salt"),
        )
        now = int(time.time())
        grant = GrantConsent(
            consent_id=package.consent_id,
            custodian=RIVERSIDE,
            grantee=LAKEVIEW,
            purposes=("TREAT",),
            actions=("read", "search", "export"),
            valid_from=day_of(now),
            terms=package.commitment(),
        )
        await self.submit(ANA, "consent", grant)
        return package

    async def deliver(self, package: TermsPackage, gateway: RunningGateway) -> None:
        """Ana sends the terms."""
        chain, mine = self.network.chain, gateway.exchange.organisation
        signatures = tuple(
            sign_package(key(account), claims(account, "terms", chain, int(time.time())), package)
            for account in (ANA, ANA_AT_LAKEVIEW)
        )
        body = encode(SignedTerms(package=package, signatures=signatures))
        public = public_sealing_key(mine.sealing[0])
        await gateway.exchange.mailbox.receive(seal(public, chain, TERMS, mine.member, body))
