import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createHistogram, monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";

/** Of monitorEventLoopDelay, ms: its histogram counts from one tick to the next, so this much is no delay. */
const RESOLUTION = 1;

/** How late this process's event loop is for its delay monitor, a timer of 1 ms and a socket. */
export class LoopWatch {
  #server;
  #socket;
  /** @type {(() => void) | undefined} */
  #echoed;

  static async start() {
    const directory = await mkdtemp(join(tmpdir(), "ringbell-bench-"));
    const server = createServer((socket) => socket.pipe(socket)).listen(join(directory, "echo"));
    await once(server, "listening");
    const socket = connect(join(directory, "echo"));
    await once(socket, "connect");
    await rm(directory, { recursive: true });
    return new LoopWatch(server, socket);
  }

  /**
   * @param {import("node:net").Server} server
   * @param {import("node:net").Socket} socket
   */
  constructor(server, socket) {
    this.#server = server;
    this.#socket = socket;
    socket.on("data", () => this.#echoed?.());
  }

  /**
   * Watches for `seconds`.
   * @param {number} seconds
   */
  async during(seconds) {
    const monitor = monitorEventLoopDelay({ resolution: RESOLUTION });
    const timer = createHistogram();
    const socket = createHistogram();
    const begin = performance.now();
    const end = begin + seconds * 1000;

    monitor.enable();
    await Promise.all([this.#watchTimer(end, timer), this.#watchSocket(end, socket)]);
    monitor.disable();
    return {
      delayP99: Math.max(0, monitor.percentile(99) - RESOLUTION * 1e6),
      delayMax: Math.max(0, monitor.max - RESOLUTION * 1e6),
      timerP99: timer.percentile(99),
      timerMax: timer.max,
      socketP99: socket.percentile(99),
      socketMax: socket.max,
      seconds: (performance.now() - begin) / 1000,
    };
  }

  close() {
    this.#socket.destroy();
    this.#server.close();
  }

  /**
   * @param {number} end
   * @param {import("node:perf_hooks").RecordableHistogram} late
   */
  async #watchTimer(end, late) {
    for (let now = performance.now(); now < end; ) {
      const due = now + 1;
      await delay(1);
      now = performance.now();
      late.record(Math.max(1, Math.round((now - due) * 1e6)));
    }
  }

  /**
   * @param {number} end
   * @param {import("node:perf_hooks").RecordableHistogram} took
   */
  async #watchSocket(end, took) {
    for (let sent = performance.now(); sent < end; sent = performance.now()) {
      const echoed = new Promise((resolve) => {
        this.#echoed = () => resolve(undefined);
      });
      this.#socket.write("x");
      await echoed;
      took.record(Math.max(1, Math.round((performance.now() - sent) * 1e6)));
      await delay(1);
    }
  }
}
