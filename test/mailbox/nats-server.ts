import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

/** Why tests of NATS are skipped here; undefined where they run. */
export const withoutNats =
  spawnSync("nats-server", ["--version"]).status === 0
    ? undefined
    : "nats-server is not installed (Debian: apt-get install nats-server)";

/** A server of NATS of its own, on a free port of the loopback, with its files in a temporary directory. */
export class NatsServer {
  readonly #directory = mkdtempSync(join(tmpdir(), "ringbell-nats-"));
  readonly #arguments: readonly string[];
  #child: ChildProcess | undefined;
  port = 0;

  constructor(args: readonly string[] = ["-js"]) {
    this.#arguments = args;
  }

  get servers(): string {
    return `127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.#child!.pid!;
  }

  /** Starts it, again with what it had stored if it was killed. Resolves when it accepts connections. */
  async start(): Promise<void> {
    if (this.port === 0) this.port = await freePort();
    const where = ["-a", "127.0.0.1", "-p", String(this.port), "-sd", this.#directory];
    this.#child = spawn("nats-server", [...this.#arguments, ...where], { stdio: "ignore" });
    while (!(await accepts(this.port))) await delay(10);
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    const child = this.#child!;
    child.kill(signal);
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }

  async end(): Promise<void> {
    if (this.#child !== undefined) await this.kill();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const say = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("data", () => say(true)).once("error", () => say(false));
  });
}
