"""What Ana takes along: her record, receipts and QR codes, and what a stranger finds in them."""

import json
import zipfile
from pathlib import Path

import pytest
import segno

from careledger.verify.scanned import PREFIX
from tests.cli.running import Network, careledger, done
from tests.cli.test_consent import end_all, give


def test_own_record_is_read_whole_and_the_reading_is_logged(network: Network, ana: Path) -> None:
    told = done("read", "--wallet", ana)
    for part in ("Metformin 500 mg", "Haemoglobin A1c", "Heart rate", "Type 2 diabetes"):
        assert part in told
    assert "You looked into your own record at Riverside Hospital." in done("log", "--wallet", ana)


def test_part_of_the_record(ana: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.json"
    done(
        *("read", "Observation", "--search", "code=http://loinc.org|4548-4"),
        *("--from", "riverside", "--out", bundle, "--wallet", ana),
    )
    [entry] = json.loads(bundle.read_text())["entry"]
    assert entry["resource"]["id"] == "hba1c"
    assert entry["resource"]["valueQuantity"] == {"value": 7.1, "unit": "%"}


def test_an_export_verifies_and_no_byte_of_it_can_change(
    network: Network, ana: Path, tmp_path: Path
) -> None:
    file = tmp_path / "ana.zip"
    assert "resources from riverside, lakeview" in done("export", file, "--wallet", ana)
    assert "Verified." in done("verify", file, "--trust", network.trust)
    undecided = careledger("verify", file)
    assert (undecided.exit_code, "Undecided" in undecided.output) == (2, True)
    tampered = tmp_path / "tampered.zip"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(tampered, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"7.1", b"6.1"))
    result = careledger("verify", tampered, "--trust", network.trust)
    assert (result.exit_code, "Observation/hba1c" in result.output) == (1, True)


def test_an_export_says_who_was_silent(network: Network, ana: Path, tmp_path: Path) -> None:
    result = careledger("export", tmp_path / "x.zip", "--from", "hilltop", "--wallet", ana)
    assert (result.exit_code, "Nothing from hilltop" in result.output) == (1, True)


def test_a_consent_receipt_shows_terms_and_whether_it_stands(
    network: Network, ana: Path, tmp_path: Path
) -> None:
    given = give(ana, "--what", "conditions")
    before, after = tmp_path / "before", tmp_path / "after"
    done("receipt", given, "--out", before, "--wallet", ana)
    done("consent", "revoke", given, "--wallet", ana)
    done("receipt", given, "--out", after, "--wallet", ana)
    told = done("verify", before, "--trust", network.trust)
    assert "The terms given here are those that it commits to." in told
    assert "It had not been ended." in told
    assert "It had been ended, at " in done("verify", after, "--trust", network.trust)


def test_a_consent_fits_a_qr_code_and_verifies_from_its_text(
    network: Network, ana: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = give(ana, "--what", "medications", "--except-label", "hiv")
    texts: list[str] = []
    draw = segno.make_qr

    def drawn(text: str, error: str) -> segno.QRCode:
        texts.append(text)
        return draw(text, error=error)

    monkeypatch.setattr(segno, "make_qr", drawn)
    done("receipt", given, "--qr", tmp_path / "c.svg", "--wallet", ana)
    assert "<svg" in (tmp_path / "c.svg").read_text()
    [text] = texts
    assert text.startswith(PREFIX)
    (tmp_path / "scanned.txt").write_text(text + "\n")
    told = done("verify", tmp_path / "scanned.txt", "--trust", network.trust)
    assert "allows lakeview" in told
    (tmp_path / "scanned.txt").write_text(text[:-9] + "AAAAAAAAA")
    assert careledger("verify", tmp_path / "scanned.txt").exit_code == 1
    end_all(ana)


def test_anyone_may_keep_the_receipt_of_a_transaction(
    network: Network, ana: Path, tmp_path: Path
) -> None:
    lines = json.loads(done("log", "--all", "--json", "--wallet", ana))
    transaction = lines[-1]["transaction"]
    out = tmp_path / "receipt"
    done("receipt", transaction, "--node", network.node_url, "--out", out)
    told = done("verify", out, "--trust", network.trust)
    assert f"transaction {transaction}" in told
    assert told.count("A COSE Receipt of riverside says the same") == 2


def test_no_receipt_of_what_never_was(network: Network, tmp_path: Path) -> None:
    result = careledger(
        *("receipt", "0" * 64, "--node", network.node_url, "--out", tmp_path / "none"),
    )
    assert (result.exit_code, "no such transaction" in result.output) == (1, True)
    assert not (tmp_path / "none").exists()


def test_a_saved_log_is_whole_and_a_missing_row_is_noticed(
    network: Network, ana: Path, tmp_path: Path
) -> None:
    file = tmp_path / "log.jsonl"
    done("save-log", "--node", network.node_url, file)
    told = done("verify", file, "--trust", network.trust)
    assert "are all there" in told
    lines = file.read_bytes().splitlines(keepends=True)
    assert len(lines) > 10
    file.write_bytes(b"".join(lines[:5] + lines[6:]))
    assert careledger("verify", file, "--trust", network.trust).exit_code == 1


def test_a_log_that_cannot_be_had_leaves_no_file(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    assert careledger("save-log", "--node", "http://127.0.0.1:9", file).exit_code == 1
    assert list(tmp_path.iterdir()) == []
