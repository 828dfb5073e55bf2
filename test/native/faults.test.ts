import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FAULTS } from "../../scripts/native-faults.mjs";
import { MODELS } from "../models/models.mjs";

const root = join(import.meta.dirname, "../..");

describe("a planted fault", () => {
  it.each(FAULTS)(
    "of the native tests has one place in the sources, and a case that must find it: $name",
    (fault) => {
      const text = readFileSync(join(root, "native", fault.file), "utf8");
      for (const { from } of fault.also === undefined ? [fault] : [fault, fault.also]) {
        expect(text.split(from)).toHaveLength(2);
      }
      const tests = readFileSync(join(root, "native/test/every_instruction_test.cc"), "utf8");
      expect(
        [...tests.matchAll(/^const Case \w+\{"([^"]*)"/gm)].some(([, title]) => title!.includes(fault.cases)),
      ).toBe(true);
    },
  );

  it.each(MODELS)(
    "of the model $file is a switch that the model has and explains",
    ({ file, holds, faults }) => {
      const path = join(root, "test/models", file);
      expect(existsSync(path)).toBe(true);
      const text = readFileSync(path, "utf8");
      expect(faults.length).toBeGreaterThan(0);
      for (const define of [...holds, ...faults].flat()) {
        expect(text).toContain(`-D${define}`);
        expect(text).toMatch(new RegExp(`^#if(n?)def ${define}$`, "m"));
      }
    },
  );
});
