"""A real network: one node and four gateways, each started by the public command line."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from click.testing import CliRunner

from careledger.cli.main import main
from careledger.fhir.synthetic.directory import Role
from careledger.fhir.synthetic.population import GeneratedBundle, population
from careledger.verify.main import command
from tests.faults.node_process import free_port

MEMBERS = {
    "riverside": "Riverside Hospital:provider",
    "lakeview": "Lakeview Clinic:provider",
    "unity-health": "Unity Health:payer",
    "corner-pharmacy": "Corner Pharmacy:pharmacy",
}
SEED, PATIENTS = 7, 3
CHARTS: dict[str, Role] = {"provider": "hospital", "payer": "payer", "pharmacy": "pharmacy"}
START_S, STOP_S, COMMAND_S = 60.0, 15.0, 60.0

CARELEDGER = str(Path(sys.executable).with_name("careledger"))
VERIFIER = str(Path(sys.executable).with_name("careledger-verify"))

Json = dict[str, Any]  # Any: JSON
Said = subprocess.CompletedProcess[str]
T = TypeVar("T")
S = TypeVar("S")


def run(*command: str | Path, cwd: Path | None = None) -> Said:
    """Run a program to its end, without a terminal."""
    return subprocess.run(
        list(map(str, command)),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=COMMAND_S,
        check=False,
        cwd=cwd,
    )


def careledger(*arguments: str | Path) -> str:
    """What `careledger` prints; it must succeed."""
    said = run(CARELEDGER, *arguments)
    assert said.returncode == 0, f"careledger {arguments[:2]}: {said.stdout}{said.stderr}"
    return said.stdout


def verify(file: Path, *options: str | Path) -> Said:
    """Let the stand-alone verifier look at a file."""
    return run(VERIFIER, file, *options)


def quickly(file: Path, trust: Path) -> int:
    """The verifier's exit status, without starting a program each time."""
    arguments = [str(file), "--trust", str(trust)]
    return int(CliRunner().invoke(command, arguments, standalone_mode=False).return_value)


def in_parallel(work: Callable[[S], T], over: Iterable[S]) -> list[T]:
    """`work` on each of `over`, four at a time; for set-up, where order means nothing."""
    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(work, over))


@dataclass(frozen=True, kw_only=True)
class Patient:
    """Somebody in the seeded population, whose wallet lies in `wallet`."""

    number: int
    wallet: Path
    local: dict[str, str]
    """Their id at each organisation."""
    account: dict[str, str]
    """Their account at each organisation that gave them a code."""

    def says(self, *arguments: str | Path) -> str:
        """What `careledger` prints with this patient's wallet; it must succeed.

        The same command line as a program's, without the second that each takes to start.
        """
        line = [*map(str, arguments), "--wallet", str(self.wallet)]
        said = CliRunner().invoke(main, line)
        assert said.exit_code == 0, f"careledger {line[:2]}: {said.output}"
        return said.stdout

    def consents(self, kind: str, custodian: str, *options: str | Path) -> str:
        """Grant or deny something at `custodian`; the consent's id. All parties have the terms."""
        said = self.says("consent", kind, "--from", custodian, *options)
        assert not re.search("waits|waiting", said), said
        [found] = re.findall(r"consent ([0-9a-f]{32})", said)
        return str(found)

    def revokes(self, consent: str) -> int:
        """End a consent; the block that ended it."""
        [height] = re.findall(r"as of block (\d+)", self.says("consent", "revoke", consent))
        return int(height)

    def knows(self, *arguments: str) -> list[Json]:
        """What `careledger ... --json` says."""
        found: list[Json] = json.loads(self.says(*arguments, "--json"))
        return found


class Network:
    """The running processes and their folder; none of them outlives the `with` block."""

    def __init__(
        self, folder: Path, members: Mapping[str, str] = MEMBERS, patients: int = PATIENTS
    ) -> None:
        self.folder, self.logs, self.members = folder / "network", folder / "logs", members
        port = free_port(*(10 + n for n in range(len(members))))
        self.node = f"http://127.0.0.1:{port}"
        self.gateways = {one: f"http://127.0.0.1:{port + 10 + n}" for n, one in enumerate(members)}
        charts = {one: CHARTS[said.partition(":")[2]] for one, said in members.items()}
        self.bundles = list(population(SEED, patients, charts))
        self._port, self._running = port, dict[str, subprocess.Popen[bytes]]()

    def __enter__(self) -> Self:
        said = self.members.items()
        members = [part for one, rest in said for part in ("--member", f"{one}:{rest}")]
        options = "--paper-consent", "--port", str(self._port)
        careledger("init", self.folder, *members, *options)
        self.logs.mkdir()
        for configuration in self.folder.rglob("*.toml"):
            if configuration.name in {"node.toml", "gateway.toml"}:
                text = configuration.read_text()
                configuration.write_text(text.replace('log = "text"', 'log = "json"'))
        try:
            self._start("node", "node", "run", self.folder / "node")
            self._wait(self.node + "/v1/health")
            self.start(*self.members)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def trust(self) -> Path:
        """The trust file, as it was given to everyone."""
        return self.folder / "trust.json"

    @property
    def chain(self) -> bytes:
        """The chain's id."""
        return bytes.fromhex(json.loads(self.trust.read_bytes())["chain"])

    def home(self, member: str) -> Path:
        """An organisation's home."""
        return self.folder / "members" / member

    def ingest(self) -> None:
        """Send the seeded population, each bundle to its organisation."""
        files = self.folder.parent / "bundles"
        for bundle in self.bundles:
            folder = files / bundle.organisation
            folder.mkdir(parents=True, exist_ok=True)
            name = bundle.name.replace("0-practitioners", "practitioners")
            (folder / f"{name}.json").write_bytes(bundle.body)
        in_parallel(
            lambda one: careledger("ingest", files / one, "--home", self.home(one)), self.members
        )

    def bundle(self, number: int, organisation: str) -> GeneratedBundle:
        """What one organisation was given of one patient; the first is number 1."""
        [found] = [
            one for one in self.bundles if (one.patient, one.organisation) == (number, organisation)
        ]
        return found

    def admit(self, number: int, *members: str) -> Patient:
        """Give a patient a wallet, and at each of `members` the account that is theirs."""
        bundles = {member: resources(self.bundle(number, member)) for member in self.members}
        person = {
            member: next(one for one in found if one["resourceType"] == "Patient")
            for member, found in bundles.items()
        }
        name = person["riverside"]["name"][0]["given"][0]
        wallet = self.folder.parent / f"{name.lower()}-wallet"
        careledger(
            *("wallet", "new", "--wallet", wallet, "--node", self.node),
            *("--trust", self.trust, "--no-passphrase"),
        )
        accounts = {}
        for member in members:
            home = "--home", self.home(member)
            said = careledger("gateway", "claim-code", person[member]["id"], *home)
            lines = dict(line.split(maxsplit=1) for line in said.splitlines()[:2])
            accounts[member], code = lines["Account"], lines["Code"]
            options = "--account", accounts[member], "--wallet", wallet
            careledger("wallet", "claim", member, code, *options)
        local = {member: one["id"] for member, one in person.items()}
        return Patient(number=number, wallet=wallet, local=local, account=accounts)

    def start(self, *members: str) -> None:
        """Run the gateways of `members`."""
        for member in members:
            self._start(member, "gateway", "run", self.home(member))
        for member in members:
            self._wait(self.gateways[member] + "/health")

    def stop(self, *names: str) -> None:
        """End the gateways of `names`, or all processes, gateways before the node."""
        ending = [self._running.pop(one) for one in names or [*reversed(self._running)]]
        for process in ending:
            process.terminate()
        for process in ending:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, name: str, *arguments: str | Path) -> None:
        with (self.logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [CARELEDGER, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def _wait(self, url: str) -> None:
        at = urlsplit(url)
        assert at.hostname is not None
        until = time.monotonic() + START_S
        while time.monotonic() < until:
            assert all(one.poll() is None for one in self._running.values()), self._told()
            connection = http.client.HTTPConnection(at.hostname, at.port, timeout=2)
            try:
                connection.request("GET", at.path)
                if connection.getresponse().status == 200:
                    return
            except OSError:
                pass
            finally:
                connection.close()
            time.sleep(0.1)
        raise AssertionError(f"{url} does not answer: {self._told()}")

    def _told(self) -> str:
        return "\n".join(path.read_text()[-2_000:] for path in sorted(self.logs.iterdir()))


def resources(bundle: GeneratedBundle) -> list[Json]:
    """The resources of a bundle."""
    return [entry["resource"] for entry in json.loads(bundle.body)["entry"]]
