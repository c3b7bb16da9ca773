import json
from pathlib import Path

from tests.cli.running import Network, bundle, careledger, done, patient


def write(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_what_was_taken_is_not_sent_again(network: Network, tmp_path: Path) -> None:
    write(tmp_path / "eve.json", bundle(patient("eve-1", "Eve")))
    home, journal = network.home("riverside"), tmp_path / "journal"
    options = ("--home", home, "--journal", journal)
    assert "1 files taken with 1 resources" in done("ingest", tmp_path, *options)
    assert "1 taken before" in done("ingest", tmp_path, *options)
    write(tmp_path / "eve.json", bundle(patient("eve-1", "Eva")))
    assert "1 files taken with 1 resources" in done("ingest", tmp_path, *options)


def test_each_bad_file_has_its_reason_and_the_good_ones_go_in(
    network: Network, tmp_path: Path
) -> None:
    write(tmp_path / "not-json.json", "{")
    write(tmp_path / "not-a-resource.json", {"resourceType": "Patience"})
    wrong = patient("hal-1", "Hal") | {"birthDate": "yesterday"}
    write(tmp_path / "wrong.json", bundle(wrong))
    write(tmp_path / "good.json", bundle(patient("ivy-1", "Ivy")))
    options = ("--home", network.home("riverside"), "--journal", tmp_path / "journal")
    result = careledger("ingest", tmp_path, *options)
    assert result.exit_code == 1
    assert "1 files taken with 1 resources, 0 taken before, 3 not taken." in result.output
    for name in ("not-json", "not-a-resource", "wrong"):
        assert f"{name}.json: " in result.output
    assert "yesterday" not in result.output
    write(tmp_path / "wrong.json", bundle(patient("hal-1", "Hal")))
    for name in ("not-json", "not-a-resource"):
        (tmp_path / f"{name}.json").unlink()
    assert "1 files taken" in done("ingest", tmp_path, *options)


def test_nothing_to_send_is_misuse(network: Network, tmp_path: Path) -> None:
    result = careledger("ingest", tmp_path, "--home", network.home("riverside"))
    assert (result.exit_code, "no .json files" in result.output) == (64, True)
