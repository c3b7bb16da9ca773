"""The story: asked without consent, granted, read, asked for more, revoked, looked up, exported."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from careledger.cli.clock import wall_clock
from careledger.cli.demo.cast import LAKEVIEW, RIVERSIDE, Cast
from careledger.cli.demo.narrator import Narrator
from careledger.cli.smart import Client, GatewayRefused, Session
from careledger.fhir.summary import Summary, summarise
from careledger.ledger.signature import SigningKey
from careledger.mechanisms.deadline import day_of
from careledger.wallet import consents
from careledger.wallet.export import export
from careledger.wallet.options import Options, draft
from careledger.wallet.shown import labels
from careledger.wallet.story import who_looked
from careledger.wallet.wallet import open_wallet
from careledger.web.wallet_source import when

EXPORT = "ana-record.zip"
_YEAR_DAYS = 365
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What Dr Cho was shown: resources, or why not."""

    resources: tuple[bytes, ...] = ()
    refused: str = ""
    """In a sentence; empty if it was not."""
    notice: str = ""

    def summaries(self) -> list[Summary]:
        """The resources in a line each, newest first."""
        return sorted(map(summarise, self.resources), key=lambda one: one.date, reverse=True)


class Story:
    """Plays the story with a cast, and tells it."""

    def __init__(self, cast: Cast, narrator: Narrator) -> None:
        """Play with `cast`; `narrator` tells it."""
        self._cast, self._tell = cast, narrator
        self._first = cast.name.split(" ", maxsplit=1)[0]

    async def play(self) -> None:
        """All of it, in order."""
        await self._without_consent()
        consent_id = await self._grant()
        await self._read()
        await self._other_purpose()
        await self._revoke(consent_id)
        await self._who_looked()
        await self._export()

    async def _without_consent(self) -> None:
        self._tell.step(
            "Dr Cho asks without consent",
            f"Lakeview's clinician wants {self._first}'s medications from Riverside. Nobody has "
            "allowed it: Lakeview does not even know under which account Riverside has her.",
        )
        answer = await self._ask("MedicationRequest")
        self._tell.expect(bool(answer.refused), answer.refused)

    async def _grant(self) -> bytes:
        self._tell.step(
            f"{self._first} allows it",
            "Treatment, medications and results, one year, nothing psychiatric. Who, why and how "
            "long stands on the ledger; what it covers travels sealed to the two of them.",
        )
        today = day_of(wall_clock())
        terms = Options(
            grantee=LAKEVIEW,
            role="clinician",
            purposes=("treatment",),
            valid_from=today,
            valid_until=today + _YEAR_DAYS,
            what=("medications", "results"),
            except_labels=("psychiatry",),
        )
        async with self._wallet() as wallet:
            held = await consents.give(
                wallet, RIVERSIDE, draft("grant", terms), "medications and results"
            )
        for one in held.deliveries:
            self._tell.expect(one.standing == "delivered", f"{one.member} signed for the terms")
        return held.consent_id

    async def _read(self) -> None:
        self._tell.step(
            "Dr Cho reads",
            "Riverside decides, records the disclosure on the ledger, and only then releases. "
            "Lakeview checks every resource against its commitment.",
        )
        medications = await self._ask("MedicationRequest")
        results = await self._ask("Observation")
        shown = [*medications.summaries()[:_SHOWN], *results.summaries()[:_SHOWN]]
        self._tell.table(
            ("when", "what", "", ""), ((s.date[:10], s.kind, s.title, s.value) for s in shown)
        )
        count = len(medications.resources), len(results.resources)
        self._tell.expect(
            all(count), f"{count[0]} medications and {count[1]} results came, each one verified"
        )
        both = (*medications.resources, *results.resources)
        self._tell.expect(
            not any("PSY" in labels(data) for data in both), "nothing labelled psychiatry came"
        )
        self._tell.say(f"[dim]{medications.notice}[/dim]")
        notes = await self._ask("DocumentReference")
        self._tell.expect(not notes.resources, "clinical notes, which she did not allow, did not")

    async def _other_purpose(self) -> None:
        self._tell.step(
            "Dr Cho asks for research",
            f"{self._first} allowed treatment. The refusal names what failed, and nothing else.",
        )
        answer = await self._ask("MedicationRequest", purpose="HRESCH")
        self._tell.expect("purpose" in answer.refused, answer.refused)

    async def _revoke(self, consent_id: bytes) -> None:
        self._tell.step(
            f"{self._first} changes her mind",
            "Her own key ends the consent; no operator can, and none can stop it.",
        )
        async with self._wallet() as wallet:
            ended = await consents.revoke(wallet, consent_id)
        self._tell.say(f"The consent ended with block {ended.height}.")
        answer = await self._ask("MedicationRequest")
        self._tell.expect(bool(answer.refused), f"the very next read: {answer.refused}")

    async def _who_looked(self) -> None:
        self._tell.step(
            f"{self._first} looks up who looked",
            "Read from the ledger by her own wallet, which checked all of it.",
        )
        async with self._wallet() as wallet:
            lines = list(who_looked(wallet))
        for line in lines:
            self._tell.say(f"[dim]{when(line.at)}[/dim]  {line.sentence}")
        refusals = sum(line.kind == "refusal" for line in lines)
        self._tell.expect(refusals >= 3, f"{refusals} refusals are on the ledger")  # noqa: PLR2004 - as played above
        self._tell.expect(
            any(line.kind == "access" for line in lines), "so is every time that records were given"
        )

    async def _export(self) -> None:
        self._tell.step(
            f"{self._first} takes her record along",
            "Every resource with its proof, in one file. The verifier runs without any network.",
        )
        path = self._cast.network.folder / EXPORT
        async with self._wallet() as wallet:
            done = await export(wallet, path, lambda _: None)
        self._tell.say(f"{done.records} records of {', '.join(done.custodians)} in {path.name}")
        said = await asyncio.to_thread(verify, path, self._cast.network.trust_file)
        self._tell.expect(said.returncode == 0, last_line(said.stdout))

    def _wallet(self) -> Any:  # Any: an async context manager of the wallet
        return open_wallet(self._cast.wallet, None, wall_clock)

    async def _ask(self, type_: str, purpose: str = "TREAT") -> Answer:
        """Dr Cho asks Lakeview's gateway for what Riverside holds."""
        async with Session(client_of(self._cast, purpose)) as session:
            local = self._cast.local[LAKEVIEW]
            try:
                found = await session.get(f"/fhir/remote/{RIVERSIDE}/Patient/{local}/{type_}")
            except GatewayRefused as error:
                return Answer(refused=str(error))
        return _answer(found)


def _answer(found: Any) -> Answer:  # Any: a FHIR Bundle as JSON
    entries = found.get("entry", [])
    notice = [
        issue.get("diagnostics", "")
        for entry in entries
        if entry["search"]["mode"] == "outcome"
        for issue in entry["resource"]["issue"]
    ]
    return Answer(
        resources=tuple(
            msgspec.json.encode(entry["resource"])
            for entry in entries
            if entry["search"]["mode"] == "match"
        ),
        notice=" ".join(notice),
    )


def client_of(cast: Cast, purpose: str) -> Client:
    """Dr Cho's sign-in at her own organisation, for one purpose."""
    from careledger.cli.credential import load_credential

    held = load_credential(cast.credential)
    return Client(
        gateway=held.gateway,
        id=held.account,
        key=SigningKey("ES256", held.client),
        purpose=purpose,
        role="clinician",
    )


def verify(file: Path, trust: Path) -> subprocess.CompletedProcess[str]:
    """Run the stand-alone verifier, as anybody would."""
    program = Path(sys.executable).with_name("careledger-verify")
    command: Sequence[str] = (str(program), str(file), "--trust", str(trust))
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own program


def last_line(text: str) -> str:
    """The verdict, which is the last line of what the verifier says."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "the verifier said nothing"
