import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Folders above the waist, from the ground up: connections are ports to them, which they get by a name. */
const upper: readonly (readonly string[])[] = [
  ["rpc", "store"],
  ["relay"],
  ["session", "mailbox"],
  ["bridge", "browser", "mcp", "vscode-jsonrpc", "acp"],
];
/** The files that they may import besides each other and the codecs: the waist, and what needs no connection. */
const waist = [
  ...["port.ts", "errors.ts", "check.ts", "channel/listen.ts", "channel/connect.ts", "channel/options.ts"],
  "channel/option-names.ts",
  "watch/index.ts",
  ...["brand.ts", "child.ts", "clock.ts", "missing-package.ts", "raise.ts", "signal.ts"],
];

/**
 * From the ground up. A file may import from its own part, and from those on floors below, types included. A part is a file or a
 * folder of lib/; the folders of lib/transport/ are parts of their own.
 */
const floors: readonly (readonly string[])[] = [
  ["clock"],
  ["brand", "control-group", "raise", "signal", "trace"],
  ["errors"],
  ["check", "native", "ending", "missing-package"],
  ["child"],
  ["bulk"],
  ["codec"],
  ["transport/records"],
  ["transport"],
  ["transport/wire"],
  ["transport/places"],
  ["transport/shm", "transport/stream"],
  ["transport/handshake"],
  ["port"],
  ["channel"],
  ["memory-pair", "test-namespace"],
  ["watch"],
  ["index"],
  ...upper,
  ["cli"],
];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/** The part of the house that a file (from lib/) is in. */
function partOf(file: string): string {
  const path = file.replace(/\.ts$/, "").split("/");
  return path.slice(0, path[0] === "transport" && path.length > 2 ? 2 : 1).join("/");
}

const isUpper = (file: string): boolean => upper.flat().includes(partOf(file));

/** Whether a file above the waist imports what it may not. */
function bypassesWaist({ from, to }: Pick<Import, "from" | "to">): boolean {
  return isUpper(from) && !isUpper(to) && !waist.includes(to) && partOf(to) !== "codec";
}

function floorOf(file: string): number {
  const floor = floors.findIndex((parts) => parts.includes(partOf(file)));
  if (floor < 0) throw new Error(`lib/${file} is on no floor: say on which in test/architecture.test.ts`);
  return floor;
}

const files = readdirSync(join(root, "lib"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.replaceAll("\\", "/"));

function importsOf(file: string): { specifier: string; typeOnly: boolean }[] {
  const source = readFileSync(join(root, "lib", file), "utf8").replace(/\/\*[\s\S]*?\*\//g, "");
  const statements = source.matchAll(/^(?:import|export)\s+(type\s)?([^"';]*?\sfrom\s+)?"([^"]+)"/gm);
  return [...statements].map(([, type, names, specifier]) => ({
    specifier: specifier!,
    typeOnly: type !== undefined || isAllTypes(names ?? ""),
  }));
}

/** Whether each name of `{ type A, type B } from` is a type. */
function isAllTypes(names: string): boolean {
  const list = /^\{([^}]*)\}/.exec(names)?.[1]?.split(",");
  const said = list?.map((name) => name.trim()).filter((name) => name !== "");
  return said !== undefined && said.length > 0 && said.every((name) => name.startsWith("type "));
}

const imports: Import[] = files.flatMap((from) =>
  importsOf(from)
    .filter(({ specifier }) => specifier.startsWith("."))
    .map(({ specifier, typeOnly }) => ({
      from,
      to: normalize(join(dirname(from), specifier.replace(/\.js$/, ".ts"))),
      typeOnly,
    })),
);

const say = ({ from, to, typeOnly }: Import) => `${from} imports ${typeOnly ? "type " : ""}from ${to}`;

describe("the house", () => {
  it("has imports, each of a file that is there", () => {
    expect(imports.length).toBeGreaterThan(100);
    expect(imports.filter(({ to }) => !existsSync(join(root, "lib", to))).map(say)).toEqual([]);
  });

  it("has imports that point downwards only", () => {
    const upwards = imports.filter(
      ({ from, to }) => partOf(from) !== partOf(to) && floorOf(from) <= floorOf(to),
    );
    expect(upwards.map(say)).toEqual([]);
  });

  it("has a waist: what stands above it imports ports and names, and nothing of how they are made", () => {
    expect(imports.filter(bypassesWaist).map(say)).toEqual([]);
  });

  it("would notice what bypasses the waist", () => {
    const bypass = (from: string, to: string) => bypassesWaist({ from, to });
    const allowed = [
      "port.ts",
      "codec/index.ts",
      "codec/json.ts",
      "errors.ts",
      "check.ts",
      "rpc/contract.ts",
    ];
    for (const to of [...allowed, "channel/connect.ts"]) expect(bypass("rpc/serve.ts", to), to).toBe(false);
    const refused = [
      "channel/channel.ts",
      "transport/contract.ts",
      "native/load.ts",
      "bulk/block.ts",
      "index.ts",
    ];
    for (const to of refused) expect(bypass("rpc/serve.ts", to), to).toBe(true);
    expect(bypass("session/attach.ts", "rpc/serve.ts")).toBe(false);
    expect(bypass("channel/channel.ts", "rpc/serve.ts")).toBe(false);
  });

  it("takes its time from clock.ts, because tests replace clocks and timers", () => {
    // Timers that give idle memory back, and a look once a minute, decide neither whether messages flow nor when a wait ends.
    const mayBeFaked = ["bulk/private-memory.ts", "bulk/segment-store.ts", "transport/places/file-watch.ts"];
    const uses =
      /\b(?:Date\.now|new Date\(\)|performance\.\w|process\.nextTick|hrtime|queueMicrotask|setInterval)|(?<!\.)\bset(?:Timeout|Immediate)\(/;
    const faked = files
      // A page has the browser's clocks and timers.
      .filter((file) => file !== "clock.ts" && !/^(cli|browser)\//.test(file) && !mayBeFaked.includes(file))
      .filter((file) => {
        const source = readFileSync(join(root, "lib", file), "utf8").replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
        const imported: readonly string[] =
          /^import \{([^}]*)\} from "[./]*\/clock\.js"/m.exec(source)?.[1]?.match(/\w+/g) ?? [];
        const used = source.match(new RegExp(uses, "g")) ?? [];
        return used.some((use) => !imported.includes(use.replace("(", "")));
      });
    expect(faked).toEqual([]);
  });

  it("has a waist of types only", () => {
    const source = readFileSync(join(root, "lib/port.ts"), "utf8");
    expect(importsOf("port.ts").filter(({ typeOnly }) => !typeOnly)).toEqual([]);
    expect(source.match(/^export (?!type |interface )/gm)).toBe(null);
  });

  it("has no circle of files, of types neither", () => {
    const needs = new Map<string, string[]>();
    for (const { from, to } of imports) needs.set(from, [...(needs.get(from) ?? []), to]);
    const done = new Set<string>();
    const visit = (file: string, path: readonly string[]): string | undefined => {
      if (path.includes(file)) return [...path.slice(path.indexOf(file)), file].join(" → ");
      if (done.has(file)) return undefined;
      const circle = needs.get(file)?.map((next) => visit(next, [...path, file]));
      done.add(file);
      return circle?.find((found) => found !== undefined);
    };
    expect(files.map((file) => visit(file, [])).filter((circle) => circle !== undefined)).toEqual([]);
  });

  it("needs nothing at run time but Node and what package.json says", () => {
    const { dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
      dependencies: Record<string, string>;
    };
    const foreign = files.flatMap((file) =>
      importsOf(file)
        .filter(({ specifier }) => !specifier.startsWith(".") && !specifier.startsWith("node:"))
        .filter(({ specifier, typeOnly }) => !typeOnly || dependencies[specifier] === undefined)
        // Loaded by import() alone, so that no declaration of an entry names the types of the optional packages.
        .filter(({ typeOnly }) => !typeOnly || !file.startsWith("mailbox/nats/"))
        .map(({ specifier }) => `${file} imports ${specifier}`),
    );
    expect(foreign).toEqual([]);
    expect(Object.keys(dependencies).sort()).toEqual(["@standard-schema/spec"]);
  });
});

describe("the house in C++", () => {
  const native = (name: string) => readFileSync(join(root, "native", name), "utf8");
  const includesOf = (name: string) =>
    [...native(name).matchAll(/^#include [<"]([^>"]+)[>"]/gm)].map(([, file]) => file!);

  const sources = readdirSync(join(root, "native"), { recursive: true, encoding: "utf8" })
    .filter((file) => /\.(cc|h)$/.test(file))
    .map((file) => file.replaceAll("\\", "/"));

  it("knows JavaScript in addon.cc and native/js only", () => {
    const isOfJs = (file: string) => file === "addon.cc" || file.startsWith("js/");
    const foreign = sources
      .filter((file) => !isOfJs(file))
      .filter((file) => includesOf(file).some((included) => /^(napi|node_api|v8)|(^|\/)js\//.test(included)));
    expect(foreign).toEqual([]);
    expect(sources.filter(isOfJs).length).toBeGreaterThan(10);
  });

  it("installs no signal handler (S0.38)", () => {
    const touching = sources
      .filter((file) => !file.startsWith("test/"))
      .filter((file) => /\b(sigaction|signal|signalfd|\w*sigmask)\s*\(/.test(native(file)));
    expect(touching).toEqual([]);
  });

  it("makes no system call in the ring: it includes neither Node nor the system", () => {
    const innermost = ["layout.h", "parking.h", "ring.h"];
    const foreign = innermost.flatMap((file) =>
      includesOf(file)
        .filter((included) => !innermost.includes(included))
        .filter(
          (included) => !["algorithm", "atomic", "bit", "cstddef", "cstdint", "cstring"].includes(included),
        )
        .map((included) => `${relative(".", file)} includes ${included}`),
    );
    expect(foreign).toEqual([]);
  });
});
