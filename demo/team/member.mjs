import { fileURLToPath } from "node:url";
import { CallLostError, spawnService } from "../../dist/rpc/index.js";
import { agent } from "./contract.mjs";

const PROGRAM = fileURLToPath(new URL("agent.mjs", import.meta.url));

/** One agent as the orchestrator has it. When its process dies, another takes its place, and goes on with the task that was lost. */
export class Member {
  name;
  done = 0;
  state = "idle";
  #log;
  #place;
  #spawned;

  /** @param {string} name @param {import("./log.mjs").Log} log @param {{ namespace: string, directory: string }} place */
  constructor(name, log, place) {
    this.name = name;
    this.#log = log;
    this.#place = place;
  }

  get pid() {
    return this.#spawned.process.pid;
  }

  get client() {
    return this.#spawned.client;
  }

  async start() {
    this.#spawned = await spawnService(agent, process.execPath, [PROGRAM], { ...this.#place });
    this.#log.add(this.name, `process ${this.pid} serves`);
  }

  kill() {
    this.#spawned.process.kill("SIGKILL");
  }

  /**
   * Does a task. If the process dies meanwhile, a new one does it.
   * @template T
   * @param {string} what
   * @param {(client: any) => Promise<T>} task
   * @returns {Promise<T>}
   */
  async do(what, task) {
    this.state = what;
    try {
      for (;;) {
        try {
          const result = await task(this.client);
          this.done++;
          return result;
        } catch (error) {
          if (!(error instanceof CallLostError)) throw error;
          const { signal } = await this.#spawned.exited;
          this.#log.add(this.name, `died (${signal}) at: ${what}; another takes over`);
          await this.start();
        }
      }
    } finally {
      this.state = "idle";
    }
  }

  async stop() {
    await this.#spawned?.close();
  }
}
