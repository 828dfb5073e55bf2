import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { PLAIN } from "../../lib/cli/style.js";
import { widthOf } from "../../lib/cli/table.js";
import { type Choice, FIRST_CHOICE, press, rowsOf } from "../../lib/cli/top/state.js";
import { draw } from "../../lib/cli/top/view.js";
import type { Figures, Flow, Listing } from "../../lib/watch/index.js";
import { scratchDirectory } from "../transport/scratch.js";
import { MAIN, program, ringbell, runProgram } from "./run.js";

function flow(name: string, fields: Partial<Flow> = {}): Flow {
  return {
    key: name,
    endpoint: name,
    namespace: "default",
    pid: 4194304,
    role: null,
    peer: { pid: 4194303, uid: 0, role: "a role of some length" },
    transport: "shm",
    lane: "a-lane-of-some-length",
    way: "out",
    capacity: 262144,
    total: { messages: 123456789, bytes: 2 ** 40, fill: 1000, stalled: false, latency: null },
    blockedSince: null,
    waiting: 0,
    idleSince: null,
    messagesPerSecond: 1234567,
    bytesPerSecond: 2 ** 30 + 3,
    fill: 0.5,
    stalled: false,
    latency: null,
    ...fields,
  };
}

function figures(...flows: Flow[]): Figures {
  const processes = flows.map(({ key, endpoint, namespace, pid, role, latency, fill, stalled }) => ({
    ...{ key, endpoint, namespace, pid, role, latency, fill, stalled },
    ...{ state: "healthy" as const, since: "2026-01-01T00:00:00.000Z", peers: 1 },
    ...{ messagesPerSecond: 5, bytesPerSecond: 50 },
  }));
  return { time: "2026-01-01T00:01:00.000Z", elapsed: 1000, processes, flows };
}

const latency = {
  samples: 3,
  p50: 999_400,
  p90: 999_499,
  p99: 8_590_000,
  buckets: [1, 2, ...new Array(26).fill(0)],
};
const picture = (shown: Figures, choice: Choice, width: number, height: number) =>
  draw({ figures: shown, choice, interval: 1000, style: PLAIN, width, height });

describe("the screen of ringbell top", () => {
  it.each([80, 100, 139, 140, 160, 400])(
    "fits %i columns, also with long names and large numbers",
    (width) => {
      const shown = figures(
        flow("an-endpoint-with-a-very-long-name-that-is-cut", {
          latency,
          stalled: true,
          blockedSince: "2026-01-01T00:00:30.000Z",
        }),
        flow("日本語", { way: "in", lane: "\u001b[2J", latency }),
      );
      for (const table of ["lanes", "processes"] as const) {
        for (const open of [false, true]) {
          const lines = picture(shown, { ...FIRST_CHOICE, table, open, at: "日本語" }, width, 24);
          expect(lines).toHaveLength(24);
          expect(lines.filter((line) => widthOf(line) > width)).toEqual([]);
          expect(lines.join("")).not.toContain("\u001b");
          expect(lines.at(-1)).toContain("q quit");
        }
      }
    },
  );

  it("keeps the row at the cursor in sight, however low the terminal is", () => {
    const shown = figures(...Array.from({ length: 100 }, (_, i) => flow(`lane-${i + 100}`)));
    const lines = picture(shown, { ...FIRST_CHOICE, at: "lane-170" }, 120, 10);
    expect(lines).toHaveLength(10);
    expect(lines.filter((line) => line.startsWith("> lane-170 "))).toHaveLength(1);
    expect(picture(shown, FIRST_CHOICE, 80, 4)).toHaveLength(4);
  });

  it("says in words that there is nothing", () => {
    expect(picture(figures(), FIRST_CHOICE, 80, 24).join("\n")).toContain("No endpoints here");
    const unused = { ...flow("x").total, messages: 0, fill: 0 };
    const lines = picture(figures(flow("x", { total: unused })), FIRST_CHOICE, 80, 24);
    expect(lines.join("\n")).toContain("u shows those that are unused");
  });

  it("is sorted by the key that was pressed, and the other way round when it is pressed again", () => {
    const shown = figures(
      flow("a", { messagesPerSecond: 1, bytesPerSecond: 9, fill: 0.2 }),
      flow("b", { messagesPerSecond: 3, bytesPerSecond: 7, fill: 0.1, latency }),
      flow("c", { messagesPerSecond: 2, bytesPerSecond: 8, fill: 0.3 }),
    );
    const order = (...keys: string[]) => {
      const choice = keys.reduce<Choice>((now, key) => press(now, key, rowsOf(shown, now))!, FIRST_CHOICE);
      return rowsOf(shown, choice)
        .map(({ key }) => key)
        .join("");
    };
    expect([order(), order("b"), order("f"), order("l"), order("n"), order("n", "n")]).toEqual([
      "bca",
      "acb",
      "cab",
      "bac",
      "abc",
      "cba",
    ]);
  });

  it("moves, opens, closes and ends by keys", () => {
    const shown = figures(flow("a"), flow("b"));
    const rows = rowsOf(shown, FIRST_CHOICE);
    const pressing = (...keys: string[]) =>
      keys.reduce<Choice | undefined>((now, key) => now && press(now, key, rows), FIRST_CHOICE);
    expect(pressing("down")).toMatchObject({ at: "b", open: false });
    expect(pressing("down", "down", "down", "return")).toMatchObject({ at: "b", open: true });
    expect(pressing("down", "up", "up", "return", "escape")).toMatchObject({ at: "a", open: false });
    expect(pressing("t")).toMatchObject({ table: "processes" });
    expect(pressing("x", "p")).toMatchObject({ paused: true });
    expect(pressing("q")).toBeUndefined();
    expect(press(FIRST_CHOICE, "return", [])).toEqual(FIRST_CHOICE);
  });
});

describe("ringbell top", () => {
  async function pair() {
    const directory = scratchDirectory();
    const options = { directory, role: "host", lanes: { control: { capacity: 4096 } } };
    const host = await program("host.mjs", "prices", JSON.stringify(options), "flood");
    const agent = await program("agent.mjs", "prices", JSON.stringify({ directory, role: "slow" }), "3");
    await host.says();
    return { directory, agent };
  }

  it("prints one picture where the output is no terminal", async () => {
    const { directory, agent } = await pair();
    const { code, stdout, stderr } = await ringbell(["top", "-d", directory, "-i", "50"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/^1 endpoint, 1 peer, /);
    expect(stdout).toMatch(new RegExp(`^prices +\\d+ +${agent.pid} +slow +shm +main +out .* 99% `, "m"));
    expect(stdout).not.toContain("\u001b");
  });

  it("prints a line of JSON for each look", async () => {
    const { directory, agent } = await pair();
    const { stdout } = await ringbell(["top", "-d", directory, "-i", "50", "--json", "--count", "2"]);
    const looks = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Figures);
    expect(looks).toHaveLength(2);
    expect(looks[1]!.elapsed).toBeGreaterThan(0);
    expect(looks[1]!.processes).toMatchObject([{ endpoint: "prices", role: "host", peers: 1 }]);
    expect(looks[1]!.flows[0]).toMatchObject({
      lane: "main",
      way: "out",
      peer: { pid: agent.pid },
      fill: expect.any(Number),
    });
  });

  it("refuses an interval and a number of looks that make no sense", async () => {
    for (const [args, expected] of [
      [["-i", "3"], "--interval must be a number of milliseconds from 50"],
      [["-c", "0"], "--count must be a number of looks from 1"],
    ] as const) {
      const { code, stderr } = await ringbell(["top", ...args]);
      expect([code, stderr]).toEqual([2, expect.stringContaining(expected)]);
    }
  });
});

it("ringbell ls --watch --json prints a listing a line, until it is ended", async () => {
  const directory = scratchDirectory();
  const args = ["ls", "-d", directory, "--watch", "--json", "-i", "50"];
  const code = `
    const child = require("node:child_process").spawn(process.execPath, ${JSON.stringify([MAIN, ...args])});
    let said = "";
    child.stdout.on("data", (text) => {
      said += text;
      if (said.split("\\n").length > 3) child.kill();
    });
    child.on("close", (code) => process.stdout.write(JSON.stringify({ code, said })));`;
  const { stdout } = await runProgram(process.execPath, ["-e", code]);
  const { code: status, said } = JSON.parse(stdout) as { code: number; said: string };
  expect(status).toBe(0);
  const listings = said
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Listing);
  expect(listings.length).toBeGreaterThanOrEqual(3);
  expect(listings[2]).toMatchObject({ directory, endpoints: [] });
});

const hasPython = spawnSync("python3", ["-c", "import pty"]).status === 0;

/** Runs a program in a terminal of `width` columns. When it has shown `see`, the terminal takes `next` columns, and then `key` is pressed. Prints all that it said. */
const TERMINAL = `
import fcntl, os, pty, struct, sys, termios
see, width, following, key = sys.argv[1].encode(), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].encode()
pid, master = pty.fork()
if pid == 0:
    os.execvp(sys.argv[5], sys.argv[5:])
def size(columns):
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
size(width)
seen, resized, pressed = b"", 0, False
while True:
    try:
        part = os.read(master, 65536)
    except OSError:
        break
    if not part:
        break
    seen += part
    if not resized and see in seen:
        resized = len(seen)
        size(following)
    elif resized and not pressed and seen.count(b"\\x1b[H", resized) >= 3:
        pressed = True
        os.write(master, key)
_, status = os.waitpid(pid, 0)
sys.stdout.buffer.write(b"%d\\n" % os.waitstatus_to_exitcode(status) + seen)
`;

describe.skipIf(!hasPython)("in a terminal", () => {
  it.each([
    ["top", "ringbell top", "q"],
    ["top", "ringbell top", "\u0003"],
    ["ls --watch", "No endpoints in", "q"],
  ])(
    "ringbell %s draws until a key ends it, after the terminal was resized, and leaves the terminal as it was",
    async (command, see, key) => {
      const args = [MAIN, ...command.split(" "), "-d", scratchDirectory(), "-i", "50"];
      const { stdout } = await runProgram(
        "python3",
        ["-c", TERMINAL, see, "90", "160", key, process.execPath, ...args],
        { TERM: "xterm" },
      );
      expect(stdout).toMatch(/^0\n/);
      expect(stdout.match(/\[\?1049[hl]/g)).toEqual(["[?1049h", "[?1049l"]);
      expect(stdout.match(/\[\?25[hl]/g)).toEqual(["[?25l", "[?25h"]);
    },
  );
});
