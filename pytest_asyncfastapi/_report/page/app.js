// Puts it together: the address says what is shown; keys, theme, help.
const VIEWS = { finding: [RUN.findings, findingView], test: [RUN.tests, testView], sweep: [RUN.sweeps, sweepView] };

const route = () => {
  const [, kind, number, ...rest] = location.hash.split("/");
  const [all, view] = VIEWS[kind] || [];
  const known = all && all[Number(number)] !== undefined && number !== "";
  const main = $("detail");
  document.body.classList.toggle("opened", !!known);
  fill(main, h("a", { class: "back", href: "#/" }, "Back to the list"), known ? view(Number(number), decodeURIComponent(rest.join("/"))) : overview());
  document.title = `${$("title").textContent} - pytest-asyncfastapi`;
  if (known && SIDE.tab !== kind) { SIDE.tab = kind; SIDE.only.clear(); SIDE.search = ""; drawSide(); } else showCurrent();
  main.scrollTop = 0;
  if (matchMedia("(max-width: 860px)").matches) scrollTo(0, 0);
};

const totals = () => {
  const parts = OUTCOMES.filter((o) => RUN.counts[o]).map((o) => h("span", { class: o === "failed" || o === "error" ? "bad" : "" }, h("strong", { class: "num" }, RUN.counts[o].toLocaleString("en")), ` ${o}`));
  const errors = RUN.findings.filter((f) => f.severity === "error").length, warnings = RUN.findings.length - errors;
  fill($("totals"), parts,
    h("span", { class: errors ? "bad" : "" }, h("strong", { class: "num" }, errors.toLocaleString("en")), errors === 1 ? " finding" : " findings"),
    warnings ? h("span", {}, h("strong", { class: "num" }, warnings.toLocaleString("en")), warnings === 1 ? " warning" : " warnings") : null);
};

// The theme: the system's, until the reader says otherwise.
const kept = { get: () => { try { return localStorage.getItem("asyncfastapi-theme"); } catch { return null; } }, set: (v) => { try { localStorage.setItem("asyncfastapi-theme", v); } catch { /* a file may have no storage */ } } };
const dark = matchMedia("(prefers-color-scheme: dark)");
let chosenTheme = kept.get();
const showTheme = () => {
  const theme = chosenTheme || (dark.matches ? "dark" : "light");
  document.documentElement.dataset.theme = theme;
  $("theme-button").textContent = theme === "dark" ? "Light" : "Dark";
  $("theme-button").setAttribute("aria-label", theme === "dark" ? "Use light colours" : "Use dark colours");
};
const otherTheme = () => { chosenTheme = document.documentElement.dataset.theme === "dark" ? "light" : "dark"; kept.set(chosenTheme); showTheme(); };
dark.addEventListener("change", showTheme);
$("theme-button").addEventListener("click", otherTheme);

const KEYS = [["/", "filter the list"], ["j  k", "next, previous in the list"], ["Tab, Enter", "from row to row of a waterfall, open one"], ["arrows", "from cell to cell of a sweep"], ["o", "the overview"], ["t", "light or dark"], ["?", "these keys"], ["Esc", "leave the filter, close this"]];
const help = () => {
  fill($("help"), h("h2", { id: "help-title" }, "Keys"),
    h("dl", { class: "keys" }, KEYS.map(([key, words]) => [h("dt", {}, key.split(/\s{2}/).map((k, n) => [n ? " " : "", h("kbd", {}, k)])), h("dd", {}, words)])),
    h("form", { method: "dialog" }, h("button", { class: "quiet" }, "Close")));
  $("help").showModal();
};
$("help-button").addEventListener("click", help);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (event.target.matches("input")) {
    if (event.key === "Escape") { SIDE.search = ""; event.target.value = ""; drawList(); event.target.blur(); }
    else if (event.key === "ArrowDown" || event.key === "Enter") { event.preventDefault(); stepInList(1); }
    return;
  }
  const inList = event.target.closest && event.target.closest(".list");
  const keys = { "/": () => $("search").focus(), j: () => stepInList(1), k: () => stepInList(-1), o: () => { location.hash = "#/"; }, t: otherTheme, "?": help };
  if (inList) { keys.ArrowDown = keys.j; keys.ArrowUp = keys.k; }
  const act = keys[event.key];
  if (act) { event.preventDefault(); act(); }
});

document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); $("detail").focus(); });
addEventListener("hashchange", route);
showTheme();
totals();
drawSide();
route();
