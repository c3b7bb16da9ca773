"""Nodes gather one another's signatures; a verifier asks for 3 of 4; other histories are kept."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import msgspec
import pytest
from click.testing import CliRunner

from careledger.apps.governance.commands import ReportCheckpoints
from careledger.cli.main import main
from careledger.ledger.checkpoint import (
    Checkpoint,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from careledger.ledger.record import Digest, MemberId
from careledger.node import gathering
from careledger.node.split import SplitView
from careledger.store.environment import open_for_writing
from careledger.store.layout import MAP_BYTES, number_key, tile_key
from careledger.verify.trust import parse_trust
from tests.faults.node_process import free_port
from tests.node.consortium import Consortium, Node, key, root_of
from tests.node.lying import lying


def eventually(what: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.02)


def note(node: Node, path: str = "/v1/checkpoint") -> str:
    answer = httpx2.get(node.url + path)
    assert answer.status_code == 200, answer.text
    return answer.text


def has_noted(node: Node, member: str) -> bool:
    """Whether that member signed too; the node gives no note yet while it asks what it signed."""
    answer = httpx2.get(node.url + "/v1/checkpoint")
    return answer.is_success and member in signers(answer.text)


def signers(text: str) -> set[str]:
    return {one.name.rpartition("/")[2] for one in parse_checkpoint(text).signatures} - {
        parse_checkpoint(text).checkpoint.origin.rpartition("/")[2]
    }


def shared(folder: Path, entries: int = 5) -> Consortium:
    """Four members whose nodes hold one history."""
    consortium = Consortium(folder)
    first = consortium.members[0]
    with consortium.running(first) as [node]:
        consortium.write(node.url, entries)
    consortium.share(first)
    for member in consortium.members:  # what the first one signed alone is its own affair
        assert member == first or not (consortium.home(member) / "vouched").exists()
    consortium.meet()
    return consortium


def test_three_of_four_vouch_and_the_verifier_believes_it(tmp_path: Path) -> None:
    consortium = shared(tmp_path / "net")
    with consortium.running() as nodes:
        policy = consortium.trusting(3)
        for node in nodes:
            eventually(lambda node=node: len(signers(note(node))) == 4)  # type: ignore[misc]
            signed = parse_checkpoint(note(node))
            verified = verify_checkpoint(signed, policy.origin, policy.policy())
            assert (verified.size, verified.root) == root_of(node)
        health = httpx2.get(nodes[0].url + "/v1/health").json()
        assert health["cosigned_size"] == health["size"] == health["signed_size"]
        assert [one["size"] for one in health["peers"]] == [health["size"]] * 3
        assert all("trouble" not in one for one in health["peers"])
        file = tmp_path / "checkpoint.txt"
        file.write_text(note(nodes[1], "/checkpoint"))
    run = CliRunner().invoke(main, ["verify", str(file), "--trust", str(consortium.trust(3))])
    assert run.exit_code == 0, run.output
    assert "your trust file asks for 3 of 4" in run.output


def test_one_signature_is_not_enough_for_three_of_four(tmp_path: Path) -> None:
    consortium = Consortium(tmp_path / "net")
    with consortium.running("clinic") as [node]:
        consortium.write(node.url)
        file = tmp_path / "checkpoint.txt"
        file.write_text(note(node))
    run = CliRunner().invoke(main, ["verify", str(file), "--trust", str(consortium.trust(3))])
    assert run.exit_code == 1
    assert "Too few members signed the checkpoint" in run.output


def test_a_receipt_is_proved_under_a_checkpoint_that_enough_have_signed(tmp_path: Path) -> None:
    consortium = shared(tmp_path / "net")
    with consortium.running() as nodes:
        trust = str(consortium.trust(3))
        with nodes[2].running.store.snapshot() as committed:
            receipt = committed.receipt_at(1)
        assert receipt is not None
        out = tmp_path / "receipt"
        run = CliRunner().invoke(
            main, ["receipt", receipt.id.hex(), "--node", nodes[2].url, "--out", str(out)]
        )
        assert run.exit_code == 0, run.output
        run = CliRunner().invoke(main, ["verify", str(out), "--trust", trust])
        assert run.exit_code == 0, run.output


def test_an_older_size_is_signed_as_log_only(tmp_path: Path) -> None:
    """A cosignature says that nothing newer had been seen (C2SP tlog-cosignature)."""
    consortium = Consortium(tmp_path / "net", ("hospital",))
    with consortium.running() as [node]:
        consortium.write(node.url, 3)
        newest = parse_checkpoint(note(node)).checkpoint
        old = parse_checkpoint(note(node, "/v1/checkpoint?size=2"))
        assert (old.checkpoint.size, signers(old.format())) == (2, set())
        assert httpx2.get(f"{node.url}/v1/checkpoint?size={newest.size + 1}").status_code == 404
        assert httpx2.get(f"{node.url}/v1/checkpoint?size=0").status_code == 404
        assert httpx2.get(f"{node.url}/v1/checkpoint?size=x").status_code == 400


def test_nobody_waits_for_signatures_that_nobody_gathers(tmp_path: Path) -> None:
    consortium = Consortium(tmp_path / "net")
    with consortium.running("clinic") as [node]:
        consortium.write(node.url)
        begun = time.monotonic()
        assert signers(note(node, "/v1/checkpoint?wait=10")) == {"clinic"}
        assert time.monotonic() - begun < 5
        assert httpx2.get(node.url + "/v1/checkpoint?wait=11").status_code == 400


def test_a_part_of_the_log_that_is_not_here_is_not_served_short(tmp_path: Path) -> None:
    consortium = Consortium(tmp_path / "net", ("hospital",))
    with consortium.running() as [node]:
        consortium.write(node.url, 300)
    environment = open_for_writing(consortium.home("hospital") / "ledger", MAP_BYTES)
    with environment, environment.begin(write=True) as transaction:
        entries = environment.open_db(b"entries", txn=transaction, create=False)
        tiles = environment.open_db(b"tiles", txn=transaction, create=False)
        assert transaction.delete(number_key(7), db=entries)
        assert transaction.delete(tile_key(0, 0), db=tiles)
    with consortium.running() as [node]:
        for path, status in (
            ("entries/000", 404),
            ("0/000", 404),
            ("entries/000.p/5", 200),
            ("entries/001.p/3", 200),
            ("0/001.p/3", 200),
            ("1/000.p/1", 200),
            ("0/002", 404),
        ):
            assert httpx2.get(f"{node.url}/tile/{path}").status_code == status, path


def test_another_history_is_kept_as_evidence_and_told(tmp_path: Path) -> None:
    consortium = shared(tmp_path / "net")
    with consortium.running("clinic", "pharmacy") as [clinic, pharmacy]:
        consortium.write(clinic.url)
        consortium.write(pharmacy.url)  # of another nonce, so another entry in its place
        assert root_of(clinic)[0] == root_of(pharmacy)[0]
        evidence = consortium.home("clinic") / "evidence"
        eventually(lambda: any(evidence.glob("split-*.json")))
        eventually(lambda: httpx2.get(clinic.url + "/v1/health").json()["split_views"] > 0)
        health = httpx2.get(clinic.url + "/v1/health").json()
        assert "it vouches for another history" in json.dumps(health["peers"])
        assert len(signers(note(clinic))) == 1
    kept = msgspec.json.decode(next(evidence.glob("split-*.json")).read_bytes(), type=SplitView)
    assert (kept.member, kept.same_signer) == ("pharmacy", False)
    trust = parse_trust(consortium.trust(1).read_bytes())
    roots = set()
    for text in (kept.first, kept.second):
        signed = verify_checkpoint(parse_checkpoint(text), trust.origin, trust.policy())
        roots.add((signed.size, signed.root))
    assert len(roots) == 2
    assert len({size for size, _ in roots}) == 1


def test_a_member_that_signs_two_histories_contradicts_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pharmacy's node shows the clinic the true log first, then another of the same size."""
    monkeypatch.setattr(gathering, "REFRESH_S", 0.2)
    consortium = shared(tmp_path / "net")
    lies: list[bytes] = []

    def two_faced(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if lies and path.startswith("/v1/checkpoint") and "seen" not in path:
            return 200, lies[0]
        return status, body

    consortium.configure("pharmacy", free_port())
    with consortium.running("pharmacy") as [pharmacy], lying(pharmacy.url, two_faced) as url:
        consortium.configure("clinic", free_port(), (url,))
        with consortium.running("clinic") as [clinic]:
            eventually(lambda: has_noted(clinic, "pharmacy"))
            true = parse_checkpoint(note(clinic)).checkpoint
            false = Checkpoint(origin=true.origin, size=true.size, root=Digest(bytes(32)))
            member = MemberId("pharmacy")
            signed = sign_checkpoint(false, member, key(member, "checkpoint"), 1_790_000_000)
            lies.append(signed.format().encode())
            evidence = consortium.home("clinic") / "evidence"
            eventually(lambda: any(evidence.glob("split-*-self.json")), 30)
            assert httpx2.get(clinic.url + "/v1/health").json()["split_views"] == 1
            assert "pharmacy" in signers(note(clinic))  # its true word still stands
            [path] = evidence.glob("split-*.json")
            kept = msgspec.json.decode(path.read_bytes(), type=SplitView)
            report = ReportCheckpoints(member=kept.member, first=kept.first, second=kept.second)
            receipt = consortium.send(clinic.url, report)  # the ledger takes it as it is kept
            assert receipt.code == 0
            assert b"misbehaved" in receipt.events[0].event
    assert (kept.member, kept.same_signer, kept.size) == ("pharmacy", True, true.size)
    trust = consortium.trusting(1, "pharmacy")
    found = [
        verify_checkpoint(parse_checkpoint(text), trust.origin, trust.policy())
        for text in (kept.first, kept.second)
    ]
    assert [one.root for one in found] == [true.root, false.root]
