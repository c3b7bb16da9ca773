"""Export: the patient's whole record from every custodian that answers, with all its proofs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from careledger.ledger.commitment import TransactionProof
from careledger.ledger.errors import LedgerError, ProofError
from careledger.verify.export import write_export
from careledger.wallet.errors import NoAccount
from careledger.wallet.own_record import EVERYTHING, OwnRecord, read
from careledger.wallet.proofs import transaction_proof
from careledger.wallet.wallet import Wallet


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export holds; `silent` are the custodians that gave nothing, or not all, and why."""

    records: int
    custodians: tuple[str, ...]
    silent: dict[str, str]


async def export(
    wallet: Wallet, path: Path, told: Callable[[str], None], members: Sequence[str] = ()
) -> Exported:
    """Write everything that `members`, or all custodians, hold of the patient to `path`.

    `told` hears each custodian's id before it is asked. A file is written only whole.

    Raises:
        NoAccount: the patient has no account anywhere.
        ProofError: a custodian sent what it did not commit to; nothing is written.
    """
    asked = members or [one.member for one in wallet.contents.accounts]
    if not asked:
        raise NoAccount("you have no account yet: `careledger wallet claim MEMBER CODE`")
    found: list[OwnRecord] = []
    silent: dict[str, str] = {}
    for member in asked:
        told(member)
        try:
            record = await read(wallet, member, EVERYTHING)
            found.append(record)
            if record.spoilt:
                silent[member] = f"{len(record.spoilt)} of its records cannot be opened there"
        except ProofError:
            raise
        except LedgerError as error:
            silent[member] = str(error) or type(error).__name__
    staged = path.with_name(path.name + ".part")
    try:
        records = await _write(wallet, staged, found)
        staged.replace(path)
    finally:
        staged.unlink(missing_ok=True)
    return Exported(
        records=records, custodians=tuple(one.custodian for one in found), silent=silent
    )


async def _write(wallet: Wallet, path: Path, found: Sequence[OwnRecord]) -> int:
    """Write it; each proof is made again under the one checkpoint that the export has."""
    ids = sorted({id_ for one in found for id_ in one.proofs})
    proofs: list[TransactionProof] = [await transaction_proof(wallet.log, id_) for id_ in ids]
    number = {id_: at for at, id_ in enumerate(ids)}
    with path.open("wb") as out:
        return write_export(
            out,
            wallet.chain,
            wallet.checkpoint,
            proofs,
            (
                (resource.opening, number[resource.transaction], resource.data)
                for one in found
                for resource in one.resources
            ),
        )
