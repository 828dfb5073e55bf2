// The agent: works through the script, asks where it must, and waits for an answer, whether a window is open or not.

import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { CallError, INVALID_PARAMS } from "../../dist/rpc/index.js";
import { blue, bold, dim, done, green, progress, red, yellow } from "./paint.mjs";
import { microseconds, speed } from "./process.mjs";
import { TASKS } from "./script.mjs";

/** The activities that a new window is shown. */
const SHOWN = 60;
/** A pause between two tasks, in ms, and between two lines of progress. */
const REST = 6000;
const LINE_EVERY = 40;
/** Files that are hashed of a directory. */
const MOST_FILES = 160;

export class Agent {
  /** What happened, the newest last. */
  activities = [];
  tokens = 0;
  #session;
  #terminal;
  #services;
  #number = 0;
  #asked = 0;
  #files = [];
  /** The question that is open, and who hears the answer. */
  #request;
  #news = new EventEmitter();
  #task = new AbortController();

  /** @param {{ model: any, tools: any }} services */
  constructor(services) {
    this.#services = services;
  }

  /** What the session does with inputs. */
  handlers = {
    approve: ({ id }, source) => this.#decide(id, "approved", source),
    reject: ({ id }, source) => this.#decide(id, "rejected", source),
    abort: ({ task }, { client }) => {
      if (task !== this.#number || this.#task.signal.aborted)
        throw new CallError(INVALID_PARAMS, "the task is over already");
      this.#task.abort(nameOf(client));
      return "aborted";
    },
  };

  /** @param {import("../../dist/session/index.js").Session} session @param {{ write(bytes: Uint8Array): void }} terminal */
  async run(session, terminal) {
    this.#session = session;
    this.#terminal = terminal;
    for (let next = 0; ; next = (next + 1) % TASKS.length) {
      await this.#do(TASKS[next]);
      await sleep(REST / speed);
    }
  }

  /** Notes something that a person wants to know. */
  note(kind, text, by) {
    const activity = { type: "activity", at: Date.now(), kind, text, ...(by === undefined ? {} : { by }) };
    this.activities.push(activity);
    if (this.activities.length > SHOWN) this.activities.shift();
    this.#session.append(activity, "activity");
  }

  async #do(task) {
    this.#number++;
    this.#task = new AbortController();
    this.#session.retain("task", { number: this.#number, title: task.title });
    this.#session.setState("running");
    this.note("task", task.title);
    this.#write(`\r\n${bold(`Task ${this.#number}: ${task.title}`)}\r\n\r\n`);
    try {
      await this.#steps(task.steps);
      this.#write(`${green("✓")} done\r\n`);
      this.note("done", "Task finished");
    } catch (error) {
      if (!this.#task.signal.aborted) {
        this.#write(`\r\n${red("✗")} ${error.message}\r\n`);
        this.note("failed", error.message);
      } else {
        this.#write(`\r\n${red("■")} stopped by ${this.#task.signal.reason}\r\n`);
        this.note("aborted", "Task", this.#task.signal.reason);
      }
    } finally {
      this.#close();
      this.#session.setState("idle");
    }
  }

  async #steps(steps) {
    for (const step of steps) {
      this.#task.signal.throwIfAborted();
      if ("say" in step) await this.#say(step.say);
      else if ("list" in step) await this.#list(step.list);
      else if ("hash" in step) await this.#hash(step.hash);
      else await this.#ask(step.ask);
    }
  }

  async #say(prompt) {
    for await (const token of this.#services.model.complete({ prompt }, { signal: this.#task.signal }))
      this.#token(token);
    this.#write("\r\n\r\n");
  }

  /** One token: bytes for terminals, and an event for everything else. */
  #token(text) {
    this.tokens++;
    this.#write(text);
    this.#session.append({ type: "token", at: microseconds(), text }, "token");
  }

  async #list(directory) {
    this.#files = [];
    let bytes = 0;
    const line = this.#line("list");
    for await (const file of this.#services.tools.list({ directory }, { signal: this.#task.signal })) {
      this.#files.push(file.path);
      bytes += file.bytes;
      line(1 - 1 / (1 + this.#files.length / 40), `files in ${directory}/`, this.#files.length);
    }
    const text = `${this.#files.length} files in ${directory}/, ${Math.round(bytes / 1024)} KiB`;
    this.#write(`${done("list", dim(text))}\r\n`);
    this.note("tool", `Listed ${text}`);
  }

  async #hash(directory) {
    const files = this.#files.slice(0, MOST_FILES);
    const line = this.#line("hash");
    const hashes = new Set();
    for (const [index, path] of files.entries()) {
      hashes.add(await this.#services.tools.hash({ path }, { signal: this.#task.signal }));
      line((index + 1) / files.length, `of ${files.length} files`, index + 1);
      // Slow enough to be seen.
      await sleep(4 / speed);
    }
    const text = `${files.length} files of ${directory}/, ${hashes.size} different`;
    this.#write(`${done("hash", dim(text))}\r\n`);
    this.note("tool", `Hashed ${text}`);
  }

  /** Draws the line of a tool, and not more often than one can see. */
  #line(tool) {
    let last = 0;
    return (share, what, count) => {
      if (performance.now() - last < LINE_EVERY) return;
      last = performance.now();
      this.#write(progress(tool, what, share, count));
    };
  }

  async #ask({ title, command, why, risk, approved, rejected }) {
    const id = ++this.#asked;
    this.#request = { id, task: this.#number, title, command, why, risk, since: Date.now() };
    this.#write(
      `${yellow("?")} ${bold(title)}\r\n  ${blue(command)}\r\n  ${dim("waiting for approval …")}\r\n`,
    );
    this.#session.retain("request", this.#request);
    this.#session.setState("awaiting_hitl");
    this.note("asked", title);
    const { signal } = this.#task;
    const decision = await new Promise((resolve, reject) => {
      this.#news.once("decision", resolve);
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    }).finally(() => this.#news.removeAllListeners("decision"));
    this.#session.setState("running");
    this.#write(decision === "approved" ? `${green("✓")} approved\r\n\r\n` : `${red("✗")} rejected\r\n\r\n`);
    await this.#steps(decision === "approved" ? approved : rejected);
  }

  #decide(id, decision, { client }) {
    // Two windows may answer at the same time: the first one counts, and the other is told.
    if (this.#request?.id !== id) throw new CallError(INVALID_PARAMS, "it was answered already");
    const { title } = this.#request;
    this.#close();
    this.note(decision, title, nameOf(client));
    this.#news.emit("decision", decision);
    return decision;
  }

  #close() {
    this.#request = undefined;
    this.#session.retain("request", null);
  }

  #write(text) {
    this.#terminal.write(Buffer.from(text));
  }
}

/** `window-2-a1b2c3d4/x` is the second window. */
export function nameOf(client) {
  return /^(window-\d+)-/.exec(client)?.[1].replace("-", " ") ?? client;
}
