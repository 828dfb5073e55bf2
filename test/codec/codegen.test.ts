import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { f64, struct } from "../../lib/codec/index.js";
import { roundTrip } from "./support.js";

const program = `
  import { Scratch, array, f64, struct, text, u32 } from ${JSON.stringify(new URL("../../dist/codec/index.js", import.meta.url).href)};
  const codec = struct({ id: u32, price: f64, names: array(text()) });
  const scratch = new Scratch(new ArrayBuffer(4096));
  const bytes = codec.encode({ id: 1, price: 2.5, names: ["a", "b"] }, scratch, 8, []);
  const generated = !codec.encode.toString().includes("cursor");
  console.log(JSON.stringify({ generated, hex: scratch.buffer.toString("hex", 8, 8 + bytes), message: codec.decode(scratch, 8, bytes, []) }));
`;

function run(flags: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const output = execFileSync(process.execPath, [...flags, "--input-type=module", "--eval", program], {
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
  return JSON.parse(output) as { generated: boolean };
}

it("a struct goes by closures where V8 would not optimize the code that is generated for it", () => {
  const isGenerated = (fields: number) => {
    const codec = struct(Object.fromEntries(Array.from({ length: fields }, (_, i) => [`f${i}`, f64])));
    const message = Object.fromEntries(Array.from({ length: fields }, (_, i) => [`f${i}`, i]));
    expect(roundTrip(codec, message)).toEqual(message);
    return !codec.encode.toString().includes("cursor");
  };
  expect([10, 300, 500, 2000].map(isGenerated)).toEqual([true, true, false, false]);
});

it("a struct works, with the same bytes, where code may not be generated", () => {
  const usual = run([]);
  expect(usual).toMatchObject({ generated: true, message: { id: 1, price: 2.5, names: ["a", "b"] } });
  expect(run(["--disallow-code-generation-from-strings"])).toEqual({ ...usual, generated: false });
  expect(run([], { RINGBELL_CODEGEN: "0" })).toEqual({ ...usual, generated: false });
});
