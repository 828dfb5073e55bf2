// Fuzzes one target, which is written in TypeScript:
//
//   node test/fuzz/driver/main.mjs NAME FOLDER ADDON [option of libFuzzer]...
//
// The bundle of the target goes to FOLDER; its seeds are put into FOLDER/corpus.
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { bundle } from "./bundle.mjs";
import { Counters, install, instrumentBody } from "./instrument.mjs";

const [name, folder, addon, ...options] = process.argv.slice(2);
const counters = new Counters();
install(counters);
countGenerated(counters);
const file = join(folder, "target.mjs");
await bundle(name, file, counters);
const { run, seeds, words = [] } = await import(pathToFileURL(file).href);

const corpus = join(folder, "corpus");
mkdirSync(corpus, { recursive: true });
for (const seed of seeds()) {
  const bytes = Buffer.from(seed);
  writeFileSync(join(corpus, createHash("sha1").update(bytes).digest("hex")), bytes);
}
if (words.length > 0) {
  const dictionary = join(folder, "words");
  writeFileSync(dictionary, words.map((word) => `${quote(word)}\n`).join(""));
  options.push(`-dict=${dictionary}`);
}

const unhandled = [];
process.on("unhandledRejection", (reason) => unhandled.push(reason));
process.on("warning", () => {});

// Not within a module's evaluation, which is a microtask: no other microtask would run.
setImmediate(() => {
  const fuzz = createRequire(import.meta.url)(addon);
  const call = (input) => {
    run(input);
    if (unhandled.length > 0) throw unhandled[0];
  };
  // libFuzzer starts itself again where it merges corpora.
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1, 5)].join(" ");
  fuzz(call, counters.bytes, counters.entries, counters.used, [command, ...options]);
});

/** Has code that the library generates count as well. */
function countGenerated(counters) {
  globalThis.Function = new Proxy(Function, {
    construct(target, args) {
      const body = args.at(-1);
      const parameters = args.slice(0, -1);
      return Reflect.construct(target, [...parameters, instrumentBody(parameters, body, counters)]);
    },
  });
}

/** A word as libFuzzer's dictionaries have it. */
function quote(word) {
  const escaped = [...Buffer.from(word)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
  return `"${escaped}"`;
}
