import re
from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from careledger.ledger.errors import Unavailable
from careledger.web.app import patient_app
from careledger.web.page import patient_page
from careledger.web.source import (
    AccessView,
    LogSentence,
    PatientView,
    SourceState,
    TimelineEntry,
)

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
            mark="verified",
            labels=("PSY",),
        ),
        TimelineEntry(
            date="",
            kind="Document",
            title=NASTY,
            value="",
            source="lakeview",
            mark="tampered",
            why="It was changed after Lakeview committed to it.",
        ),
    ),
    log=(
        LogSentence(
            when="today", text="Dr Cho read <your> results", granted=True, why=("You <said> so.",)
        ),
    ),
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

    async def access(self) -> AccessView:
        view = await self.read()
        return AccessView(name=view.name, log=view.log, consents=view.consents)


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
    assert "You &lt;said&gt; so." in page


def test_a_mark_is_a_word_and_what_is_tampered_stands_first() -> None:
    page = patient_page(VIEW)
    badges = re.findall(r'<span class="badge (\w+)"><span aria-hidden="true">.</span> (\w+)', page)
    assert [kind for kind, word in badges] == [word for _, word in badges]
    assert {word for _, word in badges} == {"verified", "tampered"}
    assert page.index('role="alert"') < page.index("<table")
    assert "It was changed after Lakeview committed to it." in page
    assert '<time datetime="2025-03-01">1 Mar 2025</time>' in page
    calm = replace(VIEW, timeline=VIEW.timeline[:1])
    assert 'role="alert"' not in patient_page(calm)


@pytest.mark.parametrize(
    ("date", "shown"),
    [
        ("2024", ">2024<"),
        ("2024-02", ">Feb 2024<"),
        ("2024-13-40", ">2024-13-40<"),
        ("soon", ">soon<"),
    ],
)
def test_a_date_is_shown_as_far_as_it_goes(date: str, shown: str) -> None:
    assert shown in patient_page(replace(VIEW, timeline=(replace(VIEW.timeline[0], date=date),)))


def test_only_the_link_opens_the_page_and_nothing_is_kept() -> None:
    client = TestClient(patient_app(Source(VIEW), "s3cret"))
    answer = client.get("/s3cret/")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "You &lt;said&gt; so." in client.get("/s3cret/access").text
    assert client.get("/guess/").status_code == 404
    assert client.get("/guess/access").status_code == 404
    assert client.get("/").status_code == 404
    assert client.post("/s3cret/").status_code == 405


def test_a_source_that_is_away_is_said_so_without_details() -> None:
    answer = TestClient(patient_app(Source(None), "s")).get("/s/")
    assert answer.status_code == 503
    assert "riverside" not in answer.text


def test_an_empty_record_has_a_page() -> None:
    empty = PatientView(name="Ben", timeline=(), log=(), sources=(), consents=(), notice="")
    assert "Nobody has looked yet." in patient_page(empty)
