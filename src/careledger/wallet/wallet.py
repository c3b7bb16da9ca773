"""An open wallet: its folder, its copy of the ledger, and its way to node and gateways."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

from careledger.apps import discover
from careledger.apps.identity.queries import account as find_account
from careledger.consensus.intake import Ordered
from careledger.consensus.remote import RemoteNode
from careledger.ledger.errors import LedgerError, ProofError
from careledger.ledger.membership import live_key
from careledger.ledger.record import AccountId, Digest, Instant, MemberId, Record, digest
from careledger.ledger.signature import Algorithm, SigningKey, key_id
from careledger.ledger.state import View
from careledger.ledger.statement import Claims
from careledger.ledger.transaction import Call, call, sign_transaction
from careledger.verify.trust import Trust
from careledger.wallet.contents import Contents, HeldAccount
from careledger.wallet.errors import NotAccepted, NoWallet
from careledger.wallet.folder import CONTENTS, LEDGER_COPY, WalletFolder
from careledger.wallet.follow import follow
from careledger.wallet.keys import client_key, pairwise_key
from careledger.wallet.ledger_copy import Kept, LedgerCopy
from careledger.wallet.post import Post
from careledger.wallet.proofs import Known

SKEW_S: Final = 5
WINDOW_S: Final = 300
"""How long before now and after now what the wallet signs counts."""

Clock = Callable[[], Instant]


class Wallet:
    """A wallet in use. `contents` is saved by `keep`; the copy of the ledger by `refresh`."""

    def __init__(
        self, folder: WalletFolder, contents: Contents, node: RemoteNode, post: Post, clock: Clock
    ) -> None:
        """See `open_wallet`."""
        self._folder, self.contents, self.node = folder, contents, node
        self.post, self.clock = post, clock
        self.checkpoint = ""
        """Text of the newest checkpoint that held; empty before `refresh`."""
        kept = folder.load(LEDGER_COPY, Kept)
        self._copy = None if kept is None else LedgerCopy.of(kept)

    @property
    def chain(self) -> Digest:
        """Which network."""
        return Digest(self.contents.chain)

    @property
    def copy(self) -> LedgerCopy:
        """What is known of the ledger, as of the last `refresh`."""
        if self._copy is None:
            raise NoWallet("the wallet has not read the ledger yet")
        return self._copy

    @property
    def view(self) -> View:
        """Members, practitioners and the patient's own accounts, as of the last `refresh`."""
        return self.copy.view

    @property
    def log(self) -> Known:
        """The log as of the last `refresh`, for making proofs."""
        return Known(
            node=self.node,
            chain=self.chain,
            checkpoint=self.checkpoint,
            size=self.copy.size,
            root=self.copy.frontier.root(),
        )

    def keep(self, contents: Contents) -> None:
        """From now on these are the contents; durable on return."""
        self._folder.save(CONTENTS, contents)
        self.contents = contents

    async def refresh(self) -> None:
        """Read the log to its end, checking all of it.

        Raises:
            ProofError: what the node shows does not hold; what is kept stays as it was.
            Unavailable: the node did not answer.
        """
        copy = self._copy
        if copy is None or copy.accounts != set(self.contents.mine()):
            genesis_file = await self.node.genesis()
            if digest(genesis_file) != self.chain:
                raise ProofError(
                    "the node is of another chain",
                    expected=self.chain.hex(),
                    actual=digest(genesis_file).hex(),
                )
            copy = LedgerCopy(genesis_file, self.contents.mine())
        before = copy.size
        try:
            self.checkpoint = await follow(self.node, copy, self.contents.trust)
        except LedgerError:
            kept = self._folder.load(LEDGER_COPY, Kept)  # the copy may be half extended
            self._copy = None if kept is None else LedgerCopy.of(kept)
            raise
        self._copy = copy
        if copy.size != before:
            self._folder.save(LEDGER_COPY, copy.kept())
        self._count_rotations()

    def key_at(self, held: HeldAccount) -> SigningKey:
        """The patient's key toward one organisation."""
        member = MemberId(held.member)
        return pairwise_key(self._folder.seed, self.chain, member, held.generation, held.signs_by)

    def client_key_at(self, held: HeldAccount) -> SigningKey:
        """The patient's key for signing in at one organisation."""
        return client_key(self._folder.seed, self.chain, MemberId(held.member), held.generation)

    def first_key(
        self, member: MemberId, generation: int = 0, algorithm: Algorithm = "EdDSA"
    ) -> SigningKey:
        """The key that an account at `member` will have."""
        return pairwise_key(self._folder.seed, self.chain, member, generation, algorithm)

    def claims(self, issuer: AccountId, subject: str) -> Claims:
        """Claims of a statement by `issuer`, good for five minutes."""
        now = self.clock()
        return Claims(
            issuer=issuer,
            subject=subject,
            audience=self.chain.hex(),
            not_before=max(0, now - SKEW_S),
            expires=now + WINDOW_S,
            nonce=secrets.token_bytes(16),
        )

    async def submit(self, held: HeldAccount, application: str, command: Record) -> Ordered:
        """Sign `command` as the patient toward one organisation; wait until it is durable.

        Raises:
            NotAccepted: the rules said no.
            Inadmissible, Unavailable: it was not decided.
        """
        signed = call(application, command)
        return await self.submit_as(AccountId(held.account), self.key_at(held), signed)

    async def submit_as(self, account: AccountId, key: SigningKey, signed: Call) -> Ordered:
        """Like `submit`, under any key."""
        raw = sign_transaction(key, self.claims(account, signed.application), signed)
        ordered = await self.node.submit(raw)
        if ordered.receipt.code:
            raise NotAccepted(ordered.receipt.code, refusal_text(ordered.receipt.code))
        return ordered

    def is_active(self, held: HeldAccount) -> bool:
        """Whether the ledger lets the account act."""
        found = find_account(self.view, AccountId(held.account))
        return found is not None and found.status == "active"

    def _count_rotations(self) -> None:
        """Catch up with a rotation that happened while the wallet was not told of it."""
        for held in self.contents.accounts:
            account = AccountId(held.account)
            if live_key(self.view, account, key_id(self.key_at(held).public)) is not None:
                continue
            for after in (held.rotated(), held.rotated("EdDSA+ML-DSA-65")):
                if live_key(self.view, account, key_id(self.key_at(after).public)) is not None:
                    self.keep(self.contents.with_account(after))


def refusal_text(code: int) -> str:
    """The public text of a refusal."""
    for application in discover().values():
        for refusal in application.refusals:
            if refusal.code == code:
                return refusal.text()
    return f"refused with number {code}"


async def create_wallet(
    path: Path, passphrase: str | None, node_url: str, trust: Trust | None = None
) -> Digest:
    """Make a wallet for the network that the node at `node_url` belongs to; its chain id.

    Raises:
        WalletExists: there is one already.
        ProofError: the trust file is of another chain.
        Unavailable: the node did not answer.
    """
    async with RemoteNode(node_url) as node:
        chain = digest(await node.genesis())
    if trust is not None and trust.chain != chain.hex():
        raise ProofError(
            "the trust file is of another chain", expected=trust.chain, actual=chain.hex()
        )
    with WalletFolder.create(path, passphrase) as folder:
        folder.save(CONTENTS, Contents(chain=chain, node=node_url, trust=trust))
    return chain


@asynccontextmanager
async def open_wallet(
    path: Path, passphrase: str | None, clock: Clock, node_url: str | None = None
) -> AsyncIterator[Wallet]:
    """The wallet in `path`, refreshed from its node, or from the one at `node_url`.

    Raises:
        WalletError: it does not open.
        ProofError: the node shows something that does not hold.
        Unavailable: the node did not answer.
    """
    with opened(path, passphrase) as (folder, contents):
        post = Post()
        try:
            async with RemoteNode(node_url or contents.node) as node:
                wallet = Wallet(folder, contents, node, post, clock)
                await wallet.refresh()
                yield wallet
        finally:
            await post.close()


@contextmanager
def opened(path: Path, passphrase: str | None) -> Iterator[tuple[WalletFolder, Contents]]:
    """The folder and what is in it, without a network.

    Raises:
        WalletError: it does not open.
    """
    with WalletFolder.open(path, passphrase) as folder:
        contents = folder.load(CONTENTS, Contents)
        if contents is None:
            raise NoWallet(f"the wallet in {path} is not finished: make another")
        yield folder, contents
