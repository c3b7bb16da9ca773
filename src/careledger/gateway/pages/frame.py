"""The frame of every sign-in page, and the headers that keep it from being misused."""

import base64
import hashlib
from html import escape
from typing import Final

from starlette.responses import HTMLResponse

STYLE: Final = """
:root { --ink: #1c2733; --soft: #52616f; --line: #d5dde4; --paper: #f4f6f8; --blue: #1a56a0;
  --bad: #a3261d; color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 17px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
main { max-width: 34rem; margin: 6vh auto 2rem; background: #fff; border: 1px solid var(--line);
  border-radius: 10px; padding: 1.8rem 2rem 2rem; }
footer { max-width: 34rem; margin: 0 auto 3rem; padding: 0 2rem; color: var(--soft);
  font-size: .85rem; }
p.house { margin: 0 0 .2rem; color: var(--soft); font-size: .9rem; }
h1 { font-size: 1.45rem; line-height: 1.25; margin: 0 0 1rem; }
h2 { font-size: 1.05rem; margin: 1.6rem 0 .5rem; }
fieldset { border: 1px solid var(--line); border-radius: 8px; margin: 1rem 0;
  padding: .4rem 1rem .8rem; }
legend { font-weight: 600; padding: 0 .4rem; }
label.row { display: flex; gap: .6rem; align-items: baseline; padding: .3rem 0; }
label.row span { color: var(--soft); font-size: .9rem; }
input[type=text], input[type=password], input[type=search] { width: 100%; font: inherit;
  padding: .5rem .7rem; border: 1px solid #8795a1; border-radius: 6px; }
button { font: inherit; font-weight: 600; padding: .55rem 1.2rem; border-radius: 6px;
  cursor: pointer; border: 1px solid var(--blue); background: var(--blue); color: #fff;
  margin: .6rem .6rem 0 0; }
button.second { background: #fff; color: var(--blue); }
button.small { font-size: .9rem; padding: .35rem .9rem; margin-top: .2rem; }
button.choice { display: block; width: 100%; text-align: left; background: #fff; color: var(--ink);
  border-color: var(--line); font-weight: 400; margin: .4rem 0 0; }
a { color: var(--blue); }
label[for] { display: block; margin: .8rem 0 .25rem; }
a:focus-visible, button:focus-visible, input:focus-visible { outline: 3px solid #f2b23e;
  outline-offset: 2px; }
p.code { font: 600 2rem/1.2 ui-monospace, "DejaVu Sans Mono", monospace; letter-spacing: .12em;
  text-align: center; margin: 1rem 0; user-select: all; }
code, kbd { font: .92em ui-monospace, "DejaVu Sans Mono", monospace; background: var(--paper);
  padding: .1rem .3rem; border-radius: 4px; overflow-wrap: anywhere; }
p.trouble { color: var(--bad); font-weight: 600; }
p.note { color: var(--soft); font-size: .92rem; }
"""

_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()


def page(
    title: str,
    body: str,
    *,
    house: str,
    status: int = 200,
    form_to: str = "",
    go_on: tuple[int, str] | None = None,
) -> HTMLResponse:
    """A whole page of the organisation `house`.

    `form_to` is where its forms may lead besides, through every redirect that follows; `go_on`
    is in how many seconds the browser goes on by itself, and where.
    """
    again = "" if go_on is None else _again(*go_on)
    text = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{again}
<style>{STYLE}</style></head><body><main>
<p class="house">{escape(house)}</p>
<h1>{escape(title)}</h1>
{body}
</main></body></html>
"""
    return HTMLResponse(text, status, headers=headers(form_to))


def _again(seconds: int, address: str) -> str:
    return f'<meta http-equiv="refresh" content="{seconds};url={escape(address)}">'


def headers(form_to: str = "") -> dict[str, str]:
    """No framing, no script, no referrer, no copy left behind.

    Windows stay joined to the one that opened them: applications that sign in in a window of its
    own are told through it (ADR 0206).
    """
    policy = (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
        f"form-action 'self' {form_to}; frame-ancestors 'none'"
    )
    return {
        "Cache-Control": "no-store",
        "Content-Security-Policy": policy.replace(" ;", ";"),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def form(action: str, token: str, step: str, inner: str) -> str:
    """A form that proves it comes from our own page."""
    return (
        f'<form method="post" action="{escape(action)}" autocomplete="off">'
        f'<input type="hidden" name="form" value="{escape(token)}">'
        f'<input type="hidden" name="step" value="{escape(step)}">{inner}</form>'
    )
