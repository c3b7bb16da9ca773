"""Stories of an organisation whose vault is in PostgreSQL: the same ones, told again."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.exchange import test_erasing, test_exchange, test_ingest, world


@pytest.fixture(autouse=True)
def _in_postgres(postgres_server: str) -> Iterator[None]:
    world.in_postgres(postgres_server)
    yield
    world.in_postgres(None)


@pytest.mark.parametrize(
    "story",
    [
        test_ingest.test_a_new_patient_gets_an_account_that_waits_to_be_claimed,
        test_ingest.test_versions_follow_one_another,
        test_ingest.test_many_bundles_stream_in_and_all_is_committed,
        test_ingest.test_a_crash_between_put_and_commit_is_repaired_at_the_next_start,
        test_exchange.test_a_permitted_read_is_released_proved_logged_and_acknowledged,
        test_exchange.test_what_is_released_is_byte_for_byte_what_was_received,
        test_erasing.test_an_erased_patient_is_gone_and_the_ledger_says_so,
    ],
)
def test_the_story_is_the_same(story: Callable[[Path], None], tmp_path: Path) -> None:
    story(tmp_path)
    assert not list(tmp_path.rglob("vault.sqlite"))
