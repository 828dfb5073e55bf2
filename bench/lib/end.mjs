import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Unavailable } from "./contender.mjs";
import { pinned } from "./cores.mjs";

const ENTRY = fileURLToPath(new URL("./end-main.mjs", import.meta.url));

/** How long an end may take over a request before it counts as hung, ms. */
const PATIENCE = 30_000;
/** How long it may take to close what it opened, ms: one that hangs would keep its core busy. */
const CLOSING = 5_000;

/**
 * Processes that must not outlive this one: an end that polls would not notice that it has gone.
 * @type {Set<import("node:child_process").ChildProcess>}
 */
const running = new Set();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/**
 * How an end is started, where that is not the usual way.
 *
 * @typedef {object} Launch
 * @property {readonly string[]} [under]  The program that runs Node, with its arguments.
 * @property {readonly string[]} [flags]  Of Node.
 * @property {number} [stdout]  A descriptor for what it prints; else that is dropped.
 */

/**
 * One end of a contender: a Node process of its own that does what it is asked.
 *
 * It imports the contender's file, calls its function `role` with `options`, and gets back the object whose methods are
 * then called by `ask`. The process ends with `stop`, or when this one is gone.
 */
export class End {
  #child;
  #title;
  #stderr = "";
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  #waiting = new Map();
  #next = 1;
  /** @type {Promise<Error>} */
  #exited;

  /**
   * @param {string} file the contender's, as a URL
   * @param {string} role the function that it exports
   * @param {object} options handed to it
   * @param {readonly number[] | undefined} cores
   * @param {Launch} [launch]
   * @returns {Promise<End>} once the function has done its work
   */
  static async start(file, role, options, cores, launch) {
    const end = new End(file, role, options, cores, launch);
    try {
      await end.#reply(0);
    } catch (error) {
      await end.stop();
      throw error;
    }
    return end;
  }

  /**
   * @param {string} file
   * @param {string} role
   * @param {object} options
   * @param {readonly number[] | undefined} cores
   * @param {Launch} [launch]
   */
  constructor(file, role, options, cores, { under = [], flags = [], stdout } = {}) {
    const node = [process.execPath, ...flags, ENTRY, file, role, JSON.stringify(options)];
    const [first = process.execPath, ...rest] = [...under, ...node];
    const [program, ...args] = pinned(cores, [first, ...rest]);
    this.#title = `${file.slice(file.lastIndexOf("/") + 1)} (${role})`;
    this.#child = spawn(program, args, { stdio: ["ignore", stdout ?? "ignore", "pipe", "ipc"] });
    running.add(this.#child);
    this.#child.stderr?.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
      this.#stderr = (this.#stderr + text).slice(-4096);
    });
    this.#child.on("message", (/** @type {any} */ { id, value, error, unavailable }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (unavailable !== undefined) waiting?.reject(new Unavailable(unavailable));
      else if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(`${this.#title}: ${error}`));
    });
    this.#exited = new Promise((resolve) => {
      this.#child.on("close", (code, signal) => {
        running.delete(this.#child);
        const why = this.#stderr.trim().split("\n").slice(-8).join("\n");
        const error = new Error(`${this.#title} ended with ${signal ?? code}${why && `:\n${why}`}`);
        this.#fail(error);
        resolve(error);
      });
      this.#child.on("error", (error) => {
        this.#fail(error);
        resolve(error);
      });
    });
  }

  /**
   * Calls a method of the object that the role returned.
   * @param {string} method
   * @param {...unknown} args
   * @returns {Promise<any>}
   */
  ask(method, ...args) {
    const id = this.#next++;
    const reply = this.#reply(id);
    if (this.#child.connected) this.#child.send({ id, method, args });
    return reply;
  }

  /** Resolves when the process has ended, with what it had to say. */
  get ended() {
    return this.#exited;
  }

  /**
   * Ends it, and what it was asked fails for this reason.
   * @param {Error} error
   */
  abandon(error) {
    this.#fail(error);
    this.#child.kill("SIGKILL");
  }

  async stop() {
    this.#child.kill("SIGKILL");
    await this.#exited;
  }

  /** Lets it close what it opened, then ends it. */
  async close() {
    await Promise.race([this.ask("close").catch(() => {}), delay(CLOSING, undefined, { ref: false })]);
    await this.stop();
  }

  /**
   * @param {number} id
   * @returns {Promise<any>}
   */
  #reply(id) {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null)
      return Promise.reject(new Error(`${this.#title} has ended`));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${this.#title} did not answer within ${PATIENCE / 1000} s`));
      }, PATIENCE);
      this.#waiting.set(id, {
        resolve(value) {
          clearTimeout(timer);
          resolve(value);
        },
        reject(error) {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
  }

  /** @param {Error} error */
  #fail(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
