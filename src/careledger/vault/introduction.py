"""Two files that say they are of one vault: whether they are."""

from careledger.ledger.record import MemberId
from careledger.vault.errors import WrongVault
from careledger.vault.keystore import KeyStore
from careledger.vault.patients import Patients
from careledger.vault.rows import Rows
from careledger.vault.schema import INDEX_FORM, check_identity, identify, set_meta, vault_id


def introduce(
    data: Rows, keys: Rows, store: KeyStore, custodian: MemberId, *, replaying: bool
) -> Patients:
    """The patients, once the two files are known to be of one vault and this custodian."""
    known = vault_id(keys)
    if known is not None:
        check_identity(keys, known, custodian, replaying=replaying)
    elif vault_id(data) is not None:
        raise WrongVault("the keys of this data are missing")
    patients = Patients(keys, store, custodian)
    if vault_id(data) is None:
        if not patients.is_new():
            raise WrongVault("the data of these keys is missing")
        data.write([identify(patients.vault_id, custodian), set_meta("index", INDEX_FORM)])
    check_identity(data, patients.vault_id, custodian, replaying=replaying)
    return patients
