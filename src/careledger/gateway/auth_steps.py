"""What happens in a sign-in, whatever door it came through: the next page, step or code.

The order is: who (the staff's provider, the patient's wallet), why, about which patient, what the
application may do. Each look finds the first of these that is not answered yet.
"""

from dataclasses import replace
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from careledger.apps.governance.queries import member as member_of
from careledger.exchange.organisation import Moment
from careledger.gateway.auth_authorize import Denied, back_to, needs_patient
from careledger.gateway.auth_caller import OWN_PURPOSE, Caller, Identity, is_in_good_standing
from careledger.gateway.auth_flow import Granted, SignIn
from careledger.gateway.auth_patients import PatientPicker
from careledger.gateway.auth_scopes import LAUNCH, Scopes, grant_in_app
from careledger.gateway.auth_tokens import new_token
from careledger.gateway.pages import steps
from careledger.gateway.pages.frame import headers
from careledger.gateway.pages.steps import Choice
from careledger.gateway.services import AUTH_PATH, GatewayServices
from careledger.ledger.errors import LedgerError
from careledger.ledger.record import AccountId

SIGN_IN: Final = AUTH_PATH + "/sign-in"
OVER: Final = (
    "This sign-in is over, or was begun in another browser. Go back to the application and "
    "begin again."
)
STRANGER: Final = "You signed in, but this organisation's list of staff does not let you in here."
MAX_SOUGHT: Final = 64


def label(patient: Choice) -> str:
    """A patient on the last page: a name alone may be that of two."""
    return f"{patient.name}, born {patient.born}" if patient.born else patient.name


class Steps:
    """The steps of every sign-in of one gateway."""

    def __init__(self, services: GatewayServices) -> None:
        """Remember sign-ins where `services` say."""
        self._services, self._picker = services, PatientPicker(services.exchange)

    async def page(self, sign_in: SignIn) -> Response:
        """The page of the first question that is open."""
        services, asked = self._services, sign_in.asked
        with services.organisation.now() as now:
            house, time = self.house(now), now.time
        client = services.clients.get(asked.client, time)
        if client is None:
            return self.trouble(OVER)
        stage = steps.Stage(
            house=house,
            member=services.organisation.member,
            application=client.name,
            action=f"{SIGN_IN}/{sign_in.id}",
            form_to=steps.source_of(asked.redirect_uri),
        )
        if sign_in.identity is None:
            staff = "staff" in client.people and services.provider is not None
            patients = "patients" in client.people and asked.launch is None
            origin = f"https: {services.provider.origin}" if staff and services.provider else ""
            return steps.who(stage, sign_in, staff=staff, patients=patients, provider=origin)
        if sign_in.purpose is None:
            return steps.why(stage, sign_in)
        return await self._context(stage, sign_in)

    async def _context(self, stage: steps.Stage, sign_in: SignIn) -> Response:
        """The patient, from the launch or the picker; then what is allowed."""
        asked, caller = sign_in.asked, self._caller(sign_in)
        if asked.launch is not None and asked.launch.patient and sign_in.patient is None:
            is_its = asked.launch.subject in {None, caller.identity.subject}
            found = (
                await run_in_threadpool(self._picker.find, caller.asker, asked.launch.patient)
                if is_its
                else None
            )
            if found is None or not await self._encounter_fits(sign_in):
                return self.end(
                    sign_in,
                    Denied("access_denied", "there is no such patient, or you may not see it"),
                )
            sign_in = self.go_on(
                sign_in, patient=found.id, label=label(found), encounter=asked.launch.encounter
            )
        if needs_patient(asked.scopes) and sign_in.patient is None:
            if caller.account is None:
                return await self._whom(stage, sign_in)
            own = await run_in_threadpool(self._picker.own, caller.asker)
            if own is None:
                return self.end(sign_in, Denied("access_denied", "there is no record here"))
            sign_in = self.go_on(sign_in, patient=own.id, label=label(own))
        return steps.what(stage, sign_in)

    async def _whom(self, stage: steps.Stage, sign_in: SignIn) -> Response:
        """The picker, with those who match what was looked for last."""
        if not sign_in.sought:
            return steps.whom(stage, sign_in, "", (), "")
        asker = self._caller(sign_in).asker
        choices = await run_in_threadpool(self._picker.search, asker, sign_in.sought)
        note = "There is no such patient, or you may not see them for this purpose."
        return steps.whom(stage, sign_in, sign_in.sought, choices, note)

    async def _encounter_fits(self, sign_in: SignIn) -> bool:
        launch = sign_in.asked.launch
        if launch is None or launch.encounter is None:
            return True
        return await run_in_threadpool(
            self._picker.has_encounter,
            self._caller(sign_in).asker,
            launch.encounter,
            launch.patient or "",
        )

    def welcome(self, sign_in: SignIn, subject: str) -> Response:
        """The member says who that is."""
        services = self._services
        with services.organisation.now() as now:
            person = services.staff.get(subject, now.time)
            if person is None:
                return self.end_after_provider(
                    sign_in, STRANGER, Denied("access_denied", "not among the staff here")
                )
            practitioner = person.practitioner
            who = Identity(
                signer=services.organisation.member,
                kind="staff",
                practitioner=None if practitioner is None else AccountId(practitioner),
                role=person.role,
                subject=subject,
            )
            if not is_in_good_standing(now.view, services.organisation.member, who):
                return self.end_after_provider(
                    sign_in, STRANGER, Denied("access_denied", "not in good standing")
                )
            asked = sign_in.asked.purpose
            return self.again(
                self.go_on(
                    sign_in,
                    identity=who,
                    name=person.name,
                    user=person.resource,
                    signed_in=now.time,
                    purpose=None if asked == OWN_PURPOSE else asked,
                )
            )

    async def pick(self, sign_in: SignIn, said: dict[str, str]) -> Response:
        """Remember what is looked for, or who was picked; the page follows by a redirect.

        So no page is the answer to a form, and Back and Reload ask nobody to send one again.
        """
        if said.get("step") == "search":
            return self.again(self.go_on(sign_in, sought=said.get("text", "")[:MAX_SOUGHT]))
        name = said.get("patient", "")
        found = await run_in_threadpool(self._picker.find, self._caller(sign_in).asker, name)
        if found is None:
            return self.again(self.go_on(sign_in, sought=name[:MAX_SOUGHT]))
        return self.again(self.go_on(sign_in, patient=found.id, label=label(found)))

    def change(self, sign_in: SignIn, what: str) -> Response:
        """Back to the picker, or to the purpose; whom one may see depends on that, so both."""
        identity, asked = sign_in.identity, sign_in.asked
        if identity is None or identity.kind != "staff":
            return self.again(sign_in)
        nobody = {"patient": None, "label": "", "encounter": None, "sought": ""}
        if what == "purpose" and asked.purpose is None:
            sign_in = self.go_on(sign_in, purpose=None, **nobody)
        elif what == "patient" and asked.launch is None:
            sign_in = self.go_on(sign_in, **nobody)
        return self.again(sign_in)

    def allow(self, sign_in: SignIn, chosen: Scopes) -> Response:
        """What was asked and chosen becomes a code."""
        services, caller = self._services, self._caller(sign_in)
        launch = tuple(one for one in sign_in.asked.scopes.extras if one in LAUNCH)
        scopes = sign_in.asked.scopes.within(Scopes(chosen.granted, (*chosen.extras, *launch)))
        scopes = grant_in_app(scopes, caller.identity.kind)
        if not scopes.granted and "openid" not in scopes.extras:
            return self.end(sign_in, Denied("access_denied", "nothing was allowed"))
        granted = Granted(
            caller=replace(caller, scopes=scopes),
            redirect_uri=sign_in.asked.redirect_uri,
            challenge=sign_in.asked.challenge,
            nonce=sign_in.asked.nonce,
            signed_in=sign_in.signed_in,
            family=new_token(),
        )
        now = services.organisation.clock()
        code = services.sign_ins.give_code(granted, now)
        asked = sign_in.asked
        address = back_to(asked.redirect_uri, code=code, state=asked.state, iss=services.base_url)
        services.sign_ins.end(sign_in, now, address, code)
        return RedirectResponse(address, 303, headers=headers())

    # --- small things ----------------------------------------------------------------------------

    def _caller(self, sign_in: SignIn) -> Caller:
        """Whoever signed in, with nothing granted yet."""
        if sign_in.identity is None or sign_in.purpose is None:
            raise LedgerError("nobody has signed in, or not said why")
        return Caller(
            identity=sign_in.identity,
            purpose=sign_in.purpose,
            scopes=Scopes(()),
            client=sign_in.asked.client,
            patient=sign_in.patient,
            encounter=sign_in.encounter,
            user=sign_in.user,
        )

    def go_on(self, sign_in: SignIn, **changed: Any) -> SignIn:  # Any: fields of SignIn
        """Remember what is known now."""
        return self._services.sign_ins.go_on(sign_in, **changed)

    def again(self, sign_in: SignIn) -> Response:
        """Look at the page once more."""
        return RedirectResponse(f"{SIGN_IN}/{sign_in.id}", 303, headers=headers())

    def end(self, sign_in: SignIn, error: Denied) -> Response:
        """It is over, and the application is told why."""
        asked = sign_in.asked
        address = self._address(asked.redirect_uri, asked.state, error)
        self._services.sign_ins.end(sign_in, self._services.organisation.clock(), address)
        return RedirectResponse(address, 303, headers=headers())

    def end_after_provider(self, sign_in: SignIn, text: str, error: Denied) -> Response:
        """The same where the provider's page led here, and the person reads why."""
        services, asked = self._services, sign_in.asked
        services.sign_ins.end(sign_in, services.organisation.clock())
        with services.organisation.now() as now:
            house = self.house(now)
        return steps.way_back(house, text, self._address(asked.redirect_uri, asked.state, error))

    def back(self, redirect_uri: str, state: str, error: Denied) -> Response:
        """Back to the application, without a code."""
        address = self._address(redirect_uri, state, error)
        return RedirectResponse(address, 303, headers=headers())

    def _address(self, redirect_uri: str, state: str, error: Denied) -> str:
        said = {"error": error.error, "error_description": error.description}
        said |= {"state": state} if state else {}
        return back_to(redirect_uri, **said, iss=self._services.base_url)

    def trouble(self, text: str, status: int = 400) -> Response:
        """A page that says what is wrong; nothing is sent anywhere."""
        with self._services.organisation.last() as now:
            house = self.house(now)
        return steps.trouble(house, text, status)

    def house(self, now: Moment) -> str:
        """The organisation's name."""
        found = member_of(now.view, self._services.organisation.member)
        return self._services.organisation.member if found is None else found.name
