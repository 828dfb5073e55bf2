import { array, struct, text, u32 } from "../../dist/index.js";
import { resultOf } from "../messages.mjs";

/** How many of the most frequent words a result names. */
const TOP = 5;

// A word has at most 40 characters: so a result stays small, whatever the file holds.
const WORD = /[\p{L}_][\p{L}\p{N}_]{0,39}/gu;

/** Statistics of the words in every file. */
export const words = {
  name: "words",
  result: resultOf(
    struct({
      lines: u32,
      words: u32,
      distinct: u32,
      top: array(struct({ word: text(), count: u32 })),
    }),
  ),

  start() {
    return (_task, content) => {
      const source = content.toString("utf8");
      const counts = new Map();
      let total = 0;
      for (const [word] of source.matchAll(WORD)) {
        counts.set(word, (counts.get(word) ?? 0) + 1);
        total++;
      }
      const top = [...counts]
        .sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1))
        .slice(0, TOP)
        .map(([word, count]) => ({ word, count }));
      return { lines: source.split("\n").length, words: total, distinct: counts.size, top };
    };
  },

  summary(values) {
    const total = values.reduce((sum, value) => sum + value.words, 0);
    const counts = new Map();
    for (const { top } of values) {
      for (const { word, count } of top) counts.set(word, (counts.get(word) ?? 0) + count);
    }
    const [most] = [...counts].sort(([, m], [, n]) => n - m);
    const often = most === undefined ? "" : `, most often “${most[0]}”`;
    return `${total.toLocaleString("en-US")} words${often}`;
  },
};
