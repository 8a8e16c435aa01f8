// One test: what became of it, what was found, what happened.
const testView = (number) => {
  const test = RUN.tests[number], record = test.record;
  return [
    h("div", { class: "eyebrow" }, h("span", { class: `pill ${test.outcome}` }, test.outcome), h("span", { class: "num" }, `${time(test.duration)} real`),
      record && record.elapsed ? h("span", { class: "num" }, `${time(record.elapsed)} virtual`) : null,
      test.reruns ? h("span", {}, `tried ${test.reruns + 1} times`) : null, test.worker ? h("span", {}, `on ${test.worker}`) : null),
    h("h2", { id: "title" }, breakable(nameOf(test))),
    h("p", { class: "place" }, h("strong", {}, `${test.file}:${test.line}`)),
    test.findings.length ? [h("h3", {}, count(test.findings.length, "finding")), briefs(test.findings)] : null,
    test.message && !test.traceback && !test.message.startsWith("Failed: pytest-asyncfastapi:")
      ? [h("h3", {}, test.outcome === "skipped" ? "Skipped because" : "Failed with"), h("pre", { class: "code message", tabindex: "0", "aria-label": "The failure's own text" }, test.message)] : null,
    test.traceback ? [h("h3", {}, "Traceback"), h("pre", { class: "code message", tabindex: "0", "aria-label": "The traceback" }, test.traceback)] : null,
    (test.captured || []).map((part) => [h("h3", {}, `Captured ${part.name}`), h("pre", { class: "code message", tabindex: "0", "aria-label": `Captured ${part.name}` }, part.text)]),
    test.subtests ? [h("h3", {}, count(test.subtests.length, "subtest")), h("ul", { class: "seen" }, test.subtests.map((part) =>
      h("li", {}, mark(part.outcome), part.name || "(no name)", part.message ? h("pre", { class: "code" }, part.message) : null)))] : null,
    test.sweeps.map((n) => [h("h3", {}, KINDS[RUN.sweeps[n].kind] || RUN.sweeps[n].kind), h("p", {}, h("a", { href: `#/sweep/${n}` }, sweepWords(RUN.sweeps[n])))]),
    record ? [h("h3", {}, "What happened"), waterfall(record, `Waterfall of ${nameOf(test)}`) || h("p", { class: "muted" }, "No request, call or wait was seen.")]
      : h("p", { class: "hint" }, "Nothing was recorded: the test makes no request with asgi_client, no upstream call, and blocks nothing."),
    record && (record.lag || record.seed !== undefined) ? facts(
      ["Longest step", record.lag ? `the event loop was held for ${time(record.lag)} at most` : ""],
      ["Seed", record.seed !== undefined ? copyable(`--asyncfastapi-seed=${record.seed}`) : ""]) : null,
  ];
};
