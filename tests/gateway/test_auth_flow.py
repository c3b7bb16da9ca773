"""What is remembered of sign-ins, codes and launches while they are under way."""

from collections import Counter
from pathlib import Path

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from careledger.gateway import auth_flow
from careledger.gateway.auth_caller import Caller, Identity
from careledger.gateway.auth_flow import CODE_S, REMEMBERED_S, Granted, Shortlived, SignIns
from careledger.gateway.auth_scopes import Scopes
from careledger.ledger.record import MemberId
from tests.gateway.apps import BASE, Browser, House, allow, answer_in, tell

NOW = 1_790_000_000
GRANTED = Granted(
    caller=Caller(
        identity=Identity(signer=MemberId("riverside"), kind="staff", subject="finn"),
        purpose="TREAT",
        scopes=Scopes(()),
    ),
    redirect_uri="https://chart.example/back",
    challenge="c" * 43,
    nonce=None,
    signed_in=NOW,
    family="family",
)


def test_a_code_is_remembered_for_one_more_use() -> None:
    """That one ends the family, which looks at every token there is: nobody may ask it for more."""
    sign_ins = SignIns()
    code = sign_ins.give_code(GRANTED, NOW)
    first, second = (sign_ins.take_code(code, NOW + CODE_S - 1) for _ in range(2))
    assert first is not None
    assert not first.used
    assert second is not None
    assert second.used
    assert sign_ins.take_code(code, NOW + CODE_S - 1) is None


def test_a_code_is_over_after_its_time_used_or_not() -> None:
    sign_ins = SignIns()
    late, used = (sign_ins.give_code(GRANTED, NOW) for _ in range(2))
    assert sign_ins.take_code(late, NOW + CODE_S) is None
    assert sign_ins.take_code(used, NOW) is not None
    assert sign_ins.take_code(used, NOW + REMEMBERED_S) is None


def test_a_flood_of_sign_ins_pushes_out_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three people are in the middle of signing in; one client begins without end."""
    monkeypatch.setattr(auth_flow, "MOST", 20)

    def browser(house: House, address: str) -> Browser:
        door = httpx2.ASGITransport(house.door.app, client=(address, 4_711))
        return Browser({"riverside.test": door, "127.0.0.1": house.idp})

    async def story(house: House) -> None:
        addresses = ("192.0.2.1", "2001:db8::1", "::ffff:198.51.100.7")
        people = [browser(house, address) for address in addresses]
        pages = [await house.finn_at_consent(one) for one in people]
        flooders = [browser(house, f"2001:db8:bad:1::{number:x}") for number in range(1, 9)]
        begun = [
            await one.http.get(f"{BASE}/auth/authorize", params=house.request())
            for one in flooders * 12
        ]
        assert {one.status_code for one in begun} == {303}
        late = browser(house, "203.0.113.9")
        people, pages = [*people, late], [*pages, await house.finn_at_consent(late)]
        for person, page in zip(people, pages, strict=True):
            said = answer_in(await allow(person, page))
            assert (await house.trade(said["code"])).status_code == 200
        mine = await flooders[-1].http.get(BASE + begun[-1].headers["location"])
        assert mine.status_code == 200, "the newest of the flood are there as well"

    tell(tmp_path, story)


owners = st.lists(st.sampled_from("abcdefg"), max_size=60)


@given(owners, st.integers(1, 12))
def test_who_has_no_more_than_an_equal_part_loses_nothing(begun: list[str], most: int) -> None:
    """At any moment, whatever the others do; and there are never too many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auth_flow, "MOST", most)
        there, of = Shortlived[int](600), Counter[str]()
        for number, owner in enumerate(begun):
            there.put(str(number), number, NOW, owner)
            of[owner] += 1
            found = [one for one in range(number + 1) if there.get(str(one), NOW) is not None]
            assert len(found) == min(most, number + 1)
            left = Counter(begun[one] for one in found)
            for one, count in of.items():
                if count <= most // len(of):
                    assert left[one] == count
