"""What is remembered of sign-ins, codes and launches while they are under way."""

from careledger.gateway.auth_caller import Caller, Identity
from careledger.gateway.auth_flow import CODE_S, REMEMBERED_S, Granted, SignIns
from careledger.gateway.auth_scopes import Scopes
from careledger.ledger.record import MemberId

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
