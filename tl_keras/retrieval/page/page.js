// What is looked for stands in the address (?id=...&where=...), so that links, reloads and the
// back button work; a picture that was sent stays in this window alone.

const part = (id) => document.getElementById(id);
const PAGE = 24;
const MOST = 192;

let about = null; // what the server says of the catalogue
let uploads = []; // pictures sent from this window; history.state names one by its number
let shownUrl = null;
let asked = 0; // of answers that come out of order, only the newest counts
let state = { id: null, upload: null, where: {}, collapse: false, count: PAGE };

function readAddress() {
  const query = new URLSearchParams(location.search);
  let where = {};
  try {
    const read = JSON.parse(query.get("where") || "{}");
    if (read && typeof read === "object" && !Array.isArray(read)) where = read;
  } catch {
    // An address cut short filters nothing.
  }
  const upload = history.state?.upload ?? null;
  state = {
    id: query.get("id"),
    upload: upload !== null && uploads[upload] ? upload : null,
    where,
    collapse: query.get("collapse") === "1",
    count: PAGE,
  };
}

function address(id) {
  const query = new URLSearchParams();
  if (id !== null) query.set("id", id);
  if (Object.keys(state.where).length) query.set("where", JSON.stringify(state.where));
  if (state.collapse) query.set("collapse", "1");
  const text = query.toString();
  return text ? `/?${text}` : "/";
}

function goTo(change) {
  state = { ...state, count: PAGE, ...change };
  history.pushState({ upload: state.upload }, "", address(state.id));
  show();
}

async function answer(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer; is it still running?");
  }
  const said = await response.json().catch(() => ({ error: "The server's answer is damaged." }));
  if (!response.ok) throw new Error(said.error);
  return said;
}

function listed() {
  const query = new URLSearchParams({ k: state.count });
  if (Object.keys(state.where).length) query.set("where", JSON.stringify(state.where));
  if (state.collapse) query.set("collapse", "1");
  if (state.upload !== null) {
    return answer(`/api/search?${query}`, { method: "POST", body: uploads[state.upload] });
  }
  if (state.id !== null) {
    query.set("id", state.id);
    return answer(`/api/similar?${query}`);
  }
  query.set("k", PAGE); // what is to be picked from has no end: piece by piece
  query.set("start", state.count - PAGE);
  return answer(`/api/items?${query}`);
}

async function show({ focus = true } = {}) {
  const mine = (asked += 1);
  showFilters();
  part("problem").hidden = true;
  part("results").classList.add("waiting");
  part("results").setAttribute("aria-busy", "true");
  let found = null;
  let problem = null;
  try {
    found = await listed();
  } catch (error) {
    problem = error.message;
  }
  if (mine !== asked) return;
  part("results").classList.remove("waiting");
  part("results").setAttribute("aria-busy", "false");
  showQuery(found);
  if (problem !== null) {
    part("problem").textContent = problem;
    part("problem").hidden = false;
    part("status").textContent = "";
    part("results").replaceChildren();
    part("more").hidden = true;
    return;
  }
  const hits = found.hits ?? found.items;
  part("status").textContent = sentence(found, hits);
  const before = part("results").childElementCount;
  const cards = hits.map(card);
  if (found.items && state.count > PAGE) part("results").append(...cards);
  else part("results").replaceChildren(...cards);
  const listedNow = part("results").childElementCount;
  part("more").hidden = found.items
    ? listedNow >= found.fitting
    : listedNow < state.count || listedNow >= Math.min(found.fitting, MOST);
  if (!focus) return;
  if (state.count > PAGE) part("results").children[before]?.querySelector("a").focus();
  else if (state.id !== null || state.upload !== null) {
    part("status").focus({ preventScroll: true });
    window.scrollTo({ top: 0 });
  }
}

function sentence(found, hits) {
  const number = (count) => count.toLocaleString("en");
  if (found.items) {
    const of = about.looked_at < about.items ? `, drawn from ${number(about.items)}` : "";
    if (!hits.length) return "Nothing in the catalogue has all of these; take a filter away";
    return `Pick one of ${number(found.fitting)}${of}`;
  }
  if (!hits.length) return "Nothing like it has all of these; take a filter away";
  return `The ${number(hits.length)} most like it, of ${number(found.fitting)}`;
}

function name(id, metadata) {
  return String(metadata.label ?? id.split("/").pop());
}

function facts(metadata) {
  const words = Object.entries(metadata)
    .filter(([column]) => column !== "label")
    .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value))
    .map(([column, value]) => {
      if (typeof value === "boolean") return value ? column : `not ${column}`;
      return typeof value === "string" ? value : `${column} ${value}`;
    });
  return [...new Set(words)].slice(0, 8).join(" · ");
}

function element(kind, text, className) {
  const made = document.createElement(kind);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function card(hit) {
  const link = element("a");
  link.href = address(hit.id);
  link.title = hit.id;
  const image = element("img");
  image.src = `/picture?${new URLSearchParams({ id: hit.id })}`;
  image.loading = "lazy";
  image.alt = `${name(hit.id, hit.metadata)} (${hit.id})`;
  link.append(image);
  if (hit.score !== undefined) {
    const score = element("span", undefined, "score");
    const meter = element("meter");
    meter.max = 1;
    meter.value = hit.score;
    meter.setAttribute("aria-hidden", "true");
    const number = element("span", hit.score.toFixed(2));
    number.title = "cosine of the two pictures' vectors: 1 is the same picture";
    score.append(number, meter);
    link.append(score);
  }
  link.append(element("strong", name(hit.id, hit.metadata)));
  const said = facts(hit.metadata);
  if (said) link.append(element("small", said));
  const copies = hit.duplicates?.length ?? 0;
  if (copies) {
    const more = element("small", `and ${copies} near-duplicate${copies > 1 ? "s" : ""}`);
    more.title = hit.duplicates.join("\n");
    link.append(more);
  }
  link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    goTo({ id: hit.id, upload: null });
  });
  const item = element("li");
  item.append(link);
  return item;
}

function showQuery(found) {
  const some = state.id !== null || state.upload !== null;
  if (shownUrl) URL.revokeObjectURL(shownUrl);
  shownUrl = null;
  part("shown").hidden = !some;
  part("clear").hidden = !some;
  part("asking").textContent = some ? "Like this one" : "What are you looking for?";
  part("hint").textContent = "Upload a picture, drop or paste one here, or pick one below.";
  if (state.upload !== null) {
    shownUrl = URL.createObjectURL(uploads[state.upload]);
    part("shown").src = shownUrl;
    part("shown").alt = "your picture";
    part("hint").textContent = uploads[state.upload].name || "a picture you pasted";
  } else if (state.id !== null) {
    const metadata = found?.query?.metadata ?? {};
    part("shown").src = `/picture?${new URLSearchParams({ id: state.id })}`;
    part("shown").alt = name(state.id, metadata);
    part("hint").textContent = [name(state.id, metadata), facts(metadata)]
      .filter(Boolean)
      .join(" · ");
  } else {
    part("shown").removeAttribute("src");
  }
}

function search(file) {
  if (!file || !about) return;
  if (file.size > about.max_upload) {
    const most = Math.floor(about.max_upload / 2 ** 20);
    part("problem").textContent = `${file.name} has more than ${most} MB; save it smaller.`;
    part("problem").hidden = false;
    return;
  }
  uploads.push(file);
  goTo({ id: null, upload: uploads.length - 1 });
}

function makeFilters() {
  const made = about.filters.map((filter) => {
    if (filter.kind === "choice") {
      const label = element("label", filter.name);
      const select = element("select");
      select.name = filter.name;
      select.append(new Option("any", ""));
      for (const [value, count] of filter.values) {
        select.append(new Option(`${value} (${count.toLocaleString("en")})`, JSON.stringify(value)));
      }
      label.append(select);
      return label;
    }
    const set = element("fieldset");
    const limits = element("div", undefined, "limits");
    for (const [sign, word, limit] of [[">=", "from", filter.low], ["<=", "up to", filter.high]]) {
      const input = element("input");
      Object.assign(input, { type: "number", step: "any", inputMode: "decimal", placeholder: limit });
      input.name = filter.name;
      input.dataset.sign = sign;
      input.setAttribute("aria-label", `${filter.name} ${word}`);
      limits.append(input);
    }
    set.append(element("legend", filter.name), limits);
    return set;
  });
  const tick = element("label", undefined, "tick");
  const box = element("input");
  Object.assign(box, { type: "checkbox", id: "collapse" });
  tick.append(box, "Near-duplicates once");
  const reset = element("button", "Reset filters", "button");
  reset.type = "button";
  reset.addEventListener("click", () => goTo({ where: {}, collapse: false }));
  part("filters").replaceChildren(...made, tick, reset);
  part("filtering").open = matchMedia("(min-width: 45rem)").matches;
}

function showFilters() {
  for (const field of part("filters").querySelectorAll("[name]")) {
    const wanted = state.where[field.name];
    if (field.dataset.sign) field.value = wanted?.[field.dataset.sign] ?? "";
    else field.value = wanted === undefined ? "" : JSON.stringify(wanted);
  }
  part("collapse").checked = state.collapse;
  const active = Object.entries(state.where).map(([column, wanted]) => {
    if (wanted === null || typeof wanted !== "object") return `${column}: ${wanted}`;
    if (Array.isArray(wanted)) return `${column}: ${wanted.join(", ")}`;
    return `${column} ${Object.entries(wanted).map(([sign, limit]) => `${sign} ${limit}`).join(", ")}`;
  });
  part("active").textContent = active.length ? `(${active.join("; ")})` : "";
}

part("filters").addEventListener("submit", (event) => event.preventDefault());
part("filters").addEventListener("change", () => {
  const where = {};
  for (const field of part("filters").querySelectorAll("[name]")) {
    if (!field.value) continue;
    if (field.dataset.sign) {
      const limit = Number(field.value);
      where[field.name] = { ...where[field.name], [field.dataset.sign]: limit };
    } else where[field.name] = JSON.parse(field.value);
  }
  state = { ...state, where, collapse: part("collapse").checked, count: PAGE };
  history.pushState({ upload: state.upload }, "", address(state.id));
  show({ focus: false });
});
part("file").addEventListener("change", () => {
  search(part("file").files[0]);
  part("file").value = ""; // the same file can be chosen again
});
part("clear").addEventListener("click", () => {
  goTo({ id: null, upload: null });
  part("file").focus();
});
part("more").addEventListener("click", () => {
  state.count += PAGE;
  if (state.id !== null || state.upload !== null) state.count = Math.min(state.count, MOST);
  show();
});
document.addEventListener("paste", (event) => search(event.clipboardData?.files[0]));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  part("query").classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) part("query").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  part("query").classList.remove("over");
  search(event.dataTransfer?.files[0]);
});
addEventListener("popstate", () => {
  readAddress();
  show({ focus: false });
});

try {
  about = await answer("/api/about");
  part("title").textContent = about.name;
  document.title = `${about.name}: visual search`;
  part("about").textContent = `Visual search among ${about.items.toLocaleString("en")} pictures`;
  makeFilters();
  readAddress();
  await show({ focus: false });
} catch (error) {
  part("problem").textContent = error.message;
  part("problem").hidden = false;
}
