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
  let withTasks = !all.some((row) => row.kind !== "task"), most = MOST_ROWS;
  const draw = () => {
    const rows = all.filter((row) => withTasks || row.kind !== "task");
    const shown = rows.slice(0, most), axis = scaleOf(rows);
    const kinds = new Set(rows.flatMap((row) => row.segs.map(([kind]) => kind)));
    fill(section,
      h("div", { class: "head" },
        h("span", { class: "clock" }, clockOf(record, axis)),
        h("ul", { class: "legend" }, LEGEND.filter(([kind]) => kinds.has(kind)).map(([kind, words, colour]) =>
          h("li", {}, h("i", { class: kind === "injected" ? "injected" : "", style: colour ? { background: colour } : {} }), words))),
        tasks && all.length > tasks ? h("button", { type: "button", class: "chip", "aria-pressed": String(withTasks),
          onclick: () => { withTasks = !withTasks; draw(); section.querySelector(".head .chip").focus(); } }, `${count(tasks, "task")}`) : null),
      h("div", { class: "chart" },
        h("div", { class: "axis", "aria-hidden": "true" }, h("span", {}, ""), h("div", { class: "ticks" },
          axis.ticks.map((t) => h("span", { style: { left: `${axis.at(t)}%` } }, time(t - axis.from))))),
        h("div", { class: "behind", "aria-hidden": "true" },
          axis.ticks.map((t) => h("i", { style: { left: `${axis.at(t)}%` } })),
          rows.filter((row) => row.band && row.bad).slice(0, 30).map((row) => h("i", { class: "band",
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
  if (record.virtual && axis.last <= axis.from) return "No virtual time passed: it stands still while code runs";
  if (!record.virtual) return `${length} of real time`;
  return `${length} of virtual time, which stands still while code runs`;
};

// From the first thing to the last, with ticks at round numbers.
const scaleOf = (rows) => {
  const busy = rows.filter((row) => row.kind !== "task"), seen = busy.length ? busy : rows;
  const from = Math.min(...seen.map((row) => row.start));
  const last = Math.max(...seen.map((row) => row.end), from);
  const span = Math.max(last - from, 1e-6), about = span / 6;
  const unit = 10 ** Math.floor(Math.log10(about));
  let step = unit * [1, 2, 2.5, 5, 10].find((m) => unit * m >= about * 0.999);
  for (const round of [10, 15, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200]) {
    if (about > 6 && round >= about) { step = round; break; }
  }
  const ticks = [];
  for (let n = 0; n * step <= span * 1.0001 && n < 20; n += 1) ticks.push(from + n * step);
  const at = (t) => Math.min(100, Math.max(0, ((t - from) / span) * 100));
  return { from, last, span, ticks: last > from ? ticks : [from], at };
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
      row.segs.map(([kind, a, b]) => h("i", { class: `seg ${kind}`, style: { left: `${axis.at(a)}%`, width: `${axis.at(b) - axis.at(a)}%` } })),
      h("span", { class: `took${before ? " before" : ""}`, style: { left: before ? `${left}%` : `${right}%` } }, took)));
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
