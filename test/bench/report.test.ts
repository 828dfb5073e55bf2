import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fakeRecord } from "./fake-record.mjs";

const root = new URL("../..", import.meta.url).pathname;
const committed = join(root, "docs/benchmarks.json");

/** What draws belongs to the benchmark's own packages, which a checkout need not have. */
const drawing = (() => {
  try {
    return createRequire(join(root, "bench/package.json")).resolve("vega") !== "";
  } catch {
    return false;
  }
})();

const MARKED = `# Title

From <!-- bench:run -->one machine<!-- /bench -->:

<!-- bench:round-trips -->
old
<!-- /bench -->

It takes <!-- bench:value loop-struct ns -->nothing<!-- /bench -->, <!-- bench:ratio net ns / loop-struct ns --><!-- /bench --> times less.
`;

const directories: string[] = [];

/** A place for a report, with a page that has markers, and a record. */
function place(record: object, readme = MARKED): { out: string; file: string } {
  const out = mkdtempSync(join(tmpdir(), "ringbell-report-"));
  directories.push(out);
  const file = join(out, "record.json");
  mkdirSync(join(out, "docs"));
  writeFileSync(file, JSON.stringify(record));
  writeFileSync(join(out, "README.md"), readme);
  return { out, file };
}

function report(...args: string[]) {
  return spawnSync(process.execPath, [join(root, "bench/report.mjs"), ...args], { encoding: "utf8" });
}

function textOf(out: string, path: string): string {
  return readFileSync(join(out, path), "utf8");
}

/** All files below a directory, and what they hold. */
function contents(out: string): Record<string, string> {
  const paths = readdirSync(out, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(paths.sort().map((path) => [path.slice(out.length), readFileSync(path, "utf8")]));
}

afterAll(() => {
  for (const directory of directories) rmSync(directory, { recursive: true });
});

// Each draws all charts once or several times.
describe.runIf(drawing)("a report", { timeout: 120_000 }, () => {
  it("is the same each time, from the record and from what it keeps of it", () => {
    const { out, file } = place(fakeRecord());
    expect(report(file, "--out", out)).toMatchObject({ status: 0, stderr: "" });
    const first = contents(out);
    expect(Object.keys(first)).toContain("/docs/benchmarks/latency-dark.svg");
    expect(report(file, "--out", out, "--check")).toMatchObject({ status: 0, stderr: "" });
    expect(report(join(out, "docs/benchmarks.json"), "--out", out)).toMatchObject({ status: 0, stdout: "" });
    expect(contents(out)).toEqual(first);
  });

  it("has each chart in light and dark, with a text for who can't see it", () => {
    const { out, file } = place(fakeRecord());
    report(file, "--out", out);
    const page = textOf(out, "docs/benchmarks.md");
    const shown = [...page.matchAll(/(?:srcset|src)="([^"]+)"/g)].map(([, path]) => path!);
    expect(shown.sort()).toEqual(
      readdirSync(join(out, "docs/benchmarks"))
        .map((name) => `benchmarks/${name}`)
        .sort(),
    );
    for (const [, alt] of page.matchAll(/<img src="[^"]+" alt="([^"]*)"/g))
      expect(alt!.length).toBeGreaterThan(40);
    for (const path of shown) {
      const svg = textOf(out, `docs/${path}`);
      expect(svg).toMatch(/^<svg /);
      expect(svg).not.toMatch(/NaN|undefined|Infinity/);
      expect(svg.length).toBeLessThan(100_000);
      expect(Number(/ width="(\d+)"/.exec(svg)?.[1])).toBeLessThan(850);
    }
  });

  it("says where a plain socket is as good or better, with both figures", () => {
    const { out, file } = place(fakeRecord());
    report(file, "--out", out);
    const section = textOf(out, "docs/benchmarks.md").split("## Where a plain socket")[1]!.split("\n## ")[0]!;
    expect(section).toMatch(
      / p50: the socket \d+\sµs, ringbell \d+\sµs \(ringbell takes 2\.\d times as long\)/,
    );
    expect(section).toMatch(/100 messages a second, p50: the socket [\d.]+\sµs, ringbell [\d.]+\sµs\./);
    expect(section).not.toMatch(/10,000 messages a second/);
    expect(section).toMatch(/In short: a socket has its first reply 2\.\d times sooner after `connect`/);
  });

  it("leaves out what was not measured, and says why", () => {
    const whole = fakeRecord();
    const record = { ...whole, suites: whole.suites.filter(({ name }) => name === "latency") };
    const { out, file } = place(record);
    expect(report(file, "--out", out).status).toBe(0);
    const page = textOf(out, "docs/benchmarks.md");
    expect(page).toContain("## Latency: ping-pong");
    expect(page).not.toMatch(/^## (Throughput|Cost|Scale|Start-up|Blocks)/m);
    expect(page).toMatch(
      /a mechanism that is not there .* unavailable .* needs what this fake machine does not have/,
    );
    expect(readdirSync(join(out, "docs/benchmarks"))).toHaveLength(4);
  });

  it("leaves out percentiles that too few samples lie beyond, in tables and curves", () => {
    const record = fakeRecord();
    for (const { results } of record.suites)
      for (const { name, medians } of results) if (name === "net") Object.assign(medians, { samples: 300 });
    const { out, file } = place(record);
    report(file, "--out", out);
    // Of five rounds 15 samples lie beyond the 99th, 1.5 beyond the next.
    const table = textOf(out, "docs/benchmarks.md").split("## Latency: ping-pong")[1]!;
    expect(table).toMatch(
      /^\| node:net, Unix socket +(\| +[\d.]+\u00a0µs ){3}(\| +– ){2}\| +[\d.]+\u00a0[mµ]s \|/m,
    );
    expect(textOf(out, "README.md")).toMatch(/^\| node:net, Unix socket +(\| +[\d.]+\u00a0µs ){3}\|$/m);
  });

  it("doubts the verdicts of a suite that other programs disturbed", () => {
    const record = fakeRecord();
    const [suite] = record.suites;
    suite!.foreignLoad = 0.32;
    Object.assign(record.verdicts[0]!, { suite: suite!.name });
    const { out, file } = place(record);
    report(file, "--out", out);
    const page = textOf(out, "docs/benchmarks.md");
    expect(page).toMatch(
      /“Round trips between two processes, 32\sB” was measured, other programs used 32\s% of a core/,
    );
    expect(page.match(/, other programs ran +\|$/gm)).toHaveLength(1);
  });

  it("puts figures where a page has markers for them", () => {
    const { out, file } = place(fakeRecord());
    report(file, "--out", out);
    const page = textOf(out, "README.md");
    expect(page).toMatch(/\| node:net, Unix socket +\| +6\d\.\d\u00a0µs \|/);
    expect(page).toMatch(/It takes <!-- bench:value loop-struct ns -->3\d\d\u00a0ns<!-- \/bench -->/);
    expect(page).toMatch(/-->(19|20)\d<!-- \/bench --> times less/);
    expect(page).toMatch(/From <!-- bench:run -->medians of 5 .*, Node 0\.0\.0-fake<!-- \/bench -->:$/m);
    expect(page).not.toContain("old");
  });

  it("leaves a figure that the record lacks as it was, and fails", () => {
    const lacking = "<!-- bench:value nobody ns -->5 ns<!-- /bench -->\n";
    const { out, file } = place(fakeRecord(), lacking);
    const { status, stderr } = report(file, "--out", out);
    expect(status).toBe(1);
    expect(stderr).toContain("README.md: <!-- bench:value nobody ns --> there is no ns of nobody");
    expect(textOf(out, "README.md")).toBe(lacking);
  });

  it("--check fails where a figure was changed by hand, and where a chart is left over", () => {
    const { out, file } = place(fakeRecord());
    report(file, "--out", out);
    const page = join(out, "docs/benchmarks.md");
    writeFileSync(page, textOf(out, "docs/benchmarks.md").replace("414\u00a0ns", "114\u00a0ns"));
    writeFileSync(join(out, "docs/benchmarks/old-light.svg"), "<svg/>");
    const { status, stderr } = report(file, "--out", out, "--check");
    expect(status).toBe(1);
    expect(stderr).toMatch(/benchmarks\.md differs[\s\S]*old-light\.svg does not come from/);
    report(file, "--out", out);
    expect(report(file, "--out", out, "--check").status).toBe(0);
  });

  it("refuses what is no record", () => {
    const { out, file } = place({ format: 1, suites: [] });
    expect(report(file, "--out", out)).toMatchObject({ status: 2, stdout: "" });
  });
});

describe.runIf(drawing && existsSync(committed))("the committed report", { timeout: 120_000 }, () => {
  it("is what its record gives, and so is every figure in the other pages", () => {
    expect(report(committed, "--check")).toMatchObject({ status: 0, stderr: "" });
  });
});
