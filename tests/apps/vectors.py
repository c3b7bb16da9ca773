"""The vectors of identity and disclosure: what is signed to be known, to ask and to answer."""

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from careledger.apps.identity.commands import EnrolAccount, PatientHolder
from careledger.apps.records.basis import GrantBasis
from careledger.apps.records.commands import CommitRecords, Disclosed, DiscloseRecords
from careledger.ledger.claim import claim_key, format_code
from careledger.ledger.possession import new_key, possession_message, thumbprint
from careledger.ledger.record import AccountId, MemberId, digest, encode
from careledger.ledger.signature import SigningKey, key_id
from careledger.ledger.statement import Claims, parse_statement
from careledger.mechanisms.offline import NONE_BEFORE, OfflineEntry, sign_offline
from careledger.mechanisms.request import CONTENT_TYPE, AccessRequest, sign_request

CHAIN = digest(b"example genesis file")
MERCY, PLAINS = MemberId("mercy"), MemberId("plains")
ANA, DR_CHO = AccountId("@" + "a" * 26), AccountId("@" + "c" * 26)
KEY = SigningKey("EdDSA", digest(b"a key"))
CONSENT = bytes(range(16))
TIME = 1_790_000_000
X25519 = b"\x09" + bytes(31)


def identity() -> dict[str, object]:
    code = bytes(range(15))
    claim = claim_key(code, ANA, CHAIN)
    p384 = ec.derive_private_key(7, ec.SECP384R1()).public_key()
    point = p384.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    key = new_key(claim, "claim", ANA, CHAIN)
    enrol = EnrolAccount(
        account=ANA, holder=PatientHolder(), ial=2, key=key, claim_until=TIME + 86_400
    )
    return {
        "chain": CHAIN.hex(),
        "account": ANA,
        "code": format_code(code),
        "seed of the claim key": claim.seed.hex(),
        "public claim key": claim.public.public.hex(),
        "possession message": possession_message(CHAIN, ANA, "claim", key.public).hex(),
        "possession proof": key.proof.hex(),
        "enrolment command": encode(enrol).hex(),
        "Ed25519 key": KEY.public.public.hex(),
        "key id": key_id(KEY.public).hex(),
        "X25519 key": X25519.hex(),
        "X25519 key id": thumbprint("X25519", X25519).hex(),
        "P-384 key": point.hex(),
        "P-384 key id": thumbprint("ES384", point).hex(),
    }


def disclosure() -> dict[str, object]:
    request = AccessRequest(
        custodian=MERCY,
        account=ANA,
        requester=PLAINS,
        purpose="TREAT",
        actions=("read", "search"),
        practitioner=DR_CHO,
        role="clinician",
        consent_id=CONSENT,
        query=digest(b"salted query"),
    )
    claims = Claims(
        issuer=DR_CHO,
        subject=MERCY,
        audience=CHAIN.hex(),
        not_before=TIME,
        expires=TIME + 600,
        nonce=bytes(16),
    )
    signed = sign_request(KEY, claims, request)
    command = DiscloseRecords(
        account=ANA,
        request=signed,
        basis=GrantBasis(consent_id=CONSENT),
        manifest=digest(b"salted manifest"),
        session=bytes(range(16, 32)),
    )
    event = Disclosed(
        custodian=MERCY,
        receiver=PLAINS,
        number=1,
        account=ANA,
        practitioner=DR_CHO,
        role="clinician",
        purpose="TREAT",
        actions=("read", "search"),
        basis="grant",
        basis_id=CONSENT,
        session=command.session,
        expires=TIME + 900,
        manifest=command.manifest,
        request=parse_statement(signed, CONTENT_TYPE).id,
        at=TIME,
    )
    entry = OfflineEntry(
        custodian=MERCY,
        number=1,
        previous=NONE_BEFORE,
        account=ANA,
        request=event.request,
        emergency=digest(b"emergency statement"),
        manifest=command.manifest,
        at=TIME,
        height=7,
    )
    by_mercy = msgspec.structs.replace(claims, issuer=MERCY, subject="offline")
    return {
        "chain": CHAIN.hex(),
        "seed of Dr Cho's key": KEY.seed.hex(),
        "request": encode(request).hex(),
        "signed request": signed.hex(),
        "request id": event.request.hex(),
        "disclosure command": encode(command).hex(),
        "disclosed event": encode(event).hex(),
        "offline entry": encode(entry).hex(),
        "signed offline entry, by Dr Cho's key": sign_offline(KEY, by_mercy, entry).hex(),
        "commitment command": encode(CommitRecords(root=digest(b"root"), size=3)).hex(),
    }
