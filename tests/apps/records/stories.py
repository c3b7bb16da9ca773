"""Riverside holds Ana's records and Ben's; Dr Cho of Lakeview asks for them."""

from typing import Any

from msgspec.structs import replace

from careledger.apps.consent.commands import GrantConsent
from careledger.apps.records.basis import Basis, BreakGlassBasis, GrantBasis, OwnAccessBasis
from careledger.apps.records.commands import DiscloseRecords, RecordOffline, RefuseAccess
from careledger.apps.records.queries import last_offline
from careledger.ledger.record import SignerId, digest
from careledger.ledger.signature import SigningKey
from careledger.ledger.statement import parse_statement
from careledger.mechanisms.deadline import day_of
from careledger.mechanisms.emergency import CONTENT_TYPE as EMERGENCY
from careledger.mechanisms.emergency import Emergency, sign_emergency
from careledger.mechanisms.offline import OfflineEntry, sign_offline
from careledger.mechanisms.request import CONTENT_TYPE as REQUEST
from careledger.mechanisms.request import AccessRequest, sign_request
from tests.apps.network import ANA, BEN, DR_CHO, LAKEVIEW, NOW, RIVERSIDE, Network

GRANT = b"consent of Ana 1"
MANIFEST = digest(b"salted manifest")


class Story(Network):
    """The network with everybody enrolled, and the things that people sign in it."""

    def __init__(self) -> None:
        super().__init__(names=("governance", "identity", "consent", "records"))
        self.enrol_patient(RIVERSIDE, ANA)
        self.enrol_patient(RIVERSIDE, BEN)
        self.enrol_practitioner(LAKEVIEW, DR_CHO)

    def grant(self, **changed: Any) -> None:
        command = GrantConsent(
            consent_id=GRANT,
            custodian=RIVERSIDE,
            grantee=LAKEVIEW,
            purposes=("TREAT",),
            actions=("read", "search"),
            valid_from=day_of(NOW),
        )
        self.do(ANA, replace(command, **changed))

    def request(
        self, signer: SignerId = DR_CHO, signing: SigningKey | None = None, **changed: Any
    ) -> bytes:
        asked = AccessRequest(
            custodian=RIVERSIDE,
            account=ANA,
            requester=LAKEVIEW,
            purpose="TREAT",
            actions=("read",),
            practitioner=DR_CHO,
            role="clinician",
        )
        with_key = signing or self.keys[signer]
        return sign_request(with_key, self.claims(signer), replace(asked, **changed))

    def own_request(self, **changed: Any) -> bytes:
        own: dict[str, Any] = {
            "requester": RIVERSIDE,
            "purpose": "PATRQT",
            "practitioner": None,
            "role": None,
        }
        return self.request(ANA, **(own | changed))

    def emergency(self, signer: SignerId = DR_CHO, until_s: int = 3_600, **changed: Any) -> bytes:
        said = Emergency(
            custodian=RIVERSIDE, account=ANA, reason="unconscious", until=self.time - 5 + until_s
        )
        claims = self.claims(signer)
        return sign_emergency(self.keys[signer], claims, replace(said, **changed))

    def disclose(self, request: bytes | None = None, **changed: Any) -> DiscloseRecords:
        basis: Basis = GrantBasis(consent_id=GRANT)
        command = DiscloseRecords(
            account=ANA,
            request=self.request() if request is None else request,
            basis=basis,
            manifest=MANIFEST,
            session=self.nonce(),
        )
        return replace(command, **changed)

    def own_access(self, request: bytes | None = None) -> DiscloseRecords:
        return self.disclose(request or self.own_request(), basis=OwnAccessBasis())

    def break_glass(
        self, request: bytes | None = None, statement: bytes | None = None
    ) -> DiscloseRecords:
        return self.disclose(
            request or self.request(purpose="ETREAT"),
            basis=BreakGlassBasis(statement=statement or self.emergency()),
        )

    def offline(self, **changed: Any) -> RecordOffline:
        """The report of the next thing that Riverside released, at `at`, without the ledger.

        `request`, `emergency` and `signing` may be others, and so may every field of the entry.
        """
        request = changed.pop("request", None) or self.request(purpose="ETREAT")
        emergency = changed.pop("emergency", None) or self.emergency()
        number, before, _ = last_offline(self.view, RIVERSIDE)
        entry = OfflineEntry(
            custodian=RIVERSIDE,
            number=number + 1,
            previous=before,
            account=ANA,
            request=parse_statement(request, REQUEST).id,
            emergency=parse_statement(emergency, EMERGENCY).id,
            manifest=MANIFEST,
            at=self.time,
            height=self.height,
        )
        signer = changed.pop("signer", RIVERSIDE)
        signing = changed.pop("signing", None) or self.keys[signer]
        signed = sign_offline(signing, self.claims(signer), replace(entry, **changed))
        return RecordOffline(entry=signed, request=request, emergency=emergency)

    def refusal(self, request: bytes | None = None, **changed: Any) -> RefuseAccess:
        command = RefuseAccess(
            account=ANA, request=request or self.request(), dimensions=("purpose",)
        )
        return replace(command, **changed)
