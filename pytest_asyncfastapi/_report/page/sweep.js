// A sweep: its matrix, and the run of the cell that is chosen.
const sweepName = (sweep) => sweep.test.slice(sweep.test.indexOf("::") + 2) + (sweep.call ? `, ${sweep.call}` : "");
const sweepWords = (sweep) => {
  const points = sweep.points || [], bad = points.filter((point) => point.bad).length;
  return `${count(points.length, "run")}, ${bad ? `${bad} bad` : "none bad"}, ${time(sweep.duration)}`;
};

const sweepView = (number, token) => {
  const sweep = RUN.sweeps[number], points = sweep.points || [];
  const tallies = new Map();
  points.forEach((point) => tallies.set(point.verdict, (tallies.get(point.verdict) || 0) + 1));
  const holder = h("div"), chosen = h("section", { class: "chosen", id: "chosen", hidden: true, "aria-label": "The chosen run" });
  const choose = (wanted) => history.replaceState(null, "", `#/sweep/${number}/${wanted}`) || draw(wanted, true);
  const draw = (wanted, focus) => {
    fill(holder, points.length ? matrix(sweep, wanted, choose) : h("p", { class: "muted" }, "No point was run."));
    const point = points.find((one) => one.token === wanted);
    chosen.hidden = !point;
    if (point) fill(chosen, pointView(sweep, point));
    if (focus) holder.querySelector(".cell[aria-pressed='true']")?.focus({ preventScroll: true });
    if (focus && point) said(`${point.token}: ${point.verdict}`);
  };
  draw(token || (points.find((p) => p.bad) || points.find((p) => toneOf(p) === "warn") || {}).token);
  const found = [...new Set((sweep.tests || []).flatMap((n) => RUN.tests[n].findings))]
    .filter((n) => /^(sweep|schedules)/.test(RUN.findings[n].kind));
  const owners = (sweep.tests || []).map((n) => h("a", { href: `#/test/${n}` }, breakable(nameOf(RUN.tests[n]))));
  return [
    h("div", { class: "eyebrow" }, h("span", { class: `pill ${points.some((p) => p.bad) ? "bad" : "ok"}` }, sweepWords(sweep)), h("span", {}, KINDS[sweep.kind] || sweep.kind)),
    h("h2", { id: "title" }, breakable(sweepName(sweep))),
    h("p", { class: "place" }, sweep.test.slice(0, Math.max(0, sweep.test.indexOf("::")))),
    sweep.stopped ? h("p", { class: "notes" }, h("span", { class: "pill warn" }, "stopped"), ` ${sweep.stopped}`) : null,
    h("h3", {}, LEADS[sweep.kind] || "The runs"),
    holder,
    keyOf(sweep, tallies),
    points.length ? h("p", { class: "muted hint" }, "Each cell opens its run below.") : null,
    chosen,
    found.length ? [h("h3", {}, "Findings of this sweep"), briefs(found)] : null,
    owners.length ? [h("h3", {}, "Test"), h("p", {}, owners.map((link, n) => [n ? ", " : "", link]))] : null,
  ];
};
const ANSWERS = { raised: "an exception left the app", cut: "cut before it was answered", none: "no answer" };
const LEADS = {
  faults: "Each upstream call met by each fault; a cell is what the caller got",
  disconnect: "Each request, cut at each of its awaits",
  schedules: "The test again, in other orders of its tasks",
};

const keyOf = (sweep, tallies) => h("ul", { class: "key" }, [...tallies].map(([verdict, n]) => {
  const point = sweep.points.find((one) => one.verdict === verdict);
  return h("li", {}, h("span", { class: `cell ${toneOf(point)}`, "aria-hidden": "true" }, signOf(point)), `${verdict}: ${n}`);
}), sweep.points?.some((point) => point.answer === "raised") ? h("li", {}, "exc: an exception left the app") : null);

const pointView = (sweep, point) => {
  const place = placeOf(point.where), tone = toneOf(point);
  const replay = sweep.call ? `${sweep.call.replace(/\).*/, "")}..., replay='${point.token}')` : `pytest '${sweep.test}' --asyncfastapi-replay=${point.token}`;
  const lanes = lanesOf(sweep, point);
  const inside = h("p", { class: "muted" }, "It ran inside the test, and its requests are on the test's own waterfall.");
  return [
    h("div", { class: "eyebrow" }, h("span", { class: `pill ${tone}` }, point.verdict), point.answer ? h("span", {}, ANSWERS[point.answer] || `the caller got ${point.answer}`) : null),
    h("h3", { class: "token mono" }, point.token),
    point.detail ? h("p", {}, point.detail) : null,
    place && placeLine(place),
    place && codeLine(place, point.bad ? "" : "warning"),
    point.remedy && h("section", { class: "fix", "aria-label": "What to write instead" }, h("h3", {}, "Fix"), h("p", {}, point.remedy)),
    facts(["Cut at", point.cut_at], ["Replay", copyable(replay)]),
    lanes && [h("h3", {}, lanes === point.lanes ? "Who ran when" : "Who ran when, in the smallest order that fails"), lanesView(lanes)],
    h("h3", {}, "What happened in this run"),
    sweep.kind === "disconnect" ? h("p", { class: "muted under" }, "Once it is cut, the sweep sends the same request again, to see that it is still served.") : null,
    waterfall(point.record, `Waterfall of ${point.token}`) || (sweep.call ? inside : h("p", { class: "muted" }, "Nothing was recorded in it.")),
  ];
};
