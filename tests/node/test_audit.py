"""Watching real nodes over HTTP: honest ones, ones that lie, and ones that went different ways."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner, Result

from careledger.apps.governance.commands import ReportCheckpoints
from careledger.cli.main import main
from careledger.ledger.checkpoint import (
    SignedByOneOf,
    cosigner_key,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from careledger.ledger.merkle import verify_consistency
from careledger.ledger.note import Kind, NoteKey
from careledger.ledger.record import Digest, MemberId
from careledger.ledger.tile import WIDTH, decode_bundle, encode_bundle
from careledger.vault.keyfile import load_signing_key
from tests.node.consortium import Consortium, Node, key, root_of
from tests.node.lying import Alter, lying


def careledger(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(one) for one in arguments])


def audit(url: str, folder: Path, *more: object) -> Result:
    return careledger("audit", url, "--folder", folder, "--once", *more)


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    return Consortium(tmp_path / "net", ("hospital", "clinic"))


@pytest.fixture
def hospital(consortium: Consortium) -> Iterator[Node]:
    with consortium.running("hospital") as [node]:
        yield node


def test_a_log_is_mirrored_and_the_mirror_verifies_offline(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    consortium.write(hospital.url, 600)
    trust, folder = consortium.trust(1), tmp_path / "mirror"
    result = audit(hospital.url, folder, "--trust", trust)
    assert result.exit_code == 0, result.output
    size, root = root_of(hospital)
    assert size > 2 * WIDTH
    kept = parse_checkpoint((folder / "checkpoint").read_text()).checkpoint
    assert (kept.size, kept.root) == (size, root)
    result = careledger("verify", folder, "--trust", trust)
    assert result.exit_code == 0, result.output
    assert f"{size:,} entries from the first to the last" in result.output
    bundle = folder / "tile/entries/001"
    entries = decode_bundle(bundle.read_bytes())
    bundle.write_bytes(encode_bundle(entries[:7] + entries[8:]))
    result = careledger("verify", folder, "--trust", trust)
    assert result.exit_code == 1
    assert "Entry 263 is not the one that was logged" in result.output


def test_it_goes_on_from_where_it_was(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    trust, folder = consortium.trust(1), tmp_path / "mirror"
    for count in (1, 300, 2, 0, 260):
        consortium.write(hospital.url, count)
        result = audit(hospital.url, folder, "--trust", trust)
        assert result.exit_code == 0, result.output
        assert careledger("verify", folder, "--trust", trust).exit_code == 0
    assert not list(folder.rglob("*.part"))
    assert not (folder / "tile/entries/000.p").exists()  # gone once the bundle was full


def test_the_mirror_serves_another_auditor(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    """Copying files is all it takes: any web server serves the folder."""
    consortium.write(hospital.url, 300)
    trust, first, second = consortium.trust(1), tmp_path / "first", tmp_path / "second"
    assert audit(hospital.url, first, "--trust", trust).exit_code == 0
    server = subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-m",
            "http.server",
            "0",
            "--bind",
            "127.0.0.1",
            "--directory",
            first,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdout is not None
    try:
        url = server.stdout.readline().split("(")[1].split(")")[0]
        result = audit(url, second, "--trust", trust, "--peer", hospital.url)
        assert result.exit_code == 0, result.output
    finally:
        server.kill()
        server.communicate()
    assert careledger("verify", second, "--trust", trust).exit_code == 0


def test_a_node_writes_the_same_files(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    trust, mirror, tiles = consortium.trust(1), tmp_path / "mirror", tmp_path / "tiles"
    for count in (3, 520):
        consortium.write(hospital.url, count)
        httpx2.get(hospital.url + "/checkpoint")
        assert audit(hospital.url, mirror, "--trust", trust).exit_code == 0
        home = consortium.home("hospital")
        end = time.monotonic() + 10
        while True:  # it signs a moment after the commit
            told = subprocess.run(  # beside the running node, as it is used
                [sys.executable, "-m", "careledger.cli", "node", "tiles", home, tiles],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            if f"holds {root_of(hospital)[0]:,} log entries" in told:
                break
            assert time.monotonic() < end
        result = careledger("verify", tiles, "--trust", trust)
        assert result.exit_code == 0, result.output
    ours = {p.relative_to(tiles): p.read_bytes() for p in tiles.rglob("*") if p.is_file()}
    theirs = {p.relative_to(mirror): p.read_bytes() for p in mirror.rglob("*") if p.is_file()}
    full = {path for path in ours if ".p" not in str(path) and path.name != "checkpoint"}
    assert {path: ours[path] for path in full} == {path: theirs[path] for path in full}
    for path in full:
        answer = httpx2.get(f"{hospital.url}/{path}")
        assert answer.content == ours[path]
        assert "immutable" in answer.headers["cache-control"]


def test_the_auditor_signs_its_own_copy(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    consortium.write(hospital.url)
    file, folder = tmp_path / "auditor.key", tmp_path / "mirror"
    result = audit(
        hospital.url,
        folder,
        "--trust",
        consortium.trust(1),
        "--key",
        file,
        "--name",
        "ngo.test/log",
    )
    assert result.exit_code == 0, result.output
    public = load_signing_key(file).public.public
    own = NoteKey(name="ngo.test/log", kind=Kind.COSIGNATURE, public=public)
    assert own.format() in result.output
    signed = parse_checkpoint((folder / "checkpoint").read_text())
    origin = signed.checkpoint.origin
    found = verify_checkpoint(signed, origin, SignedByOneOf((own,)))
    assert found.times[own.name] > 1_700_000_000
    theirs = cosigner_key(origin, MemberId("hospital"), key("hospital", "checkpoint").public.public)
    verify_checkpoint(signed, origin, SignedByOneOf((theirs,)))


# --- those that show two histories ------------------------------------------------------------


def split(consortium: Consortium, more: int = 1) -> None:
    """Both nodes begin alike; then each goes on alone."""
    with consortium.running("hospital") as [node]:
        consortium.write(node.url, 3)
    consortium.share("hospital", "clinic")
    with consortium.running("clinic") as [node]:
        consortium.write(node.url, more)


@pytest.mark.parametrize("more", [1, 2, 300])
def test_a_split_view_is_shouted_and_kept(
    consortium: Consortium, tmp_path: Path, more: int
) -> None:
    """Whether the other is ahead, behind or as long."""
    split(consortium, more)
    folder = tmp_path / "mirror"
    with consortium.running() as [hospital, clinic]:
        consortium.write(hospital.url, 2)
        result = audit(hospital.url, folder, "--trust", consortium.trust(1), "--peer", clinic.url)
    assert result.exit_code == 1, result.output
    assert "ALARM: SPLIT-VIEW" in result.output
    [evidence] = (folder / "evidence").iterdir()
    assert str(evidence) in result.output
    kept = json.loads(evidence.read_text())
    assert {one["source"] for one in kept["shown"]} == {hospital.url, clinic.url}
    check_contradiction(consortium, kept)
    assert careledger("verify", folder, "--trust", consortium.trust(1)).exit_code == 0


def check_contradiction(consortium: Consortium, kept: dict[str, Any]) -> None:
    """Anybody can: both notes are signed, and the larger log begins otherwise than the smaller."""
    policy = consortium.trusting(1)
    first, second = (
        verify_checkpoint(parse_checkpoint(one["note"]), policy.origin, policy.policy())
        for one in kept["shown"]
    )
    older = Digest(bytes.fromhex(kept["older"]))
    path = [bytes.fromhex(one) for one in kept["path"]]
    verify_consistency(first.size, second.size, path, older, second.root)
    assert older != first.root


def test_nodes_that_agree_are_said_to(consortium: Consortium, tmp_path: Path) -> None:
    split(consortium, 0)
    with consortium.running() as [hospital, clinic]:
        consortium.write(hospital.url, 2)  # the other is merely behind
        for url, peer in ((hospital.url, clinic.url), (clinic.url, hospital.url)):
            folder = tmp_path / url.rpartition(":")[2]
            result = audit(url, folder, "--trust", consortium.trust(1), "--peer", peer)
            assert result.exit_code == 0, result.output
            assert "1 of 1 other nodes show the same history" in result.output


def test_a_rewritten_history_is_shouted(consortium: Consortium, tmp_path: Path) -> None:
    """The clinic's node takes the place of the hospital's, at its address."""
    split(consortium, 5)
    folder, trust = tmp_path / "mirror", consortium.trust(1)
    with consortium.running("hospital") as [hospital]:
        consortium.write(hospital.url, 2)
        assert audit(hospital.url, folder, "--trust", trust).exit_code == 0
    kept = (folder / "checkpoint").read_text()
    with consortium.running("clinic") as [clinic]:
        result = audit(clinic.url, folder, "--trust", trust)
    assert result.exit_code == 1, result.output
    assert "ALARM: REWRITTEN-HISTORY" in result.output
    assert (folder / "checkpoint").read_text() == kept
    evidence = json.loads(next((folder / "evidence").iterdir()).read_text())
    assert kept in [one["note"] for one in evidence["shown"]]
    check_contradiction(consortium, evidence)


def test_a_shorter_history_that_is_another_is_shouted(
    consortium: Consortium, tmp_path: Path
) -> None:
    split(consortium, 1)
    folder, trust = tmp_path / "mirror", consortium.trust(1)
    with consortium.running("hospital") as [hospital]:
        consortium.write(hospital.url, 4)
        assert audit(hospital.url, folder, "--trust", trust).exit_code == 0
    with consortium.running("clinic") as [clinic]:
        assert root_of(clinic)[0] < 10
        result = audit(clinic.url, folder, "--trust", trust)
    assert (result.exit_code, "REWRITTEN-HISTORY" in result.output) == (1, True)
    check_contradiction(consortium, json.loads(next((folder / "evidence").iterdir()).read_text()))


@pytest.mark.parametrize("vouched", [True, False])
def test_an_older_disk_restored_with_its_record_is_caught_and_can_be_reported(
    consortium: Consortium, tmp_path: Path, *, vouched: bool
) -> None:
    """Without the folder `vouched` the node lies without meaning to; with it, it is silent."""
    split(consortium, 0)
    folder, trust, home = tmp_path / "mirror", consortium.trust(1), consortium.home("hospital")
    shutil.copytree(home / "ledger", tmp_path / "backup")
    with consortium.running("hospital") as [hospital]:
        consortium.write(hospital.url, 2)
        assert audit(hospital.url, folder, "--trust", trust).exit_code == 0
    shutil.rmtree(home / "ledger")
    shutil.copytree(tmp_path / "backup", home / "ledger")
    if not vouched:
        shutil.rmtree(home / "vouched")
    with consortium.running("hospital") as [hospital]:
        consortium.write(hospital.url, 5)
        result = audit(hospital.url, folder, "--trust", trust)
        health = httpx2.get(hospital.url + "/v1/health")
    assert result.exit_code == 1, result.output
    if vouched:
        assert "ALARM" not in result.output
        assert health.status_code == 503
        assert "signed another history" in health.json()["trouble"]
        return
    assert "REWRITTEN-HISTORY" in result.output
    kept = json.loads(next((folder / "evidence").iterdir()).read_text())
    report = ReportCheckpoints(
        member="hospital",
        first=kept["shown"][0]["note"],
        second=kept["shown"][1]["note"],
        older=bytes.fromhex(kept["older"]),
        path=tuple(bytes.fromhex(one) for one in kept["path"]),
    )
    with consortium.running("clinic") as [clinic]:
        receipt = consortium.send(clinic.url, report)
    assert receipt.code == 0
    assert b"misbehaved" in receipt.events[0].event


def altered_entry(path: str, status: int, body: bytes) -> tuple[int, bytes]:
    if path.startswith("/tile/entries/001"):
        entries = decode_bundle(body)
        return status, encode_bundle([entries[0], b"forged", *entries[2:]])
    return status, body


def altered_tile(path: str, status: int, body: bytes) -> tuple[int, bytes]:
    return (status, bytes(32) + body[32:]) if path == "/tile/0/000" else (status, body)


def altered_edge(path: str, status: int, body: bytes) -> tuple[int, bytes]:
    return (status, bytes(32) + body[32:]) if path.startswith("/tile/1/") else (status, body)


def long_tile(path: str, status: int, body: bytes) -> tuple[int, bytes]:
    return (status, body * 300) if path.startswith("/tile/0/") else (status, body)


def cut_bundle(path: str, status: int, body: bytes) -> tuple[int, bytes]:
    return (status, body[:-1]) if path.startswith("/tile/entries/") else (status, body)


def forged_signature(path: str, status: int, body: bytes) -> tuple[int, bytes]:
    if path == "/checkpoint":
        lines = body.split(b"\n")
        lines[1] = b"%d" % (int(lines[1]) - 1)
        return status, b"\n".join(lines)
    return status, body


def no_checkpoint(path: str, status: int, body: bytes) -> tuple[int, bytes]:
    return (status, b"hello") if path == "/checkpoint" else (status, body)


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (altered_entry, "entry 257 is not the one that was logged"),
        (altered_tile, "tile/0/000 is not the tile that the checkpoint vouches for"),
        (altered_edge, "the tiles do not lead to the checkpoint's root"),
        (long_tile, "is longer than it may be"),
        (cut_bundle, "is damaged"),
        (forged_signature, "a forged signature"),
    ],
)
def test_a_lying_node_is_caught_and_nothing_of_it_is_kept(
    consortium: Consortium, hospital: Node, tmp_path: Path, alter: Alter, said: str
) -> None:
    consortium.write(hospital.url, 300)
    folder, trust = tmp_path / "mirror", consortium.trust(1)
    with lying(hospital.url, alter) as url:
        result = audit(url, folder, "--trust", trust)
        assert result.exit_code == 1, result.output
        assert "ALARM" in result.output
        assert said in result.output
        assert len(list((folder / "evidence").iterdir())) == 1
    assert not (folder / "checkpoint").exists()
    result = audit(hospital.url, folder, "--trust", trust)  # an honest one completes it
    assert result.exit_code == 0, result.output
    assert careledger("verify", folder, "--trust", trust).exit_code == 0


def test_tiles_that_are_not_served_are_no_lie(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    consortium.write(hospital.url, 300)
    folder, trust = tmp_path / "mirror", consortium.trust(1)
    gone = lambda path, status, body: (404 if "entries/001" in path else status, body)
    with lying(hospital.url, gone) as url:
        result = audit(url, folder, "--trust", trust)
    assert (result.exit_code, "does not serve" in result.output) == (1, True)
    assert not (folder / "evidence").exists()
    fetched: list[str] = []

    def count(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        fetched.append(path)
        return status, body

    with lying(hospital.url, count) as url:
        assert audit(url, folder, "--trust", trust).exit_code == 0
    assert "/tile/entries/000" not in fetched  # what is there and good is not fetched again


def test_a_full_tile_stands_in_for_a_partial_one_that_is_gone(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    consortium.write(hospital.url, 100)
    before = httpx2.get(hospital.url + "/checkpoint").content
    consortium.write(hospital.url, 300)

    def older(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if path == "/checkpoint":
            return status, before
        return (404, b"") if "/000.p/" in path and "/tile/1/" not in path else (status, body)

    with lying(hospital.url, older) as url:
        result = audit(url, tmp_path / "mirror", "--trust", consortium.trust(1))
    assert result.exit_code == 0, result.output


# --- whom to believe --------------------------------------------------------------------------


def test_without_trust_it_stays_open(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    result = audit(hospital.url, tmp_path / "mirror")
    assert (result.exit_code, "stays open" in result.output) == (2, True)


def test_too_few_signatures_are_no_alarm_and_nothing_is_kept(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    result = audit(hospital.url, tmp_path / "mirror", "--trust", consortium.trust(2))
    assert (result.exit_code, "too few members signed" in result.output) == (2, True)
    assert not (tmp_path / "mirror/checkpoint").exists()


def test_a_peer_that_does_not_answer_leaves_it_open(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    more = ("--trust", consortium.trust(1), "--peer", "http://127.0.0.1:9")
    result = audit(hospital.url, tmp_path / "mirror", *more)
    assert (result.exit_code, "Not compared" in result.output) == (2, True)


def test_a_stranger_cannot_raise_a_split_view(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    """Whom nobody trusts may sign what he likes."""
    consortium.write(hospital.url)
    shown = parse_checkpoint(httpx2.get(hospital.url + "/checkpoint").text).checkpoint
    forged = type(shown)(origin=shown.origin, size=shown.size, root=type(shown.root)(bytes(32)))
    note = sign_checkpoint(forged, MemberId("hospital"), key("stranger", "checkpoint"), 1).format()
    alter = lambda path, status, body: (status, note.encode() if path == "/checkpoint" else body)
    with lying(hospital.url, alter) as url:
        result = audit(
            hospital.url, tmp_path / "mirror", "--trust", consortium.trust(1), "--peer", url
        )
    assert (result.exit_code, "no trusted key signed" in result.output) == (2, True)
    assert not (tmp_path / "mirror/evidence").exists()


def test_what_is_no_checkpoint_is_no_lie_either(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    """Some server's page about an error, as likely as not."""
    with lying(hospital.url, no_checkpoint) as url:
        result = audit(url, tmp_path / "mirror", "--trust", consortium.trust(1))
    assert (result.exit_code, "is no checkpoint" in result.output) == (1, True)
    assert "ALARM" not in result.output


def test_another_chain_s_trust_file_believes_nothing(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    other = Consortium(tmp_path / "other", ("payer",))
    result = audit(hospital.url, tmp_path / "mirror", "--trust", other.trust(1))
    assert (result.exit_code, "another log's checkpoint." in result.output) == (2, True)


def test_what_is_given_wrongly_is_said(tmp_path: Path) -> None:
    (tmp_path / "trust.json").write_text("{}")
    for wrong, said in (
        (("--trust", tmp_path / "trust.json"), "is not a trust file"),
        (("--key", tmp_path / "key", "--name", "a b"), "--name is one word"),
        (("--every", 0), "is not in the range"),
    ):
        result = audit("http://127.0.0.1:9", tmp_path / "mirror", *wrong)
        assert (result.exit_code, said in result.output) == (64, True), result.output
    for url in ("nowhere", "ftp://127.0.0.1", "http://[::", "http://127.0.0.1:99999"):
        result = audit(url, tmp_path / "mirror")
        assert (result.exit_code, f"no answer from {url}" in result.output) == (1, True)


def test_an_auditor_that_is_killed_goes_on_where_it_was(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    consortium.write(hospital.url, 600)
    folder, trust = tmp_path / "mirror", consortium.trust(1)
    held = threading.Event()

    def slowly(path: str, status: int, body: bytes) -> tuple[int, bytes]:
        if "entries/001" in path:
            held.wait(30)
        return status, body

    with lying(hospital.url, slowly) as url:
        command = [sys.executable, "-m", "careledger.cli", "audit", url, "--folder", str(folder)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while not (folder / "tile/entries/000").exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        process.kill()
        process.wait()
        held.set()
    assert not (folder / "checkpoint").exists()
    result = audit(hospital.url, folder, "--trust", trust)
    assert result.exit_code == 0, result.output
    assert careledger("verify", folder, "--trust", trust).exit_code == 0


def test_nobody_answers(tmp_path: Path) -> None:
    result = audit("http://127.0.0.1:9", tmp_path / "mirror")
    assert (result.exit_code, "no answer from http://127.0.0.1:9" in result.output) == (1, True)


# --- following --------------------------------------------------------------------------------


def test_following_sees_new_entries_and_ends_with_ctrl_c(
    consortium: Consortium, hospital: Node, tmp_path: Path
) -> None:
    folder, trust = tmp_path / "mirror", consortium.trust(1)
    command = [sys.executable, "-u", "-m", "careledger.cli", "audit", hospital.url]
    process = subprocess.Popen(
        [*command, "--folder", str(folder), "--trust", str(trust), "--every", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for count in (1, 5):
            consortium.write(hospital.url, count)
            wait_for(folder, root_of(hospital)[0])
        second = careledger("audit", hospital.url, "--folder", folder, "--once")
        assert (second.exit_code, "another process writes" in second.output) == (1, True)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    assert "Stopped." in err
    assert "Traceback" not in err
    assert "new entr" in out
    assert careledger("verify", folder, "--trust", trust).exit_code == 0


def wait_for(folder: Path, size: int) -> None:
    end = time.monotonic() + 30
    while True:
        path = folder / "checkpoint"
        if path.exists() and parse_checkpoint(path.read_text()).checkpoint.size >= size:
            return
        assert time.monotonic() < end
        time.sleep(0.05)
