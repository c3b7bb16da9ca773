"""Records: what custodians hold and release, who asked, who was refused, and who looked.

The ledger holds commitments, answers and acknowledgements, never content: 45 CFR 164.528
(accounting of disclosures), 45 CFR 164.312(b) (audit), 45 CFR 164.524 (own access), and GDPR 17
(erasure by destroying keys).
"""

from careledger.apps.records import changes, commands, emergencies, refusals, rules, state
from careledger.ledger.application import Application

APPLICATION: Application[commands.Command, commands.Event] = Application(
    name="records",
    version=1,
    tables=state.TABLES,
    commands=(
        commands.CommitRecords,
        commands.DiscloseRecords,
        commands.RefuseAccess,
        commands.RecordOffline,
        commands.AnchorReads,
        commands.AnchorLocalReads,
        commands.AcknowledgeDisclosure,
        commands.PlaceLegalHold,
        commands.ReleaseLegalHold,
        commands.ShredRecords,
    ),
    events=(
        commands.RecordsCommitted,
        commands.EmergencyStated,
        commands.Disclosed,
        commands.AccessRefused,
        commands.OfflineRecorded,
        commands.ReadsAnchored,
        commands.LocalReadsAnchored,
        commands.Acknowledged,
        commands.LegalHoldPlaced,
        commands.LegalHoldReleased,
        commands.RecordsShredded,
    ),
    refusals=refusals.REFUSALS,
    decide=rules.decide,
    evolve=changes.evolve,
    emergency=emergencies.may_serve_emergency,
)
