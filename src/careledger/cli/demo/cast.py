"""Who plays in the demo: four organisations, their patients, Ana with her wallet, Dr Grace Cho."""

import base64
import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from careledger.apps.identity.commands import EnrolAccount, PractitionerHolder, RegisterAccountKey
from careledger.cli.clock import wall_clock
from careledger.cli.credential import Credential, save_credential
from careledger.cli.smart import Client, Session, member_client
from careledger.consensus.remote import RemoteNode
from careledger.ledger.errors import LedgerError
from careledger.ledger.possession import new_key
from careledger.ledger.record import AccountId, MemberId, Record, SignerId
from careledger.ledger.signature import SigningKey
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import call, sign_transaction
from careledger.node.founding import Founder, Network
from careledger.vault.keyfile import load_signing_key
from careledger.verify.trust import parse_trust
from careledger.wallet.accounts import claim
from careledger.wallet.wallet import create_wallet, open_wallet

RIVERSIDE, LAKEVIEW = MemberId("riverside"), MemberId("lakeview")

FOUNDERS = (
    Founder(id="riverside", name="Riverside Hospital", roles=("provider",)),
    Founder(id="lakeview", name="Lakeview Clinic", roles=("provider",)),
    Founder(id="unity-health", name="Unity Health", roles=("payer",)),
    Founder(id="corner-pharmacy", name="Corner Pharmacy", roles=("pharmacy",)),
)

WALLET, CREDENTIAL = "ana-wallet", "dr-cho.json"

FHIR_JSON = "application/fhir+json"
WRITE = "system/*.cruds"

Told = Callable[[int], None]
"""Hears how many more resources are done."""


class CastFailed(LedgerError):
    """Something that the story needs could not be set up."""


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Everybody the story needs; Ana's local patient id at each organisation that knows her."""

    network: Network
    name: str
    local: dict[str, str]
    wallet: Path
    credential: Path
    cho: AccountId


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One bundle for one gateway; `patient` is the local id of Ana, if it is hers."""

    organisation: str
    body: bytes
    resources: int
    patient: str | None = None


def generated(seed: int, patients: int) -> Iterator[Delivery]:
    """The project's own synthetic population; the first patient is Ana Rivera."""
    from careledger.fhir.synthetic.people import ANA
    from careledger.fhir.synthetic.population import population

    for bundle in population(seed, patients):
        hers = patient_in(bundle.body) if bundle.patient == ANA else None
        yield Delivery(
            organisation=bundle.organisation,
            body=bundle.body,
            resources=bundle.resources,
            patient=hers,
        )


def from_folder(folder: Path) -> Iterator[Delivery]:
    """Synthea bundles: all go to Riverside; the first patient is registered at Lakeview as well.

    Raises:
        CastFailed: no bundles there.
    """
    files = sorted(path for path in folder.iterdir() if path.name.endswith((".json", ".json.bz2")))
    people = [path for path in files if "Information" not in path.name]
    if not people:
        raise CastFailed(f"no FHIR bundles (*.json, *.json.bz2) in {folder}")
    shared = [path for path in files if path not in people]
    protagonist = next(filter(_has_a_story, people), people[0])
    for path in [*shared, *people]:
        body = _load(path)
        count = len(msgspec.json.decode(body, type=_Bundle).entry)
        hers = patient_in(body) if path == protagonist else None
        yield Delivery(organisation="riverside", body=body, resources=count, patient=hers)
        if hers is not None:
            yield _registration(body, hers)


def _has_a_story(path: Path) -> bool:
    """Whether there are medications and laboratory results to ask for."""
    body = _load(path)
    return b'"MedicationRequest"' in body and b'"laboratory"' in body


class _Head(msgspec.Struct):
    resourceType: str = ""  # noqa: N815 - FHIR's name
    id: str = ""
    name: list[dict[str, object]] = []


class _Entry(msgspec.Struct):
    resource: msgspec.Raw = msgspec.Raw(b"{}")


class _Bundle(msgspec.Struct):
    entry: list[_Entry] = []


def _heads(body: bytes) -> Iterator[tuple[_Head, bytes]]:
    for entry in msgspec.json.decode(body, type=_Bundle).entry:
        raw = bytes(entry.resource)
        yield msgspec.json.decode(raw, type=_Head), raw


def patient_in(body: bytes) -> str | None:
    """The id of the Patient in a bundle, if there is one."""
    return next((head.id for head, _ in _heads(body) if head.resourceType == "Patient"), None)


def name_in(body: bytes) -> str:
    """The name of the Patient in a bundle."""
    for head, _ in _heads(body):
        for name in head.name if head.resourceType == "Patient" else ():
            given = name.get("given")
            first = str(given[0]) if isinstance(given, list) and given else ""
            return f"{first} {name.get('family', '')}".strip()
    return "the patient"


def _registration(body: bytes, patient: str) -> Delivery:
    """The Patient alone, as another organisation's registrar would enter it."""
    [raw] = [raw for head, raw in _heads(body) if head.resourceType == "Patient"]
    request = {"method": "POST", "url": "Patient"}
    entry = {"fullUrl": f"urn:uuid:{patient}", "resource": msgspec.Raw(raw), "request": request}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    return Delivery(
        organisation="lakeview", body=msgspec.json.encode(bundle), resources=1, patient=patient
    )


def _load(path: Path) -> bytes:
    if path.suffix == ".bz2":
        import bz2

        return bz2.decompress(path.read_bytes())
    return path.read_bytes()


def writer(network: Network, member: str) -> Client:
    """The organisation's own service, which may write to its gateway."""
    return member_client(network.home(member), "HOPERAT", WRITE, network.gateways[member])


async def enrol_cho(network: Network, node: RemoteNode, folder: Path) -> AccountId:
    """Dr Grace Cho becomes an account of Lakeview, with her own two keys in one file."""
    account = new_account()
    signing, client = secrets.token_bytes(32), secrets.token_bytes(32)
    own, sign_in = SigningKey("EdDSA", signing), SigningKey("ES256", client)
    desk = load_signing_key(network.home(LAKEVIEW) / "keys" / "transaction.key")
    enrol = EnrolAccount(
        account=account,
        holder=PractitionerHolder(name="Dr Grace Cho", roles=("clinician",)),
        ial=2,
        aal=2,
        key=new_key(own, "transaction", account, network.chain),
    )
    await send(network, node, LAKEVIEW, desk, "identity", enrol)
    register = RegisterAccountKey(key=new_key(sign_in, "client", account, network.chain))
    await send(network, node, account, own, "identity", register)
    credential = Credential(
        name="Dr Grace Cho",
        member=LAKEVIEW,
        account=account,
        gateway=network.gateways[LAKEVIEW],
        node=network.nodes[LAKEVIEW],
        transaction=signing,
        client=client,
    )
    save_credential(folder / CREDENTIAL, credential)
    return account


async def give_wallet(network: Network, path: Path, local: dict[str, str]) -> None:
    """Ana makes a wallet and claims her account at each organisation with the code of its desk."""
    trust = parse_trust(network.trust_file.read_bytes())
    await create_wallet(path, None, network.nodes[RIVERSIDE], trust)
    codes = {member: await claim_code(network, member, id_) for member, id_ in local.items()}
    async with open_wallet(path, None, wall_clock) as wallet:
        for member, (account, code) in codes.items():
            await claim(wallet, MemberId(member), code, account)


async def claim_code(network: Network, member: str, local: str) -> tuple[AccountId, str]:
    """What the desk gives a patient after proofing: her account, and the code that claims it."""
    async with Session(writer(network, member)) as session:
        found = await session.post(f"/desk/patients/{local}/claim", b"{}", "application/json")
    return AccountId(found["account"]), str(found["code"])


async def send(
    network: Network,
    node: RemoteNode,
    signer: SignerId,
    key: SigningKey,
    application: str,
    command: Record,
) -> None:
    """Sign and submit one command.

    Raises:
        CastFailed: the rules refused it.
    """
    now = wall_clock()
    claims = Claims(
        issuer=signer,
        subject=application,
        audience=network.chain.hex(),
        not_before=now - 5,
        expires=now + 300,
        nonce=secrets.token_bytes(16),
    )
    ordered = await node.submit(sign_transaction(key, claims, call(application, command)))
    if ordered.receipt.code:
        raise CastFailed(f"{type(command).__name__} was refused ({ordered.receipt.code})")


def new_account() -> AccountId:
    """A fresh account id."""
    random = base64.b32encode(secrets.token_bytes(16)).decode().lower().rstrip("=")
    return AccountId("@" + random)


async def ingest(
    network: Network, member: str, deliveries: Iterable[Delivery], told: Told
) -> list[str]:
    """Send bundles to one gateway, in order; what was refused, and why, is returned."""
    refused: list[str] = []
    async with Session(writer(network, member)) as session:
        for delivery in deliveries:
            try:
                answer = await session.post("/fhir", delivery.body, FHIR_JSON)
            except LedgerError as error:
                refused.append(f"{member}: {error}")
            else:
                entries = answer.get("entry", [])
                statuses = [str(one["response"]["status"]) for one in entries]
                refused += [f"{member}: {one}" for one in statuses if not one.startswith("2")]
            told(delivery.resources)
    return refused
