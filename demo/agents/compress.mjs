import { deflateSync } from "node:zlib";
import { struct, u53 } from "../../dist/index.js";
import { resultOf } from "../messages.mjs";

/** How small zlib makes every file. */
export const compress = {
  name: "compress",
  result: resultOf(struct({ raw: u53, deflated: u53 })),

  start() {
    return (_task, content) => ({ raw: content.length, deflated: deflateSync(content).length });
  },

  summary(values) {
    const sum = (key) => values.reduce((total, value) => total + value[key], 0);
    const share = sum("raw") === 0 ? 100 : (100 * sum("deflated")) / sum("raw");
    return `deflates to ${share.toFixed(1)} %`;
  },
};
