"""A network that really runs: a node and two gateways as processes of their own, as people have it.

Riverside keeps Ana's records; Dr Cho practises at Lakeview, where Ana is known, too. Hilltop is a
member whose gateway nobody has started.
"""

import atexit
import json
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import IO, Any

from click.testing import CliRunner, Result

from careledger.cli.main import main
from tests.faults.node_process import free_port

ANA_AT_RIVERSIDE, ANA_AT_LAKEVIEW = "ana-4711", "lv-2210"
BEN_AT_RIVERSIDE = "ben-0815"
START_S = 60


def careledger(*arguments: object, typed: str | None = None) -> Result:
    """One command, in this process."""
    return CliRunner().invoke(main, [str(one) for one in arguments], input=typed)


def done(*arguments: object, typed: str | None = None) -> str:
    """The output of a command that must succeed."""
    result = careledger(*arguments, typed=typed)
    assert result.exit_code == 0, result.output
    return result.output


def start(*arguments: object) -> "subprocess.Popen[str]":
    """A command as a process of its own, once it has said where it answers; logs may come first."""
    command = [sys.executable, "-m", "careledger.cli", *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = list[str]()
    for line in _output(process):
        said.append(line)
        if " at http://" in line:
            return process
    raise AssertionError("".join(said))


def stop(process: "subprocess.Popen[str]") -> str:
    """What it still said after Ctrl-C."""
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=START_S)
    return rest


def _output(process: "subprocess.Popen[str]") -> IO[str]:
    assert process.stdout is not None
    return process.stdout


class Network:
    """The running network, and the people in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder / "net", free_port(10, 11, 12)
        done(
            *("init", self.folder, "--port", self.port),
            *("--member", "riverside:Riverside Hospital:provider"),
            *("--member", "lakeview:Lakeview Clinic:provider"),
            *("--member", "hilltop:Hilltop Pharmacy:pharmacy"),
        )
        self.dr_cho = folder / "dr-cho.json"
        self.processes = [start("node", "run", self.folder / "node")]
        for member in ("riverside", "lakeview"):
            self.processes.append(start("gateway", "run", self.home(member)))
        try:
            self._populate(folder)
        except BaseException:
            self.close()
            raise

    def _populate(self, folder: Path) -> None:
        self.ingest("riverside", folder / "ana.json", *ana_at_riverside())
        self.ingest("riverside", folder / "ben.json", patient(BEN_AT_RIVERSIDE, "Ben"))
        self.ingest("lakeview", folder / "ana-lv.json", patient(ANA_AT_LAKEVIEW, "Ana"))
        done(
            *("gateway", "enrol-practitioner", "--home", self.home("lakeview")),
            *("--name", "Dr Cho", "--role", "clinician", "--out", self.dr_cho),
        )

    @property
    def node_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def trust(self) -> Path:
        return self.folder / "trust.json"

    def home(self, member: str) -> Path:
        return self.folder / "members" / member

    def ingest(self, member: str, path: Path, *resources: dict[str, Any]) -> str:
        path.write_text(json.dumps(bundle(*resources)))
        return done("ingest", path, "--home", self.home(member))

    def code(self, member: str, patient_id: str) -> str:
        told = done("gateway", "claim-code", patient_id, "--home", self.home(member))
        return next(line.split()[1] for line in told.splitlines() if line.startswith("Code"))

    def new_wallet(self, path: Path) -> Path:
        done(
            *("wallet", "new", "--wallet", path, "--node", self.node_url),
            *("--trust", self.trust, "--no-passphrase"),
        )
        return path

    def close(self) -> None:
        for process in reversed(self.processes):
            stop(process)


@cache
def network() -> Network:
    """The one network of this test run."""
    folder = tempfile.TemporaryDirectory(prefix="careledger-")
    made = Network(Path(folder.name))
    atexit.register(folder.cleanup)
    atexit.register(made.close)
    return made


@cache
def ana() -> Path:
    """Ana's wallet, with her accounts at both organisations claimed."""
    here = network()
    path = here.new_wallet(here.folder.parent / "ana")
    for member, id_ in (("riverside", ANA_AT_RIVERSIDE), ("lakeview", ANA_AT_LAKEVIEW)):
        done("wallet", "claim", member, here.code(member, id_), "--wallet", path)
    return path


def eventually(what: str, *arguments: object) -> str:
    """The output of a command once it says `what`; for what happens soon after something else."""
    end = time.monotonic() + 20
    while True:
        said = careledger(*arguments).output
        if what in said:
            return said
        assert time.monotonic() < end, said


# --- what is in Ana's record ------------------------------------------------------------------


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    entries = [
        {
            "fullUrl": f"http://x.test/{one['resourceType']}/{one['id']}",
            "resource": one,
            "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"},
        }
        for one in resources
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def patient(id_: str, given: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id_, "name": [{"given": [given]}]}


def coded(system: str, code: str, text: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}], "text": text}


def ana_at_riverside() -> list[dict[str, Any]]:
    subject = {"reference": f"Patient/{ANA_AT_RIVERSIDE}"}
    category = "http://terminology.hl7.org/CodeSystem/observation-category"
    observation = {"resourceType": "Observation", "status": "final", "subject": subject}
    return [
        patient(ANA_AT_RIVERSIDE, "Ana"),
        {
            "resourceType": "MedicationRequest",
            "id": "metformin",
            "status": "active",
            "intent": "order",
            "subject": subject,
            "authoredOn": "2024-05-02",
            "medicationCodeableConcept": coded("http://rxnorm.test", "6809", "Metformin 500 mg"),
        },
        observation
        | {
            "id": "hba1c",
            "category": [coded(category, "laboratory", "Laboratory")],
            "code": coded("http://loinc.org", "4548-4", "Haemoglobin A1c"),
            "effectiveDateTime": "2024-05-01",
            "valueQuantity": {"value": 7.1, "unit": "%"},
        },
        observation
        | {
            "id": "pulse",
            "category": [coded(category, "vital-signs", "Vital signs")],
            "code": coded("http://loinc.org", "8867-4", "Heart rate"),
            "effectiveDateTime": "2024-05-01",
            "valueQuantity": {"value": 72, "unit": "/min"},
        },
        {
            "resourceType": "Condition",
            "id": "diabetes",
            "subject": subject,
            "code": coded("http://snomed.info/sct", "44054006", "Type 2 diabetes"),
        },
    ]
