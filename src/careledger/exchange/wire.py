"""Sealing between gateways: a message opens for its receiver, on its chain, in its channel only."""

from careledger.exchange.errors import UnknownReceiver
from careledger.exchange.organisation import Organisation
from careledger.ledger.errors import Malformed
from careledger.ledger.membership import live_keys
from careledger.ledger.record import Digest, MemberId, SignerId
from careledger.ledger.state import View
from careledger.vault.errors import Tampered
from careledger.vault.sealing import Binding, open_from, seal_to


def sealing_key_of(view: View, member: MemberId) -> bytes:
    """The X25519 key that messages to `member` are sealed to: the newest registered one.

    Raises:
        UnknownReceiver: it has none.
    """
    found = [(row.since, key_id, row.public) for key_id, row in live_keys(view, member, "sealing")]
    if not found:
        raise UnknownReceiver("the member has no sealing key", actual=member)
    return max(found)[2]


def seal(
    public: bytes,
    chain: Digest,
    channel: str,
    receiver: SignerId,
    body: bytes,
    context: bytes = b"",
) -> bytes:
    """Seal `body` to whoever holds the private half of `public`."""
    binding = Binding(chain=chain, channel=channel, receiver=receiver, context=context)
    return seal_to(public, binding, body)


def open_own(
    organisation: Organisation, channel: str, sealed: bytes, limit: int, context: bytes = b""
) -> bytes:
    """Open what was sealed to this organisation, under any of its keys.

    Raises:
        Malformed: longer than `limit` bytes.
        Tampered: altered, for another receiver, channel or context.
    """
    if len(sealed) > limit:
        raise Malformed
    binding = Binding(
        chain=organisation.chain, channel=channel, receiver=organisation.member, context=context
    )
    for private in organisation.sealing:
        try:
            return open_from(private, binding, sealed)
        except Tampered:
            continue
    raise Tampered("a sealed message")
