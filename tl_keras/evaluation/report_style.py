"""The style sheet of the report: light or dark, wide or narrow, as the reader's system is."""

STYLE = """\
:root {
  --page: #f4f6f8; --card: #ffffff; --ink: #1c2430; --muted: #5d6875; --line: #e3e7ec;
  --accent: #1f6feb; --soft: #c4ccd6; --right: #00805e; --wrong: #c04a00; --missed: #b3246b;
}
@media (prefers-color-scheme: dark) {
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
picture img { display: block; max-width: 100%; min-width: 30rem; height: auto; margin: 0 auto; }

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
h3 { margin: 1.2rem 0 .4rem; font-size: 1rem; }

pre {
  margin: 0 0 .8rem; padding: .8rem 1rem; overflow-x: auto; background: var(--page);
  border-radius: 6px;
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
