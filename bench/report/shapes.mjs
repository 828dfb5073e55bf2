// The kinds of chart that there are. Each returns a Vega-Lite spec for the colours it is given.
import { linear, logarithmic } from "./axes.mjs";
import { textWidth, wrap } from "./text.mjs";

/** What fits the column of text on GitHub. */
const WIDTH = 830;

/** What lies left and right of a chart, and between its parts. */
const MARGIN = 30;
const GAP = 16;

/** The column of names. @param {readonly { label: string }[]} rows */
function nameWidth(rows) {
  return Math.max(...rows.map(({ label }) => textWidth(label, 12))) + 6;
}

/** Of each of some parts beside one column of names. @param {readonly { label: string }[]} rows @param {number} parts */
function partWidth(rows, parts) {
  return Math.floor((WIDTH - MARGIN - nameWidth(rows) - (parts - 1) * GAP) / parts);
}

/** What a value beside a mark takes, at most. */
const VALUE = 60;
const BAR_VALUE = 45;

const KINDS = ["ours", "floor", "other"];

/** @param {import("./theme.mjs").Colours} colours */
function byKind(colours) {
  return {
    field: "kind",
    type: "nominal",
    scale: { domain: KINDS, range: [colours.ours, colours.floor, colours.other] },
    legend: null,
  };
}

/** @param {string} title @param {string} [subtitle] */
function headline(title, subtitle) {
  const width = WIDTH - MARGIN;
  return { text: wrap(title, 14, width), ...(subtitle ? { subtitle: wrap(subtitle, 12, width) } : {}) };
}

/** Of one part. @param {string} text @param {number} width */
function heading(text, width) {
  return { text: wrap(text, 12, width), fontSize: 12, offset: 6, frame: "group" };
}

const SHAPE = {
  field: "kind",
  type: "nominal",
  scale: { domain: KINDS, range: ["circle", "diamond", "square"] },
  legend: null,
};

/**
 * Names down the side, ours in their colour.
 * @param {import("./theme.mjs").Colours} colours
 * @param {readonly { label: string, kind: string }[]} rows
 */
function names(colours, rows) {
  const test = (/** @type {string} */ kind) =>
    `indexof(${JSON.stringify([...new Set(rows.filter((row) => row.kind === kind).map(({ label }) => label))])}, datum.value) >= 0`;
  return {
    field: "label",
    type: "nominal",
    sort: null,
    scale: { domain: [...new Set(rows.map(({ label }) => label))] },
    axis: {
      title: null,
      grid: true,
      gridDash: [1, 3],
      labelColor: {
        condition: [
          { test: test("ours"), value: colours.ours },
          { test: test("floor"), value: colours.floor },
        ],
        value: colours.text,
      },
    },
  };
}

/**
 * @typedef {object} Dot
 * @property {string} label
 * @property {import("./kinds.mjs").Kind} kind
 * @property {number} at
 * @property {number} [thick]  To where a thick line goes from it.
 * @property {string} shown
 * @property {boolean} [hollow]
 *
 * The marks of one range each, on a logarithmic axis.
 * @param {import("./theme.mjs").Colours} colours
 * @param {string} format
 * @param {readonly Dot[]} all  That the scale has room for.
 * @param {number} width  Of the part. Values are written left of the dots, where the tail of none can be mistaken for them.
 */
function marks(colours, format, all, width) {
  const values = all.flatMap(({ at, thick = at }) => [at, thick]);
  const { scale, axis } = logarithmic(values, format, width, { free: VALUE / width });
  const x = (/** @type {string} */ field) => ({ field, type: "quantitative", scale, axis });
  const color = byKind(colours);
  return [
    {
      transform: [{ filter: "isValid(datum.thick)" }],
      mark: { type: "rule", strokeWidth: 4, strokeCap: "butt" },
      encoding: { x: x("at"), x2: { field: "thick" }, color },
    },
    {
      mark: { type: "point", filled: true, size: 64, opacity: 1 },
      transform: [{ filter: "!datum.hollow" }],
      encoding: { x: x("at"), color: byKind(colours), shape: SHAPE },
    },
    {
      mark: { type: "point", filled: false, size: 64, opacity: 1, strokeWidth: 1.5, fill: colours.paper },
      transform: [{ filter: "datum.hollow" }],
      encoding: { x: x("at"), color, shape: SHAPE },
    },
    {
      mark: { type: "text", align: "right", dx: -8, fontSize: 11, color: colours.muted },
      encoding: { x: x("at"), text: { field: "shown" } },
    },
  ];
}

/**
 * One row each: a dot, and how far it goes, on a logarithmic axis.
 * @param {{ title: string, subtitle?: string, format: string, rows: Dot[] }} chart
 */
export function ranges({ title, subtitle, format, rows }) {
  return (/** @type {import("./theme.mjs").Colours} */ colours) => ({
    title: headline(title, subtitle),
    width: partWidth(rows, 1),
    height: { step: 20 },
    data: { values: rows },
    encoding: { y: names(colours, rows) },
    layer: marks(colours, format, rows, partWidth(rows, 1)),
  });
}

/**
 * The same side by side, with one column of names.
 * @param {{ title: string, subtitle?: string, panels: { title: string, format: string, rows: Dot[] }[] }} chart
 */
export function rangePanels({ title, subtitle, panels }) {
  const every = panels.flatMap(({ rows }) => rows);
  const width = partWidth(every, panels.length);
  return (/** @type {import("./theme.mjs").Colours} */ colours) => ({
    title: headline(title, subtitle),
    hconcat: panels.map((panel, i) => {
      const y = names(colours, every);
      return {
        title: heading(panel.title, width),
        width,
        height: { step: 20 },
        data: { values: panel.rows },
        encoding: { y: i === 0 ? y : { ...y, axis: { ...y.axis, labels: false, title: null } } },
        layer: marks(colours, panel.format, panel.rows, width),
      };
    }),
    resolve: { scale: { x: "independent", y: "independent", color: "shared", shape: "shared" } },
  });
}

/** Of these, some are a thousand times as much as others: a bar from zero would show the largest only. */
const WIDE_RANGE = new Set(["duration", "size", "milliseconds"]);

/**
 * Figures side by side, each with its value: numbers of things as bars from zero, times and sizes as dots on a logarithmic axis.
 * @param {{ title: string, subtitle?: string, panels: { title: string, format: string,
 *   rows: { label: string, kind: import("./kinds.mjs").Kind, at: number, shown: string }[] }[] }} chart
 */
export function figures({ title, subtitle, panels }) {
  const every = panels.flatMap(({ rows }) => rows);
  const isDots = panels.map(({ format, rows }) => WIDE_RANGE.has(format) && rows.every(({ at }) => at > 0));
  // Dots need twice the room of bars: beside the values that are written, powers of ten.
  const shares = isDots.map((dots) => (dots ? 2 : 1));
  const share =
    (partWidth(every, panels.length) * panels.length) / shares.reduce((sum, each) => sum + each, 0);
  return (/** @type {import("./theme.mjs").Colours} */ colours) => ({
    title: headline(title, subtitle),
    hconcat: panels.map((panel, i) => {
      const y = names(colours, every);
      const dots = isDots[i];
      const width = share * (shares[i] ?? 1);
      return {
        title: heading(dots ? `${panel.title} (log)` : panel.title, width),
        width,
        height: { step: 20 },
        data: { values: panel.rows },
        encoding: { y: i === 0 ? y : { ...y, axis: { ...y.axis, labels: false } } },
        layer: dots
          ? marks(colours, panel.format, panel.rows, width)
          : fromZero(colours, panel.format, panel.rows, width),
      };
    }),
    resolve: { scale: { x: "independent", y: "independent" } },
  });
}

/**
 * @param {import("./theme.mjs").Colours} colours
 * @param {string} format
 * @param {readonly { at: number }[]} rows
 * @param {number} width
 */
function fromZero(colours, format, rows, width) {
  const most = Math.max(...rows.map(({ at }) => at)) || 1;
  const x = { field: "at", type: "quantitative", ...linear(most, format, width, BAR_VALUE) };
  return [
    { mark: { type: "bar", height: 10 }, encoding: { x, color: byKind(colours) } },
    {
      mark: { type: "text", align: "left", dx: 4, fontSize: 11, color: colours.muted },
      encoding: { x, text: { field: "shown" } },
    },
  ];
}

/**
 * Small multiples: a panel for each mechanism, with the same few lines in all of them to compare it with.
 * @typedef {{ name: string, kind: import("./kinds.mjs").Kind, points: Point[], apart?: Point }} Curve  `apart`: a point that is not of the line.
 * @typedef {{ x: number, y: number }} Point
 *
 * @param {object} chart
 * @param {string} chart.title
 * @param {string} [chart.subtitle]
 * @param {Curve[]} chart.curves  In the order of their panels.
 * @param {{ name: string, kind: import("./kinds.mjs").Kind, curve: Curve }[]} chart.references
 * @param {object} chart.x  Scale and axis.
 * @param {string} chart.format  Of y.
 * @param {number} [chart.columns]
 * @param {number} [chart.height]
 */
export function multiples({ title, subtitle, curves, references, x, format, columns = 4, height = 110 }) {
  const OWN = "this one";
  const lines = [...references.map(({ name }) => name), OWN];
  const rows = curves.flatMap((curve) => [
    ...references
      .filter((reference) => reference.curve !== curve)
      .flatMap(({ name, curve: { points } }) =>
        points.map((point) => ({ panel: curve.name, line: name, ...point })),
      ),
    ...curve.points.map((point) => ({ panel: curve.name, line: OWN, ...point })),
    ...(curve.apart === undefined ? [] : [{ panel: curve.name, line: OWN, apart: true, ...curve.apart }]),
  ]);
  const look = (/** @type {unknown[]} */ range) => ({
    field: "line",
    type: "ordinal",
    scale: { domain: lines, range },
    legend: { title: null, symbolType: "stroke" },
  });
  const y = logarithmic(
    rows.map((row) => row.y),
    format,
    height,
    { direction: "up" },
  );
  const width = Math.floor((WIDTH - MARGIN - 60 - (columns - 1) * 18) / columns);
  const headings = Object.fromEntries(curves.map(({ name }) => [name, wrap(name, 12, width)]));
  return (/** @type {import("./theme.mjs").Colours} */ colours) => ({
    title: headline(title, subtitle),
    data: { values: rows },
    columns,
    facet: {
      field: "panel",
      type: "nominal",
      sort: curves.map(({ name }) => name),
      header: { title: null, labelExpr: `${JSON.stringify(headings)}[datum.value]`, labelLimit: width },
    },
    spec: {
      width,
      height,
      encoding: {
        x: { field: "x", type: "quantitative", ...x },
        y: { field: "y", type: "quantitative", ...y },
      },
      layer: [
        {
          transform: [{ filter: "!datum.apart" }],
          mark: { type: "line", strokeJoin: "round" },
          encoding: {
            color: look([...references.map(({ kind }) => colours[kind]), colours.text]),
            strokeWidth: look([...references.map(() => 1.5), 2.5]),
            strokeDash: look([...references.map(({ kind }) => DASHES[kind]), [1, 0]]),
          },
        },
        {
          transform: [{ filter: "datum.apart" }],
          mark: { type: "point", filled: true, size: 30, opacity: 1, color: colours.text },
        },
      ],
    },
  });
}

const DASHES = { ours: [1, 0], floor: [2, 2], other: [5, 3] };

/**
 * A few lines in one picture, named at their ends.
 * @param {object} chart
 * @param {string} chart.title
 * @param {string} [chart.subtitle]
 * @param {Curve[]} chart.curves
 * @param {number[]} chart.at  The values of x.
 * @param {string} chart.format  Of y.
 */
export function lines({ title, subtitle, curves, at, format }) {
  const rows = curves.flatMap(({ name, kind, points }) => points.map((point) => ({ name, kind, ...point })));
  const y = logarithmic(
    rows.map((row) => row.y),
    format,
    HEIGHT,
    { direction: "up" },
  );
  const ends = spreadOut(
    curves.map(({ name, kind, points }) => ({
      name,
      kind,
      .../** @type {{ x: number, y: number }} */ (points.at(-1)),
    })),
    y.scale.domain,
  );
  const width = WIDTH - MARGIN - 60 - Math.ceil(Math.max(...curves.map(({ name }) => textWidth(name, 12))));
  return (/** @type {import("./theme.mjs").Colours} */ colours) => ({
    title: headline(title, subtitle),
    width,
    height: HEIGHT,
    layer: [
      {
        data: { values: rows },
        mark: { type: "line", strokeJoin: "round", point: { size: 40, filled: true, opacity: 1 } },
        encoding: {
          x: {
            field: "x",
            type: "quantitative",
            scale: { type: "log", domain: [at[0], at.at(-1)], nice: false },
            axis: { values: at, grid: false, title: null, format: "," },
          },
          y: { field: "y", type: "quantitative", ...y },
          detail: { field: "name", type: "nominal" },
          color: byKind(colours),
          strokeWidth: { condition: { test: "datum.kind === 'ours'", value: 3 }, value: 1.5 },
          strokeDash: {
            field: "name",
            type: "nominal",
            scale: { domain: curves.map(({ name }) => name), range: curves.map(dash) },
            legend: null,
          },
        },
      },
      {
        data: { values: ends },
        mark: { type: "text", align: "left", dx: 10, fontSize: 12, baseline: "middle" },
        encoding: {
          x: { datum: at.at(-1), type: "quantitative" },
          y: { field: "place", type: "quantitative", ...y },
          text: { field: "name" },
          color: byKind(colours),
        },
      },
    ],
  });
}

const HEIGHT = 300;

/** Lines of one colour differ by how they are dashed. @param {Curve} curve @param {number} _ @param {Curve[]} all */
function dash(curve, _, all) {
  const patterns = [
    [1, 0],
    [6, 4],
    [2, 3],
  ];
  const same = all.filter(({ kind }) => kind === curve.kind);
  return patterns[same.indexOf(curve) % patterns.length];
}

/**
 * Where the names go so that none lies on another: neighbours are moved apart until there is room.
 * @param {{ name: string, kind: string, x: number, y: number }[]} ends
 * @param {number[]} domain of y
 */
function spreadOut(ends, [least = 1, most = 1]) {
  const room = (Math.log10(most / least) / HEIGHT) * 16;
  const sorted = ends.toSorted((a, b) => a.y - b.y).map((end) => ({ ...end, level: Math.log10(end.y) }));
  for (let times = 0; times < 100; times++) {
    sorted.forEach((here, i) => {
      const below = sorted[i - 1];
      const lacking = below === undefined ? 0 : room - (here.level - below.level);
      if (below === undefined || lacking <= 0) return;
      below.level -= lacking / 2;
      here.level += lacking / 2;
    });
  }
  return sorted.map(({ level, ...end }) => ({ ...end, place: 10 ** level }));
}
