import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as ringbell from "ringbell";
import { describe, expect, it } from "vitest";
import { readPage } from "./blocks.js";
import { privateDirectory, root } from "./workshop.js";

const page = readPage("docs/api.md");
const prose = page.replace(/^```[\s\S]*?^```$/gm, "");

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|cc|h)$/.test(entry.name))
    .filter((entry) => !/\/test(\/|$)/.test(entry.parentPath))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
}

function expectAll(names: Iterable<string>, isThere: (name: string) => boolean): void {
  const all = [...names];
  expect(all).not.toEqual([]);
  expect(all.filter((name) => !isThere(name))).toEqual([]);
}

/** The names of the types that the package exports. */
function exportedTypes(): string[] {
  return ["lib/index.ts", "lib/codec/index.ts"].flatMap((file) => {
    const source = readFileSync(join(root, file), "utf8");
    return [...source.matchAll(/export (type )?\{([^}]*)\}/g)].flatMap(([, allTypes, list]) =>
      list!
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== "" && (allTypes !== undefined || name.startsWith("type ")))
        .map((name) => name.replace(/^type /, "")),
    );
  });
}

const inCode = (name: string) => new RegExp(`\`[^\`]*\\b${name}\\b[^\`]*\``).test(prose);

describe("docs/api.md names", () => {
  it("everything that the package exports", () => {
    expectAll(Object.keys(ringbell), inCode);
  });

  it("every exported type", () => {
    expectAll(exportedTypes(), inCode);
  });

  it("no class or type that does not exist", () => {
    const spans = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!.replace(/"[^"]*"/g, ""));
    const named = spans.flatMap((code) => code.match(/(?<![\w.])(?:[A-Z][a-z0-9]+){2,}(?!\w)/g) ?? []);
    const ours = new Set([...Object.keys(ringbell), ...exportedTypes()]);
    // A class that a reader writes, and what the language and Node have, here or in another version.
    const theirs =
      "MyError ReadonlySet AsyncLocalStorage AsyncResource QuotaExceededError DataCloneError Float16Array";
    expectAll(
      new Set(named.filter((name) => !theirs.split(" ").includes(name))),
      (name) => ours.has(name) || name in globalThis,
    );
  });

  it("every method and property of channels, lanes and servers", () => {
    const classes = [ringbell.Channel, ringbell.Lane, ringbell.Server];
    const members = classes.flatMap((one) => Object.getOwnPropertyNames(one.prototype));
    const own = members.filter((name) => name !== "constructor");
    expectAll(new Set(own), inCode);
    expectAll(["name", "capacity", "peer", "transport", "closed", "path", "channels"], inCode);
  });

  it("every event", () => {
    const source = sources("lib/channel").join("\n");
    const events = [...source.matchAll(/^export interface \w+Events<[^{]*\{(.*?)^\}/gms)].flatMap(
      ([, body]) => [...body!.matchAll(/^ {2}(\w+): \[/gm)].map(([, name]) => name!),
    );
    expectAll(new Set(events), (name) => prose.includes(`\`"${name}"\``));
  });

  it("every option that anything takes", async () => {
    const name = join(privateDirectory(), "s");
    const wrong = { "?": 1 } as object;
    const server = await ringbell.listen(name);
    const channel = await ringbell.connect(name);
    const refusals = [
      () => ringbell.listen(name, wrong),
      () => ringbell.connect(name, wrong),
      () => ringbell.listen(name, { lanes: { more: wrong } }),
      () => ringbell.listen(name, { roles: { agent: wrong } } as never),
      () => ringbell.connect(name, { retry: wrong }),
      () => server.accept(wrong),
      () => channel.close(wrong),
      () => channel.send(1, wrong),
      () => channel.sendSync(1, wrong),
      () => channel.receive(wrong),
      () => channel.receiveSync(wrong),
      () => channel.flush(wrong),
      () => channel.allocate(1, wrong),
      () => ringbell.memoryPair(wrong),
      () => (channel as ringbell.Channel<unknown> as ringbell.Channel<Uint8Array>).toDuplex(wrong),
      () => ringbell.bytes(wrong),
    ];
    const known = new Set<string>(["send", "receive"]);
    for (const refusal of refusals) {
      const error = await new Promise((resolve) => resolve(refusal())).then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toBeInstanceOf(ringbell.UnknownOptionError);
      for (const option of (error as ringbell.UnknownOptionError).known) known.add(option);
    }
    await channel.close();
    await server.close();
    expectAll(known, inCode);
  });

  it("every error with its code, a cause and a mend", () => {
    const source = readFileSync(join(root, "lib/errors.ts"), "utf8");
    const errors = [...source.matchAll(/class (\w+) extends[\s\S]*?"(ERR_RINGBELL\w*)"/g)];
    expect(errors.length).toBe(source.match(/^export class /gm)!.length);
    for (const [, name, code] of errors) {
      const row = page.split("\n").find((line) => line.startsWith("|") && line.includes(`\`${code}\``));
      expect(row, code).toBeDefined();
      const cells = row!.split(/(?<!\\)\|/).map((cell) => cell.trim());
      expect(cells[1], code).toContain(`\`${name}\``);
      expect(cells.length, code).toBe(6);
      for (const cell of cells.slice(3, 5)) expect(cell.length, `${code}: ${cell}`).toBeGreaterThan(10);
    }
  });

  it("every environment variable that is read", () => {
    const all = [...sources("lib"), ...sources("native")].join("\n");
    const variables = all.match(/(?<![A-Z_])RINGBELL_[A-Z]+(_[A-Z]+)*/g) ?? [];
    expectAll(new Set(variables), inCode);
  });
});
