import { chmodSync, existsSync, mkdirSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { DoctorReport } from "../../lib/cli/doctor/report.js";
import { controlGroup } from "../../lib/control-group.js";
import { listenerChild } from "../channel/children.js";
import { scratchDirectory } from "../transport/scratch.js";
import { ringbell } from "./run.js";

async function doctor(env: Record<string, string>): Promise<{ code: number | null; report: DoctorReport }> {
  const { code, stdout, stderr } = await ringbell(["doctor", "--json"], env);
  expect(stderr).toBe("");
  return { code, report: JSON.parse(stdout) as DoctorReport };
}

const severities = ({ problems }: DoctorReport) => problems.map(({ severity }) => severity);

describe("ringbell doctor", () => {
  it("has the documented shape, and tries every way there is", async () => {
    const directory = scratchDirectory();
    const { code, report } = await doctor({ RINGBELL_DIRECTORY: directory });
    expect(code).toBe(0);
    expect(Object.keys(report)).toEqual([
      "ok",
      "transport",
      "reason",
      "version",
      "addon",
      "node",
      "platform",
      "sharedMemory",
      "limits",
      "directory",
      "container",
      "environment",
      "tests",
      "problems",
    ]);
    expect(report).toMatchObject({
      ok: true,
      transport: "shm",
      addon: { loaded: true, path: expect.stringMatching(/ringbell.*\.node$/), error: null },
      node: { version: process.versions.node },
      platform: { os: process.platform, arch: process.arch },
      directory: { path: directory, source: "RINGBELL_DIRECTORY", exists: true, writable: true, error: null },
      environment: { RINGBELL_DIRECTORY: directory },
    });
    const sealed = process.platform === "linux" ? "passed" : "skipped";
    expect(report.tests.map(({ name, state }) => [name, state])).toEqual([
      ["default", "passed"],
      ["shm sealed", sealed],
      ["shm named", "passed"],
      ["stream", "passed"],
    ]);
    for (const { state, rounds, p50, p99 } of report.tests) {
      if (state !== "passed") continue;
      expect(rounds).toBeGreaterThanOrEqual(1000);
      expect(p50).toBeGreaterThan(0);
      expect(p99).toBeGreaterThanOrEqual(p50!);
    }
    expect(severities(report)).not.toContain("error");
    expect(readdirSync(directory)).toEqual([]);
  });

  it("explains what is missing where the addon is not loaded, and that messages flow all the same", async () => {
    const env = { RINGBELL_DIRECTORY: scratchDirectory(), RINGBELL_NO_ADDON: "1" };
    const { code, report } = await doctor(env);
    expect(code).toBe(0);
    expect(report).toMatchObject({
      ok: true,
      transport: "stream",
      addon: { loaded: false, path: null, error: { code: "ERR_RINGBELL_ADDON" } },
      sharedMemory: { sealed: null, named: null },
    });
    expect(report.tests.map(({ state }) => state)).toEqual(["passed", "skipped", "skipped", "passed"]);
    expect(report.problems[0]).toMatchObject({ severity: "warning", help: "Unset RINGBELL_NO_ADDON." });
    const { stdout } = await ringbell(["doctor"], env);
    expect(stdout).toMatch(/addon +not loaded, see below/);
    expect(stdout).toMatch(/warning RINGBELL_NO_ADDON is set/);
    expect(stdout).toMatch(/Messages can flow, over stream/);
  });

  it("names the file and the mend where the addon is broken", async () => {
    const broken = scratchDirectory();
    mkdirSync(join(broken, "build", "Release"), { recursive: true });
    const env = { RINGBELL_DIRECTORY: scratchDirectory(), RINGBELL_ADDON: broken };
    const { code, report } = await doctor(env);
    expect(code).toBe(0);
    expect(report.addon.loaded).toBe(false);
    expect(report.problems[0]!.severity).toBe("warning");
    expect(report.problems[0]!.message).toContain(
      `- ${join(broken, "build/Release/ringbell.node")}: no such file`,
    );
    expect(report.problems[0]!.message).toContain("RINGBELL_STREAM_FALLBACK");
    expect(report.problems[0]!.help).toBe(`Correct RINGBELL_ADDON, which is ${broken}, or leave it out.`);
  });

  it("exits with 1 where messages can't flow: shared memory is demanded, and there is none", async () => {
    const env = {
      RINGBELL_DIRECTORY: scratchDirectory(),
      RINGBELL_NO_ADDON: "1",
      RINGBELL_TRANSPORT: "shm",
    };
    const { code, report } = await doctor(env);
    expect(code).toBe(1);
    expect(report).toMatchObject({ ok: false, transport: null });
    expect(report.problems[0]).toMatchObject({
      severity: "error",
      help: "Unset RINGBELL_TRANSPORT, or set it to auto.",
    });
    const { stdout } = await ringbell(["doctor"], env);
    expect(stdout).toMatch(/error +Messages can't flow: .*addon/);
  });

  it.skipIf(process.platform !== "linux")(
    "tells of a live endpoint whose files were taken away",
    async () => {
      const directory = scratchDirectory();
      const { pid } = await listenerChild("n", { directory });
      const path = join(directory, "default", "n.sock");
      unlinkSync(path);
      const { code, report } = await doctor({ RINGBELL_DIRECTORY: directory });
      expect(code).toBe(0);
      expect(report.directory.lost).toEqual([{ path, pid, missing: [path] }]);
      expect(report.problems).toContainEqual({
        severity: "warning",
        message: `Process ${pid} that listens on ${path} has lost ${path}.`,
        help: expect.stringContaining("server.rebind()"),
      });
    },
  );

  it("exits with 1 where the directory is open to everybody, and says what helps", async () => {
    const directory = scratchDirectory();
    chmodSync(directory, 0o777);
    const { code, report } = await doctor({ RINGBELL_DIRECTORY: directory });
    expect(code).toBe(1);
    expect(report.directory).toMatchObject({ mode: "0777", error: { code: "ERR_RINGBELL_ACCESS" } });
    expect(report.problems.filter(({ severity }) => severity === "error").length).toBe(1);
    expect(report.problems[0]!.message).toContain(directory);
  });

  it("exits with 1 where a variable has a value that can't be, and names it", async () => {
    for (const [name, value] of [
      ["RINGBELL_TRANSPORT", "carrier-pigeon"],
      ["RINGBELL_NAMESPACE", "a/b"],
      ["RINGBELL_DIRECTORY", "not/absolute"],
      ["RINGBELL_DIRECTORY", `/tmp/${"long/".repeat(40)}`],
    ] as const) {
      const { code, report } = await doctor({ RINGBELL_DIRECTORY: scratchDirectory(), [name]: value });
      expect([name, code]).toEqual([name, 1]);
      expect(report.problems[0]).toMatchObject({
        severity: "error",
        message: expect.stringMatching(new RegExp(`${name}|so long`)),
      });
      expect(existsSync(value)).toBe(false);
    }
  });

  it("finds a misspelt variable", async () => {
    const { code, report } = await doctor({
      RINGBELL_DIRECTORY: scratchDirectory(),
      RINGBELL_TRANPORT: "stream",
    });
    expect(code).toBe(0);
    expect(report.problems[0]).toMatchObject({
      severity: "warning",
      help: "Did you mean RINGBELL_TRANSPORT?",
    });
  });
});

describe("limits of control groups", () => {
  it("are the least of all groups around the process", () => {
    const files: Record<string, string> = {
      "/proc/self/cgroup": "0::/outer/inner\n",
      "/sys/fs/cgroup/outer/inner/memory.max": "max\n",
      "/sys/fs/cgroup/outer/inner/cpu.max": "max 100000\n",
      "/sys/fs/cgroup/outer/memory.max": "1048576\n",
      "/sys/fs/cgroup/outer/memory.current": "4096\n",
      "/sys/fs/cgroup/outer/cpu.max": "150000 100000\n",
    };
    expect(controlGroup((path) => files[path])).toEqual({
      memoryLimit: 1048576,
      memoryUsed: 4096,
      cpuQuota: 1.5,
    });
  });
});
