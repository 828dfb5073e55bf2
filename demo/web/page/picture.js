import { by, drawn, element, setText } from "./dom.js";

/** The samples of the small curves: half a minute. */
const SAMPLES = 60;
const WIDTH = 484;
const HEIGHT = 226;
/** The places of the processes, and of the windows on the left. */
const PLACES = { agent: [228, 113], model: [424, 36], tools: [424, 113], scribe: [424, 190] };
const LEFT = 50;
const MOST_WINDOWS = 4;
const NOTES = {
  agent: "session, bridge",
  model: "streams tokens",
  tools: "reads files",
  scribe: "an interface",
};

/** The live picture of processes, channels and windows. */
export class Picture {
  #curves = new Map();
  #rows = new Map();
  #edges = new Map();
  #nodes = new Map();
  #lines = drawn("g");
  #boxes = drawn("g");
  #windows = drawn("g");
  #self;

  /** @param {string} self The id of the window that shows it. */
  constructor(self) {
    this.#self = self;
    by("map").replaceChildren(
      drawn(
        "svg",
        {
          viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
          role: "img",
          "aria-label": "The agent, its processes, and its windows",
        },
        ...[this.#lines, this.#boxes, this.#windows],
      ),
    );
    for (const name of Object.keys(PLACES)) this.#node(name);
    for (const name of ["model", "tools", "scribe"]) this.#edge(name, PLACES[name]);
  }

  show(picture) {
    const { tokens, messages, windows, latency } = picture;
    this.#figures([
      ["Tokens/s", rounded(tokens)],
      ["Messages/s", rounded(messages)],
      ["Windows", String(windows.length)],
      ["Round trip", lasting(latency.tools)],
    ]);
    this.#map(picture);
    this.#table(picture);
  }

  #figures(figures) {
    const target = by("figures");
    if (target.childElementCount === 0) {
      for (const [name] of figures) target.append(element("div", {}, element("dt", {}, name), element("dd")));
    }
    for (const [index, [, value]] of figures.entries())
      setText(target.children[index].lastElementChild, value);
  }

  #node(name) {
    const [x, y] = PLACES[name];
    const state = drawn("text", { x, y: y + 15, class: "note" }, NOTES[name]);
    const box = drawn(
      "g",
      { class: `node ${name}` },
      drawn("rect", { x: x - 56, y: y - 24, width: 112, height: 48, rx: 10 }),
      drawn("text", { x, y: y - 3 }, name),
      state,
    );
    this.#boxes.append(box);
    this.#nodes.set(name, { box, state });
  }

  /** A line from the agent to a place, with points that run along it while messages do. */
  #edge(key, [x, y]) {
    const [fromX, fromY] = PLACES.agent;
    const side = Math.sign(x - fromX);
    const [x0, x1] = [fromX + side * 56, x - side * (key.startsWith("window") ? 44 : 56)];
    const middle = (x0 + x1) / 2;
    const path = `M${x0} ${fromY} C${middle} ${fromY} ${middle} ${y} ${x1} ${y}`;
    // Beside the line, on the side that it does not come from.
    const label = drawn("text", {
      x: side > 0 ? x1 - 8 : x1 + 8,
      y: y > fromY ? y + 15 : y - 8,
      class: `rate ${side > 0 ? "right" : "left"}`,
    });
    const flow = drawn("path", { d: path, class: "flow" });
    const edge = drawn("g", { class: "edge" }, drawn("path", { d: path, class: "line" }), flow, label);
    this.#lines.append(edge);
    this.#edges.set(key, { edge, label, flow });
  }

  #map({ processes, lanes, latency, windows }) {
    for (const [name, { box, state }] of this.#nodes) {
      const found = processes.find((one) => one.name === name);
      box.dataset.state = found === undefined || found.state === "dead" ? "gone" : found.state;
      const alive = found === undefined || found.state !== "healthy" ? undefined : `process ${found.pid}`;
      setText(state, alive ?? (box.dataset.state === "gone" ? "gone" : "does not answer"));
    }
    for (const name of ["model", "tools", "scribe"]) {
      const own = lanes.filter((lane) => lane.name === name || (lane.name === "agent" && lane.peer === name));
      const rate = own.reduce((sum, { messages }) => sum + messages, 0);
      this.#flow(name, rate, own.length === 0 ? "" : lasting(latency[name]), own.length === 0);
    }
    this.#showWindows(windows);
  }

  #showWindows(windows) {
    const shown = windows.slice(0, MOST_WINDOWS);
    const step = HEIGHT / (shown.length + 1);
    const key = shown.map(({ client }) => client).join(" ");
    if (this.#windows.dataset.key !== key) {
      this.#windows.dataset.key = key;
      for (const [name, { edge }] of this.#edges) {
        if (!name.startsWith("window")) continue;
        edge.remove();
        this.#edges.delete(name);
      }
      this.#windows.replaceChildren(
        ...shown.map(({ client, name, role }, index) => this.#window(client, name, role, step * (index + 1))),
      );
      if (shown.length === 0)
        this.#windows.append(drawn("text", { x: LEFT, y: HEIGHT / 2, class: "none" }, "no window"));
    }
    for (const { client, roundTrip, state } of shown) {
      this.#flow(`window ${client}`, 8, lasting(roundTrip), false);
      this.#windows.querySelector(`[data-client="${CSS.escape(client)}"]`).dataset.state = state;
    }
  }

  #window(client, name, role, y) {
    this.#edge(`window ${client}`, [LEFT, y]);
    const isSelf = client.endsWith(`/${this.#self}`);
    return drawn(
      "g",
      { class: isSelf ? "window self" : "window", "data-client": client },
      drawn("rect", { x: LEFT - 44, y: y - 18, width: 88, height: 36, rx: 7 }),
      drawn("path", { d: `M${LEFT - 44} ${y - 8}h88` }),
      drawn(
        "text",
        { x: LEFT, y: y + 8 },
        isSelf ? "this window" : role === "viewer" ? name.replace("window", "viewer") : name,
      ),
    );
  }

  #flow(key, rate, label, isGone) {
    const { edge, label: text, flow } = this.#edges.get(key);
    setText(text, label);
    edge.classList.toggle("gone", isGone);
    edge.classList.toggle("busy", rate > 0.5);
    // The more messages, the closer the points: a logarithm, because rates differ by thousands.
    flow.style.strokeDasharray = `0.1 ${Math.max(6, 26 - 6 * Math.log10(1 + rate)).toFixed(0)}`;
  }

  #table({ lanes, latency, windows }) {
    const rows = [
      ...lanes.map(({ name, peer, lane, messages, fill }) => {
        const other = name === "agent" ? peer : name;
        const key = `${name} ${peer} ${lane}`;
        return this.#row(key, [other, lane], messages, fill, lane === "main" ? lasting(latency[other]) : "");
      }),
      ...windows.map(({ client, name, role, state, roundTrip, fill, missed }) => {
        const how = missed > 0 && state !== "live" ? `${state}, missed ${missed}` : state;
        const note = role === "viewer" ? `viewer, ${how}` : how;
        return this.#row(`window ${client}`, [name, note], undefined, fill, lasting(roundTrip));
      }),
    ];
    const body = by("channels").tBodies[0];
    for (const [index, row] of rows.entries())
      if (body.children[index] !== row) body.insertBefore(row, body.children[index] ?? null);
    for (const [key, { row }] of this.#rows) {
      if (rows.includes(row)) continue;
      row.remove();
      this.#rows.delete(key);
      this.#curves.delete(key);
    }
  }

  #row(key, [name, note], rate, fill, latency) {
    let known = this.#rows.get(key);
    if (known === undefined) {
      const cells = {
        note: element("small"),
        rate: element("td"),
        fill: element("td"),
        latency: element("td"),
      };
      const curve = drawn("polyline");
      const bar = element("span", { class: "bar-inner" });
      cells.fill.append(element("span", { class: "fill", role: "img" }, bar));
      const row = element(
        "tr",
        {},
        element("th", { scope: "row" }, name, " ", cells.note),
        cells.rate,
        element(
          "td",
          { class: "curve" },
          drawn("svg", { viewBox: "0 0 60 18", "aria-hidden": "true" }, curve),
        ),
        cells.fill,
        cells.latency,
      );
      known = { row, cells, curve, bar };
      this.#rows.set(key, known);
    }
    const { cells, curve, bar } = known;
    setText(cells.note, note);
    setText(cells.rate, rate === undefined ? "–" : rounded(rate));
    setText(cells.latency, latency);
    bar.style.width = `${Math.max(fill > 0 ? 4 : 0, fill * 100)}%`;
    bar.parentElement.setAttribute("aria-label", `${Math.round(fill * 100)} % full`);
    bar.classList.toggle("high", fill > 0.7);
    if (rate !== undefined) curve.setAttribute("points", this.#curve(key, rate));
    return known.row;
  }

  #curve(key, rate) {
    const samples = this.#curves.get(key) ?? new Array(SAMPLES).fill(0);
    samples.push(rate);
    samples.shift();
    this.#curves.set(key, samples);
    const most = Math.max(10, ...samples);
    return samples
      .map((value, index) => `${60 - samples.length + index} ${(16.5 - (15 * value) / most).toFixed(1)}`)
      .join(" ");
  }
}

function rounded(value) {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} k`;
  if (value >= 100) return String(Math.round(value));
  return value >= 10 ? value.toFixed(0) : value.toFixed(value > 0.05 ? 1 : 0);
}

function lasting(ms) {
  if (ms === undefined || ms === null) return "";
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  return ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
}
