import { describe, expect, it } from "vitest";
import { run } from "../bench/run-bench.js";

describe("a platform", () => {
  it("is refused by a typed error that names it, where it is neither Linux nor macOS (S0.2)", async () => {
    const module = new URL("../../dist/index.js", import.meta.url).href;
    const { stdout, stderr } = await run(process.execPath, [
      "--input-type=module",
      "-e",
      `Object.defineProperty(process, "platform", { value: "win32" });
       const { connect, listen, UnsupportedPlatformError } = await import(${JSON.stringify(module)});
       for (const open of [connect, listen])
         await open("anything").catch((error) =>
           console.log(error instanceof UnsupportedPlatformError, error.code, error.message.includes("not on win32")));`,
    ]);
    const line = "true ERR_RINGBELL_UNSUPPORTED_PLATFORM true\n";
    expect({ stdout, stderr }).toEqual({ stdout: line.repeat(2), stderr: "" });
  });
});
