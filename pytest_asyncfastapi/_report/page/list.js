// The side: three lists, a search, filters. Links all the way, so that every key works.
const TABS = [["finding", "Findings", RUN.findings], ["test", "Tests", RUN.tests], ["sweep", "Sweeps", RUN.sweeps]].filter(([, , all]) => all.length);
const SIDE = { tab: RUN.findings.length ? "finding" : "test", search: "", only: new Set() };

const chipsOf = (tab) => {
  if (tab === "finding") {
    const kinds = [...new Set(RUN.findings.map((f) => f.kind.split(".")[0]))];
    const severities = [...new Set(RUN.findings.map((f) => f.severity))];
    return [...(severities.length > 1 ? severities.map((s) => [s, KIND_WORDS[s]]) : []), ...(kinds.length > 1 ? kinds.map((k) => [`kind:${k}`, k]) : [])];
  }
  if (tab === "test") {
    const found = OUTCOMES.filter((o) => RUN.counts[o]).map((o) => [o, o]);
    if (RUN.tests.some((t) => t.findings.length)) found.push(["found", "with findings"]);
    if (RUN.tests.some((t) => t.record && t.record.virtual)) found.push(["virtual", "virtual time"]);
    return found.length > 1 ? found : [];
  }
  const kinds = [...new Set(RUN.sweeps.map((s) => s.kind))];
  return kinds.length > 1 ? kinds.map((k) => [k, KINDS[k] || k]) : [];
};

const textOf = (tab, item) => {
  if (tab === "test") return item.id;
  if (tab === "sweep") return `${KINDS[item.kind]} ${item.test}`;
  const place = placeOf(item.where);
  return [item.title, item.activity, item.kind, place && place.text, ...(item.tests || []).map((n) => RUN.tests[n].id)].join(" ");
};

const allows = (tab, item, only) => {
  const any = (names, test) => { const asked = [...only].filter(names); return !asked.length || asked.some(test); };
  if (tab === "finding") return any((n) => n in KIND_WORDS, (n) => n === item.severity) && any((n) => n.startsWith("kind:"), (n) => item.kind.split(".")[0] === n.slice(5));
  if (tab === "sweep") return any(() => true, (n) => n === item.kind);
  return any((n) => OUTCOMES.includes(n), (n) => n === item.outcome) && (!only.has("found") || item.findings.length > 0) && (!only.has("virtual") || !!(item.record && item.record.virtual));
};

const drawSide = () => {
  const side = $("side");
  fill(side,
    h("div", { class: "tabs", role: "tablist", "aria-label": "What to list" }, TABS.map(([name, words, all]) => h("button", {
      type: "button", class: "tab", role: "tab", id: `tab-${name}`, "aria-selected": String(SIDE.tab === name), "aria-controls": "panel", tabindex: SIDE.tab === name ? "0" : "-1",
      onclick: () => { SIDE.tab = name; SIDE.only.clear(); drawSide(); $(`tab-${name}`).focus(); },
      onkeydown: (event) => { const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]; if (step) { event.preventDefault(); $(`tab-${TABS[(TABS.findIndex(([n]) => n === name) + step + TABS.length) % TABS.length][0]}`).click(); } },
    }, words, h("span", { class: "n" }, all.length.toLocaleString("en"))))),
    h("div", { class: "panel", id: "panel", role: "tabpanel", "aria-labelledby": `tab-${SIDE.tab}`, style: { display: "contents" } },
      h("div", { class: "filters" },
        h("input", { type: "search", class: "search", id: "search", placeholder: "Filter", "aria-label": "Filter by text", value: SIDE.search, autocomplete: "off", spellcheck: "false",
          oninput: (event) => { SIDE.search = event.target.value; drawList(); } }),
        chipsOf(SIDE.tab).length ? h("div", { class: "chips", role: "group", "aria-label": "Show only" }, chipsOf(SIDE.tab).map(([name, words]) => h("button", {
          type: "button", class: "chip", "aria-pressed": String(SIDE.only.has(name)),
          onclick: (event) => { if (!SIDE.only.delete(name)) SIDE.only.add(name); event.target.setAttribute("aria-pressed", String(SIDE.only.has(name))); drawList(); },
        }, words))) : null),
      h("div", { class: "list", id: "list" })));
  drawList();
};

const drawList = () => {
  const [, words, all] = TABS.find(([name]) => name === SIDE.tab) || ["test", "Tests", []];
  const terms = SIDE.search.toLowerCase().split(/\s+/).filter(Boolean);
  const found = all.map((item, n) => [item, n]).filter(([item]) => allows(SIDE.tab, item, SIDE.only))
    .filter(([item]) => { const text = terms.length ? textOf(SIDE.tab, item).toLowerCase() : ""; return terms.every((term) => text.includes(term)); });
  const parts = [];
  let file = null, group = null;
  for (const [item, n] of found) {
    if (group === null || (SIDE.tab === "test" && item.file !== file)) {
      file = item.file;
      group = h("ul", { "aria-label": SIDE.tab === "test" ? file : words });
      if (SIDE.tab === "test") parts.push(h("div", { class: "group" }, file));
      parts.push(group);
    }
    group.append(h("li", {}, itemOf(SIDE.tab, item, n)));
  }
  fill($("list"), parts.length ? parts : h("p", { class: "empty" }, all.length ? "Nothing fits the filter." : "No test has run."));
  if (terms.length || SIDE.only.size) said(`${found.length} of ${all.length} shown`);
  showCurrent();
};

const itemOf = (tab, item, n) => {
  const link = (...parts) => h("a", { class: "item", href: `#/${tab}/${n}` }, parts);
  if (tab === "test") return link(mark(item.outcome)[0], h("span", { class: "title" }, h("span", { class: "visually-hidden" }, `${item.outcome}: `), breakable(nameOf(item))),
    h("span", { class: "side-note num" }, time(item.duration)), item.findings.length ? h("span", { class: "sub" }, count(item.findings.length, "finding")) : null);
  if (tab === "sweep") return link(mark((item.points || []).some((p) => p.bad) ? "failed" : "ok")[0], h("span", { class: "title" }, breakable(sweepName(item))), null,
    h("span", { class: "sub" }, `${KINDS[item.kind] || item.kind}: ${sweepWords(item)}`));
  const place = placeOf(item.where);
  return link(mark(item.severity)[0], h("span", { class: "title" }, h("span", { class: "visually-hidden" }, `${KIND_WORDS[item.severity]}: `), item.title),
    (item.tests || []).length > 1 ? h("span", { class: "side-note num" }, `${item.tests.length} tests`) : null,
    place && h("span", { class: "sub mono" }, place.text));
};

const showCurrent = () => {
  const [, kind, n] = location.hash.split("/");
  for (const item of $("list").querySelectorAll(".item")) {
    if (item.getAttribute("href") === `#/${kind}/${n}`) { item.setAttribute("aria-current", "page"); item.scrollIntoView({ block: "nearest" }); }
    else item.removeAttribute("aria-current");
  }
};

// From the list's item that has the focus, or is shown, to the next.
const stepInList = (step) => {
  const items = [...$("list").querySelectorAll(".item")];
  const at = items.findIndex((item) => item === document.activeElement || (!items.includes(document.activeElement) && item.hasAttribute("aria-current")));
  const next = items[Math.min(items.length - 1, Math.max(0, at + step))];
  if (next) { next.focus(); location.hash = next.getAttribute("href"); }
};
