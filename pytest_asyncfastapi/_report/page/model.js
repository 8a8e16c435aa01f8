// The run, and what is looked up in it.
const RUN = JSON.parse($("data").textContent);
const OUTCOMES = ["failed", "error", "passed", "skipped", "xfailed", "xpassed"];
const KINDS = { faults: "fault sweep", disconnect: "disconnect sweep", schedules: "schedules" };

const placeOf = (number) => {
  if (number === undefined || number === null) return null;
  const [path, line, fn, source] = RUN.places[number];
  return { path, line, fn, source, text: `${path}:${line}` };
};
const nameOf = (test) => test.id.slice(test.id.indexOf("::") + 2) || test.id;

// Each test knows its sweeps.
RUN.tests.forEach((test) => { test.sweeps = []; test.findings = test.findings || []; });
RUN.sweeps.forEach((sweep, number) => (sweep.tests || []).forEach((n) => RUN.tests[n].sweeps.push(number)));

const isBad = (test) => test.outcome === "failed" || test.outcome === "error";
const errorsIn = (test) => test.findings.filter((n) => RUN.findings[n].severity === "error").length;

// All that was recorded: of the tests, and of the runs of their sweeps.
const records = () => [
  ...RUN.tests.map((test) => test.record),
  ...RUN.sweeps.flatMap((sweep) => (sweep.points || []).map((point) => point.record)),
].filter(Boolean);

const mark = (kind, words) => [
  h("span", { class: `mark ${kind}`, "aria-hidden": "true" }),
  h("span", { class: "visually-hidden" }, `${words || kind}: `),
];

const placeLine = (place) => h("p", { class: "place" }, h("strong", {}, place.text), place.fn ? `, in ${place.fn}` : "");
const codeLine = (place, severity, context) => {
  if (!place.source && !context) return null;
  const [first, lines] = context || [place.line, [place.source]];
  return h("div", { class: `code line ${severity || ""}` }, lines.map((text, n) => [
    h("span", { class: first + n === place.line ? "n here" : "n" }, String(first + n)),
    h("span", { class: first + n === place.line ? "here" : "around" }, text || " ", first + n === place.line && context ? heard(" (the line of the finding)") : null),
  ]));
};
