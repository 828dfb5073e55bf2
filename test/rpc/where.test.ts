import { endpoints, InvalidArgumentError } from "ringbell";
import { contract, open, request, serve } from "ringbell/rpc";
import { afterEach, describe, expect, it } from "vitest";
import { z } from "zod";
import { whereIs } from "../../lib/rpc/where.js";
import { ending, privateDirectory, program } from "./setup.js";

const tools = contract("tools", { where: request(undefined, z.string()) });

afterEach(() => {
  delete process.env.RINGBELL_SERVICES;
});

/** A service under each of the names. */
async function instances(...names: string[]) {
  const directory = privateDirectory();
  const services = await Promise.all(
    names.map((name) => serve(tools, { where: () => name }, { name, directory })),
  );
  for (const service of services) ending(service);
  return directory;
}

describe("a service is looked for", () => {
  it("where the program says, then where the environment says, then under its contract's name (S1.23)", async () => {
    const directory = await instances("tools", "tools.new", "tools.2");
    const asked = async (name?: string) => {
      const client = ending(await open(tools, { directory, name }));
      return client.where();
    };
    expect(await asked()).toBe("tools");
    process.env.RINGBELL_SERVICES = "files=x,tools=tools.new";
    expect(await asked()).toBe("tools.new");
    expect(await asked("tools.2")).toBe("tools.2");
    process.env.RINGBELL_SERVICES = `tools=${directory}/default/tools.2.sock`;
    expect(await asked()).toBe("tools.2");
    process.env.RINGBELL_SERVICES = "files=x";
    expect(await asked()).toBe("tools");
  });

  it("by a child where its parent was sent, unless the variable is dropped (S1.21)", async () => {
    const directory = await instances("tools", "tools.new");
    process.env.RINGBELL_SERVICES = "tools=tools.new";
    const child = program(
      `const tools = contract("tools");
       const ask = async () => (await open(tools, { directory })).where();
       const inherited = await ask();
       delete process.env.RINGBELL_SERVICES;
       report([inherited, await ask()].join());
       process.exit(0);`,
      directory,
    );
    await child.said("tools.new,tools");
  });

  it("by a variable that can be read", () => {
    for (const RINGBELL_SERVICES of ["tools", "=x", "tools=", "a=b,,c=d", "a=b,"])
      expect(() => whereIs("other", { RINGBELL_SERVICES }), RINGBELL_SERVICES).toThrow(InvalidArgumentError);
    expect(whereIs("tools", { RINGBELL_SERVICES: "" })).toBe("tools");
    expect(whereIs("tools", { RINGBELL_SERVICES: "tools=/a=b.sock" })).toBe("/a=b.sock");
  });

  it("among its instances, which are listed (S1.33)", async () => {
    const directory = await instances("tools", "tools.2", "toolshed");
    const names = async (service?: string) =>
      (await endpoints({ directory, service })).map(({ name }) => name);
    expect(await names("tools")).toEqual(["tools", "tools.2"]);
    expect(await names("tools.2")).toEqual(["tools.2"]);
    expect(await names()).toEqual(["tools", "tools.2", "toolshed"]);
    for (const service of ["", "a/b", 5 as never])
      await expect(endpoints({ directory, service })).rejects.toBeInstanceOf(InvalidArgumentError);
  });

  it("in its namespace, where others of the same name do not answer", async () => {
    const directory = privateDirectory();
    for (const namespace of ["dev", "prod", "test"])
      ending(await serve(tools, { where: () => namespace }, { directory, namespace }));
    for (const namespace of ["dev", "prod", "test"]) {
      const client = ending(await open(tools, { directory, namespace }));
      expect(await client.where()).toBe(namespace);
    }
  });
});
