"""What can go wrong between this gateway and the FHIR server that it stands in front of.

Neither error names a resource, a patient or anything in one.
"""

from careledger.exchange.errors import NotVerified
from careledger.ledger.errors import Unavailable


class UpstreamDown(Unavailable):
    """It did not answer, was too slow, or failed; nothing was decided, asking again is safe."""


class UpstreamLies(NotVerified):
    """It answered something else than it was asked; nothing of that is released."""
