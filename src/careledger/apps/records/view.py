"""How records look."""

from careledger.apps.records import commands, state
from careledger.display import Page

PAGE = Page(
    title="Disclosures",
    table=state.DISCLOSURES,
    columns={
        "When": "at",
        "Patient": "account",
        "Person": "practitioner",
        "Role": "role",
        "For": "purpose",
        "May": "actions",
        "Because of": "basis",
        "Until": "expires",
        "Acknowledged": "acknowledged",
    },
    actions=(
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
    says={
        commands.RecordsCommitted: "{custodian} committed to {size} records, as its batch {batch}",
        commands.EmergencyStated: (
            "{practitioner} signed for an emergency ({reason}) of {account} at {custodian}, "
            "until {until}"
        ),
        commands.Disclosed: (
            "{custodian} let {receiver} ({practitioner}, {role}) {actions} records of {account} "
            "for {purpose} because of {basis} {basis_id}, until {expires} (answer {number})"
        ),
        commands.AccessRefused: (
            "{custodian} refused {receiver} ({practitioner}, {role}) to {actions} records of "
            "{account} for {purpose}: {dimensions} (answer {number})"
        ),
        commands.OfflineRecorded: (
            "{custodian} had let {receiver} see records of {account} at {released}, while the "
            "network could not decide (answer {number}, its entry {sequence}); the emergency was "
            "found genuine: {genuine}"
        ),
        commands.ReadsAnchored: (
            "{receiver} read {size} times in the records of {account} at {custodian} "
            "(answer {number}, batch {sequence})"
        ),
        commands.LocalReadsAnchored: (
            "Inside {custodian} records were read {size} times (batch {sequence})"
        ),
        commands.Acknowledged: (
            "{receiver} confirmed what it received from {custodian} (answer {number})"
        ),
        commands.LegalHoldPlaced: "{custodian} must keep the records of {account}: legal hold",
        commands.LegalHoldReleased: "A legal hold on the records of {account} at {custodian} ended",
        commands.RecordsShredded: (
            "{custodian} destroyed the keys of the records of {account}: nobody can read them now"
        ),
    },
    formats=dict.fromkeys(("at", "until", "expires", "released", "acknowledged"), "instant"),
    absent={
        "account": "an unknown patient",
        "practitioner": "nobody named",
        "role": "no role stated",
        "basis_id": "",
        "acknowledged": "not yet",
    },
)
