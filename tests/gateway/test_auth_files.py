"""The files of applications and staff: what is wrong in them is said, and lets nobody in."""

import json
from pathlib import Path

import pytest
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, RSAKey

from careledger.gateway.auth_files import (
    BadRegistry,
    clients_in,
    load_clients,
    load_staff,
    staff_in,
)
from careledger.ledger.record import MemberId

RIVERSIDE = MemberId("riverside")
NOW = 1_790_000_000
GOOD = """
[[client]]
id = "chart"
name = "Chart"
kind = "public"
scopes = "patient/*.rs"
redirect_uris = ["https://chart.example/back", "org.example.chart://back", "http://127.0.0.1/x"]
"""


def clients(folder: Path, text: str) -> Path:
    path = folder / "clients.toml"
    path.write_text(text)
    return path


def test_a_good_file_says_what_it_says(tmp_path: Path) -> None:
    found = load_clients(clients(tmp_path, GOOD), RIVERSIDE)["chart"]
    assert found.redirect_uris[1] == "org.example.chart://back"
    assert found.people == ("staff", "patients")
    assert clients_in(None, RIVERSIDE).get("chart", NOW) is None
    assert staff_in(None).is_empty


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"chart"', '"riverside"'),
        ('"chart"', '"@aaaaaaaaaaaaaaaaaaaaaaaaaa"'),
        ('"chart"', '"a client"'),
        ('kind = "public"', 'kind = "confidential"'),
        ('kind = "public"', 'kind = "backend"'),
        ('kind = "public"', 'kind = "other"'),
        ('name = "Chart"', 'nome = "Chart"'),
        ("https://chart.example/back", "http://chart.example/back"),
        ("https://chart.example/back", "https://chart.example/back#x"),
        ("https://chart.example/back", "https:///back"),
        ("https://chart.example/back", "javascript:alert(1)"),
        ("https://chart.example/back", "data:text/html,x"),
        ("https://chart.example/back", "https://chart.example/ä"),
        ("https://chart.example/back", "/back"),
        ("scopes =", "secret = 'x'\nscopes ="),
        ("[[client]]", GOOD + "[[client]]"),
        ("[[client]]", "[client"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(BadRegistry):
        load_clients(clients(tmp_path, GOOD.replace(old, new, 1)), RIVERSIDE)


def test_keys_are_public_strong_and_there(tmp_path: Path) -> None:
    text = 'client = [{id="n", name="N", kind="backend", scopes="system/*.rs", jwks="n.json"}]'
    path, keys = clients(tmp_path, text), tmp_path / "n.json"
    private = ECKey.generate_key("P-256")
    with pytest.warns(SecurityWarning, match="2048"):
        weak = RSAKey.generate_key(1_024).as_dict(private=False)
    wrong: list[object] = [
        {"keys": [private.as_dict(private=True)]},
        {"keys": [OctKey.generate_key(256).as_dict(private=True)]},
        {"keys": "none"},
        [],
    ]
    for content in wrong:
        keys.write_text(json.dumps(content))
        with pytest.raises(BadRegistry):
            load_clients(path, RIVERSIDE)
    keys.write_text(json.dumps({"keys": [weak]}))
    with pytest.raises(BadRegistry), pytest.warns(SecurityWarning, match="2048"):
        load_clients(path, RIVERSIDE)
    keys.unlink()
    with pytest.raises(BadRegistry):
        load_clients(path, RIVERSIDE)
    keys.write_text(json.dumps({"keys": [private.as_dict(private=False)]}))
    assert load_clients(path, RIVERSIDE)["n"].keys is not None


def test_a_secret_is_nobody_elses_to_read(tmp_path: Path) -> None:
    text = GOOD.replace("public", "confidential").replace("scopes", 'secret = "s"\nscopes', 1)
    path, secret = clients(tmp_path, text), tmp_path / "s"
    with pytest.raises(BadRegistry):
        load_clients(path, RIVERSIDE)
    secret.write_text("\n")
    secret.chmod(0o600)
    with pytest.raises(BadRegistry):
        load_clients(path, RIVERSIDE)
    secret.write_text("hush\n")
    secret.chmod(0o644)
    with pytest.raises(BadRegistry):
        load_clients(path, RIVERSIDE)
    secret.chmod(0o600)
    assert load_clients(path, RIVERSIDE)["chart"].secret == b"hush"


def test_staff_is_named_once_with_a_role(tmp_path: Path) -> None:
    path = tmp_path / "staff.toml"
    person = '[[staff]]\nsubject = "kim"\nname = "Kim"\nrole = "nurse"\n'
    path.write_text(person)
    assert load_staff(path)["kim"].practitioner is None
    for wrong in (person * 2, person.replace("nurse", "Nurse!"), person + 'resource = "x"\n'):
        path.write_text(wrong)
        with pytest.raises(BadRegistry):
            load_staff(path)


def test_a_file_that_breaks_later_lets_nobody_in_until_it_is_mended(tmp_path: Path) -> None:
    path = clients(tmp_path, GOOD)
    register = clients_in(path, RIVERSIDE)
    assert register.get("chart", NOW) is not None
    path.write_text("broken [")
    assert register.get("chart", NOW + 1) is None
    path.write_text(GOOD + "\n")
    assert register.get("chart", NOW + 2) is not None
    path.unlink()
    assert register.get("chart", NOW + 3) is None


def test_a_secret_or_key_that_is_replaced_counts_at_once(tmp_path: Path) -> None:
    """Whoever stole the old one has nothing, though nobody touched the file that names it."""
    text = GOOD.replace("public", "confidential").replace("scopes", 'secret = "s"\nscopes', 1)
    backend = '[[client]]\nid="n"\nname="N"\nkind="backend"\nscopes="system/*.rs"\njwks="n.json"\n'
    secret, keys = tmp_path / "s", tmp_path / "n.json"
    old, new = (ECKey.generate_key("P-256") for _ in range(2))
    secret.write_text("stolen\n")
    secret.chmod(0o600)
    keys.write_text(json.dumps({"keys": [old.as_dict(private=False)]}))
    register = clients_in(clients(tmp_path, text + backend), RIVERSIDE)

    def thumbprint(now: int) -> str | None:
        client = register.get("n", now)
        return client.keys.keys[0].thumbprint() if client and client.keys else None

    assert thumbprint(NOW) == old.thumbprint()
    secret.write_text("fresh!\n")
    chart = register.get("chart", NOW + 1)
    assert chart is not None
    assert chart.secret == b"fresh!"
    keys.write_text(json.dumps({"keys": [new.as_dict(private=False)]}))
    assert thumbprint(NOW + 2) == new.thumbprint()
    secret.chmod(0o644)
    assert register.get("chart", NOW + 3) is None
    secret.chmod(0o600)
    assert register.get("chart", NOW + 4) is not None
    keys.unlink()
    assert register.get("chart", NOW + 5) is None
    keys.write_text(json.dumps({"keys": [new.as_dict(private=False)]}))
    assert thumbprint(NOW + 6) == new.thumbprint()
