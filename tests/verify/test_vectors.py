"""The vectors and the worked examples in the specification are what this program computes."""

import pytest

from tests.proof_vectors import ALL, SPEC, VECTORS, page_with_example, vector_text


@pytest.mark.parametrize("name", ALL)
def test_the_vector_file_is_what_we_compute(name: str) -> None:
    assert (VECTORS / f"{name}.json").read_text() == vector_text(name)


@pytest.mark.parametrize("name", ALL)
def test_the_page_s_worked_example_is_what_we_compute(name: str) -> None:
    page = (SPEC / f"{name}.md").read_text()
    assert "```text example\n" in page
    assert page == page_with_example(name)
