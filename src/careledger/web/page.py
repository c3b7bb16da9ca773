"""The patient's pages as HTML: rendered here, no script, nothing loaded from elsewhere."""

from collections.abc import Iterable
from html import escape

from careledger.web.source import LogSentence, PatientView, SourceState, TimelineEntry

_STYLE = """
:root { --ink: #1c2733; --soft: #5a6b7b; --line: #dde4ea; --paper: #f6f8fa; --good: #17714a;
  --bad: #a3261d; --blue: #1d5fa8; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
header { background: #fff; border-bottom: 1px solid var(--line); padding: 1.2rem 0; }
main, header > div { max-width: 62rem; margin: 0 auto; padding: 0 1.2rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
nav a { color: var(--blue); margin-right: 1rem; } p.note { color: var(--soft); margin: .3rem 0 0; }
section { background: #fff; border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
table { width: 100%; border-collapse: collapse; } th, td { text-align: left; padding: .5rem .8rem;
  border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; color: var(--soft); font-size: .82rem; font-weight: 600; }
td.date { white-space: nowrap; color: var(--soft); } td.value { color: var(--soft); }
.badge { display: inline-block; border-radius: 999px; padding: .05rem .6rem; font-size: .8rem;
  border: 1px solid currentColor; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .label { color: var(--soft); }
ol { margin: 0; padding: 0; list-style: none; } ol li { padding: .55rem .8rem;
  border-top: 1px solid var(--line); } ol li:first-child { border-top: 0; }
time { color: var(--soft); margin-right: .6rem; } footer { color: var(--soft); padding: 2rem 0; }
@media (max-width: 40rem) { td.value, th.value { display: none; } }
"""


def patient_page(view: PatientView) -> str:
    """The whole page of one patient."""
    return _frame(
        f"{view.name}: health record",
        f"""<header><div><h1>{escape(view.name)}</h1>
<p class="note">Your record, as the organisations that hold it committed to it.</p>
<nav><a href="#timeline">Timeline</a><a href="#log">Who looked</a>
<a href="#consents">What you allow</a></nav></div></header>
<main>
<h2 id="log">Who looked, and why</h2>
<section><ol>{_log(view.log)}</ol></section>
<h2 id="consents">What you allow</h2>
<section><ol>{_lines(view.consents, "You have given no consent.")}</ol></section>
<h2>Where it comes from</h2>
<section><ol>{_sources(view.sources)}</ol></section>
<h2 id="timeline">Timeline <span class="label">({len(view.timeline)} entries)</span></h2>
<section>{_timeline(view.timeline)}</section>
<footer>{escape(view.notice)}</footer>
</main>""",
    )


def trouble_page(text: str) -> str:
    """What to say when the record cannot be read now."""
    body = f"<main><h1>Not now</h1><p>{escape(text)}</p></main>"
    return _frame("Not now", body)


def _frame(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}</style></head><body>{body}</body></html>
"""


def _log(sentences: Iterable[LogSentence]) -> str:
    lines = [
        f'<li><time>{escape(one.when)}</time><span class="{_tone(one.granted)}">'
        f"{escape(one.text)}</span></li>"
        for one in sentences
    ]
    return "".join(lines) or "<li>Nobody has looked yet.</li>"


def _tone(granted: bool) -> str:  # noqa: FBT001 - reads as a sentence
    return "good" if granted else "bad"


def _lines(texts: Iterable[str], nothing: str) -> str:
    return "".join(f"<li>{escape(text)}</li>" for text in texts) or f"<li>{escape(nothing)}</li>"


def _sources(sources: Iterable[SourceState]) -> str:
    lines = []
    for one in sources:
        state = (
            f"{one.entries} entries, as of {one.as_of}" if one.as_of else "did not answer just now"
        )
        lines.append(f"{one.organisation}: {state}")
    return _lines(lines, "No organisation holds a record of yours.")


def _timeline(entries: Iterable[TimelineEntry]) -> str:
    rows = "".join(map(_row, entries))
    if not rows:
        return "<ol><li>There are no entries.</li></ol>"
    return (
        "<table><thead><tr><th>When</th><th>What</th><th></th>"
        '<th class="value"></th><th>Source</th><th></th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _row(entry: TimelineEntry) -> str:
    badge = ("verified", "good") if entry.verified else ("tampered", "bad")
    labels = "".join(f' <span class="badge label">{escape(one)}</span>' for one in entry.labels)
    return (
        f'<tr><td class="date">{escape(entry.date[:10])}</td><td>{escape(entry.kind)}</td>'
        f'<td>{escape(entry.title)}{labels}</td><td class="value">{escape(entry.value)}</td>'
        f"<td>{escape(entry.source)}</td>"
        f'<td><span class="badge {badge[1]}">{badge[0]}</span></td></tr>'
    )
