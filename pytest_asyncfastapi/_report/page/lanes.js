// A race: one column for each task, one row for each step, in the order in which they ran.
const lanesOf = (sweep, point) => {
  const mine = (sweep.points || []).filter((one) => one.lanes);
  return (mine.find((one) => one.token === point.token) || (point.bad && mine[0]) || {}).lanes;
};

const lanesView = (rows) => {
  if (!rows || !rows.length) return null;
  const names = [...new Set(rows.map((row) => row[0]))];
  const spans = new Map(names.map((name) => [name, [rows.findIndex((row) => row[0] === name), rows.findLastIndex((row) => row[0] === name)]]));
  return h("div", { class: "lanes", tabindex: "0", role: "region", "aria-label": "Who ran when, one column for each task" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, heard("step")), names.map((name) => h("th", { scope: "col" }, breakable(name))))),
    h("tbody", {}, rows.map((row, at) => {
      const [who, where, what, changed] = row;
      return h("tr", { class: changed ? "changed" : "" },
        h("th", { scope: "row" }, String(at + 1)),
        names.map((name) => (name === who ? h("td", { class: "step" }, laneStep(placeOf(where), what, changed))
          : h("td", { class: at > spans.get(name)[0] && at < spans.get(name)[1] ? "waits" : "" }))));
    }))));
};

const laneStep = (place, what, changed) => {
  if (changed) return h("span", { class: "pill bad" }, `change: ${what}`);
  if (!place) return h("span", { class: "end" }, what);
  const through = what ? h("span", { class: "muted" }, what) : null;
  return [h("code", {}, place.source || place.fn), h("span", { class: "place" }, `${place.text}, in ${place.fn.split(".").pop()}`), through];
};
