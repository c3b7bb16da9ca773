"""Governing: members come, go and are suspended by recorded votes; applications move on by vote.

Each story has a network of its own, governed by the public command line and read over HTTP.
"""

import base64
import contextlib
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from careledger.apps.governance.commands import (
    EndpointSet,
    MemberAdmitted,
    MemberReinstated,
    MemberRemoved,
    MemberSuspended,
    ParametersSet,
    ProposalCarried,
    ProposalRejected,
    Proposed,
    SetEndpoint,
    VoteCast,
)
from careledger.apps.governance.motions import ACTIVATION_NOTICE
from careledger.cli.main import main
from careledger.ledger.record import MemberId, Record
from careledger.ledger.signature import SigningKey
from careledger.ledger.transaction import call, sign_transaction
from careledger.node.config import GATEWAY_FILE
from careledger.vault.keyfile import load_signing_key
from tests.e2e.network import CARELEDGER, START_S, STOP_S, Json, careledger, run
from tests.faults.node_process import free_port
from tests.ledger.world import claims

MEMBERS = ("riverside", "lakeview", "hilltop", "unity-health")
PHARMACY = "corner-pharmacy"
ADMIT = "elm-street"
DAY_S = 86_400

NEXT_RELEASE = """
import dataclasses
import careledger.apps
from careledger.apps.governance import APPLICATION
from careledger.apps.governance.commands import EndpointSet

def decide(command, context, view):
    for event in APPLICATION.decide(command, context, view):
        if isinstance(event, EndpointSet):
            event = EndpointSet(member=event.member, gateway=f"{event.gateway}/second")
        yield event

before = careledger.apps.installed
second = dataclasses.replace(APPLICATION, version=2, decide=decide)
careledger.apps.installed = lambda: {**before(), ("governance", 2): second}

if __name__ == "__main__":
    from careledger.cli.main import main
    main()
"""


class Governed:
    """A founded network whose node runs, as its members' clerks see it."""

    def __init__(self, folder: Path, members: Sequence[str] = MEMBERS) -> None:
        self.folder = folder / "network"
        port = free_port()
        named = [part for one in members for part in ("--member", f"{one}:{one.title()}:provider")]
        careledger("init", self.folder, *named, "--port", str(port))
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "node.log"
        self.http = httpx2.Client(base_url=self.url, timeout=30)
        self._nonce = 0

    def home(self, member: str) -> Path:
        return self.folder / "members" / member

    @contextlib.contextmanager
    def node(self, *program: str | Path) -> Iterator["subprocess.Popen[bytes]"]:
        """The node while it runs, as `careledger node run` of this release or of another."""
        line = [*(program or (CARELEDGER,)), "node", "run", self.folder / "node"]
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                list(map(str, line)),
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        try:
            until = time.monotonic() + START_S
            while True:
                with contextlib.suppress(httpx2.HTTPError):
                    self.http.get("/v1/health")
                    break
                assert process.poll() is None, self.log.read_text()
                assert time.monotonic() < until, self.log.read_text()
                time.sleep(0.1)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def says(self, member: str, *command: str) -> str:
        """What `careledger governance` prints for a member; refusals begin with their number.

        The same command line as a program's, without the second that each takes to start.
        """
        line = ["governance", *command, "--home", str(self.home(member))]
        said = CliRunner().invoke(main, line)
        if said.exit_code == 0:
            return said.stdout
        assert said.exit_code == 1, said.output
        return said.stderr.removeprefix("Error: ")

    def propose(self, member: str, /, **motion: Any) -> tuple[str, str]:
        """A fresh proposal's id, and what was said to it."""
        id_ = secrets.token_hex(16)
        until = str(int(time.time()) + DAY_S)
        options = "--proposal", id_, "--motion", json.dumps(motion), "--until", until
        return id_, self.says(member, "propose", *options)

    def agree(self, proposer: str, /, *voters: str, **motion: Any) -> str:
        """Propose, and approve by each of `voters`; what the last of them was told."""
        id_, said = self.propose(proposer, **motion)
        for voter in voters:
            said = self.says(voter, "vote", "--proposal", id_, "--approve", "true")
        return said

    def row(self, table: str, *key: str) -> Json | None:
        answer = self.http.get(f"/v1/state/{table}", params=[("key", one) for one in key])
        assert answer.status_code == 200, answer.text
        found: Json | None = answer.json()["row"]
        return found

    def happened(self, after: int = 0) -> list[Record]:
        """Every event of governance, out of the feed."""
        import msgspec

        from careledger.apps import discover
        from careledger.ledger.record import decode_trusted

        kind = discover()["governance"].event_type
        page = self.http.get("/v1/events", params={"after": after, "limit": 1_000}).json()
        found = [
            decode_trusted(base64.b64decode(event["event"]), kind)
            for one in page["events"]
            for event in one["events"]
            if event["application"] == "governance"
        ]
        assert all(isinstance(one, msgspec.Struct) for one in found)
        return found

    def health(self) -> Json:
        found: Json = self.http.get("/v1/health").json()
        return found

    def key(self, member: str) -> SigningKey:
        return load_signing_key(self.home(member) / "keys" / "transaction.key")

    def send(self, member: str, command: Record) -> httpx2.Response:
        """A member's own program, without a process for each command."""
        self._nonce += 1
        now = int(time.time())
        said = claims(
            MemberId(member),
            self._nonce,
            audience=self.chain,
            not_before=now - 5,
            expires=now + 600,
        )
        raw = sign_transaction(self.key(member), said, call("governance", command))
        headers = {"content-type": "application/cose"}
        return self.http.post("/v1/transactions", content=raw, headers=headers)

    @property
    def chain(self) -> str:
        return json.loads((self.folder / "trust.json").read_bytes())["chain"]  # type: ignore[no-any-return] # JSON


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Governed]:
    network = Governed(tmp_path)
    with network.http:
        yield network


def newcomer(here: Governed) -> list[Json]:
    """What a new organisation makes at home; its keys, each proving that it is held."""
    home = here.home(ADMIT)
    (home / "keys").mkdir(parents=True)
    text = (here.home("riverside") / GATEWAY_FILE).read_text()
    (home / GATEWAY_FILE).write_text(text.replace("riverside", ADMIT))
    found = []
    for use in ("transaction", "checkpoint"):
        file = home / "keys" / f"{use}.key"
        options = "--use", use, "--member", ADMIT, "--node", here.url
        found.append(json.loads(careledger("key", "new", file, *options)))
        assert file.stat().st_mode & 0o077 == 0
    return found


# --- N2 -------------------------------------------------------------------------------------------


def test_n2_members_come_go_and_are_suspended_by_recorded_votes(here: Governed) -> None:
    with here.node():
        # Coming: two of three votes change nothing, the third of four carries.
        admit = {
            "type": "admit",
            "member": ADMIT,
            "name": "Elm Street Clinic",
            "roles": ["provider"],
            "keys": newcomer(here),
        }
        id_, said = here.propose("riverside", **admit)
        assert f"put motion {id_} to the vote" in said
        here.says("lakeview", "vote", "--proposal", id_, "--approve", "true")
        assert here.row("ledger.signers", ADMIT) is None
        assert here.says(ADMIT, "vote", "--proposal", id_, "--approve", "true").startswith(
            "No such"
        )
        here.says("hilltop", "vote", "--proposal", id_, "--approve", "true")
        signer = here.row("ledger.signers", ADMIT)
        assert signer is not None
        assert signer["status"] == "active"
        kinds = [type(one) for one in here.happened()]
        assert kinds == [Proposed, VoteCast, VoteCast, VoteCast, ProposalCarried, MemberAdmitted]
        voters = [one.member for one in here.happened() if isinstance(one, VoteCast)]
        assert voters == ["riverside", "lakeview", "hilltop"]

        # It has a vote now; suspended, it has none and does not count.
        suspended = here.agree(
            ADMIT, "riverside", "lakeview", "hilltop", type="suspend", member=ADMIT
        )
        assert "suspended" in suspended.lower()
        id_, said = here.propose("riverside", type="set-roles", member="hilltop", roles=["payer"])
        said = here.says(ADMIT, "vote", "--proposal", id_, "--approve", "true")
        assert said.startswith("refused (6)")
        said = here.propose(ADMIT, type="reinstate", member=ADMIT)[1]
        assert said.startswith("refused (6)")
        here.says("lakeview", "vote", "--proposal", id_, "--approve", "true")
        here.says("hilltop", "vote", "--proposal", id_, "--approve", "true")
        assert here.row("governance.roles", "hilltop", "payer") is not None  # 3 of 4, not of 5

        # Back, and away for good.
        here.agree("riverside", "lakeview", "hilltop", type="reinstate", member=ADMIT)
        id_, _ = here.propose(ADMIT, type="set-roles", member=ADMIT, roles=["laboratory"])
        here.agree("riverside", "lakeview", "hilltop", "unity-health", type="remove", member=ADMIT)
        said = here.says(ADMIT, "vote", "--proposal", id_, "--approve", "false")
        assert said.startswith("No such key")
        assert here.propose("riverside", **admit)[1].startswith("refused (101)")
        kinds = [type(one) for one in here.happened()]
        for kind in (MemberSuspended, MemberReinstated, MemberRemoved):
            assert kinds.count(kind) == 1


def test_n2_the_threshold_is_the_members_own_and_locks_nobody_out(tmp_path: Path) -> None:
    here = Governed(tmp_path, (*MEMBERS, PHARMACY))
    with here.http, here.node():

        def parameters(percent: int, **more: int) -> Json:
            return {
                "type": "set-parameters",
                "parameters": {"vote_threshold_percent": percent} | more,
            }

        locking = [
            parameters(50),
            parameters(100),
            parameters(81),  # rounded up, all five
            parameters(67, transactions_per_block=1),
            parameters(67, bytes_per_block=1_000),
        ]
        for motion in locking:
            assert here.propose("riverside", **motion)[1].startswith("refused (104)"), motion
        assert here.happened() == []

        # Four of five by default; by their own vote, three.
        id_, _ = here.propose("riverside", type="set-roles", member="hilltop", roles=["payer"])
        for voter in ("lakeview", "hilltop"):
            here.says(voter, "vote", "--proposal", id_, "--approve", "true")
        assert here.row("governance.roles", "hilltop", "payer") is None
        for voter in ("unity-health", PHARMACY):
            here.says(voter, "vote", "--proposal", id_, "--approve", "false")
        assert type(here.happened()[-1]) is ProposalRejected
        late = here.says("hilltop", "vote", "--proposal", id_, "--approve", "true")
        assert late.startswith(("refused (107)", "refused (108)"))
        here.agree("riverside", "lakeview", "hilltop", "unity-health", **parameters(51))
        motion = {"type": "set-roles", "member": "hilltop", "roles": ["payer"]}
        here.agree("riverside", "lakeview", "hilltop", **motion)
        assert here.row("governance.roles", "hilltop", "payer") is not None
        assert sum(isinstance(one, ParametersSet) for one in here.happened()) == 1

        # Whoever is left last can be neither suspended nor removed.
        for member in (PHARMACY, "unity-health"):
            here.agree("riverside", "lakeview", "hilltop", type="remove", member=member)
        here.agree("riverside", "lakeview", type="suspend", member="hilltop")
        here.agree("riverside", "lakeview", type="suspend", member="lakeview")
        for type_ in ("suspend", "remove"):
            said = here.propose("riverside", type=type_, member="riverside")[1]
            assert said.startswith("refused (104)")


def test_n2_a_member_s_rotated_key_takes_over_in_file_and_ledger(here: Governed) -> None:
    with here.node():
        file = here.home("riverside") / "keys" / "transaction.key"
        old, before = here.key("riverside"), file.read_bytes()
        options = "--use", "transaction", "--home", here.home("riverside")
        assert "holds key" in careledger("key", "rotate", file, *options)
        new_id, _ = careledger("key", "show", file).split()
        row = here.row("ledger.keys", "riverside", new_id)
        assert row is not None
        assert row["until"] is None
        assert here.send("riverside", SetEndpoint(gateway="https://new.example")).status_code == 200
        assert here.key("riverside") != old

        # Stopped after the ledger had it and before the file did: run again, it is finished.
        following = file.with_name("transaction.key.next")
        following.write_bytes(file.read_bytes())
        following.chmod(0o600)
        file.write_bytes(before)
        assert here.send("riverside", SetEndpoint(gateway=None)).json()["code"] == 56
        careledger("key", "rotate", file, *options)
        assert here.send("riverside", SetEndpoint(gateway=None)).status_code == 200
        assert not following.exists()


def test_n2_members_agree_on_hybrid_keys_and_then_have_them(here: Governed) -> None:
    with here.node():
        file = here.home("riverside") / "keys" / "transaction.key"
        rotate = ["key", "rotate", str(file), "--use", "transaction"]
        rotate += ["--algorithm", "EdDSA+ML-DSA-65", "--home", str(here.home("riverside"))]
        refused = run(CARELEDGER, *rotate)
        assert refused.returncode == 1
        assert "refused (25)" in refused.stderr
        agreed = {"hybrid_keys": True}
        here.agree("riverside", "lakeview", "hilltop", type="set-parameters", parameters=agreed)
        careledger(*rotate)  # with the key that the first try made
        key_id, algorithm = careledger("key", "show", file).split()
        row = here.row("ledger.keys", "riverside", key_id)
        assert row is not None
        assert (algorithm, row["algorithm"]) == ("EdDSA+ML-DSA-65", "EdDSA+ML-DSA-65")
        assert len(base64.b64decode(row["public"])) == 1_984
        answer = here.send("riverside", SetEndpoint(gateway=None))
        assert answer.json()["code"] == 0
        assert len(here.http.get(f"/v1/transactions/{answer.json()['id']}").content) > 3_373


# --- N4 -------------------------------------------------------------------------------------------


def test_n4_an_application_moves_on_by_vote_and_old_results_stay(
    here: Governed, tmp_path: Path
) -> None:
    release = tmp_path / "next_release.py"
    release.write_text(NEXT_RELEASE)
    program = sys.executable, release
    answers: dict[str, Json] = {}

    def answer(gateway: str) -> str:
        """Where the ledger then says that Riverside answers."""
        said = here.send("riverside", SetEndpoint(gateway=gateway))
        assert (said.status_code, said.json()["code"]) == (200, 0), said.text
        answers[said.json()["id"]] = said.json()
        [event] = [
            one for one in here.happened(said.json()["index"]) if isinstance(one, EndpointSet)
        ]
        assert event.gateway is not None
        return event.gateway

    with here.node() as node:
        assert answer("https://one.example") == "https://one.example"
        height = here.health()["height"] + ACTIVATION_NOTICE + 20
        wanted = {"type": "activate", "application": "governance", "version": 2, "height": height}
        for wrong, code in [
            (wanted | {"height": height - 50}, 116),
            (wanted | {"version": 1}, 115),
            (wanted | {"application": "weather"}, 114),
        ]:
            assert here.propose("riverside", **wrong)[1].startswith(f"refused ({code})")
        id_, _ = here.propose("riverside", **wanted)
        here.says("lakeview", "vote", "--proposal", id_, "--approve", "true")
        assert "missing_versions" not in here.health()
        here.says("hilltop", "vote", "--proposal", id_, "--approve", "true")
        missing = [{"application": "governance", "version": 2, "height": height}]
        assert here.health()["missing_versions"] == missing

        # This release stops before that height, and says what it lacks.
        with contextlib.suppress(httpx2.HTTPError):
            while here.health()["height"] < height - 1:
                assert answer("https://two.example") == "https://two.example"
            here.send("riverside", SetEndpoint(gateway="https://lost.example"))
        assert node.wait(START_S) == 1
        assert "governance version 2" in here.log.read_text()

    with here.node(*program):
        assert here.health()["height"] >= height - 1
        assert answer("https://three.example") == "https://three.example/second"
        for id_, told in answers.items():
            assert here.http.get(f"/v1/transactions/{id_}/receipt").json() == told
        proof = here.http.get(f"/v1/transactions/{next(iter(answers))}/proof").text
        assert "c2sp.org" in proof

    # Everything is computed again, each block under the version that it was made by.
    computed = run(*program, "fsck", here.folder / "node")
    assert computed.returncode == 0, computed.stdout + computed.stderr
    lacking = run(CARELEDGER, "fsck", here.folder / "node")
    assert lacking.returncode != 0
    assert "governance" in lacking.stdout + lacking.stderr
