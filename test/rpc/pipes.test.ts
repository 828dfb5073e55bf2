import { execFileSync, spawn } from "node:child_process";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { duplexPort } from "ringbell/rpc";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { privateDirectory } from "./setup.js";

const { O_RDWR, O_NONBLOCK } = constants;
/** What a pipe keeps on Linux. */
const PIPE = 64 * 1024;

function fifos(directory: string, ...names: string[]): string[] {
  const paths = names.map((name) => join(directory, name));
  execFileSync("mkfifo", paths);
  return paths;
}

// Node's own `stdio: "pipe"` is a pair of sockets. What a shell joins is a pipe.
describe.runIf(process.platform === "linux")("a port over pipes", () => {
  it("meets the limit of a pipe: some 64 KiB, and then the writer waits", () => {
    const [path] = fifos(privateDirectory(), "pipe");
    const pipe = openSync(path!, O_RDWR | O_NONBLOCK);
    let written = 0;
    try {
      for (;;) written += writeSync(pipe, Buffer.alloc(4096));
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe("EAGAIN");
    } finally {
      closeSync(pipe);
    }
    expect(written).toBe(PIPE);
  });

  it("lets two sides finish that each write ten times that before they read (S0.25)", async () => {
    const module = new URL("../../dist/rpc/index.js", import.meta.url).href;
    const text = "x".repeat(8 * 1024);
    const count = (10 * PIPE) / text.length;
    const code = `import { duplexPort } from ${JSON.stringify(module)};
      const port = duplexPort({ readable: process.stdin, writable: process.stdout });
      const sends = Array.from({ length: ${count} }, (_, i) => port.send({ i, text: "x".repeat(${text.length}) }));
      let got = 0;
      port.on("message", async ({ i }) => {
        if (i !== got++) process.exit(1);
        if (got === ${count}) {
          await Promise.all(sends);
          process.exit(0);
        }
      });`;
    // The shell joins the programs by pipes.
    const child = spawn(
      "sh",
      ["-c", 'cat | "$0" --input-type=module -e "$1" | cat', process.execPath, code],
      {
        stdio: ["pipe", "pipe", "inherit"],
      },
    );
    onTestFinished(() => void child.kill("SIGKILL"));
    const port = duplexPort({ readable: child.stdout, writable: child.stdin });
    const sends = Array.from({ length: count }, (_, i) => port.send({ i, text }));
    const seen: number[] = [];
    port.on("message", (message) => seen.push((message as { i: number }).i));
    await Promise.all(sends);
    await vi.waitFor(() => expect(seen.length).toBe(count), 20_000);
    port.destroy();
    expect(seen).toEqual(Array.from({ length: count }, (_, i) => i));
  });
});
