// One finding: what, where, why, what to write instead, and the picture.
const KIND_WORDS = { error: "fails tests", warning: "warning" };

// The run of a sweep that a finding is about: its replay line names it.
const runOf = (f) => {
  const token = (/--asyncfastapi-replay=(\S+)/.exec(f.replay || "") || [])[1];
  const tests = new Set(f.tests || []);
  for (const [n, sweep] of RUN.sweeps.entries()) {
    const point = token && (sweep.tests || []).some((t) => tests.has(t)) && (sweep.points || []).find((p) => p.token === token);
    if (point) return { at: `#/sweep/${n}/${token}`, point, sweep };
  }
  return null;
};

// The rule, and its page where the documentation is published.
const ruleLink = (f) => f.page && f.page.startsWith("http")
  ? h("a", { class: "mono", href: f.page, rel: "noreferrer" }, f.kind) : h("span", { class: "mono", title: f.page }, f.kind);
const COMPARED = RUN.compared, CHANGES = { new: "new", still: "still there" };
const changeOf = (number) => {
  const change = COMPARED && Object.keys(CHANGES).find((name) => COMPARED[name].includes(number));
  return change ? h("span", { class: `pill ${change === "new" ? "warn" : ""}` }, CHANGES[change]) : null;
};

const findingView = (number) => {
  const f = RUN.findings[number], place = placeOf(f.where);
  const tests = (f.tests || []).map((n) => [n, RUN.tests[n]]);
  const run = runOf(f), shown = !run && tests.find(([, test]) => test.record);
  return [
    h("div", { class: "eyebrow" }, h("span", { class: `pill ${f.severity}` }, KIND_WORDS[f.severity]), ruleLink(f), changeOf(number),
      f.count ? h("span", {}, `${f.count} times in one test`) : null),
    h("h2", { id: "title", class: "sentence" }, f.title),
    place && placeLine(place),
    place && codeLine(place, f.severity, f.context),
    f.remedy && h("section", { class: "fix", "aria-label": "What to write instead" }, h("h3", {}, "Fix"), h("p", {}, f.remedy)),
    facts(
      ["In", f.activity],
      ["Why it matters", f.why],
      ["Through", (f.chain || []).length > 1 && h("ol", { class: "steps" }, f.chain.map((n) => h("li", {}, `${placeOf(n).fn || "?"}  ${placeOf(n).text}`)))],
      ["Created", f.created],
      [f.kind === "blocking" ? "Seen by" : "Detail", f.evidence, (f.evidence || "").includes("\n") ? "pre" : ""],
      ["Replay", f.replay && copyable(f.replay)],
      ["Intended?", f.allow && copyable(f.allow)],
      ["About the rule", f.page && !f.page.startsWith("http") && h("span", { class: "mono" }, f.page)],
    ),
    h("h3", {}, `Seen in ${count(tests.length, "test")}`),
    h("ul", { class: "seen" }, tests.slice(0, 50).map(([n, test]) => h("li", {}, mark(test.outcome), h("a", { href: `#/test/${n}` }, breakable(test.id))))),
    tests.length > 50 ? h("p", { class: "muted" }, `and ${tests.length - 50} more`) : null,
    run && lanesOf(run.sweep, run.point) && [h("h3", {}, "Who ran when"), lanesView(lanesOf(run.sweep, run.point))],
    run && [h("h3", {}, `What happened in ${run.point.token}`), waterfall(run.point.record, `Waterfall of ${run.point.token}`),
      h("p", { class: "under-chart" }, h("a", { href: run.at }, "See it beside the other runs of the sweep"))],
    shown && h("h3", {}, `What happened in ${nameOf(shown[1])}`),
    shown && waterfall(shown[1].record, `Waterfall of ${nameOf(shown[1])}`),
  ];
};

const briefs = (numbers) => h("ul", { class: "brief" }, numbers.map((n) => {
  const f = RUN.findings[n], place = placeOf(f.where);
  return h("li", {}, h("a", { href: `#/finding/${n}` },
    h("span", { class: `mark ${f.severity}`, "aria-hidden": "true" }),
    h("span", { class: "t" }, h("span", { class: "visually-hidden" }, `${KIND_WORDS[f.severity]}: `), f.title),
    h("span", { class: "sub" }, place && h("span", { class: "place" }, `${place.text}  `), f.activity ? `in ${f.activity}` : ""),
    f.remedy && h("span", { class: "sub" }, `Fix: ${f.remedy.split("\n")[0]}`)));
}));
