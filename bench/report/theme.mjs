// Colours of a chart on a light and on a dark page. Ours and the floors differ from the rest in lightness and in shape, too, so that no
// reader needs to tell hues apart. Nothing is drawn behind: the page's own background shows; `paper` is what GitHub's is.

export const FONT =
  "-apple-system, BlinkMacSystemFont, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif";

const LIGHT = {
  text: "#1f2328",
  muted: "#59636e",
  grid: "#d8dee4",
  ours: "#0757ba",
  floor: "#bc4c00",
  other: "#59636e",
  paper: "#ffffff",
};

const DARK = {
  text: "#f0f6fc",
  muted: "#9ea7b0",
  grid: "#343b44",
  ours: "#58a6ff",
  floor: "#f0883e",
  other: "#8b949e",
  paper: "#0d1117",
};

/** @typedef {typeof LIGHT} Colours */

/** @param {boolean} dark @returns {Colours} */
export function colours(dark) {
  return dark ? DARK : LIGHT;
}

/** Vega-Lite's `config`. @param {Colours} colours */
export function config({ text, muted, grid }) {
  return {
    aria: false,
    background: null,
    font: FONT,
    padding: { left: 6, top: 6, right: 14, bottom: 6 },
    view: { stroke: null },
    title: {
      color: text,
      subtitleColor: muted,
      fontSize: 14,
      subtitleFontSize: 12,
      anchor: "start",
      offset: 12,
    },
    axis: {
      labelColor: text,
      labelFontSize: 12,
      titleColor: muted,
      titleFontSize: 12,
      titleFontWeight: "normal",
      gridColor: grid,
      domain: false,
      ticks: false,
      labelPadding: 6,
      labelLimit: 400,
      labelSeparation: 6,
      labelOverlap: "greedy",
    },
    legend: {
      labelColor: text,
      labelFontSize: 12,
      titleColor: muted,
      orient: "top",
      labelLimit: 400,
      symbolSize: 90,
    },
    header: {
      labelColor: text,
      labelFontSize: 12,
      labelFontWeight: "bold",
      labelAnchor: "start",
      title: null,
    },
    concat: { spacing: 16 },
    facet: { spacing: 18 },
  };
}
