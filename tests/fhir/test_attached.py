"""What has a Binary as its content, however its address is written."""

import json
from typing import Any

import pytest

from careledger.fhir.attached import attached
from careledger.fhir.resource import parse_resource


def of(body: dict[str, Any], text: str = "") -> tuple[str, ...]:
    return attached(parse_resource((text or json.dumps(body)).encode()))


def document(url: str) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "status": "current",
        "content": [{"attachment": {"url": url}}],
    }


@pytest.mark.parametrize(
    "url",
    [
        "Binary/b1",
        "Binary/b1/_history/3",
        "http://riverside.test/fhir/Binary/b1",
        "/fhir/Binary/b1",
    ],
)
def test_the_binary_of_an_attachment(url: str) -> None:
    assert of(document(url)) == ("Binary/b1",)


def test_addresses_of_something_else() -> None:
    for url in ("https://x.test/scan.pdf", "Binaries/b1", "Binary/b_1", "Binary/b1?x"):
        assert of(document(url)) == ()


def test_letters_written_as_escapes() -> None:
    text = json.dumps(document("Binary/b1"))
    assert of({}, text.replace("Binary/", "\\u0042inary\\/")) == ("Binary/b1",)
    assert of({}, text.replace('"url"', '"\\u0075rl"')) == ("Binary/b1",)


def test_attachments_at_any_depth_each_once() -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": {"text": "scan"},
        "presentedForm": [{"url": "Binary/a"}, {"url": "Binary/b"}, {"url": "Binary/a"}],
        "extension": [{"url": "http://x.test/e", "valueAttachment": {"url": "Binary/c"}}],
    }
    assert set(of(report)) == {"Binary/a", "Binary/b", "Binary/c"}


def test_a_binary_goes_with_its_security_context() -> None:
    binary = {"resourceType": "Binary", "contentType": "text/plain"}
    assert of(binary) == ()
    assert of(binary | {"securityContext": {"reference": "Patient/p"}}) == ()
    context = {"reference": "DocumentReference/d/_history/2"}
    assert of(binary | {"securityContext": context}) == ("DocumentReference/d",)
