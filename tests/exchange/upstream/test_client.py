"""Speaking with a server that is down, slow or lies, or that leads elsewhere."""

from pathlib import Path

import pytest

from careledger.exchange.upstream.client import UpstreamClient
from careledger.exchange.upstream.errors import UpstreamDown, UpstreamLies
from careledger.exchange.upstream.fetching import fetch, fetch_one, older
from careledger.exchange.upstream.settings import (
    BadCredentials,
    ClientCredentials,
    Upstream,
    load_headers,
    load_secret,
)
from careledger.exchange.upstream.walking import export, history, types_of, walk
from tests.exchange.upstream.lying import LyingServer, said
from tests.exchange.world import observation, patient

NAME = ("Observation", "o1")


def client(liar: LyingServer, **more: object) -> UpstreamClient:
    made = UpstreamClient(Upstream(liar.url, timeout_s=0.5, **more))  # type: ignore[arg-type] # settings by name
    liar.closed_with.append(made.close)
    return made


def test_a_server_that_is_not_there_is_down() -> None:
    with pytest.raises(UpstreamDown):
        fetch_one(UpstreamClient(Upstream("http://127.0.0.1:9/fhir", timeout_s=0.5)), NAME)


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_server_that_will_not_is_down(liar: LyingServer, status: int) -> None:
    liar.mouth = lambda *_: said({}, status)
    with pytest.raises(UpstreamDown):
        fetch_one(client(liar), NAME)


def test_a_server_that_is_slow_is_given_up(liar: LyingServer) -> None:
    liar.mouth = lambda *_: said(observation("o1"))
    liar.slow_s = 2.0
    with pytest.raises(UpstreamDown):
        fetch_one(client(liar), NAME)


def test_a_redirect_is_not_followed(liar: LyingServer) -> None:
    liar.mouth = lambda *_: said({}, 302, location=liar.url + "/Observation/other")
    with pytest.raises(UpstreamLies):
        fetch_one(client(liar), NAME)
    assert len(liar.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [observation("o2"), patient("o1"), {"resourceType": "Bundle"}, [], {}, "x"],
    ids=["another id", "another type", "a bundle", "a list", "nothing", "text"],
)
def test_another_resource_than_was_asked_for_is_a_lie(liar: LyingServer, answer: object) -> None:
    liar.mouth = lambda *_: said(answer)
    with pytest.raises(UpstreamLies):
        fetch_one(client(liar), NAME)


@pytest.mark.parametrize("status", [404, 410])
def test_absent_is_absent(liar: LyingServer, status: int) -> None:
    liar.mouth = lambda *_: said({"resourceType": "OperationOutcome"}, status)
    assert fetch_one(client(liar), NAME) is None


def batch(*resources: object) -> object:
    entries = [
        {"response": {"status": "200 OK"}, "resource": one}
        if one is not None
        else {"response": {"status": "404"}}
        for one in resources
    ]
    return {"resourceType": "Bundle", "type": "batch-response", "entry": entries}


def test_many_are_fetched_in_one_question(liar: LyingServer) -> None:
    liar.mouth = lambda *_: said(batch(observation("o1"), None))
    found = fetch(client(liar), [NAME, ("Observation", "o2")])
    assert found[NAME] is not None
    assert found["Observation", "o2"] is None
    assert len(liar.asked) == 1


def test_a_server_that_takes_no_batches_is_asked_one_by_one(liar: LyingServer) -> None:
    liar.mouth = lambda method, *_: said(
        observation("o1") if method == "GET" else {}, 200 if method == "GET" else 405
    )
    found = fetch(client(liar), [NAME, NAME])
    assert found[NAME] is not None
    assert [method for method, _ in liar.asked] == ["POST", "GET", "GET"]


def test_a_batch_that_was_shuffled_or_cut_is_a_lie(liar: LyingServer) -> None:
    names = [NAME, ("Observation", "o2")]
    for resources in ([observation("o2"), observation("o1")], [observation("o1")]):
        liar.mouth = lambda *_, resources=resources: said(batch(*resources))
        with pytest.raises(UpstreamLies):
            fetch(client(liar), names)


@pytest.mark.parametrize(
    "link",
    [
        "http://127.0.0.1:9/fhir/Observation?page=2",
        "https://elsewhere.test/fhir/Observation",
        "{origin}/other/Observation",
        "{url}/../admin",
        "{url}/%2e%2e/admin",
        "{url}/.%2E/admin",
        "{url}/%252e%252e/admin",
        "{url}/..;x=1/admin",
        "{url}/Patient/..;/..;/admin",
        "{url}/%2e%2e%3bx/admin",
        "{url}/..\\admin",
        "{url}/..%5cadmin",
        "{url}/Patient%2f..%2f..%2fadmin",
        "{url}/.;/admin",
        "http://user@{host}/fhir/Patient",
        "http://{host}@elsewhere.test/fhir/Patient",
        "{url}.elsewhere.test/Observation",
    ],
)
def test_links_that_lead_elsewhere_are_not_followed(liar: LyingServer, link: str) -> None:
    origin = liar.url.removesuffix("/fhir")
    url = link.format(url=liar.url, origin=origin, host=origin.removeprefix("http://"))
    page = {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": [{"relation": "next", "url": url}],
    }
    liar.mouth = lambda *_: said(page)
    with pytest.raises(UpstreamLies):
        list(walk(client(liar), "Observation"))
    assert len(liar.asked) == 1


def test_files_of_an_export_at_another_server_are_not_fetched(liar: LyingServer) -> None:
    def mouth(method: str, path: str, body: bytes) -> object:
        if "$export" in path:
            return said({}, 202, content_location=liar.url + "/job")
        return said({"output": [{"type": "Patient", "url": "https://bucket.test/Patient"}]})

    liar.mouth = mouth  # type: ignore[assignment] # as wide as it needs to be
    with pytest.raises(UpstreamLies):
        list(export(client(liar), ["Patient"]))


def test_a_history_that_is_none_is_not_offered(liar: LyingServer) -> None:
    liar.mouth = lambda *_: said({"resourceType": "Bundle", "type": "searchset", "total": 0})
    assert history(client(liar), "2026-01-01T00:00:00.000Z") is None


def test_an_endless_history_of_one_resource_is_read_so_far_only(liar: LyingServer) -> None:
    page = {
        "resourceType": "Bundle",
        "type": "history",
        "entry": [{"resource": observation("o1")}],
        "link": [{"relation": "next", "url": f"{liar.url}/again"}],
    }
    liar.mouth = lambda *_: said(page)
    assert len(list(older(client(liar), NAME))) == len(liar.asked) == 10


def test_headers_from_a_file_go_with_every_request(liar: LyingServer, tmp_path: Path) -> None:
    file = tmp_path / "headers"
    file.write_text("X-Api-Key: 4711\nAuthorization: Basic abc\n")
    file.chmod(0o600)
    fetch_one(client(liar, headers=load_headers(file)), NAME)
    assert liar.headers[0]["x-api-key"] == "4711"
    assert liar.headers[0]["authorization"] == "Basic abc"


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("x")
    file.chmod(0o644)
    with pytest.raises(BadCredentials):
        load_secret(file)
    with pytest.raises(BadCredentials):
        load_headers(tmp_path / "missing")


def test_client_credentials_are_used_until_the_token_is_refused(liar: LyingServer) -> None:
    issued = []

    def mouth(method: str, path: str, body: bytes) -> object:
        if path == "/fhir/token":
            issued.append(body)
            return said({"access_token": f"t{len(issued)}", "expires_in": 3600})
        return said({}, 401 if len(liar.asked) == 3 else 404)

    liar.mouth = mouth  # type: ignore[assignment] # as wide as it needs to be
    signing_in = ClientCredentials(liar.url + "/token", "careledger", "s3cret")
    asking = client(liar, credentials=signing_in)
    fetch_one(asking, NAME)
    with pytest.raises(UpstreamDown):
        fetch_one(asking, NAME)
    fetch_one(asking, NAME)
    tokens = [one.get("authorization") for one in liar.headers]
    assert tokens[1] == tokens[2] == "Bearer t1"
    assert tokens[4] == "Bearer t2"
    assert b"grant_type=client_credentials" in issued[0]
    assert "s3cret" not in repr(signing_in)


def test_pages_that_lead_round_in_a_circle_are_a_lie(liar: LyingServer) -> None:
    """Or the follower would never see what changes in earnest."""

    def mouth(method: str, path: str, body: bytes) -> object:
        other = "b" if path.endswith("a") else "a"
        link = [{"relation": "next", "url": f"{liar.url}/pages?at={other}"}]
        kind = "history" if "_history" in path or "pages" in path else "searchset"
        return said({"resourceType": "Bundle", "type": kind, "link": link})

    liar.mouth = mouth  # type: ignore[assignment] # as wide as it needs to be
    with pytest.raises(UpstreamLies):
        list(walk(client(liar), "Observation"))
    assert len(liar.asked) == 3
    found = history(client(liar), "2026-01-01T00:00:00.000Z")
    assert found is not None
    with pytest.raises(UpstreamLies):
        list(found)


@pytest.mark.parametrize(
    "statement",
    [
        {"rest": {"a": 1}},
        {"rest": ["x"]},
        {"rest": [{"resource": "x"}]},
        {"rest": [{"operation": 1}]},
    ],
)
def test_a_statement_of_another_shape_is_a_lie(liar: LyingServer, statement: object) -> None:
    """And none that ends the task which follows that server."""
    liar.mouth = lambda *_: said(statement)
    with pytest.raises(UpstreamLies):
        types_of(client(liar))


@pytest.mark.parametrize("output", ["x", ["x"], [{"type": "Patient"}], [{"url": 1, "type": 2}]])
def test_a_manifest_of_another_shape_is_a_lie(liar: LyingServer, output: object) -> None:
    liar.mouth = lambda method, path, _: (
        said({}, 202, content_location=liar.url + "/job")
        if "$export" in path
        else said({"output": output})
    )
    with pytest.raises(UpstreamLies):
        list(export(client(liar), ["Patient"]))
