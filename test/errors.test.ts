import { constants } from "node:os";
import { getSystemErrorName } from "node:util";
import { describe, expect, it } from "vitest";
import * as errors from "../lib/errors.js";
import { tryBinding } from "../lib/native/load.js";

type ErrorClass = new (...args: unknown[]) => errors.RingbellError;

const classes = Object.values(errors) as unknown as ErrorClass[];

describe("an error", () => {
  it.each(classes.map((type) => [type.name, type] as const))("%s has its class for a name", (name, type) => {
    const error = new type(["a"], ["b"], ["c"]);
    expect(error.name).toBe(name);
    expect(String(error).startsWith(`${name}: `)).toBe(true);
  });

  it("has a code of its own, by which other copies of the package know its class", () => {
    const codes = classes.map((type) => new type(["a"], ["b"], ["c"]).code);
    expect(new Set(codes).size).toBe(classes.length);
    for (const [i, type] of classes.entries()) {
      expect(Object.hasOwn(type.prototype, Symbol.for(`ringbell.${codes[i]}`)), type.name).toBe(true);
    }
  });
});

describe("a message that is too large", () => {
  it("is told with its length and the limit, where the length is known", () => {
    expect(new errors.MessageTooLargeError(10, 11).message).toMatch(
      /^the message has 11 bytes; this lane takes at most 10; raise /,
    );
    expect(new errors.MessageTooLargeError(10, undefined).message).toMatch(
      /^the message has more than 10 bytes, the most that this lane takes; raise /,
    );
  });
});

describe("a SystemError", () => {
  it("has the number that Node gives to the failure, and its name as systemCode", () => {
    for (const name of ["EAGAIN", "EMFILE", "ENOTSOCK"] as const) {
      const error = new errors.SystemError("x", name, "open", "/p");
      expect(error).toMatchObject({ errno: -constants.errno[name], systemCode: name, syscall: "open" });
      expect(getSystemErrorName(error.errno)).toBe(error.systemCode);
    }
  });

  it("is UNKNOWN, as in Node, where the cause has no name", () => {
    const error = new errors.SystemError("x", "UNKNOWN", "open", undefined);
    expect(getSystemErrorName(error.errno)).toBe("UNKNOWN");
  });
});

describe.skipIf(tryBinding() === undefined)("an error of the addon", () => {
  it("looks as one of Node's", () => {
    const path = "/nowhere/at/all";
    const error = { code: "ENOENT", errno: -constants.errno.ENOENT, syscall: "connect", path };
    expect(() => tryBinding()!.socketConnect(path)).toThrow(expect.objectContaining(error));
  });
});
