"""`careledger read`: the patient's own record, or, for a clinician, what a patient has allowed."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from careledger.cli.purse import Purse, purse_options

if TYPE_CHECKING:
    from careledger.cli.smart import Client
    from careledger.wallet.own_record import OwnRecord
    from careledger.wallet.wallet import Wallet

Json = dict[str, Any]  # Any: FHIR in JSON

SUMMARY_WIDTH = 60


@click.command()
@click.argument("type_", metavar="[TYPE]", required=False)
@click.option(
    "--from",
    "custodians",
    multiple=True,
    metavar="MEMBER",
    help="Who holds the records; all that know you, without it.",
)
@click.option(
    "--search",
    "search",
    multiple=True,
    metavar="NAME=VALUE",
    help="A FHIR search parameter, such as `code=http://loinc.org|4548-4`.",
)
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a FHIR Bundle to this file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print a FHIR Bundle.")
@click.option(
    "--as",
    "credential",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read as the practitioner whose credential this is.",
)
@click.option(
    "--home",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read as the organisation whose home this is.",
)
@click.option(
    "--gateway", metavar="URL", help="Another address of your own organisation's gateway."
)
@click.option(
    "--purpose", metavar="CODE", help="Why: TREAT, HPAYMT, HRESCH, ... There is no default."
)
@click.option("--role", help="In which role, such as clinician.")
@click.option(
    "--everywhere",
    is_flag=True,
    help="With --as or --home: ask everyone whom the patient allows, at once.",
)
@click.option("--patient", metavar="ID", help="The patient, by your own organisation's id.")
@click.option(
    "--emergency",
    metavar="REASON",
    help="Break the glass, with --as and --purpose ETREAT: unconscious, cannot-consent, "
    "threat-to-life, threat-to-others or disaster. You sign for it; the patient is told.",
)
@click.option("--account", metavar="ID", help="With --emergency: the patient's account there.")
@purse_options
def read(purse: Purse, type_: str | None, **options: Any) -> None:  # Any: as the options above say
    """Read your own record; or, with --as or --home, that of a patient who has allowed it.

    TYPE is a FHIR resource type; without it, everything. What is read is held against the
    ledger first, byte for byte; then the ledger says that you looked.
    """
    parameters = tuple(_pair(text) for text in options["search"])
    if parameters and type_ is None:
        raise click.UsageError("--search needs a resource TYPE")
    if options["credential"] is None and options["home"] is None:
        bundle = _read_own(purse, type_, parameters, options["custodians"])
    else:
        bundle = _read_other(type_, parameters, options)
    _show(bundle, options["out"], as_json=options["as_json"])


def _read_own(
    purse: Purse, type_: str | None, parameters: tuple[tuple[str, str], ...], members: Sequence[str]
) -> Json:
    from careledger.mechanisms.messages import Query
    from careledger.wallet.errors import NoAccount
    from careledger.wallet.own_record import read as read_own

    query = Query(type=type_, parameters=parameters)

    async def work(wallet: "Wallet") -> "list[OwnRecord]":
        asked = members or [one.member for one in wallet.contents.accounts]
        if not asked:
            raise NoAccount("you have no account yet: `careledger wallet claim MEMBER CODE`")
        return [await read_own(wallet, member, query) for member in asked]

    found = purse.run(work)
    for one in found:
        if one.spoilt:
            click.echo(f"{one.custodian} cannot open {len(one.spoilt)} more of them.", err=True)
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [entry for one in found for entry in _own_entries(one)],
    }


def _own_entries(record: "OwnRecord") -> Iterator[Json]:
    import msgspec

    for one in record.resources:
        name = one.opening.name
        yield {
            "fullUrl": f"https://{name.custodian}.invalid/fhir/{name.type}/{name.id}",
            "resource": msgspec.Raw(one.data),
        }


def _read_other(type_: str | None, parameters: tuple[tuple[str, str], ...], options: Json) -> Json:
    _check_other(options)
    client = _client(options)

    async def work() -> Json:
        from careledger.cli.smart import Session

        entries: list[Json] = []
        async with Session(client) as session:
            if options["everywhere"]:
                path = f"/fhir/federated/Patient/{options['patient']}/"
                found = await session.get(path + (type_ or "$everything"), parameters)
                entries += found["entry"]
            for custodian in options["custodians"]:
                headers = await _emergency_headers(options, custodian)
                path = f"/fhir/remote/{custodian}/Patient/{options['patient']}/"
                found = await session.get(path + (type_ or "$everything"), parameters, headers)
                entries += found.get("entry", [])
        return {"resourceType": "Bundle", "type": "searchset", "entry": entries}

    return asyncio.run(work())


def _check_other(options: Json) -> None:
    """Whether it is said why, whose, and who is asked."""
    for needed, why in (
        ("purpose", "say why, with --purpose TREAT or another HL7 code: there is no default"),
        ("patient", "say whose, with --patient ID"),
    ):
        if not options[needed]:
            raise click.UsageError(why)
    if bool(options["custodians"]) == options["everywhere"]:
        raise click.UsageError("say who holds the records: --from MEMBER, or --everywhere")
    if options["everywhere"] and options["emergency"] is not None:
        raise click.UsageError("an emergency names one custodian, with --from MEMBER")


async def _emergency_headers(options: Json, custodian: str) -> dict[str, str]:
    """What goes with a request in an emergency: a statement that the practitioner signs."""
    if options["emergency"] is None:
        return {}
    if options["credential"] is None or options["account"] is None:
        raise click.UsageError("an emergency takes --as FILE, and --account ID from the patient")
    from careledger.cli.credential import load_credential
    from careledger.cli.emergency import sign

    statement = await sign(
        load_credential(options["credential"]),
        custodian,
        options["account"],
        options["emergency"],
    )
    return {"Emergency-Statement": statement}


def _client(options: Json) -> "Client":
    from careledger.cli.credential import load_credential
    from careledger.cli.smart import Client, member_client
    from careledger.ledger.signature import SigningKey

    if options["home"] is not None:
        client = member_client(
            options["home"], options["purpose"], "system/*.rs", options["gateway"]
        )
        return Client(
            gateway=client.gateway,
            id=client.id,
            key=client.key,
            purpose=client.purpose,
            role=options["role"],
        )
    found = load_credential(options["credential"])
    return Client(
        gateway=options["gateway"] or found.gateway,
        id=found.account,
        key=SigningKey("ES256", found.client),
        purpose=options["purpose"],
        role=options["role"],
    )


def _show(bundle: Json, out: Path | None, *, as_json: bool) -> None:
    import msgspec

    from careledger.cli import sources
    from careledger.cli.output import print_json, print_table

    if out is not None:
        out.write_bytes(msgspec.json.encode(bundle) + b"\n")
        click.echo(f"{len(bundle['entry'])} entries in {out}")
        return
    if as_json:
        print_json(bundle)
        return
    plain = msgspec.json.decode(msgspec.json.encode(bundle))
    entries = [entry for entry in plain["entry"] if "resource" in entry]
    notices = [
        one["resource"] for one in entries if one["resource"]["resourceType"] == "OperationOutcome"
    ]
    rows = [
        _row(one["resource"]) | sources.marked(one)
        for one in entries
        if one["resource"]["resourceType"] != "OperationOutcome"
    ]
    everywhere = any(sources.marked(one) for one in entries)
    title = f"{len(rows)} resources" + (
        "" if everywhere else ", each as its custodian committed to it"
    )
    print_table(title, rows, "Nothing.")
    for notice in notices:
        for issue in notice.get("issue", []):
            click.echo(issue.get("diagnostics") or issue.get("details", {}).get("text", ""))
        for line in sources.answered(notice):
            click.echo(line)
    if not notices:
        from careledger.mechanisms.messages import NOTICE

        click.echo(NOTICE)


def _row(resource: Json) -> dict[str, str]:
    return {
        "Type": resource["resourceType"],
        "When": _when(resource)[:10],
        "What": _what(resource)[:SUMMARY_WIDTH],
        "Id": str(resource.get("id", "")),
    }


_TIMES = (
    "effectiveDateTime",
    "authoredOn",
    "onsetDateTime",
    "occurrenceDateTime",
    "performedDateTime",
    "recordedDate",
    "issued",
    "created",
    "birthDate",
)


def _when(resource: Json) -> str:
    for name in _TIMES:
        if isinstance(resource.get(name), str):
            return str(resource[name])
    for name in ("period", "performedPeriod", "billablePeriod", "effectivePeriod"):
        if isinstance(resource.get(name), dict):
            return str(resource[name].get("start", ""))
    return ""


def _what(resource: Json) -> str:
    """The first words that say what it is."""
    for name in ("code", "vaccineCode", "medicationCodeableConcept", "type", "name", "category"):
        value = resource.get(name)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                coding = one.get("coding") or [{}]
                text = one.get("text") or coding[0].get("display") or one.get("family")
                if text:
                    quantity = resource.get("valueQuantity", {})
                    amount = f" {quantity.get('value', '')} {quantity.get('unit', '')}"
                    return f"{text}{amount if quantity else ''}"
    return ""


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name or not value:
        raise click.BadParameter(f"{text!r} is not NAME=VALUE")
    return name, value
