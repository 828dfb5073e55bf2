import { extname } from "node:path";
import { json } from "../../dist/index.js";

/** How many names a result lists of each sort; the counts count all. */
const MOST_NAMES = 50;

// Comments and strings are blanked first. A regular expression that contains quotes may fool this: strings therefore end
// with their line, so that the damage does.
const NOISE = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\[\s\S])*`/g;

const JAVASCRIPT = {
  functions: [
    /\bfunction\s*\*?\s*([A-Za-z_$][\w$]*)/g,
    /\b(?:const|let|var)\s+([A-Za-z_$][\w$]*)\s*=\s*(?:async\s*)?(?:function\b|\([^()]*\)\s*=>|[\w$]+\s*=>)/g,
  ],
  classes: [/\b(?:class|interface)\s+(?!extends\b)([A-Za-z_$][\w$]*)/g],
  exports: [
    /\bexport\s+(?:(?:default|declare|abstract|async)\s+)*(?:function\s*\*?|class|interface|type|enum|namespace|const|let|var)\s+([A-Za-z_$][\w$]*)/g,
    /\bexports\.([A-Za-z_$][\w$]*)\s*=/g,
  ],
};

const C = {
  functions: [
    /\b(?!(?:if|for|while|switch|catch|return|sizeof)\b)([A-Za-z_][\w:~]*)\s*\([^;{}()]*\)\s*(?:const\s*)?(?:noexcept\s*)?(?:override\s*)?\{/g,
  ],
  classes: [/\b(?:class|struct|union)\s+([A-Za-z_]\w*)\s*(?:final\s*)?(?::[^;{}()]*)?\{/g],
  exports: [],
};

const LANGUAGES = new Map([
  ...["js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx"].map((end) => [`.${end}`, JAVASCRIPT]),
  ...["c", "h", "cc", "cpp", "cxx", "hh", "hpp"].map((end) => [`.${end}`, C]),
]);

/**
 * @param {string} code without comments and strings
 * @param {readonly RegExp[]} patterns
 */
function find(code, patterns) {
  const names = patterns.flatMap((pattern) => [...code.matchAll(pattern)].map((match) => match[1]));
  return { count: names.length, names: names.slice(0, MOST_NAMES) };
}

/** Functions, classes and exports in JavaScript, TypeScript, C and C++. Lists of names of any length: JSON suits them. */
export const symbols = {
  name: "symbols",
  result: json(),

  start() {
    return ({ path }, content) => {
      const language = LANGUAGES.get(extname(path));
      if (language === undefined) return {};
      const code = content
        .toString("utf8")
        .replace(NOISE, (noise) => "\n".repeat(noise.split("\n").length - 1));
      return {
        functions: find(code, language.functions),
        classes: find(code, language.classes),
        exports: find(code, language.exports),
      };
    };
  },

  summary(values) {
    const total = (sort) =>
      values.reduce((sum, value) => sum + (value[sort]?.count ?? 0), 0).toLocaleString("en-US");
    return `${total("functions")} functions, ${total("classes")} classes, ${total("exports")} exports`;
  },
};
