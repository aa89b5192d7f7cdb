"""How the HTML page looks: light and dark, on a screen, on a telephone and on paper."""

from __future__ import annotations

STYLE = """
:root{--ink:#1b1f24;--soft:#5d6670;--line:#d5dae0;--page:#fff;--ground:#f3f5f7;--alert:#b94700;--ed:#0072b2;--es:#c85200;
--answer:#dcf2ea;--answer-word:#00684c;--hatch:#aab3bc}
@media (prefers-color-scheme:dark){:root{--ink:#e9ecef;--soft:#a3acb5;--line:#3a4148;--page:#14171a;--ground:#1f2429;
--alert:#f0a01e;--ed:#56b4e9;--es:#f0a01e;--answer:#12382d;--answer-word:#5fd3ae;--hatch:#59626b}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.45 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;
overflow-wrap:anywhere}
main{max-width:920px;margin:0 auto;padding:28px 24px 36px;display:grid;gap:20px}
main>*{min-width:0}
p,h1,h2,dl,dd,ul,figure,table{margin:0}
header{border-bottom:1px solid var(--line);padding-bottom:14px}
.kicker{font-size:12px;letter-spacing:.06em;text-transform:uppercase;color:var(--soft)}
h1{font-size:24px;line-height:1.25}
h2,caption{font-size:14px;font-weight:700;text-align:left;margin:0 0 4px}
.soft{color:var(--soft);font-size:14px}
.answer{display:grid;grid-template-columns:minmax(180px,1.1fr) minmax(0,2fr) minmax(0,1.2fr);gap:8px 28px}
.ef{font-size:68px;font-weight:700;line-height:1.1;letter-spacing:-.01em}
.ef.none{font-size:44px;padding:10px 0}
.status{font-weight:700;color:var(--soft)}
.status.alert{color:var(--alert)}
.reason{margin-bottom:8px}
.facts:last-child{grid-column:span 2}
.pairs div{display:grid;grid-template-columns:10.5em minmax(0,1fr);gap:8px;padding:1.5px 0}
dt{color:var(--soft)}
.volumes div{display:flex;justify-content:space-between;align-items:baseline;padding:2px 0}
.volumes dd{font-size:20px;font-weight:700}
.correction{background:var(--ground);border-radius:6px;padding:12px 16px;display:grid;
grid-template-columns:minmax(0,1.15fr) minmax(0,1fr);gap:8px 28px;font-size:14px}
.correction caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.pictures{display:grid;grid-template-columns:1fr 1fr;gap:10px}
.films-2 .pictures{grid-template-columns:repeat(4,1fr)}
figure{position:relative;background:#000;overflow:hidden;border-radius:3px}
figure img,figure svg{position:absolute;inset:0;width:100%;height:100%;display:block}
figcaption b,figcaption span{position:absolute;background:rgba(0,0,0,.6);padding:1px 6px;border-radius:2px;
white-space:nowrap}
figcaption b{left:6px;top:6px;font-size:18px;line-height:1.3}
figcaption span{right:6px;bottom:6px;font-size:12px;color:#fff}
.curves,.beats{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,330px),1fr));gap:16px 28px}
.curve{width:100%;height:auto;display:block;font-size:11.5px}
.curve text{fill:var(--soft)}
.curve .axis{stroke:var(--line);fill:none}
.curve .start{stroke:var(--line)}
.curve .line{stroke:var(--ink);stroke-width:1.6;fill:none;stroke-linejoin:round;stroke-linecap:round}
.curve path.ed,.curve path.es{stroke:var(--page);stroke-width:.8}
.curve .ed{fill:var(--ed)}
.curve .es{fill:var(--es)}
.curve tspan{font-weight:700}
.curve .answer-beat{fill:var(--answer)}
.curve .answer-word{fill:var(--answer-word);font-weight:700}
.curve .ground{fill:var(--ground)}
.curve .hatch{stroke:var(--hatch);stroke-width:1.6}
.curve .over{paint-order:stroke;stroke:var(--page);stroke-width:4px;stroke-linejoin:round}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
thead th{color:var(--soft);font-weight:400;border-bottom:1px solid var(--line)}
th,td{text-align:right;padding:2.5px 14px 2.5px 0;vertical-align:top;white-space:nowrap}
th:first-child{padding-left:8px;text-align:right;width:1%}
tbody th{font-weight:400}
.words{text-align:left;white-space:normal;width:100%}
.names th:first-child{text-align:left;padding-left:0}
tr.strong>*{font-weight:700}
.beats tr.strong{background:var(--answer)}
.beats .words{font-weight:400}
.warnings ul{padding-left:18px;font-size:14px}
.warnings li::marker{color:var(--alert)}
footer{border-top:1px solid var(--line);padding-top:12px;font-size:13px}
.made div{display:grid;grid-template-columns:6em minmax(0,1fr);gap:8px}
.disclaimer{margin-top:12px;font-weight:700;font-size:14px}
@media screen and (max-width:680px){main{padding:18px 14px}.answer,.correction{grid-template-columns:1fr}
.facts:last-child{grid-column:auto}
.films-2 .pictures{grid-template-columns:1fr 1fr}.ef{font-size:56px}.beats>div{overflow-x:auto}}
@page{size:A4;margin:12mm}
@media print{
:root{--ink:#1b1f24;--soft:#4d5660;--line:#c5cbd2;--page:#fff;--ground:#f3f5f7;--alert:#b94700;--ed:#0072b2;--es:#c85200;
--answer:#dcf2ea;--answer-word:#00684c;--hatch:#aab3bc}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
body{font-size:11px;line-height:1.35}
main{max-width:none;padding:0;gap:11px}
h1{font-size:17px;display:-webkit-box;-webkit-line-clamp:2;-webkit-box-orient:vertical;overflow:hidden}
header{padding-bottom:8px}
.kicker,.soft,.correction,table,.warnings ul,footer,h2,caption,.disclaimer{font-size:10.5px}
.kicker{font-size:9px}
.answer{grid-template-columns:150px minmax(0,2fr) minmax(0,1fr)}
.ef{font-size:50px}
.ef.none{font-size:34px;padding:6px 0}
.volumes dd{font-size:14px}
.correction{padding:8px 12px;grid-template-columns:minmax(0,1.15fr) minmax(0,1fr)}
.films-2 .pictures{grid-template-columns:repeat(4,1fr)}
figcaption b{font-size:14px}
figcaption span{font-size:9px}
.curve{max-height:175px}
th,td{padding-top:1.2px;padding-bottom:1.2px}
footer{padding-top:7px}
.disclaimer{margin-top:6px}
.crowded{font-size:10px;line-height:1.3}
.crowded .pictures figure{height:132px;justify-self:center}
.crowded .curve{max-height:105px}
.crowded .ef{font-size:38px}
.crowded main{gap:7px}
.crowded .warnings ul{list-style-position:inside;padding-left:0;columns:2;column-gap:26px;font-size:9px}
.crowded .warnings li,.crowded .correction p{overflow:hidden;max-height:2.6em}
.crowded .correction p{max-height:3.9em}
.crowded .correction,.crowded table,.crowded footer{font-size:9.5px}
section,figure,tr,li,footer{break-inside:avoid}
}
"""
"""The style sheet: colours as variables, the dark ones where the reader's system asks for them, paper always white."""
