"""The pages of one sign-in, step by step: who, why, about whom, and what is allowed."""

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import HTMLResponse

from careledger.gateway.auth_flow import SignIn
from careledger.gateway.auth_scopes import LAUNCH
from careledger.gateway.pages.frame import form, page
from careledger.gateway.pages.words import (
    EXTRAS,
    PURPOSES,
    purpose_in_words,
    scope_in_words,
)

WAIT_S: Final = 15
"""How long a look for a patient's approval is held back, in seconds, before the page comes anew."""

_LOOPBACK: Final = ("localhost", "127.0.0.1")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where a sign-in is shown: which organisation, which application, under which address."""

    house: str
    member: str
    application: str
    action: str
    """Where the forms of this sign-in go."""
    form_to: str
    """Where they may lead in the end, as Content-Security-Policy names it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A patient who may be picked."""

    id: str
    name: str
    born: str


def who(
    stage: Stage, sign_in: SignIn, *, staff: bool, patients: bool, provider: str
) -> HTMLResponse:
    """Who signs in: the staff at its provider, patients with their wallet."""
    parts = [f"<p><strong>{escape(stage.application)}</strong> asks for access.</p>"]
    if staff:
        inner = '<button type="submit">Sign in as staff</button>'
        parts.append("<h2>I work here</h2>" + form(stage.action, sign_in.form, "staff", inner))
    if patients:
        parts.append(
            f"""<h2>I am a patient</h2>
<p>Approve this sign-in with your wallet. It will ask you for this code:</p>
<p class="code">{escape(sign_in.code)}</p>
<p class="note">On the command line:
<kbd>careledger wallet sign-in {escape(stage.member)} {escape(sign_in.code)}</kbd><br>
Only enter a code that you see here, on a page you opened yourself. This page goes on by itself;
if it does not, <a href="{escape(stage.action)}">continue here</a>.</p>"""
        )
    waiting = (1, stage.action + "?wait=1") if patients else None
    form_to = " ".join(dict.fromkeys(f"{stage.form_to} {provider}".split()))
    return page("Sign in", "".join(parts), house=stage.house, form_to=form_to, go_on=waiting)


def why(stage: Stage, sign_in: SignIn) -> HTMLResponse:
    """Why somebody of the staff wants to look; nothing is chosen beforehand."""
    rows = "".join(
        f'<label class="row"><input type="radio" name="purpose" value="{code}" required>'
        f"<div><strong>{escape(name)}</strong><br><span>{escape(text)}</span></div></label>"
        for code, (name, text) in PURPOSES.items()
    )
    inner = (
        f"<fieldset><legend>What for?</legend>{rows}</fieldset>"
        '<button type="submit">Continue</button>'
    )
    body = (
        f"<p>You are {escape(sign_in.name)}. Every access is recorded with its purpose, and the "
        "patient can see it.</p>" + form(stage.action, sign_in.form, "purpose", inner)
    )
    return page("Why do you need access?", body, house=stage.house, form_to=stage.form_to)


def whom(
    stage: Stage, sign_in: SignIn, asked: str, found: Iterable[Choice], note: str
) -> HTMLResponse:
    """About which patient; only those whom this person may see for this purpose are found."""
    search = (
        '<label for="text">Name, birth date or record number</label>'
        f'<input type="search" id="text" name="text" value="{escape(asked)}" minlength="2" '
        'maxlength="64" required autofocus><button type="submit" class="second">Search</button>'
    )
    picks = "".join(
        f'<button class="choice" name="patient" value="{escape(one.id)}">'
        f"<strong>{escape(one.name)}</strong><br>"
        f"{f'born {escape(one.born)} · ' if one.born else ''}{escape(one.id)}</button>"
        for one in found
    )
    body = form(stage.action, sign_in.form, "search", search)
    if picks:
        body += "<h2>Choose a patient</h2>" + form(stage.action, sign_in.form, "patient", picks)
    elif note:
        body += f'<p class="trouble" role="alert">{escape(note)}</p>'
    return page("Which patient?", body, house=stage.house, form_to=stage.form_to)


def what(stage: Stage, sign_in: SignIn) -> HTMLResponse:
    """What the application may do; each part can be left out."""
    asked = sign_in.asked
    own = sign_in.identity is not None and sign_in.identity.kind == "patient"
    rows = [(str(one), scope_in_words(one, own=own)) for one in asked.scopes.granted]
    rows += [(one, EXTRAS[one]) for one in asked.scopes.extras if one not in LAUNCH]
    boxes = "".join(
        f'<label class="row"><input type="checkbox" name="scope" value="{escape(value)}" checked>'
        f"{escape(words)}</label>"
        for value, words in rows
    )
    name = (own and sign_in.label) or sign_in.name
    is_about = sign_in.label and not own
    about = f"<br>Patient: <strong>{escape(sign_in.label)}</strong>" if is_about else ""
    purpose = "" if sign_in.purpose is None else purpose_in_words(sign_in.purpose)
    inner = (
        f"<fieldset><legend>It may</legend>{boxes}</fieldset>"
        '<button type="submit" name="answer" value="allow">Allow</button>'
        '<button type="submit" name="answer" value="deny" class="second">Cancel</button>'
    )
    body = (
        f"<p><strong>{escape(stage.application)}</strong> asks for access as you.</p>"
        f"<p>You are: <strong>{escape(name)}</strong>"
        f"<br>Purpose: <strong>{escape(purpose)}</strong>{about}</p>"
        + _other(stage, sign_in)
        + form(stage.action, sign_in.form, "answer", inner)
        + '<p class="note">Whatever you allow here, the application sees no more than you may see. '
        f"Afterwards you return to {escape(urlsplit(asked.redirect_uri).netloc or 'the app')}.</p>"
    )
    return page("Allow access?", body, house=stage.house, form_to=stage.form_to)


def _other(stage: Stage, sign_in: SignIn) -> str:
    """The way back to what was chosen on the pages before: nothing that the application said."""
    is_staff = sign_in.identity is not None and sign_in.identity.kind == "staff"
    buttons = [
        f'<button class="second small" name="change" value="{value}">{words}</button>'
        for value, words, is_chosen in (
            ("patient", "Another patient", sign_in.patient and sign_in.asked.launch is None),
            ("purpose", "Another purpose", sign_in.asked.purpose is None),
        )
        if is_staff and is_chosen
    ]
    return form(stage.action, sign_in.form, "change", "".join(buttons)) if buttons else ""


def way_back(house: str, text: str, address: str) -> HTMLResponse:
    """The application is told no; the person reads why, and goes back without a redirect.

    For what follows a page of the staff's provider: its forms may lead to this gateway, and not on
    to applications that it knows nothing of.
    """
    body = (
        f'<p class="trouble" role="alert">{escape(text)}</p>'
        f'<p><a href="{escape(address)}">Back to the application</a></p>'
    )
    return page("This does not work", body, house=house, go_on=(0, address))


def trouble(house: str, text: str, status: int = 400) -> HTMLResponse:
    """Something is wrong, and the application is not to be told."""
    body = f'<p class="trouble" role="alert">{escape(text)}</p>'
    return page("This does not work", body, house=house, status=status)


def source_of(uri: str) -> str:
    """Where a redirect address leads, as Content-Security-Policy names it (ADR 0205).

    Browsers hold `form-action` against every redirect after a form, those of the application too:
    anywhere by TLS, anywhere on this machine, or the scheme of an app's own.
    """
    parts = urlsplit(uri)
    if parts.scheme == "http" and parts.hostname in _LOOPBACK:
        return " ".join(f"http://{name}:*" for name in _LOOPBACK)
    return f"{parts.scheme}:"
