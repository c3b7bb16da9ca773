"""A wallet's life: made, opened, given accounts by codes, its keys replaced."""

import json
from pathlib import Path

from tests.cli.running import ANA_AT_RIVERSIDE, Network, careledger, done, patient


def passphrase(path: Path, text: str) -> Path:
    path.write_text(text + "\n")
    return path


def test_a_wallet_opens_under_its_passphrase_only(network: Network, tmp_path: Path) -> None:
    wallet, right = tmp_path / "w", passphrase(tmp_path / "right", "correct horse")
    done(
        *("wallet", "new", "--wallet", wallet, "--node", network.node_url),
        *("--passphrase-file", right),
    )
    wrong = passphrase(tmp_path / "wrong", "battery staple")
    result = careledger("wallet", "accounts", "--wallet", wallet, "--passphrase-file", wrong)
    assert (result.exit_code, "does not open" in result.output) == (1, True)
    told = done("wallet", "accounts", "--wallet", wallet, typed="correct horse\n")
    assert "None yet" in told


def test_a_seed_is_never_overwritten(network: Network, tmp_path: Path) -> None:
    wallet = network.new_wallet(tmp_path / "w")
    before = (wallet / "seed.json").read_bytes()
    result = careledger(
        "wallet", "new", "--wallet", wallet, "--node", network.node_url, "--no-passphrase"
    )
    assert (result.exit_code, "choose another folder" in result.output) == (1, True)
    assert (wallet / "seed.json").read_bytes() == before


def test_a_code_is_good_for_one_claim(network: Network, tmp_path: Path) -> None:
    network.ingest("riverside", tmp_path / "p.json", patient("jo-1", "Jo"))
    first = network.code("riverside", "jo-1")
    second = network.code("riverside", "jo-1")
    jo, thief = network.new_wallet(tmp_path / "jo"), network.new_wallet(tmp_path / "thief")
    dead = careledger("wallet", "claim", "riverside", first, "--wallet", thief)
    assert (dead.exit_code, "waits for this code" in dead.output) == (1, True)
    sloppily = second.lower().replace("-", " ")
    mine = done("wallet", "claim", "riverside", sloppily, "--wallet", jo)
    used = careledger("wallet", "claim", "riverside", second, "--wallet", thief)
    assert (used.exit_code, "waits for this code" in used.output) == (1, True)
    assert done("wallet", "claim", "riverside", second, "--wallet", jo) == mine
    again = careledger("gateway", "claim-code", "jo-1", "--home", network.home("riverside"))
    assert again.exit_code == 1


def test_a_code_with_a_slip(ana: Path) -> None:
    result = careledger("wallet", "claim", "hilltop", "AAAA-BBBB", "--wallet", ana)
    assert (result.exit_code, "no claim code" in result.output) == (1, True)


def test_accounts_differ_from_organisation_to_organisation(ana: Path) -> None:
    lines = done("wallet", "accounts", "--wallet", ana).splitlines()
    assert [line.split()[1] for line in lines] == ["riverside", "lakeview"]
    assert len({line.split()[0] for line in lines}) == 2


def test_a_rotated_key_signs_and_the_old_one_does_not(network: Network, tmp_path: Path) -> None:
    network.ingest("riverside", tmp_path / "p.json", patient("kim-1", "Kim"))
    kim = network.new_wallet(tmp_path / "kim")
    done("wallet", "claim", "riverside", network.code("riverside", "kim-1"), "--wallet", kim)
    old = (kim / "wallet.sealed").read_bytes()
    done("wallet", "rotate", "riverside", "--wallet", kim)
    assert "You replaced your key" in done("log", "--all", "--wallet", kim)
    # A wallet that was not told of the rotation, from a backup, finds the new key by itself.
    (kim / "wallet.sealed").write_bytes(old)
    done("consent", "deny", "--from", "riverside", "--wallet", kim)


def test_the_desk_knows_who_holds_an_account(network: Network, ana: Path) -> None:
    told = done("gateway", "patients", "--home", network.home("riverside"))
    [line] = [line for line in told.splitlines() if ANA_AT_RIVERSIDE in line]
    assert line.rstrip().endswith("the patient")


def test_a_trust_file_of_another_network(network: Network, tmp_path: Path) -> None:
    trust = json.loads(network.trust.read_text()) | {"chain": "0" * 64}
    (tmp_path / "trust.json").write_text(json.dumps(trust))
    result = careledger(
        *("wallet", "new", "--wallet", tmp_path / "w", "--node", network.node_url),
        *("--trust", tmp_path / "trust.json", "--no-passphrase"),
    )
    assert (result.exit_code, "another chain" in result.output) == (1, True)
