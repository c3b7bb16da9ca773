"""The style sheet of the patient's pages."""

from typing import Final

STYLE: Final = """
:root { --ink: #1c2733; --soft: #566575; --line: #dde4ea; --paper: #f6f8fa; --good: #146241;
  --bad: #a3261d; --doubt: #7a4e00; --blue: #1d5fa8; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
header { background: #fff; border-bottom: 1px solid var(--line); padding: 1.2rem 0; }
main, header > div { max-width: 62rem; margin: 0 auto; padding: 0 1.2rem; }
main { padding-bottom: 3rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
a { color: var(--blue); } a:focus-visible, summary:focus-visible { outline: 3px solid var(--blue); }
nav { margin-top: .5rem; } nav a { margin-right: 1.2rem; }
p.note { color: var(--soft); margin: .4rem 0 0; }
p.notice, p.alarm { background: #fff; border: 1px solid var(--line); border-left: 6px solid
  var(--blue); border-radius: 6px; padding: .7rem 1rem; margin: 1.5rem 0; }
p.alarm { border-left-color: var(--bad); }
section { background: #fff; border: 1px solid var(--line); border-radius: 8px; overflow-x: auto; }
table { width: 100%; border-collapse: collapse; } th, td { text-align: left; padding: .5rem .8rem;
  border-top: 1px solid var(--line); vertical-align: top; font-weight: 400; }
thead th { border-top: 0; color: var(--soft); font-size: .85rem; font-weight: 600; }
td.date { white-space: nowrap; color: var(--soft); } td.source { min-width: 9.5rem; }
.value { color: var(--soft); } td.date { min-width: 7rem; }
.kind { color: var(--soft); margin-right: .3rem; } td b { font-weight: 600; }
tr.tampered { background: #fdf1f0; } tr.unproven { background: #fdf8ee; }
.badge { display: inline-block; border-radius: 999px; padding: .05rem .6rem; font-size: .82rem;
  border: 1px solid currentColor; white-space: nowrap; }
.badge.tampered { background: var(--bad); color: #fff; font-weight: 700; }
.badge.verified, .good { color: var(--good); } .bad { color: var(--bad); }
.badge.unproven { color: var(--doubt); border-style: dashed; } .label { color: var(--soft); }
ul.legend { list-style: none; margin: 0 0 .8rem; padding: 0; } ul.legend li { margin: .2rem 0; }
ol { margin: 0; padding: 0; list-style: none; } ol > li { padding: .55rem .8rem;
  border-top: 1px solid var(--line); } ol > li:first-child { border-top: 0; }
li time { color: var(--soft); margin-right: .6rem; }
details { margin: .2rem 0 0; } details.own { margin-top: 1rem; }
summary { color: var(--blue); cursor: pointer; }
details ul { margin: .3rem 0 0; padding-left: 1.4rem; }
@media (max-width: 40rem) { td.date { white-space: normal; } .timeline thead { display: none; }
  .timeline tr, .timeline td { display: block; border-top: 0; padding: .1rem .8rem; }
  .timeline tr { border-top: 1px solid var(--line); padding: .5rem 0; } }
"""
