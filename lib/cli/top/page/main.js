// The page of `ringbell top --page`: the same rows, columns and words as in the terminal, as a table to click at.

import { attach } from "../../../browser/index.ts";
import { plural, rate, rateOfBytes } from "../../format.ts";
import { PLAIN } from "../../style.ts";
import { detail } from "../detail.ts";
import { fieldsOf } from "../fields.ts";
import { FIRST_CHOICE, press, rowsOf } from "../state.ts";
import { troubleOf } from "../trouble.ts";

const WORDS = { attached: "Live", connecting: "Connecting", reconnecting: "Coming back" };
/** Of the lines about a row, in pixels: the padding beside them, and a letter. */
const [PADDING, LETTER] = [34, 7.6];
const by = (id) => document.getElementById(id);
/** Makes an element. Text is always text: what peers call themselves never becomes markup. */
const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
};

/** Whether there is room for all columns, the state at their end included. */
const wide = matchMedia("(min-width: 1420px)");
wide.addEventListener("change", () => show());

let choice = FIRST_CHOICE;
let figures;

function choose(key) {
  choice = press(choice, key, figures === undefined ? [] : rowsOf(figures, choice)) ?? choice;
  show();
}

/** Opens a row, or closes it if it is open. */
function open(row) {
  choice = { ...choice, at: row.key, open: !(choice.open && choice.at === row.key) };
  show();
}

function show() {
  for (const table of ["lanes", "processes"]) by(table).setAttribute("aria-pressed", choice.table === table);
  by("unused").setAttribute("aria-pressed", choice.unused);
  by("unused").hidden = choice.table === "processes";
  by("pause").setAttribute("aria-pressed", choice.paused);
  if (figures === undefined) return;
  const rows = rowsOf(figures, choice);
  showFigures();
  showTable(rows);
  const row = choice.open ? rows.find(({ key }) => key === choice.at) : undefined;
  by("detail").hidden = row === undefined;
  if (row !== undefined) {
    const text = detail(row, figures, { style: PLAIN, width: lettersOf(by("detail")) }).join("\n");
    by("detail").replaceChildren(element("pre", {}, text));
  }
}

/** How many letters of its one width stand beside each other. */
function lettersOf({ clientWidth }) {
  return Math.max(40, Math.min(100, Math.floor((clientWidth - PADDING) / LETTER)));
}

const capital = (words) => words[0].toUpperCase() + words.slice(1);

function showFigures() {
  const { processes } = figures;
  const sum = (field) => processes.reduce((all, one) => all + (one[field] ?? 0), 0);
  const shown = [
    ["Endpoints", String(processes.length)],
    ["Peers", String(sum("peers"))],
    ["Messages", `${rate(sum("messagesPerSecond"))}/s`],
    ["Bytes", rateOfBytes(sum("bytesPerSecond"))],
    ...troubleOf(figures).map(([what, number]) => [capital(what), String(number), "bad"]),
  ];
  by("figures").replaceChildren(
    ...shown.map(([name, value, look]) =>
      element("div", {}, element("dt", {}, name), element("dd", { class: look }, value)),
    ),
  );
}

function showTable(rows) {
  const fields = fieldsOf(choice.table, wide.matches);
  const now = Date.parse(figures.time);
  const { activeElement } = document;
  const focused = activeElement?.dataset.focus;
  by("table").tHead.replaceChildren(element("tr", {}, ...fields.map(heading)));
  by("table").tBodies[0].replaceChildren(
    ...rows.map((row) =>
      element(
        "tr",
        { "aria-selected": choice.open && choice.at === row.key, click: () => open(row) },
        ...fields.map((field, index) => cell(row, field, index, now)),
      ),
    ),
  );
  by("table").parentElement.hidden = rows.length === 0;
  by("empty").hidden = rows.length > 0;
  by("empty").textContent = emptyText();
  // The table is made anew each time; who uses the keyboard stays where they were.
  if (focused !== undefined) document.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();
}

function emptyText() {
  const unused = figures.flows.length;
  if (figures.processes.length === 0) return "No endpoints here.";
  return choice.table === "lanes" && unused > 0
    ? `No lane has carried anything yet; ${plural(unused, "direction")} of lanes unused.`
    : "No peers are connected.";
}

function heading({ title, sort, align }) {
  const text = sort === choice.sort ? `${title}${choice.reversed ? " ↑" : " ↓"}` : title;
  const sorted =
    sort === choice.sort ? (choice.reversed !== (sort === "n") ? "ascending" : "descending") : undefined;
  const content =
    sort === undefined
      ? text
      : element("button", { type: "button", "data-focus": title, click: () => choose(sort) }, text);
  return element("th", { scope: "col", class: align, "aria-sort": sorted }, content);
}

function cell(row, field, index, now) {
  const text = "way" in row ? field.flow(row, now) : field.process(row, now);
  if (index === 0) {
    return element(
      "th",
      { scope: "row" },
      element("button", { type: "button", "data-focus": `row ${row.key}`, title: text }, text),
    );
  }
  const stalled = row.stalled && (field.title === "FILL" || field.title === "STATE");
  const look = [field.align, stalled ? "stalled" : undefined].filter(Boolean).join(" ");
  if (field.title !== "FILL")
    return element("td", { class: look, title: field.align ? undefined : text }, text);
  const inner = element("i", { class: row.fill > 0.7 ? "high" : undefined });
  inner.style.width = `${Math.round(row.fill * 100)}%`;
  return element(
    "td",
    { class: look },
    element("span", { class: "bar", "aria-hidden": "true" }, inner),
    text,
  );
}

function tell(state, text = WORDS[state]) {
  by("connection").dataset.state = state;
  by("connection").textContent = text;
}

/** The token of the link. It goes out of the address at once, and a reload finds it again. */
function tokenOf() {
  const given = location.hash.slice(1);
  if (given !== "") {
    history.replaceState(null, "", location.pathname);
    sessionStorage.setItem("ringbell-top", given);
  }
  return given === "" ? sessionStorage.getItem("ringbell-top") : given;
}

async function follow() {
  const token = tokenOf();
  if (token === null)
    return tell("over", "This address lacks its token: take the whole link of the terminal");
  let ui;
  try {
    ui = await attach({ url: `ws://${location.host}/ringbell`, token });
  } catch {
    return tell("over", "Not let in: take the newest link of the terminal");
  }
  const take = (value) => {
    if (value === undefined || choice.paused) return;
    figures = value;
    show();
  };
  ui.on("connection", (state) => WORDS[state] && tell(state));
  ui.on("retained", (_name, value) => take(value));
  tell("attached");
  take(ui.retained.get("figures"));
  try {
    for await (const _ of ui);
  } catch {
    // The words below say it.
  }
  tell("over", "ringbell top has ended");
}

for (const table of ["lanes", "processes"]) {
  by(table).addEventListener("click", () => {
    choice = { ...choice, table, at: undefined, open: false };
    show();
  });
}
by("unused").addEventListener("click", () => choose("u"));
by("pause").addEventListener("click", () => choose("p"));
show();
await follow();
