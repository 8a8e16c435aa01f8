// Draws the rows of a record over one axis.
const MOST_ROWS = 80;
const LEGEND = [
  ["request", "until the head", "var(--bar-request)"], ["request-body", "body", "var(--bar-request-body)"],
  ["after", "background tasks", "var(--bar-after)"], ["call", "upstream", "var(--bar-call)"],
  ["call-body", "upstream body", "var(--bar-call-body)"], ["injected", "injected", ""],
  ["wait", "waits for a thread", "var(--bar-wait)"], ["blocked", "loop blocked", "var(--bar-blocked)"],
  ["await", "await", "var(--bar-task)"],
];

const waterfall = (record, title) => {
  if (!record) return null;
  const all = rowsOf(record), tasks = all.filter((row) => row.kind === "task").length;
  if (!all.length) return null;
  const section = h("section", { class: "waterfall", "aria-label": title || "Waterfall" });
  let withTasks = !all.some((row) => row.kind !== "task"), most = MOST_ROWS, view = null;
  const draw = () => {
    const rows = all.filter((row) => withTasks || row.kind !== "task");
    const shown = rows.slice(0, most), axis = scaleOf(rows, view);
    const show = (low, high, name) => {
      const width = Math.max(Math.min(high - low, axis.last - axis.from), LEAST);
      const first = Math.max(Math.min(low, axis.last - width), axis.from);
      view = width >= axis.last - axis.from ? null : [first, first + width];
      draw();
      const again = name && section.querySelector(`.zoom [data-zoom="${name}"]`);
      if (again) (again.disabled ? section.querySelector(".zoom button:enabled") : again).focus();
    };
    const kinds = new Set(rows.flatMap((row) => row.segs.map(([kind]) => kind)));
    fill(section,
      h("div", { class: "head" },
        h("span", { class: "clock" }, clockOf(record, axis)),
        axis.last - axis.from > LEAST ? zoomOf(axis, show) : null,
        h("ul", { class: "legend" }, LEGEND.filter(([kind]) => kinds.has(kind)).map(([kind, words, colour]) =>
          h("li", {}, h("i", { class: kind === "injected" ? "injected" : "", style: colour ? { background: colour } : {} }), words))),
        tasks && all.length > tasks ? h("button", { type: "button", class: "chip", "aria-pressed": String(withTasks),
          onclick: () => { withTasks = !withTasks; draw(); section.querySelector(".head .chip").focus(); } }, `${count(tasks, "task")}`) : null),
      h("div", { class: "chart" },
        h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, ""), h("div", { class: "ticks", ...dragged(axis, show) },
          axis.ticks.map((t) => h("span", { style: { left: `${axis.at(t)}%` } }, time(t - axis.from))))),
        h("div", { class: "behind", "aria-hidden": "true" },
          axis.ticks.map((t) => h("i", { style: { left: `${axis.at(t)}%` } })),
          rows.filter((row) => row.band && row.bad && axis.has(row.start, row.end)).slice(0, 30).map((row) => h("i", { class: "band",
            style: { left: `${axis.at(row.start)}%`, width: `${axis.at(row.end) - axis.at(row.start)}%` } }))),
        h("div", { class: "rows" }, shown.map((row) => drawRow(row, axis)))),
      rows.length > shown.length ? h("button", { type: "button", class: "more",
        onclick: () => { most = Infinity; draw(); } }, `Show all ${rows.length} rows`) : null);
  };
  draw();
  return section;
};

const clockOf = (record, axis) => {
  const length = time(axis.last - axis.from);
  const part = axis.low > axis.from || axis.high < axis.last ? `${time(axis.low - axis.from)} to ${time(axis.high - axis.from)} of ` : "";
  if (record.virtual && axis.last <= axis.from) return "No virtual time passed: it stands still while code runs";
  if (!record.virtual) return `${part}${length} of real time`;
  return `${part}${length} of virtual time, which stands still while code runs`;
};

// The shortest stretch of time that fills the chart, in seconds.
const LEAST = 1e-6;
const zoomOf = (axis, show) => {
  const middle = (axis.low + axis.high) / 2, span = axis.high - axis.low, whole = axis.last - axis.from;
  const button = (name, words, sign, off, low, high) => h("button", { type: "button", "data-zoom": name, "aria-label": words,
    title: words, disabled: off, onclick: () => show(low, high, name) }, sign);
  return h("span", { class: "zoom", role: "group", "aria-label": "Zoom of the time axis" },
    button("in", "Zoom in", "+", span <= LEAST, middle - span / 4, middle + span / 4),
    button("out", "Zoom out", "\u2212", span >= whole, middle - span, middle + span),
    button("earlier", "Earlier", "\u2039", axis.low <= axis.from, axis.low - span / 2, axis.high - span / 2),
    button("later", "Later", "\u203a", axis.high >= axis.last, axis.low + span / 2, axis.high + span / 2),
    button("all", "Show all of the time", "all", span >= whole, axis.from, axis.last));
};

// A stretch of the axis that is dragged over fills the chart.
const dragged = (axis, show) => {
  const moment = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    return axis.low + Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * axis.span;
  };
  let began = null;
  return {
    title: "Drag to zoom",
    onpointerdown: (event) => { began = moment(event); event.currentTarget.setPointerCapture(event.pointerId); event.preventDefault(); },
    onpointerup: (event) => {
      if (began === null) return;
      const ended = moment(event), low = Math.min(began, ended), high = Math.max(began, ended);
      began = null;
      if (high - low > axis.span / 100) show(low, high);
    },
  };
};

// From the first thing to the last, or what is in view of it, with ticks at round numbers.
const scaleOf = (rows, view) => {
  const busy = rows.filter((row) => row.kind !== "task"), seen = busy.length ? busy : rows;
  const from = Math.min(...seen.map((row) => row.start));
  const last = Math.max(...seen.map((row) => row.end), from);
  const [low, high] = view || [from, last];
  const span = Math.max(high - low, LEAST), about = span / 6;
  const unit = 10 ** Math.floor(Math.log10(about));
  let step = unit * [1, 2, 2.5, 5, 10].find((m) => unit * m >= about * 0.999);
  for (const round of [10, 15, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200]) {
    if (about > 6 && round >= about) { step = round; break; }
  }
  const ticks = [];
  const first = Math.ceil((low - from) / step - 0.0001) * step;
  for (let n = 0; first + n * step <= high - from + span * 0.0001 && n < 20; n += 1) ticks.push(from + first + n * step);
  const at = (t) => Math.min(100, Math.max(0, ((t - low) / span) * 100));
  const has = (start, end) => end >= low && start <= high;
  return { from, last, low, high, span, ticks: last > from ? ticks : [from], at, has };
};

const drawRow = (row, axis) => {
  const took = row.took === undefined ? time(row.end - row.start) : row.took;
  const left = axis.at(row.start), right = axis.at(row.end), before = right > 88 && left > 14;
  const holder = h("div", { class: `row ${row.kind}` });
  const button = h("button", { type: "button", "aria-expanded": "false", onclick: () => {
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) holder.lastChild.remove(); else holder.append(aboutRow(row, axis));
  } },
    h("span", { class: "label", title: row.name }, h("span", { class: "name" }, row.name), row.struck ? h("span", { class: "struck" }, "fault") : null, h("span", { class: `end${row.bad ? " bad" : ""}` }, heard(", "), row.note)),
    heard(`, begins at ${time(row.start - axis.from)}${row.said ? `, ${row.said}` : ""}${took ? ", takes " : ""}`),
    h("span", { class: "track" },
      row.segs.filter(([, a, b]) => axis.has(a, b)).map(([kind, a, b]) => h("i", { class: `seg ${kind}`, style: { left: `${axis.at(a)}%`, width: `${axis.at(b) - axis.at(a)}%` } })),
      axis.has(row.start, row.end) ? h("span", { class: `took${before ? " before" : ""}`, style: { left: before ? `${left}%` : `${right}%` } }, took) : null));
  holder.append(button);
  return holder;
};

const aboutRow = (row, axis) => {
  const place = placeOf(row.where), waits = row.awaits || [];
  const moments = `${time(row.start - axis.from)} to ${time(row.end - axis.from)} on the axis`;
  return h("div", { class: "about" },
    facts(...row.rows, ["when", moments],
      [row.kind === "task" ? "created" : "line", place && [place.text, place.fn ? `, in ${place.fn}` : "", place.source && h("div", { class: "code" }, place.source)]],
      ["awaited", waits.length ? h("table", {}, h("tbody", {}, waits.map(([at, seconds, number]) => {
        const where = placeOf(number);
        return h("tr", {}, h("td", { class: "num" }, `+${time(Math.max(0, at - axis.from))}`), h("td", { class: "num" }, time(seconds)),
          h("td", {}, h("span", { class: "place" }, where.text), " ", h("code", {}, where.source)));
      }))) : ""]));
};
