"""The command line writes a folder for each organisation."""

import json
from pathlib import Path

import pytest

from careledger.fhir.synthetic.__main__ import main
from careledger.fhir.synthetic.population import population


def test_it_writes_what_the_population_yields(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--seed", "3", "--patients", "2", "--out", str(tmp_path)]) == 0
    written = {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in tmp_path.rglob("*.json")}
    expected = {f"{e.organisation}/{e.name}.json": e.body for e in population(3, 2)}
    assert written == expected
    assert "riverside/0-practitioners.json" in written
    assert "lakeview/01-ana-rivera.json" in written
    entries = sum(len(json.loads(body)["entry"]) for body in written.values())
    assert f"{len(written)} bundles, {entries} resources" in capsys.readouterr().out


def test_it_asks_for_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--seed", "3"])
    assert "--out" in capsys.readouterr().err
