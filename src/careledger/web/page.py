"""The patient's pages as HTML: rendered here, no script, nothing loaded from elsewhere.

Every mark is a word with a sign of its own; colour only repeats it. Tables have headings that
assistive programs can follow, and each part can be jumped to.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from re import compile as regex

from careledger.web.source import (
    AccessView,
    LogSentence,
    Mark,
    PatientView,
    SourceState,
    TimelineEntry,
)
from careledger.web.style import STYLE

LATEST = 5
"""So many lines of the log stand on the first page."""

_SIGNS: dict[Mark, str] = {"verified": "\u2713", "tampered": "\u2717", "unproven": "?"}
_MEANING: dict[Mark, str] = {
    "verified": "it is what that organisation committed to",
    "tampered": "it is not what that organisation committed to: do not rely on it",
    "unproven": "nothing on the ledger proves it yet",
}
_DATE = regex(r"([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-([0-3][0-9]))?)?")
_MONTHS = dict(
    zip(
        ("01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"),
        ("Jan", "Feb", "Mar", "Apr", "May", "June", "July", "Aug", "Sept", "Oct", "Nov", "Dec"),
        strict=True,
    )
)


def patient_page(view: PatientView) -> str:
    """The first page: the timeline, where it comes from, and who looked last."""
    others = [one for one in view.log if not one.own]
    main = f"""{_alarm(view.timeline)}
<h2 id="sources">Where it comes from</h2>
<section>{_sources(view.sources)}</section>
<h2 id="log">Who looked last, beside you</h2>
<section><ol>{_log(others[:LATEST])}</ol></section>
<p class="note"><a href="access">All who looked, why, and what you allow</a></p>
<h2 id="timeline">Timeline <span class="label">({len(view.timeline)} entries)</span></h2>
{_legend(view.timeline)}
<section>{_timeline(view.timeline)}</section>
<p class="notice"><strong>Please note.</strong> {escape(view.notice)}</p>"""
    note = "Your record, from every organisation that keeps one, as each committed to it."
    links = (("#sources", "Sources"), ("#timeline", "Timeline"), ("access", "Who looked"))
    return _frame(view.name, note, links, main)


def access_page(view: AccessView) -> str:
    """Who looked and who was refused, and how each consent was read at that moment."""
    own = [one for one in view.log if one.own]
    mine = f"""<details class="own"><summary>Your own looks ({len(own)})</summary>
<section><ol>{_log(own)}</ol></section></details>"""
    main = f"""<h2 id="log">Who looked, and why</h2>
<section><ol>{_log([one for one in view.log if not one.own])}</ol></section>{mine if own else ""}
<h2 id="consents">What you allow</h2>
<section><ol>{_lines(view.consents, "You have given no consent.")}</ol></section>"""
    note = "Told from the whole ledger, which your wallet has checked: nothing can be missing."
    links = (("./", "Timeline"), ("#log", "Who looked"), ("#consents", "What you allow"))
    return _frame(view.name, note, links, main)


def trouble_page(text: str) -> str:
    """What to say when the record cannot be read now."""
    return _html("Not now", f"<main><h1>Not now</h1><p>{escape(text)}</p></main>")


def _frame(name: str, note: str, links: Iterable[tuple[str, str]], main: str) -> str:
    nav = "".join(f'<a href="{href}">{text}</a>' for href, text in links)
    header = f"""<header><div><h1>{escape(name)}</h1><p class="note">{note}</p>
<nav aria-label="On these pages">{nav}</nav></div></header>"""
    return _html(f"{name}: health record", f"{header}\n<main>\n{main}\n</main>")


def _html(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{STYLE}</style></head><body>{body}</body></html>
"""


def _alarm(timeline: Sequence[TimelineEntry]) -> str:
    """What a patient must not overlook, before all else."""
    wrong = [one for one in timeline if one.mark == "tampered"]
    if not wrong:
        return ""
    entries = "1 entry is" if len(wrong) == 1 else f"{len(wrong)} entries are"
    where = ", ".join(dict.fromkeys(one.source for one in wrong))
    text = f"{entries} not what was committed to, at {where}. Ask there what happened."
    link = '<a href="#tampered">See which.</a>'
    return f'<p class="alarm" role="alert"><strong>Tampered.</strong> {escape(text)} {link}</p>'


def _sources(sources: Sequence[SourceState]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(one.organisation)}</th><td>{_state(one)}</td>'
        f'<td class="date">{escape(one.as_of) or "-"}</td></tr>'
        for one in sources
    )
    if not rows:
        return "<ol><li>No organisation holds a record of yours.</li></ol>"
    return (
        '<table><thead><tr><th scope="col">Organisation</th><th scope="col">Answer</th>'
        f'<th scope="col">As of</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _state(one: SourceState) -> str:
    if one.as_of:
        return "1 entry" if one.entries == 1 else f"{one.entries} entries"
    return f'<span class="bad">{escape(one.trouble or "did not answer just now")}</span>'


def _log(sentences: Iterable[LogSentence]) -> str:
    return "".join(map(_sentence, sentences)) or "<li>Nobody has looked yet.</li>"


def _sentence(one: LogSentence) -> str:
    tone = "good" if one.granted else "bad"
    why = "".join(f"<li>{escape(text)}</li>" for text in one.why)
    told = f"<details><summary>Why</summary><ul>{why}</ul></details>" if why else ""
    return (
        f'<li><time>{escape(one.when)}</time><span class="{tone}">{escape(one.text)}</span>'
        f"{told}</li>"
    )


def _lines(texts: Iterable[str], nothing: str) -> str:
    return "".join(f"<li>{escape(text)}</li>" for text in texts) or f"<li>{escape(nothing)}</li>"


def _legend(timeline: Sequence[TimelineEntry]) -> str:
    counted = Counter(one.mark for one in timeline)
    parts = "".join(
        f"<li>{_badge(mark)} {counted[mark]}: {meaning}</li>"
        for mark, meaning in _MEANING.items()
        if counted[mark]
    )
    return f'<ul class="legend">{parts}</ul>' if parts else ""


def _timeline(entries: Sequence[TimelineEntry]) -> str:
    if not entries:
        return "<ol><li>There are no entries.</li></ol>"
    rows = "".join(map(_row, entries)).replace(
        '<tr class="tampered">', '<tr class="tampered" id="tampered">', 1
    )
    return (
        '<table class="timeline"><thead><tr><th scope="col">When</th><th scope="col">What</th>'
        '<th scope="col">Kept by</th><th scope="col">Mark</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _row(entry: TimelineEntry) -> str:
    labels = "".join(f' <span class="badge label">{escape(one)}</span>' for one in entry.labels)
    value = f'<div class="value">{escape(entry.value)}</div>' if entry.value else ""
    why = f'<div class="bad">{escape(entry.why)}</div>' if entry.why else ""
    title = f" <b>{escape(entry.title)}</b>" if entry.title else ""
    return (
        f'<tr class="{entry.mark}"><td class="date">{_day(entry.date)}</td>'
        f'<td><span class="kind">{escape(entry.kind)}</span>{title}{labels}{value}{why}</td>'
        f'<td class="source">{escape(entry.source)}</td><td>{_badge(entry.mark)}</td></tr>'
    )


def _badge(mark: Mark) -> str:
    return (
        f'<span class="badge {mark}"><span aria-hidden="true">{_SIGNS[mark]}</span> {mark}</span>'
    )


def _day(date: str) -> str:
    """`1 May 2024`, as far as the source says; as written where it is no FHIR date."""
    if not date:
        return "no date"
    match = _DATE.fullmatch(date[:10])
    if match is None:
        return escape(date)
    year, month, day = match.groups()
    text = " ".join(filter(None, (day and str(int(day)), month and _MONTHS[month], year)))
    return f'<time datetime="{match[0]}">{text}</time>'
