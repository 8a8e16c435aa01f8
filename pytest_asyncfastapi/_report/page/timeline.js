// A record as rows of a waterfall. Knows the record; draws nothing.
const rowsOf = (record) => {
  const rows = [], end = lastOf(record);
  const calls = grouped(record.upstream), blocked = grouped(record.blocking), tasks = grouped(record.tasks);
  const waits = grouped((record.threads || []).flatMap((pool) => (pool.waits || []).map((wait) => ({ ...wait, pool }))));
  for (const request of record.requests || []) {
    const n = request.number;
    rows.push(requestRow(request, waits.take(n), tasks.all(n), end));
    rows.push(...inside([...calls.take(n).map((c) => callRow(c, end)), ...blocked.take(n).map((b) => blockedRow(b, record))]));
    rows.push(...tasks.take(n).map((t) => taskRow(t, end)));
  }
  rows.push(...inside([...calls.rest().map((c) => callRow(c, end)), ...blocked.rest().map((b) => blockedRow(b, record))]));
  rows.push(...waits.rest().map((w) => waitRow(w)));
  rows.push(...tasks.rest().map((t) => taskRow(t, end)));
  return rows;
};
const inside = (rows) => rows.sort((a, b) => a.start - b.start);

// Things by the request in which they were: taken once, and what is left in the end.
const grouped = (items) => {
  const by = new Map();
  for (const item of items || []) {
    const key = item.request === undefined ? null : item.request;
    if (!by.has(key)) by.set(key, []);
    by.get(key).push(item);
  }
  return {
    all: (n) => by.get(n) || [],
    take: (n) => { const found = by.get(n) || []; by.delete(n); return found; },
    rest: () => [...by.values()].flat(),
  };
};

const lastOf = (record) => {
  let last = 0;
  const see = (...moments) => moments.forEach((m) => { if (m !== undefined && m > last) last = m; });
  for (const r of record.requests || []) see(r.start, r.head, r.complete, r.end);
  for (const c of record.upstream || []) see(c.started, c.head, c.first_byte, c.ended);
  for (const t of record.tasks || []) see(t.end, ...(t.awaits || []).map(([at, s]) => at + s));
  for (const b of record.blocking || []) see(b.at + (record.virtual ? 0 : b.duration || 0));
  return last;
};

// A head and the beginning of a body; secrets have been taken out before they came here.
const messageView = (message) => message && (message.headers || message.body) && h("div", { class: "message-view" },
  (message.headers || []).length ? h("pre", { class: "code" }, message.headers.map(([name, value]) => `${name}: ${value}`).join("\n")) : null,
  message.body ? h("pre", { class: "code", tabindex: "0", "aria-label": "Body" }, message.body) : null,
  message.size ? h("small", { class: "muted" }, `${count(message.size, "byte")} of body`) : null);

const requestRow = (r, waits, tasks, end) => {
  const over = r.end === undefined ? end : r.end;
  const head = r.head === undefined ? over : r.head, complete = r.complete === undefined ? over : r.complete;
  const segs = [["request", r.start, head]];
  if (r.head !== undefined && complete > head) segs.push(["request-body", head, complete]);
  if (r.complete !== undefined && over > complete) segs.push(["after", complete, over]);
  for (const w of waits) segs.push(["wait", w.at, w.at + w.seconds]);
  if (r.error) segs.push(["failed", over, over]);
  const name = `${r.method} ${r.path}`;
  return {
    kind: "request", name, segs, start: r.start, end: over,
    note: r.error || (r.status === undefined ? "no answer" : String(r.status)), bad: !!r.error || r.status >= 500 || r.status === undefined,
    rows: [
      ["answered", r.status === undefined ? "nothing" : `${r.status}, head after ${time(head - r.start)}`],
      ["raised", r.error],
      ["sent", messageView(r.sent)],
      ["received", messageView(r.received)],
      ["body", r.head !== undefined && complete > head ? `${time(complete - head)} from head to end` : ""],
      ["afterwards", r.complete !== undefined && over > complete ? `the app ran on for ${time(over - complete)} (background tasks)` : ""],
      ["for a thread", waits.length ? `waited ${time(waits.reduce((sum, w) => sum + w.seconds, 0))}` : ""],
    ],
    awaits: tasks.filter((t) => Math.abs(t.start - r.start) < 1e-3).flatMap((t) => t.awaits || []).slice(0, 40),
  };
};

const callRow = (c, end) => {
  const over = c.ended === undefined ? end : c.ended, head = c.head === undefined ? over : c.head;
  const segs = [["call", c.started, head]];
  if (c.head !== undefined && over > head) segs.push(["call-body", head, over]);
  for (const [, at, seconds] of c.injected || []) segs.push(["injected", at, at + seconds]);
  if (c.error) segs.push(["failed", over, over]);
  return {
    kind: "call", name: `${c.method} ${c.url.replace(/^https?:\/\//, "")}`, segs, start: c.started, end: over, where: c.where,
    note: c.error || (c.status === undefined ? (c.ended === undefined ? "still out" : "no answer") : String(c.status)),
    bad: !!c.error || c.status >= 500 || c.ended === undefined, struck: !!c.fault,
    said: (c.injected || []).map(([what, , s]) => `${what} ${time(s)}`).join(", "),
    rows: [
      ["call", `${c.method} ${c.url}`, "pre"],
      ["answered", c.status === undefined ? "" : `${c.status}, head after ${time(head - c.started)}` + (over > head ? `, body ${time(over - head)}` : "")],
      ["raised", c.error],
      ["sent", messageView(c.sent)],
      ["received", messageView(c.received)],
      ["injected", (c.injected || []).map(([what, , s]) => `${what.replace("injected ", "")}: ${time(s)}`).join("\n")],
      ["fault", c.fault, "pre"],
      ["by", c.library],
    ],
  };
};

const blockedRow = (b, record) => {
  const took = b.duration || 0, seen = record.virtual ? 0 : took;
  return {
    kind: "blocked", name: b.name + (b.args ? `(${b.args})` : ""), segs: [["blocked", b.at, b.at + seen]],
    start: b.at, end: b.at + seen, took: took ? time(took) + (record.virtual ? " real" : "") : "", where: b.where,
    note: b.severity === "error" ? "" : "warning", bad: b.severity === "error", band: true,
    rows: [["held the loop", took ? `${time(took)} of real time` : "how long is not known"], ["category", b.category]],
  };
};

const taskRow = (t, end) => {
  const over = t.end === undefined ? end : t.end;
  return {
    kind: "task", name: t.name, segs: [["task", t.start, over], ...(t.awaits || []).map(([at, s]) => ["await", at, at + s])],
    start: t.start, end: over, where: t.created, note: t.end === undefined ? "not ended" : "task", bad: t.end === undefined, rows: [], awaits: (t.awaits || []).slice(0, 40),
  };
};

const waitRow = (w) => ({
  kind: "pool", name: `waits for ${w.pool.pool}`, segs: [["wait", w.at, w.at + w.seconds]], start: w.at, end: w.at + w.seconds,
  note: `${w.pool.peak} of ${w.pool.size || "?"} in use`, rows: [["pool", `${w.pool.calls} calls, ${w.pool.queued} of them waited, up to ${time(w.pool.longest_wait)}`]],
});
