import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { debuglog } from "node:util";
import {
  ClosedError,
  CorruptError,
  listen,
  NoSpaceError,
  PeerDiedError,
  RingbellError,
} from "../dist/index.js";
import { readIntoBlock } from "./files.mjs";
import { lanes, Task } from "./messages.mjs";

const AGENT = fileURLToPath(new URL("agent.mjs", import.meta.url));

/** Tasks given to an agent ahead of its results, at most: enough that it never runs dry while a result is on its way. */
const WINDOW = 8;
/** Agents that may die on the same task before it is skipped, and without any before the job is given up. */
const MOST_DEATHS = 3;
/** Memory for the files that an agent has not released yet, in bytes: room for two of the largest. Then reading waits. */
const FILE_MEMORY = 8 * 1024 * 1024;
/** How long an agent may take to end when it was told to, in ms. Then it is killed. */
const GRACE = 3000;

/** NODE_DEBUG=ringbell-demo shows on standard error who comes and goes. */
const trace = debuglog("ringbell-demo");

/**
 * Where one kind of work is done: an endpoint, the tasks, and the agent that sits there now. Agents come and go; a task
 * stays until it has a result.
 */
export class Desk {
  /** @type {import("./agents/index.mjs").Kind} */
  kind;
  /** By the id of the task. @type {(import("./agents/index.mjs").Result | undefined)[]} */
  results;
  /** How many of them are there. */
  count = 0;
  /** From task sent to result received, in ms. @type {number[]} */
  roundTrips = [];
  /** The agents that have sat here, in their order. @type {{ pid: number, killed: boolean }[]} */
  agents = [];
  /** Tasks that were given to another agent again. */
  again = 0;
  /** Results of tasks that were not under way: there must not be any. */
  unexpected = 0;
  /** Messages on the lanes `main` and `control`, both ways. */
  messages = 0;
  /** Bytes of files that were handed over, and those of them that were copied on the way. */
  handedBytes = 0;
  copiedBytes = 0;
  /** What the agent last said about itself. @type {import("./messages.mjs").Progress | undefined} */
  progress;
  /** What it said in the end. @type {import("./messages.mjs").Finished | undefined} */
  goodbye;

  #files;
  #place;
  #killAt;
  #server;
  #channel;
  /** Ids of the tasks to give, the next one last. @type {number[]} */
  #todo;
  /** When each task was sent that has no result yet; the oldest first. @type {Map<number, number>} */
  #underWay = new Map();
  /** How many agents died on a task. @type {Map<number, number>} */
  #deaths = new Map();
  #idleDeaths = 0;
  #working = false;
  #closing = false;
  /** Whoever hands out tasks waits for this to be called. */
  #wake = () => {};
  #opening = Promise.resolve();
  #serving = Promise.resolve();
  #children = new Set();
  #complete;
  #fail;
  #completed;

  /**
   * @param {import("./agents/index.mjs").Kind} kind
   * @param {readonly { path: string }[]} files the index is the id of the task
   * @param {{ directory: string, namespace: string, transport: "shm" | "stream" }} place where to listen
   * @param {number | undefined} killAt at so many results, the agent is killed
   */
  constructor(kind, files, place, killAt) {
    this.kind = kind;
    this.results = new Array(files.length);
    this.#files = files;
    this.#place = place;
    this.#killAt = killAt;
    this.#todo = Array.from(files, (_, id) => files.length - 1 - id);
    this.#completed = new Promise((resolve, reject) => {
      this.#complete = resolve;
      this.#fail = reject;
    });
    // Whether anybody has asked yet or not.
    this.#completed.catch(() => {});
  }

  /** Resolves when an agent sits here, waiting for tasks. */
  open() {
    this.#opening = this.#open();
    return this.#opening;
  }

  async #open() {
    this.#server = await listen(this.kind.name, {
      ...this.#place,
      codec: { send: Task, receive: this.kind.result },
      maxBulkBytes: FILE_MEMORY,
      lanes,
      role: "orchestrator",
    });
    await this.#hire();
  }

  /** Has all tasks done. Resolves when each has a result. */
  work() {
    this.#working = true;
    if (this.#isComplete()) this.#complete();
    this.#wake();
    return this.#completed;
  }

  /**
   * The time, in ms, from sending a ping to receiving its answer. Rejects if the agent goes away meanwhile.
   */
  async ping() {
    const lane = this.#channel.lane("ping");
    const begin = performance.now();
    await lane.send({ id: 0 });
    await lane.receive();
    return performance.now() - begin;
  }

  /** Sends the agent home. Resolves when its process has ended. */
  async finish() {
    this.#closing = true;
    // Should it be dead already, then it is home.
    if (this.#channel.state === "open") await this.#channel.lane("control").send({ type: "finish" });
    await this.#serving;
  }

  /** Closes the endpoint, whatever state the work is in. Resolves when no process is left. */
  async close() {
    this.#closing = true;
    await this.#opening.catch(() => {});
    // Agents end when their channel does.
    await this.#server?.close();
    await Promise.all([...this.#children].map(ended));
    await this.#serving;
  }

  /** Starts an agent, and works with it once it has connected. */
  async #hire() {
    const { directory, namespace, transport } = this.#place;
    const child = spawn(process.execPath, [AGENT, this.kind.name], {
      // A process group of its own: Ctrl-C is for the orchestrator alone, which then closes the channels.
      detached: true,
      stdio: ["ignore", "ignore", "inherit"],
      env: {
        ...process.env,
        RINGBELL_DIRECTORY: directory,
        RINGBELL_NAMESPACE: namespace,
        RINGBELL_ENDPOINT: this.kind.name,
        RINGBELL_TRANSPORT: transport,
      },
    });
    this.#children.add(child);
    child.once("exit", () => this.#children.delete(child));

    const either = new AbortController();
    try {
      const gone = once(child, "exit", either).then(([status, signal]) => {
        throw new Error(
          `the agent “${this.kind.name}” ended before it connected: ${signal ?? `exit status ${status}`}`,
        );
      });
      [this.#channel] = await Promise.race([once(this.#server, "connection", either), gone]);
    } finally {
      either.abort();
    }
    trace("%s: process %d has come", this.kind.name, child.pid);
    this.agents.push({ pid: child.pid, killed: false });
    this.#serving = this.#serve(child, this.#channel).catch(this.#fail);
  }

  /** Gives tasks and takes results until the agent goes, one way or the other. */
  async #serve(child, channel) {
    const exited = once(child, "exit");
    const control = channel.lane("control");
    control.on("message", (message) => {
      if (message.type === "progress") this.progress = message;
      if (message.type === "finished") this.goodbye = message;
    });
    const handingOut = this.#handOut(channel).catch(this.#fail);
    try {
      for await (const result of channel) {
        this.#take(result);
        this.#wake();
        if (this.count >= this.#killAt && !this.#isComplete()) this.#kill(child);
      }
    } catch (error) {
      // It has died; all that it had sent before was taken above.
      if (!(error instanceof RingbellError)) throw error;
      trace("%s: %s", this.kind.name, error.message);
    }
    const { lanes, bulk } = channel.stats();
    for (const { name, sentMessages, receivedMessages } of lanes) {
      if (name !== "ping") this.messages += sentMessages + receivedMessages;
    }
    this.copiedBytes += bulk.copiedBytes;
    this.#wake();
    await Promise.all([exited, handingOut]);
    trace("%s: process %d has gone", this.kind.name, child.pid);
    if (this.#closing || this.#isComplete()) return;
    this.#takeBack();
    await this.#hire();
  }

  /** Hands out tasks as long as the channel is open. One after the other: they keep their order. */
  async #handOut(channel) {
    try {
      while (channel.state === "open") {
        if (this.#working && this.#underWay.size < WINDOW && this.#todo.length > 0) await this.#give(channel);
        else await new Promise((resolve) => (this.#wake = resolve));
      }
    } catch (error) {
      // The agent has died this moment. The loop that takes results hears of it too, and sees to what is under way.
      if (!isEnd(error)) throw error;
    }
  }

  /** Reads the next file, and hands it over. */
  async #give(channel) {
    const id = this.#todo.at(-1);
    const { path } = this.#files[id];
    let content;
    try {
      content = await readIntoBlock(path, channel);
    } catch (error) {
      if (isEnd(error) || error instanceof NoSpaceError) throw error;
      // Not readable, gone, or too long by now: one file is no reason to give up.
      this.#todo.pop();
      this.#record({ id, bytes: 0, micros: 0, skipped: error.message.toWellFormed() });
      return;
    }
    this.#todo.pop();
    this.#underWay.set(id, performance.now());
    const bytes = content.byteLength;
    try {
      await channel.send({ id, path, content });
      this.handedBytes += bytes;
    } finally {
      // Of no effect once it was sent.
      content.release();
    }
  }

  /** @param {import("./agents/index.mjs").Result} result */
  #take(result) {
    const sent = this.#underWay.get(result.id);
    if (sent === undefined) {
      this.unexpected++;
      return;
    }
    this.roundTrips.push(performance.now() - sent);
    this.#underWay.delete(result.id);
    this.#record(result);
  }

  #record(result) {
    this.results[result.id] = result;
    this.count++;
    if (this.#isComplete()) this.#complete();
  }

  #isComplete() {
    return this.count === this.results.length;
  }

  #kill(child) {
    this.#killAt = undefined;
    this.agents.at(-1).killed = true;
    child.kill("SIGKILL");
    trace("%s: process %d was killed", this.kind.name, child.pid);
  }

  /** After an agent's death: what must be done by the next one. */
  #takeBack() {
    const [current] = this.#underWay.keys();
    const deaths = current === undefined ? ++this.#idleDeaths : (this.#deaths.get(current) ?? 0) + 1;
    if (current !== undefined) this.#deaths.set(current, deaths);
    else if (deaths >= MOST_DEATHS) throw new Error(`agents “${this.kind.name}” die without having a task`);

    const unfinished = [...this.#underWay.keys()];
    this.#underWay.clear();
    if (deaths >= MOST_DEATHS) {
      unfinished.shift();
      this.#record({ id: current, bytes: 0, micros: 0, skipped: `${deaths} agents died on it` });
    }
    const again = this.kind.stateful ? this.#forget(unfinished) : unfinished;
    this.again += again.length;
    this.#todo.push(...again.reverse());
  }

  /** Drops results that the next agent can't know about; returns all tasks to be done again, in their order. */
  #forget(unfinished) {
    const finished = this.results.flatMap((result) =>
      result === undefined || result.skipped ? [] : [result.id],
    );
    for (const id of finished) this.results[id] = undefined;
    this.count -= finished.length;
    return [...finished, ...unfinished];
  }
}

/** Whether the channel has ended: nothing is wrong with what was to be sent. */
function isEnd(error) {
  return [ClosedError, PeerDiedError, CorruptError].some((end) => error instanceof end);
}

/** Resolves when the process has ended; kills it if that takes too long. */
async function ended(child) {
  const timer = setTimeout(() => child.kill("SIGKILL"), GRACE);
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  clearTimeout(timer);
}
