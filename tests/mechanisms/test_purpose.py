"""Purposes of use: a closed set in which some include others."""

from hypothesis import given
from hypothesis import strategies as st

from careledger.mechanisms.purpose import BROADER, PURPOSES, Purpose, includes

any_purpose = st.sampled_from(PURPOSES)


def test_broad_purposes_include_narrow_ones() -> None:
    assert includes(("TREAT",), "BTG")
    assert includes(("HRESCH",), "CLINTRCHNPC")
    assert includes(("HPAYMT",), "ELIGDTRM")
    assert not includes(("BTG",), "TREAT")
    assert not includes(("HPAYMT", "HOPERAT"), "TREAT")
    assert not includes((), "TREAT")


@given(any_purpose, any_purpose, any_purpose)
def test_inclusion_is_an_order(a: Purpose, b: Purpose, c: Purpose) -> None:
    assert a in BROADER[a]
    if a != b and b in BROADER[a]:
        assert a not in BROADER[b]
    if b in BROADER[a] and c in BROADER[b]:
        assert c in BROADER[a]


def test_every_purpose_has_one_root() -> None:
    roots = {"TREAT", "HPAYMT", "HOPERAT", "HRESCH", "HMARKT", "PATRQT", "PUBHLTH"}
    for purpose in PURPOSES:
        assert len(BROADER[purpose] & roots) == 1
