import { describe, expect, it } from "vitest";
import { runCode } from "../cli/run.js";
import { privateDirectory } from "./setup.js";

const library = JSON.stringify(new URL("../../dist/index.js", import.meta.url).href);

/** The environment of a process that finds no addon. */
const MISSING = { RINGBELL_ADDON: "/no/such/file" };
const UNWANTED = { RINGBELL_NO_ADDON: "1" };

/** A program with both ends of channels: by default, and with the options given. */
function program(code: string): string {
  return `
    import diagnostics from "node:diagnostics_channel";
    import { Worker } from "node:worker_threads";
    import { connect, listen, memoryPair } from ${library};
    const directory = ${JSON.stringify(privateDirectory())};
    const warnings = [];
    process.on("warning", ({ name, code, message }) => warnings.push({ name, code, message }));
    const told = [];
    diagnostics.subscribe("ringbell:fallback", ({ side, path, error }) => told.push([side, path, error.code]));
    async function talk(options = {}, theirs = options) {
      const server = await listen("n", { directory, ...options });
      const channel = await connect("n", { directory, ...theirs });
      const accepted = await server.accept();
      const seen = [accepted, channel].map((end) => [end.transport, end.stats().fallback ?? null]);
      await server.close();
      return seen;
    }
    const print = (value) => console.log(JSON.stringify(value));
    ${code}`;
}

/** Runs it, and returns what it prints, by line, and what it says of itself. */
async function run(code: string, env: Record<string, string>, flags: readonly string[] = []) {
  const { code: status, stdout, stderr } = await runCode(program(code), env, flags);
  expect([status, status === 0 ? "" : stderr]).toEqual([0, ""]);
  return {
    lines: stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
    stderr,
  };
}

const STREAM = ["stream", "addon"];

describe("a process without the addon", () => {
  it("is warned once that messages go over the socket, with a code, the reason and the mend", async () => {
    const { lines, stderr } = await run(
      "print(await talk()); print(await talk()); await new Promise(setImmediate); print(warnings);",
      MISSING,
    );
    const [first, second, warnings] = lines;
    expect([first, second]).toEqual([
      [STREAM, STREAM],
      [STREAM, STREAM],
    ]);
    expect(warnings).toEqual([
      {
        name: "RingbellWarning",
        code: "RINGBELL_STREAM_FALLBACK",
        message: expect.stringMatching(/socket.*slower.*\n.*\n- \/no\/such\/file: no such file\nMend: .*\n/),
      },
    ]);
    expect(stderr.match(/RINGBELL_STREAM_FALLBACK/g)).toHaveLength(1);
  });

  it("publishes each call that falls back", async () => {
    const { lines } = await run("await talk(); print(told);", MISSING);
    const path = expect.stringMatching(/\/n\.sock$/);
    const code = "ERR_RINGBELL_ADDON";
    expect(lines).toEqual([
      [
        ["listener", path, code],
        ["connector", path, code],
      ],
    ]);
  });

  it.each([
    ["by the option", `{ transport: "stream" }`, MISSING],
    ["by the environment", "{}", { ...MISSING, RINGBELL_TRANSPORT: "stream" }],
  ])("says nothing where the stream was asked for %s", async (_, options, env) => {
    const code = `print(await talk(${options})); await new Promise(setImmediate); print([warnings, told]);`;
    const { lines, stderr } = await run(code, env);
    const asked = ["stream", null];
    expect(lines).toEqual([
      [asked, asked],
      [[], []],
    ]);
    expect(stderr).toBe("");
  });

  it("says nothing where the environment wants no addon, and stats() says it all the same", async () => {
    const code = "print(await talk()); await new Promise(setImmediate); print([warnings, told]);";
    const { lines, stderr } = await run(code, UNWANTED);
    expect(lines).toEqual([
      [STREAM, STREAM],
      [[], []],
    ]);
    expect(stderr).toBe("");
  });

  it("is warned once in Bun and in Deno, too", async () => {
    const disguise = `Object.defineProperty(process.versions, "bun", { value: "9.9.9" });`;
    const code = `${disguise} print(await talk()); await talk(); await new Promise(setImmediate); print(warnings);`;
    const { lines, stderr } = await run(code, {});
    expect(lines[0]).toEqual([STREAM, STREAM]);
    expect(lines[1]).toMatchObject([{ code: "RINGBELL_STREAM_FALLBACK" }]);
    expect(stderr.match(/RINGBELL_STREAM_FALLBACK/g)).toHaveLength(1);
    expect(stderr).toContain("Bun 9.9.9");
  });

  it("does not warn again in its worker threads, nor by another copy of the package", async () => {
    const { stderr } = await run(
      `await talk();
      const { listen: other } = await import(${library} + "?copy");
      await (await other("m", { directory })).close();
      const code = \`import(${library}).then(async ({ listen }) => {
        const server = await listen("w", { directory: \${JSON.stringify(directory)} });
        await server.close();
      })\`;
      const worker = new Worker(code, { eval: true });
      print(await new Promise((resolve) => worker.once("exit", resolve)));`,
      MISSING,
    );
    expect(stderr.match(/RINGBELL_STREAM_FALLBACK/g)).toHaveLength(1);
  });
});

describe("stats().fallback", () => {
  it("is undefined over shared memory, and in a pair in memory", async () => {
    const { lines, stderr } = await run(
      "print(await talk()); const [a] = memoryPair(); print([a.stats().fallback ?? null, a.destroy() ?? null]);",
      {},
    );
    const shared = ["shm", null];
    expect(lines).toEqual([
      [shared, shared],
      [null, null],
    ]);
    expect(stderr).toBe("");
  });

  it('is "peer" where the other side is the reason', async () => {
    const { lines, stderr } = await run(`print(await talk({}, { transport: "stream" }));`, {});
    expect(lines).toEqual([
      [
        ["stream", "peer"],
        ["stream", null],
      ],
    ]);
    expect(stderr).toBe("");
  });
});
