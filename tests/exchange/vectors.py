"""Makes tests/vectors/exchange.json: the commitments and encodings that travel between gateways.

.venv/bin/python -m tests.exchange.vectors > tests/vectors/exchange.json
"""

import json
from typing import Any

from careledger.exchange.journal import Entry, Read
from careledger.ledger.commitment import Batch, RecordName, commit
from careledger.ledger.record import Digest, digest, encode
from careledger.mechanisms.delivery import SignedTerms, TermsAcknowledged, TermsPackage
from careledger.mechanisms.messages import (
    Ask,
    Query,
    Refused,
    Rejected,
    Released,
    SpoiltRecord,
    asked,
    join_parts,
    manifest,
)
from careledger.mechanisms.terms import Provision, Terms
from careledger.vault.sealing import Binding

ANA, ANA_AT_LAKEVIEW, DR_CHO = ("@" + letter * 26 for letter in "ahc")
SALT, SALT_2, KEY = (digest(text.encode()) for text in ("salt", "another salt", "key"))
QUERY = Query(type="Observation", parameters=(("code", "http://loinc.org|4548-4"),))
PACKAGE = TermsPackage(
    consent_id=bytes(range(16)),
    custodian="riverside",
    custodian_account=ANA,
    grantee="lakeview",
    grantee_account=ANA_AT_LAKEVIEW,
    terms=encode(Terms(base=Provision(effect="permit", types=("Observation",)))),
    salt=SALT,
)


def _hex(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: _hex(one) for name, one in value.items()}
    return [_hex(one) for one in value] if isinstance(value, list | tuple) else value


def vectors() -> dict[str, Any]:
    """Everything, bytes in hex."""
    name = RecordName(custodian="riverside", account=ANA, type="Observation", id="o1", version=1)
    commitments = [commit(name, SALT, b"{}"), Digest(SALT_2)]
    request = digest(b"request")
    read = Read(
        at=1_790_000_000,
        account=ANA,
        member="lakeview",
        practitioner=DR_CHO,
        role="clinician",
        purpose="TREAT",
        records=(name,),
        request=b"signed",
    )
    released = Released(
        custodian="riverside",
        transaction=digest(b"transaction"),
        number=1,
        session=bytes(range(16)),
        expires=1_790_000_900,
        basis="grant",
        salt=SALT,
        as_of=1_790_000_000,
    )
    ask = Ask(request=b"signed", query=QUERY, salt=SALT)
    tree = Batch.of(commitments)
    spoilt = SpoiltRecord(
        name=name,
        commitment=commitments[0],
        root=tree.root,
        size=2,
        index=0,
        path=tree.path(0),
        transaction=digest(b"batch"),
        batch=3,
        start=-86_400,
    )
    acknowledged = TermsAcknowledged(
        consent_id=PACKAGE.consent_id,
        member="riverside",
        package=digest(encode(PACKAGE)),
        standing="delivered",
    )
    found = {
        "salt": SALT,
        "query": encode(QUERY),
        "query commitment": asked(SALT, QUERY, None),
        "reply_to": KEY,
        "query commitment with reply_to": asked(SALT, QUERY, KEY),
        "ask": encode(ask),
        "released": encode(released),
        "refused": encode(Refused(dimensions=("purpose",), number=2)),
        "rejected": encode(Rejected(code=404, text="answered before")),
        "request id": request,
        "commitments": commitments,
        "manifest": manifest(SALT, request, commitments),
        "spoilt": encode(spoilt),
        "parts": [b"", b"a", b"bc"],
        "joined": join_parts((b"", b"a", b"bc")),
        "package": encode(PACKAGE),
        "terms commitment": PACKAGE.commitment(),
        "delivery": encode(SignedTerms(package=PACKAGE, signatures=(b"signed",))),
        "acknowledged": encode(acknowledged),
        "binding of an answer": encode(
            Binding(chain=digest(b"chain"), channel="answer", receiver="lakeview", context=SALT)
        ),
        "read": encode(read),
        "read commitment": Entry(stream="local", salt=SALT, read=read).commitment(),
    }
    return {key: _hex(value) for key, value in found.items()}


if __name__ == "__main__":
    print(json.dumps(vectors(), indent=1))
