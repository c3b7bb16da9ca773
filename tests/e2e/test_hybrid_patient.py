"""A patient whose keys are hybrid: everything that she signs, through the public surface."""

import json
import secrets
import time
from pathlib import Path

from click.testing import CliRunner

from careledger.cli.main import main
from tests.e2e.network import Network, Patient, careledger
from tests.e2e.node import Node

MEMBERS = {"riverside": "Riverside Hospital:provider", "lakeview": "Lakeview Clinic:provider"}
HYBRID = "EdDSA+ML-DSA-65"


def agree(network: Network) -> None:
    """Both members vote for hybrid keys."""
    motion = {"type": "set-parameters", "parameters": {"hybrid_keys": True}}
    id_ = secrets.token_hex(16)
    governance = "--proposal", id_, "--motion", json.dumps(motion)
    until = "--until", str(int(time.time()) + 3_600)
    careledger("governance", "propose", *governance, *until, "--home", network.home("riverside"))
    vote = "--proposal", id_, "--approve", "true", "--home", network.home("lakeview")
    careledger("governance", "vote", *vote)


def test_i5_a_patient_takes_hybrid_keys_and_all_she_signs_counts(tmp_path: Path) -> None:
    with Network(tmp_path, MEMBERS, patients=1) as network:
        network.ingest()
        ana = network.admit(1, "riverside", "lakeview")
        rotate = ["wallet", "rotate", "riverside", "--post-quantum", "--wallet", str(ana.wallet)]
        refused = CliRunner().invoke(main, rotate)
        assert refused.exit_code == 1
        assert "not agreed on hybrid keys" in refused.stderr
        agree(network)
        for member in MEMBERS:
            ana.says("wallet", "rotate", member, "--post-quantum")
        with Node(network) as node:
            events = [event for _, event in node.feed()]
            rotated = [one.key for one in events if type(one).__name__ == "AccountKeyRotated"]  # type: ignore[attr-defined] # by its name
            assert [one.algorithm for one in rotated] == [HYBRID, HYBRID]

        # Terms for both organisations, her own records, an export, the end of a consent.
        consent = ana.consents("grant", "riverside", "--to", "lakeview", "--for", "treatment")
        read = json.loads(ana.says("read", "Patient", "--from", "riverside", "--json"))
        assert read["resourceType"] == "Bundle"
        assert "Verified" in careledger("verify", export(ana, tmp_path), "--trust", network.trust)
        assert ana.revokes(consent) > 0
        ana.says("wallet", "rotate", "riverside")
        assert json.loads(ana.says("read", "Patient", "--from", "riverside", "--json"))["entry"]


def export(ana: Patient, folder: Path) -> Path:
    file = folder / "ana.zip"
    ana.says("export", file, "--from", "riverside")
    return file
