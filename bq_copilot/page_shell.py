"""The frame of every page that this project draws: one file, no network, light and dark, readable on paper.

Decides style, script and the content policy that forbids everything else: nothing is loaded, nothing is sent, and only
the script whose digest stands in the page runs. Text enters through `esc` alone.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape

from bq_copilot.safe_text import safe

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1a1d21;--dim:#555b64;--line:#d5d9df;--soft:#f4f5f7;--link:#0b57b8;
--ok:#17642f;--bad:#a4161a;--warn:#7a4a00;--run:#0b57b8;--bar:#4a7fc1;--mark:#fff3c4}
@media(prefers-color-scheme:dark){:root{--bg:#14171b;--fg:#e7e9ec;--dim:#a9b0ba;--line:#363c44;--soft:#1e2329;
--link:#8ab8ff;--ok:#7bd494;--bad:#ff9a94;--warn:#f2c36b;--run:#8ab8ff;--bar:#5f93d6;--mark:#4a3d10}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem 1.25rem 4rem;max-width:76rem;background:var(--bg);color:var(--fg);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:1.45rem;margin:.2rem 0 .4rem;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:2rem 0 .5rem}
h3{font-size:1rem;margin:1.2rem 0 .3rem}
a{color:var(--link)}a.skip{position:absolute;left:-999rem}a.skip:focus{position:static}
:focus-visible{outline:3px solid var(--link);outline-offset:2px}
code,pre,.mono{font-family:ui-monospace,monospace;font-size:.87em}
pre{background:var(--soft);border:1px solid var(--line);border-radius:.3rem;padding:.6rem;margin:.3rem 0;
white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate}
table{border-collapse:collapse;width:100%}caption{text-align:left;color:var(--dim);padding:.2rem 0}
th,td{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0;border-bottom:1px solid var(--line);
overflow-wrap:anywhere}
th{color:var(--dim);font-weight:600;white-space:nowrap}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;
white-space:nowrap}
.wide{overflow-x:auto}.dim{color:var(--dim)}.ok{color:var(--ok)}.bad{color:var(--bad)}.warn{color:var(--warn)}
.badge{display:inline-block;border:1px solid currentColor;border-radius:1rem;padding:0 .6rem;font-size:.85rem;
font-weight:600;white-space:nowrap}
.notice{border-left:4px solid var(--warn);background:var(--soft);padding:.4rem .7rem;margin:.5rem 0}
.untrusted{border-left:4px dashed var(--warn);padding-left:.6rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:.5rem 0}dt{color:var(--dim)}
dd{margin:0;overflow-wrap:anywhere}
nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1rem;list-style:none;padding:0;margin:.6rem 0}
details{margin:.3rem 0}summary{cursor:pointer;padding:.15rem 0}
form.filter{display:flex;flex-wrap:wrap;gap:.5rem .9rem;align-items:end;margin:.8rem 0}
label{display:flex;flex-direction:column;font-size:.85rem;color:var(--dim)}
input,select,button{font:inherit;color:var(--fg);background:var(--bg);border:1px solid var(--dim);border-radius:.3rem;
padding:.25rem .5rem}
svg{max-width:100%;height:auto;display:block}svg text{fill:var(--fg);font:12px system-ui,sans-serif}
svg .dimtext{fill:var(--dim)}figure{margin:.5rem 0}figure img{max-width:100%;background:#fff}
.add{color:var(--ok)}.del{color:var(--bad)}
table.events{table-layout:fixed}table.events th:nth-child(1){width:4.5rem}table.events th:nth-child(2){width:8rem}
table.events th:nth-child(3){width:9rem}
tr:target{background:var(--mark)}
@media print{nav,form.filter,.skip,.noprint{display:none}body{max-width:none;font-size:11px;padding:0}
details>summary{list-style:none}a{color:inherit;text-decoration:none}h2{break-after:avoid}tr,pre{break-inside:avoid}}
"""

SCRIPT = """
'use strict';
(function(){
 var box=document.getElementById('find');
 if(box){
  var rows=Array.prototype.slice.call(document.querySelectorAll('tbody.events tr'));
  var words=null;
  var said=document.getElementById('found');
  var show=function(){
   var want=box.value.toLowerCase().trim(),n=0;
   words=words||rows.map(function(r){return r.textContent.toLowerCase();});
   rows.forEach(function(r,i){var on=!want||words[i].indexOf(want)>=0;r.hidden=!on;if(on)n++;});
   said.textContent=want?n+' of '+rows.length+' events':'';
  };
  box.addEventListener('input',show);
  document.addEventListener('keydown',function(e){
   if(e.key==='/'&&!/^(INPUT|SELECT|TEXTAREA)$/.test(document.activeElement.tagName)){e.preventDefault();box.focus();}
   if(e.key==='Escape'&&document.activeElement===box){box.value='';show();}
  });
 }
 window.addEventListener('beforeprint',function(){
  document.querySelectorAll('details:not(.long)').forEach(function(d){d.open=true;});
 });
})();
"""

_DIGEST = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()

POLICY = (
    f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{_DIGEST}'; "
    "form-action 'self'; base-uri 'none'"
)
"""What a page may do: show itself, run its one script, send its filter back to where it came from."""

GOOD = frozenset({"completed", "approve", "allow", "verified"})
BAD = frozenset({"failed", "refused", "rejected", "expired", "parked", "reject", "deny", "damaged"})
WARN = frozenset({"awaiting_approval", "awaiting_answer", "partial", "cancelled", "cancelling", "ask", "edit"})


def page(title: str, body: str) -> str:
    """Return a whole page around a body that is HTML already."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="referrer" content="no-referrer">\n<title>{esc(title)}</title>\n<style>{STYLE}</style>\n</head>\n'
        f'<body>\n<a class="skip" href="#main">Skip to the content</a>\n{body}\n<script>{SCRIPT}</script>\n'
        "</body>\n</html>\n"
    )


def esc(text: object, *, lines: bool = False) -> str:
    """Return text as HTML that shows nothing but text; characters that do not print are written out."""
    return escape(safe(text, lines=lines))


def badge(word: str) -> str:
    """Return a word in the colour of what it means; the word says it as well."""
    kind = "ok" if word in GOOD else "bad" if word in BAD else "warn" if word in WARN else "dim"
    return f'<span class="badge {kind}">{esc(word.replace("_", " "))}</span>'


def table(
    caption: str, names: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = (), body: str = ""
) -> str:
    """Return a table of cells that are HTML already; columns in `numbers` stand to the right."""
    side = [' class="n"' if i in numbers else "" for i in range(len(names))]
    head = "".join(f'<th scope="col"{s}>{esc(n)}</th>' for n, s in zip(names, side, strict=True))
    lines = "".join(
        "<tr>" + "".join(f"<td{s}>{c}</td>" for c, s in zip(row, side, strict=True)) + "</tr>\n" for row in rows
    )
    kind = f' class="{body}"' if body else ""
    return (
        f'<div class="wide" tabindex="0" role="group" aria-label="{esc(caption)}"><table><caption>{esc(caption)}'
        f"</caption><thead><tr>{head}</tr></thead><tbody{kind}>\n{lines}</tbody></table></div>"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names with values that are HTML already; empty values are left out."""
    return "<dl>" + "".join(f"<dt>{esc(name)}</dt><dd>{value}</dd>" for name, value in pairs if value) + "</dl>"


def pre(text: str) -> str:
    """Return text in its own lines."""
    return f'<pre dir="ltr"><code>{esc(text, lines=True)}</code></pre>'
