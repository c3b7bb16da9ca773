"""Traces: nothing that names a patient is in the ledger's files, its API or anybody's log."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.e2e.conftest import World
from tests.e2e.network import Json, Network, resources

SHORTEST = 5
"""Shorter tokens occur by chance in a file of random bytes."""


def tokens(network: Network) -> set[str]:
    """Everything that names a patient or says what they take, of everybody, everywhere."""
    found: set[str] = set()
    for bundle in network.bundles:
        for one in resources(bundle) if bundle.patient else ():
            if one["resourceType"] == "Patient":
                found.update(_person(one))
            if one["resourceType"] in {"MedicationRequest", "MedicationDispense", "Condition"}:
                concept = one.get("medicationCodeableConcept") or one.get("code") or {}
                found.update(code.get("display", "") for code in concept.get("coding", []))
                found.add(concept.get("text", ""))
    return {one for one in found if len(one) >= SHORTEST}


def _person(patient: Json) -> Iterator[str]:
    yield from (patient["birthDate"], patient["birthDate"].replace("-", ""), patient["id"])
    for name in patient["name"]:
        yield from (name["family"], *name["given"], f"{name['given'][0]} {name['family']}")
    yield from (one["value"] for one in patient["identifier"])
    for telecom in patient["telecom"]:
        yield from (telecom["value"], telecom["value"].replace("-", ""))
    for address in patient["address"]:
        yield from (*address["line"], address["city"], address["postalCode"])


Shapes = Callable[[str], Iterator[bytes]]


def plain(token: str) -> Iterator[bytes]:
    """A token as it is, or in other letters."""
    yield from (text.encode() for text in (token, token.lower(), token.upper()))


def shapes(token: str) -> Iterator[bytes]:
    """How a token might hide: as it is, in other letters, encoded, or hashed without a salt."""
    for raw in set(plain(token)):
        text = raw.decode()
        yield from (raw, raw.hex().encode(), raw.hex().upper().encode(), text.encode("utf-16-le"))
        for shift in range(3):
            # Base64 of the token wherever it begins in a group: the characters that depend on it.
            whole = base64.b64encode(b"\x00" * shift + raw)
            yield whole[-(-shift * 8 // 6) : (shift + len(raw)) * 8 // 6]
        for name in ("md5", "sha1", "sha256", "sha512", "blake2b"):
            digest = hashlib.new(name, raw).digest()
            yield from (digest, digest.hex().encode(), base64.b64encode(digest).rstrip(b"="))


def find(data: bytes, sought: set[str], hidden: Shapes = shapes) -> list[str]:
    """Those tokens that are in `data`, in whatever shape."""
    return sorted(one for one in sought if any(shape in data for shape in set(hidden(one))))


def everything(*folders: Path) -> dict[Path, bytes]:
    """Every file below the folders."""
    return {
        path: path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_1_2_no_token_of_any_patient_is_in_a_chain_database_or_log_file(world: World) -> None:
    network = world.network
    sought = tokens(network)
    assert {"Rivera", "1984-05-17", "27 Juniper Court", "555-0142"} <= sought
    assert len(sought) > 60
    files = everything(network.folder / "node", network.logs)
    files |= {path: path.read_bytes() for path in network.folder.glob("*.json")}
    names = {path.name for path in files}
    assert {"data.mdb", "node.log", "riverside.log", "unity-health.log", "genesis.json"} <= names
    assert {path: found for path, data in files.items() if (found := find(data, sought))} == {}


def test_1_2_no_token_of_any_patient_is_in_a_gateway_s_files_either(world: World) -> None:
    """Beyond the ledger: vault, search index, mailbox, journal and notes are sealed as well."""
    network = world.network
    sought = tokens(network)
    files = everything(network.folder / "members")
    assert any("vault" in str(path) for path in files)
    assert {
        path: found for path, data in files.items() if (found := find(data, sought, plain))
    } == {}


def test_1_2_the_scan_finds_what_is_planted(world: World) -> None:
    network = world.network
    data = (network.folder / "node/ledger/data.mdb").read_bytes()
    middle = len(data) // 2
    for token in ("Rivera", "1984-05-17"):
        for shape in shapes(token):
            assert find(data[:middle] + shape + data[middle:], {token}) == [token]
    said = json.dumps({"name": base64.b64encode(b"MRN of Ms Rivera").decode()}).encode()
    assert find(said, tokens(network)) == ["Rivera"]


def test_1_2_logs_are_one_object_a_line_and_name_nobody(world: World) -> None:
    """What the processes say while they run; that no token is in it, the scan above shows."""
    said = {
        path.stem: [json.loads(line) for line in path.read_text().splitlines() if line[0] == "{"]
        for path in world.network.logs.iterdir()
    }
    assert {"node", "riverside"} <= said.keys()
    assert said["node"][0]["event"] == "the_node_answers"
    for line in (one for lines in said.values() for one in lines):
        assert line.keys() >= {"time", "level", "event", "message", "from"}
        assert "@" not in json.dumps(line)  # accounts begin with it
