"""The published byte formats of the vault: opened here, and made again with the library alone."""

import hmac
import json
from pathlib import Path

import cbor2
import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from careledger.ledger.record import MemberId
from careledger.vault.errors import Tampered
from careledger.vault.index import Entry, decode_facts
from careledger.vault.keystore import FileKeyStore, KeyId, WrappedKey
from careledger.vault.objects import PatientRef, Place, open_object, resource_name, unseal
from careledger.vault.sealing import Binding, open_from, open_with_passphrase

ROOT = Path(__file__).resolve().parents[2]
VECTOR: dict[str, dict[str, str]] = json.loads(
    (ROOT / "tests" / "vectors" / "vault-object.json").read_text()
)


def unhex(section: str, name: str) -> bytes:
    return bytes.fromhex(VECTOR[section][name])


def place(version: int = 3) -> Place:
    return Place(
        custodian=MemberId(VECTOR["object"]["custodian"]),
        patient=PatientRef(unhex("object", "patient")),
        name=resource_name(
            unhex("object", "index key"), VECTOR["object"]["type"], VECTOR["object"]["id"]
        ),
        version=version,
    )


def test_the_sealed_object_opens() -> None:
    content = open_object(AESGCM(unhex("object", "data key")), place(), unhex("object", "sealed"))
    assert content.data == VECTOR["object"]["resource"].encode()
    assert content.salt == unhex("object", "salt")
    assert content.stored == 1_790_000_000
    assert decode_facts(content.facts).codes == (("http://loinc.org", "4548-4"),)
    with pytest.raises(Tampered):
        open_object(
            AESGCM(unhex("object", "data key")), place(version=2), unhex("object", "sealed")
        )


def test_the_sealed_object_is_made_as_the_page_says() -> None:
    """With the primitives alone, none of our own code."""
    its = VECTOR["object"]
    name = hmac.digest(
        unhex("object", "index key"), f"resource\0{its['type']}\0{its['id']}".encode(), "sha256"
    )[:16]
    assert name == unhex("object", "name")
    binding = cbor2.dumps(
        ["careledger vault object v1", its["custodian"], unhex("object", "patient"), name, 3],
        canonical=True,
    )
    assert binding == unhex("object", "binding")
    facts = unhex("object", "facts")
    plain = (
        unhex("object", "salt")
        + (1_790_000_000).to_bytes(8, "big")
        + len(facts).to_bytes(4, "big")
        + facts
        + its["resource"].encode()
    )
    nonce = unhex("object", "nonce")
    sealed = AESGCM(unhex("object", "data key")).encrypt(nonce, plain, binding)
    assert b"\x01" + nonce + sealed == unhex("object", "sealed")


def test_an_object_that_is_elsewhere_opens() -> None:
    its = VECTOR["elsewhere"]
    key = AESGCM(unhex("object", "data key"))
    content = open_object(key, place(version=4), unhex("elsewhere", "sealed"))
    assert (content.data, content.elsewhere, content.deleted) == (b"", True, False)
    assert content.facts == unhex("object", "facts")
    assert (content.salt.hex(), content.stored) == (its["salt"], 1_790_000_100)
    facts = unhex("object", "facts")
    plain = content.salt + (1_790_000_100).to_bytes(8, "big")
    plain += (len(facts) + 2**31).to_bytes(4, "big") + facts
    sealed = key.encrypt(unhex("elsewhere", "nonce"), plain, unhex("elsewhere", "binding"))
    assert b"\x01" + unhex("elsewhere", "nonce") + sealed == unhex("elsewhere", "sealed")


def test_an_index_segment_is_made_as_the_page_says() -> None:
    binding = cbor2.dumps(
        ["careledger vault segment v2", "alpine-hospital", unhex("object", "patient"), 5],
        canonical=True,
    )
    assert binding == unhex("segment", "binding")
    key = AESGCM(unhex("object", "data key"))
    plain = unseal(key, unhex("segment", "sealed"), binding, "a segment")
    assert plain == unhex("segment", "entries")
    (entry,) = msgspec.msgpack.decode(plain, type=list[Entry])
    assert entry == Entry(
        type="Observation",
        id="a1c",
        version=4,
        deleted=False,
        facts=decode_facts(unhex("object", "facts")),
        stored=1_790_000_100,
        seq=17,
        elsewhere=True,
    )


def test_the_wrapped_key_unwraps(tmp_path: Path) -> None:
    path = tmp_path / "alpine.keys"
    path.write_bytes(unhex("wrapped key", "key file"))
    path.chmod(0o600)
    store = FileKeyStore(path)
    wrapped = WrappedKey(KeyId(VECTOR["wrapped key"]["key id"]), unhex("wrapped key", "wrapped"))
    assert store.current == wrapped.key_id
    context = unhex("wrapped key", "context")
    assert store.unwrap(wrapped, context) == unhex("object", "data key")
    assert context == cbor2.dumps(
        ["careledger vault data key v1", "alpine-hospital", unhex("object", "patient")],
        canonical=True,
    )


def test_the_message_to_a_public_key_opens() -> None:
    binding = Binding(
        chain=unhex("message", "chain"),
        channel="terms",
        receiver="bayview-clinic",
        context=unhex("message", "context"),
    )
    opened = open_from(unhex("message", "private key"), binding, unhex("message", "sealed"))
    assert opened == VECTOR["message"]["plaintext"].encode()


def test_the_secret_under_a_passphrase_opens() -> None:
    opened = open_with_passphrase(VECTOR["passphrase"]["passphrase"], unhex("passphrase", "sealed"))
    assert opened == unhex("passphrase", "secret")


def test_the_page_shows_the_vectors() -> None:
    page = "".join((ROOT / "spec" / "vault-object.md").read_text().split())
    for section, names in {
        "object": ("data key", "name", "binding", "sealed"),
        "elsewhere": ("sealed",),
        "segment": ("sealed",),
        "wrapped key": ("context", "wrapped"),
        "message": ("private key", "sealed"),
    }.items():
        for name in names:
            assert VECTOR[section][name] in page, name
