import { describe, expect, it } from "vitest";
import { wrapped } from "../../bench/lib/style.mjs";

describe("what is printed on a terminal", () => {
  it("breaks between words", () => {
    expect(wrapped("aa bb cc", 5)).toEqual(["aa bb", "cc"]);
    expect(wrapped("longer than that", 5)).toEqual(["longer", "than", "that"]);
    expect(wrapped("aa bb cc")).toEqual(["aa bb cc"]);
    expect(wrapped("", 5)).toEqual([""]);
  });
});
