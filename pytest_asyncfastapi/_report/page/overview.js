// What a run came to, on one page.
const overview = () => {
  const all = records(), sum = (pick) => all.reduce((total, record) => total + pick(record), 0);
  const requests = sum((r) => (r.requests || []).length), calls = sum((r) => (r.upstream || []).length);
  const injected = sum((r) => (r.upstream || []).reduce((s, c) => s + (c.injected || []).reduce((t, [, , x]) => t + x, 0), 0));
  const struck = sum((r) => (r.upstream || []).filter((c) => c.fault).length);
  const virtual = sum((r) => r.elapsed || 0), runs = RUN.sweeps.reduce((n, s) => n + (s.points || []).length, 0);
  const errors = RUN.findings.filter((f) => f.severity === "error").length;
  const broken = RUN.tests.filter((test) => isBad(test) && !errorsIn(test));
  const bad = RUN.tests.filter(isBad).length + RUN.collection_errors.length;
  const headline = errors ? `${count(errors, "place")} to change` : bad ? `${count(bad, "failure")}, nothing found by the plugin`
    : RUN.findings.length ? `All well, with ${count(RUN.findings.length, "warning")}` : "All well: nothing found";
  return [
    h("h2", { id: "title" }, headline),
    h("p", { class: "muted" }, `${count(RUN.tests.length, "test")} in ${time(RUN.duration)}, ${when(RUN.started)}`),
    h("div", { class: "bar", "aria-hidden": "true" }, OUTCOMES.map((o) => RUN.counts[o] ? h("i", { class: o, style: { flex: String(RUN.counts[o]) } }) : null)),
    h("dl", { class: "tiles" },
      tile("Tests", RUN.tests.length, OUTCOMES.filter((o) => RUN.counts[o]).map((o) => `${RUN.counts[o]} ${o}`).join(", ")),
      tile("Findings", RUN.findings.length, RUN.findings.length ? `${errors} fail tests, ${count(RUN.findings.length - errors, "warning")}` : "no place in the code"),
      tile("Requests served", requests, runs ? `in the tests, and in ${count(runs, "run")} of sweeps` : "by the app, in process"),
      tile("Upstream calls", calls, struck ? `${struck} met by a fault` : "none met by a fault"),
      virtual ? tile("Virtual time", time(virtual), `in ${time(RUN.duration)} of real time`) : null,
      injected ? tile("Injected latency", time(injected), "in upstream calls") : null),
    comparison(),
    RUN.findings.length ? [h("h3", {}, "By rule"), byRule()] : null,
    RUN.findings.length > 3 ? [h("h3", {}, "By file"), byFile()] : null,
    broken.length ? [h("h3", {}, errors ? "Failed without a finding" : "Failed"), testLinks(broken)] : null,
    RUN.sweeps.length ? [h("h3", {}, "Sweeps"), h("ul", { class: "brief" }, RUN.sweeps.map((sweep, n) => h("li", {}, h("a", { href: `#/sweep/${n}` },
      h("span", { class: `mark ${(sweep.points || []).some((p) => p.bad) ? "failed" : "ok"}`, "aria-hidden": "true" }),
      h("span", { class: "t" }, `${KINDS[sweep.kind] || sweep.kind} of ${sweepName(sweep)}`), h("span", { class: "sub" }, sweepWords(sweep))))))] : null,
    longest("Where the event loop was held longest", RUN.tests, (test) => (test.record && test.record.lag) || 0, "in one step"),
    longest("Most virtual time", RUN.tests, (test) => (test.record && test.record.elapsed) || 0, "of virtual time"),
    RUN.collection_errors.length ? [h("h3", {}, "Not collected"), RUN.collection_errors.map((error) => [h("p", { class: "place" }, error.id), h("pre", { class: "code message", tabindex: "0", "aria-label": `Why ${error.id} was not collected` }, error.message)])] : null,
    RUN.notes.length ? [h("h3", {}, "Notes"), h("ul", { class: "notes" }, RUN.notes.map((note) => h("li", {}, note)))] : null,
    h("h3", {}, "Made with"),
    h("p", { class: "muted" }, Object.entries(RUN.made_with).map(([name, version]) => `${name} ${version}`).join(", "), `; seed ${RUN.seed}`),
  ];
};
// How many of each rule, and where they are: the findings themselves are in the list.
const tally = (pick) => {
  const found = new Map();
  for (const f of RUN.findings) {
    const name = pick(f);
    if (!name) continue;
    if (!found.has(name)) found.set(name, { errors: 0, warnings: 0, first: f });
    found.get(name)[f.severity === "error" ? "errors" : "warnings"] += 1;
  }
  return [...found].sort((a, b) => b[1].errors - a[1].errors || b[1].warnings - a[1].warnings).slice(0, 20);
};
const tallyTable = (title, rows, show) => h("table", { class: "tally" },
  h("thead", {}, h("tr", {}, [title, "errors", "warnings"].map((name) => h("th", { scope: "col" }, name)))),
  h("tbody", {}, rows.map(([name, one]) => h("tr", {}, h("th", { scope: "row" }, show(name, one.first)), h("td", { class: "num" }, String(one.errors)), h("td", { class: "num" }, String(one.warnings))))));
const byRule = () => tallyTable("rule", tally((f) => f.kind), (name, f) => ruleLink(f));
const byFile = () => tallyTable("file", tally((f) => (placeOf(f.where) || {}).path), (name) => h("span", { class: "mono" }, breakable(name)));

const comparison = () => COMPARED && [
  h("h3", {}, `Since the run of ${when(COMPARED.started)}`),
  h("dl", { class: "tiles" }, tile("New", COMPARED.new.length, "not in the earlier run"), tile("Gone", COMPARED.gone.length, "their tests were run again"),
    tile("Still there", COMPARED.still.length, "in both runs"),
    COMPARED.not_run.length ? tile("Not run", COMPARED.not_run.length, "their tests were not run this time") : null),
  COMPARED.new.length ? [h("h3", {}, "New"), briefs(COMPARED.new)] : null,
  COMPARED.gone.length ? [h("h3", {}, "Gone"), h("ul", { class: "seen" }, COMPARED.gone.slice(0, 30).map((f) => h("li", {}, h("s", {}, f.title), h("span", { class: "place" }, f.place && ` ${f.place}`))))] : null,
];
const longest = (title, tests, pick, words) => {
  const found = tests.map((test, n) => [pick(test), test, n]).filter(([seconds]) => seconds > 0).sort((a, b) => b[0] - a[0]).slice(0, 5);
  return found.length > 2 ? [h("h3", {}, title), h("ol", { class: "ranks" }, found.map(([seconds, test, n]) => h("li", {},
    h("span", { class: "num" }, time(seconds)), h("a", { href: `#/test/${n}` }, breakable(nameOf(test))))))] : null;
};
const tile = (name, value, note) => h("div", { class: "tile" }, h("dt", {}, name), h("dd", {}, typeof value === "number" ? value.toLocaleString("en") : value, h("small", {}, note)));
const testLinks = (tests) => h("ul", { class: "seen" }, tests.slice(0, 30).map((test) => h("li", {}, mark(test.outcome), h("a", { href: `#/test/${RUN.tests.indexOf(test)}` }, test.id))));
const when = (text) => { const at = new Date(text); return Number.isNaN(at.getTime()) ? text : at.toISOString().replace("T", " ").slice(0, 16) + " UTC"; };
