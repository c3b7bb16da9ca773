"""What the token endpoint gives: for a key, for a code, for a refresh token."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from careledger.exchange.organisation import Moment
from careledger.gateway.auth_assertion import SignedIn
from careledger.gateway.auth_business import SignInRefused, check_version, purpose_in
from careledger.gateway.auth_caller import Caller, Identity, is_in_good_standing
from careledger.gateway.auth_client import Application
from careledger.gateway.auth_pkce import is_answer
from careledger.gateway.auth_scopes import Scopes, grant, parse_scopes
from careledger.gateway.auth_tokens import OFFLINE_S, ONLINE_S, TOKEN_S
from careledger.gateway.services import GatewayServices
from careledger.ledger.record import Instant
from careledger.mechanisms.purpose import Purpose

Form = Mapping[str, str]
Answer = dict[str, object]

_BAD_CODE: Final = SignInRefused("invalid_grant", "this code does not count: sign in again")
_BAD_REFRESH: Final = SignInRefused(
    "invalid_grant", "this refresh token does not count: sign in again"
)


class Issuer:
    """Issues the tokens of one gateway."""

    def __init__(self, services: GatewayServices) -> None:
        """Keep them where `services` say."""
        self._services = services

    # --- client_credentials ----------------------------------------------------------------------

    def for_client(self, form: Form, client: Application | SignedIn, now: Moment) -> Answer:
        """SMART Backend Services: a token for whoever signed.

        Raises:
            SignInRefused: no scope is left, or no purpose is stated.
        """
        if not form.get("scope"):
            raise SignInRefused("invalid_scope", "name at least one scope")
        if isinstance(client, SignedIn):
            scopes = grant(form["scope"], client.identity.kind)
            caller = Caller(
                identity=client.identity,
                purpose=client.purpose,
                scopes=scopes,
                partner=client.partner,
                keeps_records=client.identity.kind == "member",
            )
        else:
            caller = self._service(form["scope"], client, now)
        if not caller.scopes.granted:
            raise SignInRefused("invalid_scope", "none of the scopes is known here and open to you")
        return self._answer(caller, self._services.tokens.issue(caller, now.time), "bearer")

    def _service(self, asked: str, application: Application, now: Moment) -> Caller:
        """A program that the organisation registered, for the purpose that it says or was given."""
        client = application.client
        if client.kind != "backend" or not application.is_proved:
            raise SignInRefused("unauthorized_client", "people sign in to this application")
        who = Identity(signer=self._services.organisation.member, kind="service", role=client.role)
        if not is_in_good_standing(now.view, self._services.organisation.member, who):
            raise SignInRefused("unauthorized_client", "not in good standing on the ledger")
        return Caller(
            identity=who,
            purpose=_purpose(application),
            scopes=grant(asked, "service").within(parse_scopes(client.scopes)),
            client=client.id,
            keeps_records=client.keeps_records,
        )

    # --- authorization_code ----------------------------------------------------------------------

    def for_code(self, form: Form, client: Application | SignedIn, now: Moment) -> Answer:
        """A token for whoever signed in at the pages, and what the application should know.

        Raises:
            SignInRefused: the code was used, is another's, or its proof is missing.
        """
        services = self._services
        granted = services.sign_ins.take_code(form.get("code", ""), now.time)
        if granted is None:
            raise _BAD_CODE
        if granted.used:
            services.tokens.end_family(granted.family)
            raise _BAD_CODE
        caller = granted.caller
        if (
            isinstance(client, SignedIn)
            or client.client.id != caller.client
            or form.get("redirect_uri") != granted.redirect_uri
            or not is_answer(form.get("code_verifier", ""), granted.challenge)
        ):
            raise _BAD_CODE
        self._check(caller, now, _BAD_CODE)
        token = services.tokens.issue(caller, now.time, granted.family)
        answer = self._answer(caller, token, "Bearer") | self._context(caller)
        seconds = _refresh_s(caller.scopes)
        if seconds:
            until = now.time + seconds
            answer["refresh_token"] = services.tokens.issue_refresh(
                caller, now.time, granted.family, until
            )
        if "openid" in caller.scopes.extras:
            answer["id_token"] = services.id_tokens.sign(
                caller, now.time, granted.signed_in, granted.nonce, self._user(caller)
            )
        return answer

    # --- refresh_token ---------------------------------------------------------------------------

    def for_refresh(self, form: Form, client: Application | SignedIn, now: Moment) -> Answer:
        """A new token in the place of an old one, for the same or less (RFC 6749 6).

        Raises:
            SignInRefused: it was used before, which ends all that came of the sign-in; or more
                is asked than was granted; or whoever signed in may not any more.
        """
        services, token = self._services, form.get("refresh_token", "")
        found = services.tokens.refresh(token, now.time)
        if found is None or isinstance(client, SignedIn):
            raise _BAD_REFRESH
        if client.client.id != found.caller.client:
            raise _BAD_REFRESH
        if found.used:
            services.tokens.end_family(found.family)
            raise _BAD_REFRESH
        caller = found.caller
        self._check(caller, now, _BAD_REFRESH)
        registered = parse_scopes(client.client.scopes)
        scopes = caller.scopes.within(registered)
        if form.get("scope"):
            scopes = _narrowed(scopes, parse_scopes(form["scope"]))
        if not scopes.granted and not scopes.extras:
            raise SignInRefused("invalid_scope", "none of these scopes was granted")
        narrow = replace(caller, scopes=scopes)
        following = services.tokens.rotate(token, now.time)
        access = services.tokens.issue(narrow, now.time, found.family)
        answer = self._answer(narrow, access, "Bearer") | self._context(narrow)
        return answer | {"refresh_token": following}

    def _check(self, caller: Caller, now: Moment, refused: SignInRefused) -> None:
        if not self._services.lets(caller, now) or self._is_erased(caller):
            raise refused

    def _is_erased(self, caller: Caller) -> bool:
        """Whether the patient who signed in, or the one in context, was erased here meanwhile."""
        vault = self._services.organisation.vault
        own, local = caller.account, caller.patient
        return (own is not None and vault.is_shredded(own)) or (
            local is not None and vault.patient(local) is None
        )

    def _answer(self, caller: Caller, token: str, type_: str) -> Answer:
        return {
            "access_token": token,
            "token_type": type_,
            "expires_in": TOKEN_S,
            "scope": str(caller.scopes),
        }

    def _context(self, caller: Caller) -> Answer:
        """What the application should know of the launch (SMART App Launch 2.2, 2.0.12)."""
        found: Answer = {}
        if caller.patient is not None:
            found |= {"patient": caller.patient, "need_patient_banner": True}
        if caller.encounter is not None:
            found["encounter"] = caller.encounter
        user = self._user(caller)
        if user is not None:
            found["fhirUser"] = user
        return found

    def _user(self, caller: Caller) -> str | None:
        if "fhirUser" not in caller.scopes.extras or caller.user is None:
            return None
        return f"{self._services.fhir_url}/{caller.user}"


def _purpose(application: Application) -> Purpose:
    """What the assertion states, else what the organisation registered; never a guess."""
    client = application.client
    if application.business is not None:
        stated = purpose_in(check_version(application.business), "service")
        if client.purpose is not None and stated != client.purpose:
            raise SignInRefused("invalid_grant", "registered for another purpose")
        return stated
    if client.purpose is None:
        raise SignInRefused("invalid_grant", "state a purpose of use in the extension hl7-b2b")
    return client.purpose


def _narrowed(granted: Scopes, asked: Scopes) -> Scopes:
    """What is asked, if all of it was granted.

    Raises:
        SignInRefused: more was asked.
    """
    found = asked.within(granted)
    if set(asked.granted) - set(found.granted) or set(asked.extras) - set(found.extras):
        raise SignInRefused("invalid_scope", "a refresh only narrows what was granted")
    return found


def _refresh_s(scopes: Scopes) -> Instant:
    if "offline_access" in scopes.extras:
        return OFFLINE_S
    return ONLINE_S if "online_access" in scopes.extras else 0
