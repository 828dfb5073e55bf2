import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/*
 * A build of the library that calls `globalThis.store(kind)` after each store of an inline end: those to the ring, those to its own position, and
 * those of the code that is generated for a struct. A test stops a process after the n-th of them.
 */

/** Stores of lib/transport/shm/inline-producer.ts and inline-consumer.ts, a statement a line. The bundler may add a number to a name. */
const STORE = /^( +)((?:words|own)\d*\[.+\] = .+;|Atomics\.store\(.+\);)$/gm;
/** Stores of generated code. */
const FIELD = /view\.set\w+\([^;]*\);/g;

const built = fileURLToPath(new URL("../../dist/", import.meta.url));
const addon = fileURLToPath(new URL("../../build/", import.meta.url));

/** Generated code is instrumented where it is made. */
const GENERATED = `
const Plain = Function;
globalThis.store ??= () => {};
globalThis.Function = new Proxy(Plain, {
  construct(target, args) {
    const body = args.pop();
    return new target(...args, body.replace(${FIELD}, (field) => field + ' store("field");'));
  },
});
`;

/** Makes such a build in `folder`. Returns its module, and how many places have been found. */
export function instrumented(folder: string): { module: URL; places: number } {
  const dist = join(folder, "dist");
  mkdirSync(join(dist, "chunks"), { recursive: true });
  symlinkSync(addon, join(folder, "build"));
  writeFileSync(join(folder, "package.json"), readFileSync(join(built, "../package.json")));
  cpSync(join(built, "index.js"), join(dist, "library.js"));
  let places = 0;
  for (const name of readdirSync(join(built, "chunks")).filter((file) => file.endsWith(".js"))) {
    const source = readFileSync(join(built, "chunks", name), "utf8").replace(
      /^var Inline(?:Producer|Consumer) = class \{\n.*?^\};$/gms,
      (end) =>
        end.replace(STORE, (_line, indent: string, statement: string) => {
          places += 1;
          return `${indent}${statement} store("${statement.startsWith("Atomics") ? "publish" : "word"}");`;
        }),
    );
    writeFileSync(join(dist, "chunks", name), source);
  }
  writeFileSync(join(dist, "generated.js"), GENERATED);
  writeFileSync(join(dist, "index.js"), 'import "./generated.js";\nexport * from "./library.js";\n');
  return { module: pathToFileURL(join(dist, "index.js")), places };
}
