"""What the law of records says no to, by number."""

from careledger.ledger.errors import Refusal


class NotACustodian(Refusal):
    """Only an active member keeps records and answers for them."""

    code = 400


class NotYourPatient(Refusal):
    """You enrolled no patient under that account."""

    code = 401


class RequestNotGenuine(Refusal):
    """The request is not signed, by an active party's live key, for this chain and this time."""

    code = 402


class RequestForOther(Refusal):
    """The request names another custodian or another patient."""

    code = 403


class RequestAnswered(Refusal):
    """That request was answered before; whoever asks again signs again."""

    code = 404


class NotAPractitioner(Refusal):
    """The person named is no active practitioner of the requester, or has not that role."""

    code = 405


class BasisFails(Refusal):
    """The basis cited does not allow this use now."""

    code = 406


class BasisNotYet(Refusal):
    """This network does not accept that kind of basis yet."""

    code = 407


class EmergencyNotGenuine(Refusal):
    """The emergency statement is not signed by an active practitioner for this use and time."""

    code = 408


class SessionTaken(Refusal):
    """You opened a session with that id before; choose fresh random bytes."""

    code = 409


class NoSuchSession(Refusal):
    """You have no session with that id."""

    code = 410


class SessionOver(Refusal):
    """The session is over, and so is the time to anchor its reads."""

    code = 411


class OutOfSequence(Refusal):
    """Batches are numbered without a gap; the next number is another one."""

    code = 412


class NoSuchDisclosure(Refusal):
    """There is no disclosure to you with that number."""

    code = 413


class ManifestDiffers(Refusal):
    """That is not what the custodian committed to releasing."""

    code = 414


class AlreadyAcknowledged(Refusal):
    """You acknowledged that disclosure before."""

    code = 415


class HoldTaken(Refusal):
    """You placed a hold with that id already."""

    code = 416


class NoSuchHold(Refusal):
    """You have no hold with that id on the patient's records."""

    code = 417


class UnderLegalHold(Refusal):
    """The patient's records are under legal hold and must be kept."""

    code = 418


class AlreadyShredded(Refusal):
    """That erasure certificate is on the ledger already."""

    code = 419


class OfflineNotGenuine(Refusal):
    """The entry is not signed by you, or not for that request and that emergency."""

    code = 420


class OfflineOutOfSequence(Refusal):
    """Entries are recorded in order: the next one has another number, or follows another entry."""

    code = 421


class OfflineFromTheFuture(Refusal):
    """The entry was written later than now, or before the one that it follows."""

    code = 422


REFUSALS = (
    NotACustodian,
    NotYourPatient,
    RequestNotGenuine,
    RequestForOther,
    RequestAnswered,
    NotAPractitioner,
    BasisFails,
    BasisNotYet,
    EmergencyNotGenuine,
    SessionTaken,
    NoSuchSession,
    SessionOver,
    OutOfSequence,
    NoSuchDisclosure,
    ManifestDiffers,
    AlreadyAcknowledged,
    HoldTaken,
    NoSuchHold,
    UnderLegalHold,
    AlreadyShredded,
    OfflineNotGenuine,
    OfflineOutOfSequence,
    OfflineFromTheFuture,
)
