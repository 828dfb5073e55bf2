import { parse, resetSVGDefIds, textMetrics, View } from "vega";
import { compile } from "vega-lite";
import { BOLD, textWidth } from "./text.mjs";
import { colours, config, FONT } from "./theme.mjs";

textMetrics.width = (item, text) => {
  const width = textWidth(String(text ?? ""), item.fontSize ?? 11) * (item.fontWeight === "bold" ? BOLD : 1);
  return item.limit > 0 ? Math.min(width, item.limit) : width;
};

/** A chart that Vega-Lite has doubts about is a mistake. */
const logger = {
  level: () => logger,
  error: refuse,
  warn: refuse,
  info: () => logger,
  debug: () => logger,
};

/** @param {unknown[]} words @returns {never} */
function refuse(...words) {
  throw new Error(words.join(" "));
}

/**
 * Renders a chart. The same spec gives the same bytes.
 * @param {(colours: import("./theme.mjs").Colours) => object} chart  A Vega-Lite spec, but for its theme.
 * @param {string} alt  What it shows, for who can't see it.
 * @param {boolean} dark
 * @returns {Promise<string>}
 */
export async function draw(chart, alt, dark) {
  const theme = colours(dark);
  resetSVGDefIds();
  const { spec } = compile(/** @type {any} */ ({ ...chart(theme), config: config(theme) }), {
    logger: /** @type {any} */ (logger),
  });
  const view = new View(parse(spec), { renderer: "none" });
  const svg = await view.toSVG();
  view.finalize();
  return `${shorten(svg).replace(/^<svg [^>]*>/, (root) => `${root}<title>${escaped(alt)}</title>`)}\n`;
}

/** @param {string} text */
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** What browsers do without: more than tenths of pixels, and what is said of each mark. @param {string} svg */
function shorten(svg) {
  return svg
    .replaceAll(` font-family="${FONT}"`, "")
    .replace(/ (?:class|pointer-events|stroke-miterlimit|role|aria-[a-z]+)="[^"]*"| opacity="1"/g, "")
    .replace(/<path d="(?:" display="none|M0,0h0v0h0Z)"\/>/g, "")
    .replace("<svg ", `<svg font-family="${FONT}" `)
    .replace(/ (?:d|transform|x|y|x1|x2|y1|y2|width|height)="[^"]*"/g, (attribute) =>
      attribute.replace(/-?\d+\.\d{2,}(?:e-?\d+)?/g, (number) => String(Number(Number(number).toFixed(1)))),
    );
}
