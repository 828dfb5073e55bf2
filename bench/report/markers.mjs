// Figures in pages written by hand. What stands between two markers is generated:
//
//     <!-- bench:round-trips --> … <!-- /bench -->                          a table of tables.mjs
//     <!-- bench:value loop-struct ns -->311 ns<!-- /bench -->              a contender's figure; behind it may stand
//                                                                           a function of lib/format.mjs, such as "ratio"
//     <!-- bench:ratio net ns / loop-struct ns -->197<!-- /bench -->        one through another, three digits
//     <!-- bench:verdict handing over 1 GiB -->414 ns<!-- /bench -->        what a verdict measured
//     <!-- bench:run --> … <!-- /bench -->                                  machine, system, Node, rounds
import { measuredOn } from "./machine.mjs";
import { unbroken } from "./markdown.mjs";
import { NoFigure, number, tables, written } from "./tables.mjs";

const MARKED = /(<!-- bench:([\w-]+)((?: (?!-->)\S+)*) -->)([\s\S]*?)(<!-- \/bench -->)/g;

/** @typedef {import("./record.mjs").BenchRecord} BenchRecord */

/** @type {Record<string, (record: BenchRecord, rest: string) => string>} */
const inline = {
  value(record, rest) {
    const [contender = "", figure = "", format] = rest.split(" ");
    return written(record, contender, figure, format);
  },
  ratio(record, rest) {
    const [above = "", below = ""] = rest.split(" / ");
    const of = (/** @type {string} */ words) => {
      const [contender = "", figure = ""] = words.split(" ");
      return number(record, contender, figure);
    };
    const value = of(above) / of(below);
    return value >= 1000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(3)));
  },
  verdict(record, name) {
    const verdict = record.data.verdicts.find((each) => each.name === name);
    if (verdict === undefined || verdict.value === null) throw new NoFigure(`there is no verdict ${name}`);
    return verdict.shown;
  },
  run: (record) => measuredOn(record),
};

/**
 * A page with the figures of a record. What the record lacks stays as it is.
 * @param {string} text
 * @param {BenchRecord} record
 * @param {(problem: string) => void} lacks  Told of each that stayed.
 * @returns {string}
 */
export function fill(text, record, lacks) {
  return text.replace(MARKED, (all, begin, name, rest, old, end) => {
    const table = Object.hasOwn(tables, name) ? tables[name] : undefined;
    const value = Object.hasOwn(inline, name) ? inline[name] : undefined;
    try {
      if (table !== undefined) return `${begin}\n\n${unbroken(table(record))}\n\n${end}`;
      if (value !== undefined) return `${begin}${unbroken(value(record, rest.trim()))}${end}`;
    } catch (error) {
      if (!(error instanceof NoFigure)) throw error;
      lacks(`${begin} ${error.message}`);
      return all;
    }
    lacks(`${begin} no such table or figure`);
    return `${begin}${old}${end}`;
  });
}
