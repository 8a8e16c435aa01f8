// Elements and words. Text goes in as text: nothing of the run is ever read as markup.
const h = (name, given, ...children) => {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(given || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else if (key === "style") for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v);
    else element.setAttribute(key, value === true ? "" : value);
  }
  add(element, children);
  return element;
};
const add = (element, children) => {
  for (const child of children.flat(9)) {
    if (child !== null && child !== undefined && child !== false && child !== "") element.append(child);
  }
};
const fill = (element, ...children) => { element.textContent = ""; add(element, children); return element; };
const $ = (id) => document.getElementById(id);

// `count(2, "test")` is "2 tests".
const count = (n, noun) => `${n.toLocaleString("en")} ${noun}${n === 1 ? "" : "s"}`;

// Seconds as people say them: 144 µs, 12.5 ms, 1.90 s, 10 min 0 s.
const time = (seconds) => {
  const s = Math.round(Math.abs(seconds) * 1e9) / 1e9;
  if (s === 0) return "0 s";
  if (s < 0.001) return `${Math.max(1, Math.round(s * 1e6))} µs`;
  if (s < 0.01) return `${trim((s * 1000).toFixed(1))} ms`;
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 60) return `${trim(s.toFixed(2))} s`;
  const minutes = Math.floor(s / 60), rest = Math.round(s - minutes * 60);
  if (minutes < 60) return rest ? `${minutes} min ${rest} s` : `${minutes} min`;
  const left = minutes % 60;
  return left ? `${Math.floor(minutes / 60)} h ${left} min` : `${Math.floor(minutes / 60)} h`;
};
// A name that may be broken after its underlines.
const breakable = (name) => name.split(/(?<=[_/:])/).flatMap((part, n) => (n ? [h("wbr"), part] : [part]));
const trim = (text) => text.replace(/\.?0+$/, "");

// What is heard and not seen.
const heard = (text) => text && h("span", { class: "visually-hidden" }, text);

const said = (text) => { $("said").textContent = text; };

const copyable = (text) => {
  const code = h("code", {}, text);
  const button = h("button", { type: "button", class: "copy", "aria-label": `Copy: ${text}`, onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
      said("Copied");
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    } catch {
      getSelection().selectAllChildren(code);
      said("Selected: copy it with the keyboard");
    }
  } }, "Copy");
  return h("span", { class: "command" }, code, button);
};

const facts = (...rows) => {
  const list = h("dl", { class: "facts" });
  for (const [name, value, kind] of rows) {
    if (value === null || value === undefined || value === false || value === "") continue;
    list.append(h("dt", {}, name), h("dd", { class: kind }, value));
  }
  return list.children.length ? list : null;
};
