from starlette.testclient import TestClient

from careledger.ledger.errors import Unavailable
from careledger.web.app import patient_app
from careledger.web.page import patient_page
from careledger.web.source import LogSentence, PatientView, SourceState, TimelineEntry

NASTY = '<script>alert("x")</script>'

VIEW = PatientView(
    name="Ana Rivera",
    timeline=(
        TimelineEntry(
            date="2025-03-01T09:00:00Z",
            kind="Result",
            title="Hemoglobin A1c",
            value="7.1 %",
            source="riverside",
            verified=True,
            labels=("PSY",),
        ),
        TimelineEntry(
            date="", kind="Document", title=NASTY, value="", source="lakeview", verified=False
        ),
    ),
    log=(LogSentence(when="today", text="Dr Cho read <your> results", granted=True),),
    sources=(
        SourceState(organisation="riverside", as_of="now", entries=1),
        SourceState(organisation="lakeview", as_of="", entries=0),
    ),
    consents=("Lakeview may read until 2027",),
    notice="This may be incomplete.",
)


class Source:
    def __init__(self, view: PatientView | None) -> None:
        self._view = view

    async def read(self) -> PatientView:
        if self._view is None:
            raise Unavailable("riverside does not answer")
        return self._view


def test_the_page_says_what_the_record_holds_and_who_looked() -> None:
    page = patient_page(VIEW)
    for text in ("Ana Rivera", "Hemoglobin A1c", "7.1 %", "verified", "tampered", "PSY"):
        assert text in page
    assert "did not answer" in page
    assert "This may be incomplete." in page


def test_whatever_a_record_holds_is_shown_as_text() -> None:
    page = patient_page(VIEW)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;your&gt;" in page


def test_only_the_link_opens_the_page_and_nothing_is_kept() -> None:
    client = TestClient(patient_app(Source(VIEW), "s3cret"))
    answer = client.get("/s3cret/")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert client.get("/guess/").status_code == 404
    assert client.get("/").status_code == 404
    assert client.post("/s3cret/").status_code == 405


def test_a_source_that_is_away_is_said_so_without_details() -> None:
    answer = TestClient(patient_app(Source(None), "s")).get("/s/")
    assert answer.status_code == 503
    assert "riverside" not in answer.text


def test_an_empty_record_has_a_page() -> None:
    empty = PatientView(name="Ben", timeline=(), log=(), sources=(), consents=(), notice="")
    assert "Nobody has looked yet." in patient_page(empty)
