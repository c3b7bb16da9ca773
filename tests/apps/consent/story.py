"""A network on which patients consent: Ana at Riverside, Dr Cho and Dr Diaz at Lakeview."""

from typing import Any, Literal

from careledger.apps.consent import queries
from careledger.apps.consent.commands import (
    AttestPaperConsent,
    DenyConsent,
    EndPaperConsent,
    GrantConsent,
    RevokeConsent,
    SaidOnPaper,
)
from careledger.ledger.membership import SIGNERS, NetworkParameters, SignerRow
from careledger.ledger.record import AccountId, MemberId, SignerId, encode
from careledger.ledger.statement import sign_statement
from careledger.mechanisms.deadline import day_of
from careledger.mechanisms.policy import Denied, Permit, Use
from careledger.mechanisms.terms import Facts, OpenedTerms, Terms, commit, open_terms
from tests.apps.network import ANA, BEN, CHAIN, DR_CHO, HILLTOP, LAKEVIEW, RIVERSIDE, Network

DR_DIAZ, NURSE_EMO, DR_FINN = (AccountId("@" + letter * 26) for letter in "def")
"""Dr Diaz works at Lakeview; nurse Emo and Dr Finn stand at Riverside's desk."""

YEAR = 365


def consent_id(number: int) -> bytes:
    return number.to_bytes(16)


def salt(number: int) -> bytes:
    return number.to_bytes(32)


def ending(number: int) -> EndPaperConsent:
    return EndPaperConsent(account=ANA, consent_id=consent_id(number))


class ConsentNetwork(Network):
    """A network that consents live on, and the terms that the custodian was given."""

    def __init__(self, *, paper: bool = True, time: int | None = None) -> None:
        super().__init__(
            parameters=NetworkParameters(paper_consent=paper),
            names=("governance", "identity", "consent"),
        )
        if time is not None:
            self.time = time
        self.terms: dict[bytes, OpenedTerms] = {}
        self.enrol_patient(RIVERSIDE, ANA)
        for account, member in (
            (DR_CHO, LAKEVIEW),
            (DR_DIAZ, LAKEVIEW),
            (NURSE_EMO, RIVERSIDE),
            (DR_FINN, RIVERSIDE),
        ):
            self.enrol_practitioner(member, account)

    @property
    def today(self) -> int:
        return day_of(self.time)

    def grant(self, number: int = 1, terms: Terms | None = None, **fields: Any) -> GrantConsent:
        said: dict[str, Any] = {
            "consent_id": consent_id(number),
            "custodian": RIVERSIDE,
            "grantee": LAKEVIEW,
            "purposes": ("TREAT",),
            "actions": ("read", "search"),
            "valid_from": self.today,
            "valid_until": self.today + YEAR,
            "terms": self.deliver(number, terms),
        }
        return GrantConsent(**(said | fields))

    def denial(self, number: int = 2, terms: Terms | None = None, **fields: Any) -> DenyConsent:
        said: dict[str, Any] = {
            "consent_id": consent_id(number),
            "custodian": RIVERSIDE,
            "valid_from": self.today,
            "terms": self.deliver(number, terms),
        }
        return DenyConsent(**(said | fields))

    def paper(self, number: int = 3, terms: Terms | None = None, **fields: Any) -> SaidOnPaper:
        said: dict[str, Any] = {
            "account": ANA,
            "consent_id": consent_id(number),
            "kind": "grant",
            "custodian": RIVERSIDE,
            "grantee": LAKEVIEW,
            "purposes": ("TREAT",),
            "actions": ("read", "search"),
            "valid_from": self.today,
            "terms": self.deliver(number, terms),
            "paper": bytes(32),
        }
        return SaidOnPaper(**(said | fields))

    def attest(
        self, said: SaidOnPaper, witness: AccountId = DR_FINN, seen: SaidOnPaper | None = None
    ) -> AttestPaperConsent:
        statement = sign_statement(
            self.keys[witness],
            "application/vnd.careledger.attestation+cbor",
            self.claims(witness, said.account),
            encode(seen or said),
        )
        return AttestPaperConsent(consent=said, witness=statement)

    def deliver(self, number: int, terms: Terms | None) -> bytes | None:
        """Seal terms to the custodian, who checks them when they come in."""
        if terms is None:
            return None
        commitment = commit(salt(number), terms)
        self.terms[consent_id(number)] = open_terms(commitment, salt(number), encode(terms))
        return commitment

    def revoke(self, number: int = 1) -> None:
        self.do(ANA, RevokeConsent(consent_id=consent_id(number)))

    def suspend(self, signer: SignerId, payer: MemberId) -> None:
        kind: Literal["member", "account"] = "member" if signer == payer else "account"
        row = SignerRow(kind=kind, payer=payer, status="suspended")
        self.state.apply(SIGNERS.put(row, signer))

    def use(self, **fields: Any) -> Use:
        asked: dict[str, Any] = {
            "custodian": RIVERSIDE,
            "account": ANA,
            "requester": LAKEVIEW,
            "practitioner": DR_CHO,
            "role": "clinician",
            "purpose": "TREAT",
            "action": "read",
            "time": self.time,
        }
        return Use(**(asked | fields))

    def decide(self, facts: Facts | None = None, **fields: Any) -> Permit | Denied:
        use = self.use(**fields)
        if facts is None:
            return queries.decide(self.view, use, self.terms.get)
        return queries.decide_resource(self.view, use, self.terms.get, facts)

    def answer(self, facts: Facts | None = None, **fields: Any) -> str:
        """ "permit", or the failing dimensions."""
        answer = self.decide(facts, **fields)
        return "permit" if isinstance(answer, Permit) else " ".join(answer.dimensions)


__all__ = ["ANA", "BEN", "CHAIN", "DR_CHO", "HILLTOP", "LAKEVIEW", "RIVERSIDE", "MemberId"]
