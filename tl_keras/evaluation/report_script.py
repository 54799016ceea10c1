"""The report's only script: what folds and unfolds by itself.  Without it all is open."""

SCRIPT = """
'use strict';
const folds = [...document.querySelectorAll('section > details')];
const narrow = matchMedia('(max-width: 40rem)').matches;
function unfold() {
  const aim = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!aim) return;
  const fold = aim.closest('details') || aim.querySelector(':scope > details');
  if (fold && !fold.open) { fold.open = true; aim.scrollIntoView(); }
}
if (narrow) for (const fold of folds.slice(2)) fold.open = false;
addEventListener('hashchange', unfold);
unfold();
let folded = [];
addEventListener('beforeprint', () => {
  folded = [...document.querySelectorAll('details:not([open])')];
  for (const fold of folded) fold.open = true;
});
addEventListener('afterprint', () => { for (const fold of folded) fold.open = false; });
"""
"""JavaScript, free of anything that would end a ``<script>`` element."""
