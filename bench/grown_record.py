"""A gateway's record before it is measured: patients who can sign, and as many resources as wanted.

What is beyond the bundles is copied patient by patient: new ids of the same length in bytes and
facts, an account on the ledger, a key of their own. It is sealed, indexed and committed as ever.
"""

import re
import secrets
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from re import Match

from bench.exchange_world import RIVERSIDE, World, key
from bench.http_load import Ask, ask
from careledger.apps.consent.commands import DenyConsent
from careledger.apps.identity.commands import EnrolAccount, PatientHolder
from careledger.exchange.asker import Asker
from careledger.exchange.enrolling import new_account_id
from careledger.exchange.organisation import Organisation, claims
from careledger.exchange.transport import MAILBOX_PATH, MEDIA_TYPE
from careledger.exchange.wire import seal
from careledger.ledger.possession import new_key
from careledger.ledger.record import AccountId, Digest, encode
from careledger.mechanisms.deadline import day_of
from careledger.mechanisms.delivery import SignedTerms, TermsPackage, sign_package
from careledger.mechanisms.messages import TERMS
from careledger.mechanisms.terms import Provision, Terms
from careledger.node.gateway_process import RunningGateway
from careledger.vault.deposit import Arrival
from careledger.vault.index import decode_facts, encode_facts
from careledger.vault.opening import Opened
from careledger.vault.sealing import public_sealing_key

_ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PATIENT = re.compile(rb'"resourceType":"Patient","id":"([0-9a-f-]{36})"')
_TOGETHER = 25
"""Patients enrolled in one transaction and stored in one write."""


@dataclass
class Record:
    """Who is in it: local ids with accounts whose keys are `key(account)`; and how much it is."""

    sealing: bytes
    """What is sent to the organisation is sealed to this key."""
    accounts: dict[str, AccountId] = field(default_factory=dict)
    resources: int = 0


async def fill(gateway: RunningGateway, data: Sequence[bytes], count: int = 0) -> Record:
    """Take in `data`, then copies of it until there are `count` resources."""
    exchange = gateway.exchange
    record = Record(public_sealing_key(exchange.organisation.sealing[0]))
    await _enrol(exchange.organisation, record, [m[1].decode() for m in _patients(data)])
    async for outcomes in exchange.ingestion.stream(data):
        assert isinstance(outcomes, list), outcomes
        record.resources += len(outcomes)
    models = (
        [resources_of(gateway, local) for local in record.accounts]
        if record.resources < count
        else []
    )
    while record.resources < count:
        for start in range(0, len(models), _TOGETHER):
            if record.resources >= count:
                break
            await _copy(exchange.organisation, record, models[start : start + _TOGETHER])
            exchange.ingestion._batcher.wake()  # noqa: SLF001 - it was put in past the ingestion
    await exchange.ingestion.settled()
    return record


def _patients(data: Sequence[bytes]) -> Iterator[Match[bytes]]:
    return (match for one in data for match in _PATIENT.finditer(one))


async def _enrol(organisation: Organisation, record: Record, locals_: Sequence[str]) -> None:
    people = [(local, new_account_id()) for local in locals_]
    for start in range(0, len(people), _TOGETHER):
        some = people[start : start + _TOGETHER]
        commands = (_enrolment(organisation, account) for _, account in some)
        await organisation.submit("identity", *commands)
    organisation.vault.register_all(people)
    record.accounts.update(people)


def _enrolment(organisation: Organisation, account: AccountId) -> EnrolAccount:
    first = new_key(key(account), "transaction", account, organisation.chain)
    return EnrolAccount(account=account, holder=PatientHolder(), ial=2, key=first)


def resources_of(gateway: RunningGateway, local: str) -> list[Opened]:
    with gateway.exchange.reach(Asker(purpose="HOPERAT"), action="export") as reach:
        nodes = list(reach.of_type(None, frozenset((local,)), lambda _: True))
        return [one for one in reach.open_each(nodes) if one is not None]


async def _copy(
    organisation: Organisation, record: Record, models: Sequence[Sequence[Opened]]
) -> None:
    """A new patient after each model; durable on return."""
    fresh = [Renamed(model) for model in models]
    await _enrol(organisation, record, [one.local for one in fresh])
    arrivals = list[Arrival]()
    for one in fresh:
        patient = organisation.vault.patient(one.local)
        for opened in one.model:
            facts = decode_facts(one.renamed(encode_facts(opened.facts)))
            data = one.renamed(opened.data)
            arrivals.append(Arrival(patient, facts.type, facts.id or "", data, facts))
    organisation.vault.put(arrivals, organisation.clock())
    record.resources += len(arrivals)


class Renamed:
    """A patient's resources under new ids."""

    def __init__(self, model: Sequence[Opened]) -> None:
        self.model = model
        self._ids = {one.id.encode(): _uuid() for one in model}
        (patient,) = (one.id for one in model if one.type == "Patient")
        self.local = self._ids[patient.encode()].decode()

    @property
    def patient_first(self) -> list[Opened]:
        """The resources, the patient's own before those that are about them."""
        return sorted(self.model, key=lambda one: one.type != "Patient")

    def renamed(self, data: bytes) -> bytes:
        """`data` with every id of the patient's resources replaced by the new one."""
        replace: Callable[[Match[bytes]], bytes] = lambda met: self._ids.get(met[0], met[0])  # noqa: E731
        return _ID.sub(replace, data)


def _uuid() -> bytes:
    return str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)).encode()


async def withhold_medications(world: World, gateway: str, record: Record, local: str) -> None:
    """The patient denies the organisation's own people her prescriptions, and sends the terms."""
    account, now = record.accounts[local], int(time.time())
    terms = Terms(base=Provision(effect="deny", types=("MedicationRequest",)))
    package = TermsPackage(
        consent_id=secrets.token_bytes(16),
        custodian=RIVERSIDE,
        custodian_account=account,
        grantee=RIVERSIDE,
        grantee_account=None,
        terms=encode(terms),
        salt=Digest(secrets.token_bytes(32)),
    )
    denial = DenyConsent(
        consent_id=package.consent_id,
        custodian=RIVERSIDE,
        grantee=RIVERSIDE,
        valid_from=day_of(now),
        terms=package.commitment(),
    )
    await world.submit(account, "consent", denial)
    chain = world.network.chain
    signed = sign_package(key(account), claims(account, "terms", chain, now), package)
    body = encode(SignedTerms(package=package, signatures=(signed,)))
    sealed = seal(record.sealing, chain, TERMS, RIVERSIDE, body)
    status, said = await ask(
        gateway, Ask(MAILBOX_PATH, "POST", sealed), {"Content-Type": MEDIA_TYPE}
    )
    assert status == 200, said
