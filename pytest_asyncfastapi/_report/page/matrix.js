// The cells of a sweep: one for each run. Arrow keys go from cell to cell.
// Each verdict has a mark of its own, beside its colour; the key below a matrix names them.
const LISTED = new Set(["masked", "lost background task", "unexpected data", "unsafe retry", "cleanup cut off", "cancel swallowed", "database gone"]);
const MARKS = {
  ok: "", handled: "", "not reached": "\u2013", masked: "~", unhandled: "!", "broken body": "\u00bd", "caller blamed": "4", "undeclared status": "?",
  "no timeout": "\u221e", "side effect": "\u2260", "cached failure": "\u21ba", "start-up aborted": "\u2191", "lost background task": "\u2026",
  "unsafe retry": "\u00d72", "unexpected data": "{}", "cleanup not run": "\u2283", "cleanup cut off": "\u2282", leak: "\u2234", stuck: "\u25a0", hung: "\u29d6",
  "lock held": "\u2297", "not given back": "\u2212", "broken afterwards": "\u2192", "connection lost": "\u21af", "pool connection lost": "\u2212c", failed: "\u00d7", "cancel swallowed": "\u2205", "database gone": "\u2300",
  assertion: "a", teardown: "t", "set-up": "s", race: "\u21c4", "not judged": "\u203d",
};

const toneOf = (point) => {
  if (point.bad) return "bad";
  if (LISTED.has(point.verdict)) return "warn";
  return point.verdict === "ok" || point.verdict === "handled" ? "ok" : "";
};
const signOf = (point) => MARKS[point.verdict] ?? (point.bad ? "!" : "");

const matrix = (sweep, chosen, choose) => {
  const points = sweep.points || [], about = sweep.about || {};
  const make = (point, text, small, words) => h("button", {
    type: "button", class: `cell ${toneOf(point)}${small ? " small" : ""}`, "aria-pressed": String(point.token === chosen), "data-token": point.token,
    title: point.token, onclick: () => choose(point.token),
  }, heard(`${words}: ${point.verdict} `), text);
  let body;
  if (sweep.kind === "faults") body = faultMatrix(points, about, make);
  else if (sweep.kind === "disconnect") body = disconnectMatrix(points, about, make);
  else body = [h("div", { class: "strip", role: "group", "aria-label": "The schedules, in the order in which they ran" },
    points.map((point, n) => shownInStrip(point, n, chosen) && make(point, `${n + 1}${signOf(point)}`, true, `schedule ${n + 1}, ${point.token.split(":").slice(1).join(":")}`)), points.length > STRIP ? h("p", { class: "muted" }, `Of ${count(points.length, "run")} the first ${STRIP} are shown, and those that failed.`) : null)];
  const box = h("div", { class: "matrix", onkeydown: walk }, body);
  const cells = [...box.querySelectorAll(".cell")];
  const entry = cells.find((cell) => cell.dataset.token === chosen) || cells.find((cell) => cell.classList.contains("bad")) || cells[0];
  cells.forEach((cell) => { cell.tabIndex = cell === entry ? 0 : -1; });
  return box;
};

// Thousands of orders that hold are not worth a cell each.
const STRIP = 300;
const shownInStrip = (point, n, chosen) => n < STRIP || point.bad || point.lanes || point.token === chosen;

const faultMatrix = (points, about, make) => {
  const cells = new Map(points.map((point) => [`${point.row}/${point.column}`, point]));
  const columns = about.columns || [...new Set(points.map((point) => point.column))];
  return h("table", { class: "faults" },
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "call"), columns.map((name) => h("th", { scope: "col" }, name.split("_").flatMap((part, n) => (n ? [h("br"), part] : [part])))))),
    h("tbody", {}, Object.entries(about.rows || {}).map(([row, call]) => h("tr", {},
      h("th", { scope: "row" }, call.call.replace(/https?:\/\//, ""), call.where ? h("small", {}, call.where) : null),
      columns.map((name) => {
        const point = cells.get(`${row}/${name}`);
        return h("td", {}, point && make(point, (point.answer === "raised" ? "exc" : point.answer || "") + signOf(point), false, `call ${row}, ${name.replace(/_/g, " ")}`));
      })))));
};

const disconnectMatrix = (points, about, make) => {
  const modes = about.columns || [...new Set(points.map((point) => point.column))];
  const cells = new Map(points.map((point) => [`${point.row}/${point.column}`, point]));
  const words = { leave: "client leaves", cancel: "cancelled once", cancel_always: "cancelled for good" };
  return Object.entries(about.requests || {}).map(([number, [label, steps, status]]) => h("table", { class: "cuts" },
    h("caption", {}, `${label}`, h("span", { class: "muted" }, ` (${status} when it is not cut)`)),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "cut at await"), Array.from({ length: steps }, (_, n) => h("th", { scope: "col" }, String(n + 1))))),
    h("tbody", {}, modes.map((mode) => h("tr", {},
      h("th", { scope: "row" }, words[mode] || mode),
      Array.from({ length: steps }, (_, at) => {
        const point = cells.get(`${number}.${at + 1}/${mode}`);
        return h("td", {}, point && make(point, signOf(point) || "·", true, `${label}, await ${at + 1}, ${words[mode] || mode}`));
      }))))));
};

// Up and down by place on the screen: the tables need not be regular.
const walk = (event) => {
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 0, ArrowUp: 0, Home: 0, End: 0 };
  const cell = event.target.closest(".cell");
  if (!cell || !(event.key in steps) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const cells = [...event.currentTarget.querySelectorAll(".cell")], at = cells.indexOf(cell);
  let next = cells[at + steps[event.key]];
  if (event.key === "Home") next = cells[0];
  if (event.key === "End") next = cells[cells.length - 1];
  if (event.key === "ArrowDown" || event.key === "ArrowUp") next = above(cells, cell, event.key === "ArrowUp");
  if (!next) return;
  cells.forEach((one) => { one.tabIndex = one === next ? 0 : -1; });
  next.focus();
};
const above = (cells, cell, up) => {
  const mine = cell.getBoundingClientRect();
  let best = null, least = Infinity;
  for (const other of cells) {
    const box = other.getBoundingClientRect(), down = box.top - mine.top;
    if (up ? down > -4 : down < 4) continue;
    const far = Math.abs(down) * 100 + Math.abs(box.left - mine.left);
    if (far < least) { least = far; best = other; }
  }
  return best;
};
