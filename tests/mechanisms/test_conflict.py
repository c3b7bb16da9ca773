"""Promises of the conflict rule, for any consents, any use and any resource."""

from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from careledger.mechanisms.conflict import resolve
from careledger.mechanisms.policy import PERMIT_S, Denied, Use
from careledger.mechanisms.purpose import BROADER
from careledger.mechanisms.terms import Facts, Provision, Terms, commit
from tests.mechanisms.some import (
    DAY,
    SALT,
    Consent,
    consents,
    facts,
    opens,
    provisions,
    uses,
)

every = st.lists(consents(), min_size=1, max_size=4)


def pairs(given_: list[Consent]) -> list[tuple[bytes, msgspec.Struct]]:
    return [(number.to_bytes(16), envelope) for number, (envelope, _) in enumerate(given_)]


def speaks_to(consent: Consent, use: Use) -> bool:
    """The envelope rule once more, as plainly as it can be said."""
    envelope, _ = consent
    day = use.time // DAY
    return (
        envelope.custodian == use.custodian
        and envelope.grantee == use.requester
        and envelope.practitioner in {None, use.practitioner}
        and envelope.role in {None, use.role}
        and not BROADER[use.purpose].isdisjoint(envelope.purposes)
        and use.action in envelope.actions
        and envelope.valid_from <= day
        and (envelope.valid_until is None or day < envelope.valid_until)
        and envelope.ended is None
    )


def test_the_examples_are_not_idle() -> None:
    """Among what is drawn, enough opens and enough does not for the promises to mean something."""
    seen: list[bool] = []

    @settings(max_examples=200)
    @given(given_=every, use=uses, what=facts)
    def draw(given_: list[Consent], use: Use, what: Facts) -> None:
        seen.append(opens(use, given_, what))

    draw()
    assert len(seen) // 20 <= sum(seen) <= len(seen) - 5, sum(seen)


@given(consent=consents(kind="grant", terms=None), use=uses, what=facts)
def test_a_consent_covers_exactly_its_use(consent: Consent, use: Use, what: Facts) -> None:
    envelope, _ = consent
    assert opens(use, [(envelope, None)], what) == speaks_to(consent, use)


@given(given_=every, denial=consents(kind="denial"), use=uses, what=facts)
def test_adding_a_denial_never_widens(
    given_: list[Consent], denial: Consent, use: Use, what: Facts
) -> None:
    if opens(use, [*given_, denial], what):
        assert opens(use, given_, what)


@given(given_=every, use=uses, what=facts, missing=st.integers(0, 3))
def test_losing_terms_never_widens(
    given_: list[Consent], use: Use, what: Facts, missing: int
) -> None:
    if opens(use, given_, what, missing=missing):
        assert opens(use, given_, what)


@given(consent=consents(kind="grant"), use=uses, what=facts)
def test_terms_narrow_a_grant(consent: Consent, use: Use, what: Facts) -> None:
    envelope, _ = consent
    if opens(use, [consent], what):
        assert opens(use, [(msgspec.structs.replace(envelope, terms=None), None)], what)


@given(consent=consents(kind="grant"), more=provisions(st.just("deny")), use=uses, what=facts)
def test_a_denying_exception_narrows(
    consent: Consent, more: Provision, use: Use, what: Facts
) -> None:
    envelope, said = consent
    said = said or Terms(base=Provision(effect="permit"))
    narrower = Terms(base=said.base, exceptions=(*said.exceptions, more))
    changed = msgspec.structs.replace(envelope, terms=commit(SALT, narrower)), narrower
    if opens(use, [changed], what):
        assert opens(use, [consent], what)


@given(given_=every, use=uses, what=facts, order=st.randoms(use_true_random=False))
def test_the_order_of_consents_does_not_matter(
    given_: list[Consent], use: Use, what: Facts, order: Random
) -> None:
    shuffled = list(given_)
    order.shuffle(shuffled)
    assert opens(use, shuffled, what) == opens(use, given_, what)


@given(own=consents(kind="grant", form="electronic", ended=None), use=uses, what=facts,
       paper=consents(kind="grant", form="paper"))  # fmt: skip
def test_paper_never_widens_a_grant_of_her_own(
    own: Consent, paper: Consent, use: Use, what: Facts
) -> None:
    same = msgspec.structs.replace(paper[0], grantee=own[0].grantee), paper[1]
    if own[0].is_in_force(use.time) and opens(use, [own, same], what):
        assert opens(use, [own], what)


@given(given_=every, use=uses)
def test_no_permit_outlives_its_consent(given_: list[Consent], use: Use) -> None:
    answer = resolve(use, pairs(given_), lambda _: None)  # type: ignore[arg-type]  # envelopes
    if isinstance(answer, Denied):
        return
    for permit in answer:
        envelope, _ = given_[int.from_bytes(permit.basis.id)]
        assert use.time < permit.expires <= use.time + PERMIT_S
        assert envelope.is_in_force(use.time)
        assert envelope.is_in_force(permit.expires - 1)
        assert not permit.is_live(permit.expires)


@given(given_=every, use=uses, what=facts)
def test_after_everything_is_revoked_nothing_opens(
    given_: list[Consent], use: Use, what: Facts
) -> None:
    ended = [(msgspec.structs.replace(envelope, ended=use.time), said) for envelope, said in given_]
    assert not opens(use, ended, what)


@given(given_=every, use=uses)
def test_a_refusal_names_where_it_failed(given_: list[Consent], use: Use) -> None:
    answer = resolve(use, pairs(given_), lambda _: None)  # type: ignore[arg-type]  # envelopes
    if isinstance(answer, Denied):
        assert answer.dimensions
        private = {"terms", "denial", "consent"} & set(answer.dimensions)
        assert not private or len(answer.dimensions) == 1
