import { createHash } from "node:crypto";
import { bytes, struct } from "../../dist/index.js";
import { resultOf } from "../messages.mjs";

/** The sha256 of every file. */
export const hash = {
  name: "hash",
  result: resultOf(struct({ sha256: bytes(32) })),

  start() {
    return (_task, content) => ({ sha256: createHash("sha256").update(content).digest() });
  },

  summary(values) {
    const different = new Set(values.map(({ sha256 }) => Buffer.from(sha256).toString("hex"))).size;
    return `${different.toLocaleString("en-US")} different contents`;
  },
};
