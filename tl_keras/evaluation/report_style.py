"""The style sheet of the report: light or dark, wide or narrow, as the reader's system is."""

STYLE = """\
:root {
  --page: #f4f6f8; --card: #ffffff; --ink: #1c2430; --muted: #5d6875; --line: #e3e7ec;
  --accent: #1f6feb; --soft: #c4ccd6; --right: #00805e; --wrong: #c04a00; --missed: #b3246b;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --card: #161b22; --ink: #e6edf3; --muted: #9aa5b1; --line: #2d343d;
    --accent: #58a6ff; --soft: #4a5562; --right: #2fbf95; --wrong: #ff8a4c; --missed: #ff7ab8;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
}
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { margin: 0; font-size: 1.7rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 0 0 .8rem; font-size: 1.1rem; }
h3 { margin: 1.2rem 0 .4rem; font-size: 1rem; overflow-wrap: anywhere; }
a { color: var(--accent); }
p { margin: .4rem 0; color: var(--muted); }
section {
  margin-top: 1.2rem; padding: 1.1rem 1.2rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px;
}

.cards {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr));
  gap: .8rem; margin-top: 1rem;
}
.card {
  display: flex; flex-direction: column; padding: .8rem 1rem; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px;
}
.card strong { font-size: 1.6rem; font-variant-numeric: tabular-nums; }
.card:first-child strong { color: var(--accent); }
.name, .interval, small { color: var(--muted); font-size: .82rem; }

.bar {
  display: grid; grid-template-columns: 14rem 1fr 4rem; gap: .2rem .8rem;
  align-items: center; padding: .25rem 0; font-size: .92rem;
}
.bar span { overflow-wrap: anywhere; }
.bar span:last-child { text-align: right; font-variant-numeric: tabular-nums; }
.track { position: relative; height: 1rem; background: var(--line); border-radius: 4px; }
.track i { position: absolute; inset: 0 auto 0 0; background: var(--soft); border-radius: 4px; }
.own .track i { background: var(--accent); }
.track b {
  position: absolute; top: calc(50% - 1px); height: 2px; min-width: 2px; background: var(--ink);
}

.counted p { grid-column: 1 / -1; margin: 0 0 .6rem; font-size: .85rem; }

dl {
  display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .3rem 1.2rem; margin: 0;
}
dt { color: var(--muted); }
dd { margin: 0; overflow-wrap: anywhere; }

.wide { overflow-x: auto; }
table {
  border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem;
}
th, td { padding: .4rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th:first-child, .left th, .left td {
  min-width: 7rem; text-align: left; overflow-wrap: anywhere;
}
thead th { color: var(--muted); font-weight: 500; }
tbody th { font-weight: 600; }
td small { display: block; white-space: nowrap; }
.plot img { display: block; max-width: 100%; min-width: 30rem; height: auto; margin: 0 auto; }
.plot .dark { display: none; }
@media screen and (prefers-color-scheme: dark) {
  .plot .light { display: none; }
  .plot .dark { display: block; }
}

.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: .8rem; }
.pairs { grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); }
figure { margin: 0; }
figure img { width: 100%; border-radius: 6px; display: block; }
figcaption {
  margin-top: .3rem; font-size: .82rem; color: var(--muted); overflow-wrap: anywhere;
}

.found { display: flex; gap: .6rem; padding: .7rem 0; border-top: 1px solid var(--line); }
.found figure { flex: none; width: 6.2rem; }
.found img {
  height: 6.2rem; object-fit: contain; border: 3px solid transparent; background: var(--page);
}
.found .query { margin-right: .8rem; }
.found .query img { border-color: var(--soft); }
.found .right img { border-color: var(--right); }
.found .wrong img { border: 3px dashed var(--wrong); }
.found .missed { margin-left: .8rem; }
.found .missed img { border: 3px dotted var(--missed); }

pre {
  margin: 0 0 .8rem; padding: .8rem 1rem; overflow-x: auto; background: var(--page);
  border-radius: 6px;
}
code { font-size: .9em; overflow-wrap: anywhere; }

@media print {
  :root { color-scheme: light; }
  html { font-size: 11px; }
  body { background: none; font-size: 1rem; }
  main { max-width: none; padding: 0; }
  figure, article, tr, .bar, .card { break-inside: avoid; }
  h2, h3, summary { break-after: avoid; }
  pre { white-space: pre-wrap; }
}
@media (max-width: 40rem) {
  main { padding: 1rem .7rem 3rem; }
  section { padding: .9rem .9rem; }
  .bar { grid-template-columns: 1fr 4rem; }
  .bar span:first-child { grid-column: 1 / -1; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
}
"""
"""CSS, free of anything that would need escaping inside a ``<style>`` element."""

REPORT_STYLE = """\
summary { cursor: pointer; }
summary h2 { display: inline; margin: 0; }
details[open] > summary { margin-bottom: .8rem; }
section { scroll-margin-top: .6rem; }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1.1rem; margin: 1rem 0 0; font-size: .9rem; }
nav a { padding: .15rem 0; text-decoration: none; }
nav a:hover, nav a:focus-visible { text-decoration: underline; }

.wide.tall { max-height: 28rem; overflow: auto; border-bottom: 1px solid var(--line); }
.tall thead th { position: sticky; top: 0; background: var(--card); }
.counts { margin-top: 1rem; }
.counts th, .counts td { padding: .25rem .7rem; }
.wide + dl { margin-top: 1rem; }

.thumbs { display: grid; grid-template-columns: repeat(auto-fill, minmax(7.2rem, 1fr)); gap: .8rem;
  margin: .6rem 0; }
.thumbs figcaption { font-size: .78rem; line-height: 1.35; }
.thumbs b { display: block; color: var(--ink); font-weight: 500; }
.p { display: block; aspect-ratio: 1; border: 3px solid transparent; border-radius: 6px;
  background: var(--page) center / cover no-repeat; print-color-adjust: exact; }
.p.none { display: grid; place-items: center; padding: .5rem; border: 1px dashed var(--soft);
  color: var(--muted); font-size: .78rem; text-align: center; }
.right .p { border-color: var(--right); }
.wrong > .p { border: 3px dashed var(--wrong); }
article { border-top: 1px solid var(--line); margin-top: 1rem; }
article h3 { margin-top: .8rem; }

.matrix { max-height: 90vh; margin-top: .6rem; overflow: auto; scroll-margin-top: 1rem; }
.confusion { width: auto; margin: 0 auto; border-collapse: separate; border-spacing: 1px;
  font-size: .82rem; }
.confusion th, .confusion td { padding: 0; border: 0; text-align: center; }
.confusion tbody td { min-width: 2.1rem; height: 2.1rem; background: var(--page);
  border-radius: 3px; print-color-adjust: exact; }
.confusion th { background: var(--card); font-weight: 500; overflow-wrap: normal; }
.confusion tbody th { position: sticky; left: 0; z-index: 1; min-width: 0; max-width: 11rem;
  padding-right: .6rem; overflow: hidden; text-align: right; text-overflow: ellipsis;
  white-space: nowrap; }
.confusion thead { position: sticky; top: 0; z-index: 2; }
.confusion thead th, .confusion thead td { padding: .3rem 0; background: var(--card);
  color: var(--muted); vertical-align: bottom; }
.confusion thead td { position: sticky; left: 0; z-index: 1; padding-right: .6rem;
  font-size: .78rem; text-align: right; }
.confusion thead span { display: inline-block; max-height: 9rem; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; writing-mode: vertical-rl; rotate: 180deg; }
.confusion a { display: grid; place-items: center; width: 100%; height: 100%; min-height: 2.1rem;
  color: inherit; text-decoration: none; border-radius: 3px; }
.confusion a:hover, .confusion a:focus-visible { outline: 2px solid var(--ink); }
.confusion td[class] { --heat: var(--wrong);
  background: color-mix(in srgb, var(--heat) var(--much), var(--card)); }
.confusion td.own { --heat: var(--accent); }
.s1 { --much: 20%; } .s2 { --much: 27%; } .s3 { --much: 34%; } .s4 { --much: 42%; }
.s5 { --much: 50%; } .s6 { --much: 62%; } .s7 { --much: 74%; } .s8 { --much: 86%; }
.s9 { --much: 100%; }
.s6, .s7, .s8, .s9 { color: var(--card); }
@media (min-width: 40.01rem) {
  .many { font-size: .72rem; }
  .many tbody td, .many a { min-width: 1.22rem; height: 1.22rem; min-height: 1.22rem; }
  .many tbody th { max-width: 8rem; }
}
.panel { display: none; margin-top: 1rem; padding-top: .2rem; border-top: 1px solid var(--line);
  scroll-margin-top: 1rem; }
.panel:target { display: block; }

@media (min-width: 78rem) {
  main { max-width: 74rem; padding-left: 14.5rem; }
  nav { position: fixed; top: 1.8rem; left: max(1rem, calc(50% - 36rem)); flex-direction: column;
    width: 12rem; max-height: calc(100vh - 3rem); overflow-y: auto; margin: 0; }
}
@media (max-width: 40rem) {
  nav { display: grid; grid-template-columns: 1fr 1fr; }
  .thumbs { grid-template-columns: repeat(auto-fill, minmax(6rem, 1fr)); }
  .confusion tbody th { max-width: 6.5rem; }
  .plot img { min-width: 0; }
}
@media print {
  nav, .panel a { display: none; }
  .wide.tall, .matrix { max-height: none; overflow: visible; }
  .tall thead th, .confusion thead, .confusion tbody th { position: static; }
  .panels { columns: 3; }
  .panel.wrong { display: block; margin: 0 0 .6rem; break-inside: avoid; }
  .panel h3 { margin: .3rem 0; font-size: .9rem; }
  .panel p { font-size: .8rem; }
  .panel .thumbs { grid-template-columns: repeat(3, 1fr); }
  .matrix { break-inside: avoid; }
  .confusion { font-size: 8px; }
  .confusion tbody td, .confusion a { min-width: 1rem; height: 1rem; min-height: 1rem; }
  details::details-content { content-visibility: visible; }
  section { padding: .6rem 0; border: 0; border-top: 1px solid var(--line); border-radius: 0; }
  .thumbs { grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); }
}
"""
"""CSS of the report alone, beside :data:`STYLE`."""
