import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InvalidArgumentError } from "../../../lib/errors.js";
import { LONGEST_SOCKET_PATH, resolveAddress, resolvePlace } from "../../../lib/transport/places/names.js";
import { scratchDirectory } from "../scratch.js";

const directory = "/run/x";

describe("names", () => {
  it("a name alone says where the socket is, without host or port (S3.22)", () => {
    const address = resolveAddress("prices", { directory, namespace: "dev" }, {});
    expect(address).toMatchObject({
      name: "prices",
      socketPath: "/run/x/dev/prices.sock",
      lockPath: "/run/x/dev/prices.lock",
    });
  });

  it("two namespaces share no file (S1.3)", () => {
    const dev = resolveAddress("prices", { directory, namespace: "dev" }, {});
    const prod = resolveAddress("prices", { directory, namespace: "prod" }, {});
    expect(dev.socketPath).not.toBe(prod.socketPath);
    expect(dev.lockPath).not.toBe(prod.lockPath);
    expect(dev.directory).not.toBe(prod.directory);
  });

  it.each(["", ".", "..", ".hidden", "a/b", "../up", "-rf", "a b", "ä", "x".repeat(65), "nul\0"])(
    "refuses the name %j",
    (name) => {
      expect(() => resolveAddress(name, { directory }, {})).toThrow(InvalidArgumentError);
      expect(() => resolvePlace({ directory, namespace: name }, {})).toThrow(/options\.namespace/);
    },
  );

  it("takes an absolute path as it is, and does not put its lock where a user's file may be", () => {
    const address = resolveAddress("/srv/app/a.sock", { namespace: "dev" }, {});
    expect(address.socketPath).toBe("/srv/app/a.sock");
    expect(address.lockPath).toBe("/srv/app/a.sock.lock");
    expect(() => resolveAddress("/srv/app/", {}, {})).toThrow(InvalidArgumentError);
  });

  it("names the path that is too long for a socket", () => {
    const long = `/${"d".repeat(LONGEST_SOCKET_PATH - 1)}`;
    expect(resolveAddress(long, {}, {}).socketPath).toBe(long);
    expect(() => resolveAddress(`${long}x`, {}, {})).toThrow(`${long}x`);
    expect(() => resolveAddress("n", { directory: long }, {})).toThrow(InvalidArgumentError);
  });
});

describe("explicit argument, then environment, then default (S1.23)", () => {
  it("for the endpoint: argument over environment", () => {
    const env = { RINGBELL_ENDPOINT: "/from/env.sock" };
    expect(resolveAddress("named", { directory }, env).name).toBe("named");
    expect(resolveAddress("/explicit.sock", {}, env).socketPath).toBe("/explicit.sock");
  });

  it("for the endpoint: environment over default, a path or a name (S1.21)", () => {
    expect(resolveAddress(undefined, {}, { RINGBELL_ENDPOINT: "/from/env.sock" }).socketPath).toBe(
      "/from/env.sock",
    );
    expect(resolveAddress(undefined, { directory }, { RINGBELL_ENDPOINT: "named" }).name).toBe("named");
    expect(() => resolveAddress(undefined, {}, { RINGBELL_ENDPOINT: "a/b" })).toThrow(/RINGBELL_ENDPOINT/);
  });

  it("for the endpoint: argument over default, and the default alone", () => {
    expect(resolveAddress("named", { directory }, {}).name).toBe("named");
    expect(resolveAddress(undefined, { directory }, {}).socketPath).toBe("/run/x/default/default.sock");
    expect(resolveAddress(undefined, { directory }, { RINGBELL_ENDPOINT: "" }).name).toBe("default");
  });

  it("for the namespace", () => {
    const env = { RINGBELL_NAMESPACE: "env" };
    expect(resolvePlace({ directory, namespace: "option" }, env).namespace).toBe("option");
    expect(resolvePlace({ directory }, env).namespace).toBe("env");
    expect(resolvePlace({ directory }, {}).namespace).toBe("default");
    expect(() => resolvePlace({ directory }, { RINGBELL_NAMESPACE: "../up" })).toThrow(/RINGBELL_NAMESPACE/);
  });

  it("for the directory", () => {
    const env = { RINGBELL_DIRECTORY: "/from/env" };
    expect(resolvePlace({ directory }, env).base).toBe("/run/x");
    expect(resolvePlace({}, env).base).toBe("/from/env");
    expect(resolvePlace({}, {}).given).toBe(false);
    expect(() => resolvePlace({}, { RINGBELL_DIRECTORY: "relative" })).toThrow(/RINGBELL_DIRECTORY/);
    expect(() => resolvePlace({ directory: "relative" }, {})).toThrow(/options\.directory/);
  });

  it("the default directory is the user's own, and the same for everyone who asks (S1.20)", () => {
    const runtime = scratchDirectory();
    expect(resolvePlace({}, { XDG_RUNTIME_DIR: runtime }).base).toBe(join(runtime, "ringbell"));
    expect(resolvePlace({}, { XDG_RUNTIME_DIR: join(runtime, "gone") }).base).toMatch(/ringbell-\d+$/);
    expect(resolvePlace({}, { XDG_RUNTIME_DIR: runtime })).toEqual(
      resolvePlace({}, { XDG_RUNTIME_DIR: runtime }),
    );
  });
});
