"""What is remembered of sign-ins is the same after a restart, and no more than that."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.exchange.cabinet import SCHEMA, Cabinet
from careledger.exchange.shelf import Shelf
from careledger.gateway.auth_caller import Caller, Identity
from careledger.gateway.auth_memory import SWEEP_S, Memory
from careledger.gateway.auth_scopes import grant, parse_scopes
from careledger.gateway.auth_tokens import TOKEN_S, SeenAssertions, Tokens
from careledger.ledger.record import Digest, MemberId
from careledger.vault.keystore import FileKeyStore
from careledger.vault.rows import SqliteRows

NOW = 1_790_000_000
RIVERSIDE = MemberId("riverside")
SERVICE = Caller(
    identity=Identity(signer=RIVERSIDE, kind="member", key_id=Digest(bytes(32))),
    purpose="HOPERAT",
    scopes=grant("system/*.rs", "member"),
)
STAFF = Caller(
    identity=Identity(signer=RIVERSIDE, kind="staff", role="nurse", subject="kim@riverside"),
    purpose="TREAT",
    scopes=parse_scopes("launch/patient patient/Observation.rs?category=http://x|vital-signs"),
    client="chart",
    patient="MRN-000-4711",
)


class Gateway:
    """One that can be started again."""

    def __init__(self, folder: Path) -> None:
        keys = folder / "organisation.keys"
        store = FileKeyStore(keys) if keys.exists() else FileKeyStore.create(keys)
        self.rows = SqliteRows(folder / "sign-ins.sqlite", SCHEMA)
        self.cabinet = Cabinet(self.rows, store, RIVERSIDE)
        shelf = Shelf(self.cabinet)
        self.tokens, self.seen = Tokens(shelf), SeenAssertions(shelf)


def test_tokens_and_used_assertions_survive(tmp_path: Path) -> None:
    before = Gateway(tmp_path)
    access = before.tokens.issue(STAFF, NOW, "family")
    first = before.tokens.issue_refresh(STAFF, NOW, "family", NOW + 1_000)
    second = before.tokens.rotate(first, NOW)
    ended = before.tokens.issue(SERVICE, NOW)
    before.tokens.end(ended)
    assert before.seen.use("riverside", "once", NOW + 300, NOW)
    before.cabinet.close()

    after = Gateway(tmp_path)
    assert after.tokens.find(access, NOW) == STAFF
    assert after.tokens.find(access, NOW + TOKEN_S) is None
    assert after.tokens.find(ended, NOW) is None
    used, fresh = after.tokens.refresh(first, NOW), after.tokens.refresh(second, NOW)
    assert used is not None
    assert used.used
    assert fresh is not None
    assert not fresh.used
    assert not after.seen.use("riverside", "once", NOW + 300, NOW)
    with pytest.raises(KeyError):
        after.tokens.rotate(first, NOW)
    after.tokens.end_family("family")
    after.cabinet.close()

    last = Gateway(tmp_path)
    assert last.tokens.find(access, NOW) is None
    assert last.tokens.refresh(second, NOW) is None
    last.cabinet.close()


def test_the_file_holds_no_token_and_nothing_about_anybody(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    token = gateway.tokens.issue(STAFF, NOW, "family")
    gateway.tokens.issue_refresh(STAFF, NOW, "family", NOW + 1_000)
    gateway.seen.use("riverside", "some jti", NOW + 300, NOW)
    gateway.cabinet.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("sign-ins*"))
    assert kept
    for secret in (token, "MRN-000-4711", "kim@riverside", "some jti", "vital-signs"):
        assert secret.encode() not in kept


def test_what_is_over_leaves_the_file(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    for number in range(20):
        gateway.seen.use("riverside", str(number), NOW + 10, NOW)
    assert gateway.rows.read("SELECT count(*) FROM things") == [(20,)]
    gateway.seen.use("riverside", "later", NOW + 500, NOW + SWEEP_S)
    assert gateway.rows.read("SELECT count(*) FROM things") == [(1,)]
    gateway.cabinet.close()


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "restart"]),
        st.sampled_from("abcd"),
        st.integers(1, 100),
    ),
    max_size=12,
)


@settings(max_examples=30, deadline=None)
@given(steps)
def test_a_memory_is_what_it_was_before_the_restart(done: list[tuple[str, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = FileKeyStore.create(folder / "organisation.keys")

        def opened() -> tuple[Cabinet, Memory[str]]:
            cabinet = Cabinet(SqliteRows(folder / "x.sqlite", SCHEMA), store, RIVERSIDE)
            return cabinet, Memory(Shelf(cabinet), "thing", str)

        cabinet, memory = opened()
        expected: dict[str, tuple[int, str]] = {}
        for step, key, number in done:
            if step == "add":
                memory.add(key, f"{key} {number}", "owner", NOW + number, NOW)
                expected[key] = NOW + number, f"{key} {number}"
            elif step == "remove":
                memory.remove(key)
                expected.pop(key, None)
            else:
                cabinet.close()
                cabinet, memory = opened()
            for one in "abcd":
                until, value = expected.get(one, (0, None))
                assert memory.get(one, NOW) == (value if until else None)
                assert memory.get(one, until) is None
        cabinet.close()
