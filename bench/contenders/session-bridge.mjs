import { createHistogram } from "node:perf_hooks";
import { setImmediate as turn } from "node:timers/promises";
import { Unavailable } from "../lib/contender.mjs";
import { group } from "../lib/group.mjs";
import { distribution } from "../lib/percentiles.mjs";

/*
 * The bridge to WebSocket clients. Broadcasts: what a core carries, against the same messages by `ws` alone; clients work on the other core. And
 * a hundred clients of which one never reads: how long an event takes to the others.
 */

const SESSION = new URL("../../dist/session/index.js", import.meta.url).href;
const BRIDGE = new URL("../../dist/bridge/index.js", import.meta.url).href;
const BROWSER = new URL("../../dist/browser/index.js", import.meta.url).href;
const TOKEN = "a-token-of-the-benchmark-only-00";
const EVENT = { role: "assistant", text: "a part of an answer, of about a hundred characters of JSON", n: 0 };
/** Clients of a broadcast. */
export const CLIENTS = 10;
/** Clients of which one may never read, and events a second to each. */
export const MANY = 100;
const RATE = 50;
const PACED = 150;

/** @typedef {{ way: "bridge" | "ws", kind: "broadcast" | "paced", clients: number, deaf?: boolean, endpoint: string, directory: string }} Options */

/** @param {string} name @param {string} title @param {Omit<Options, "endpoint" | "directory">} options @param {number} [count] */
function contender(name, title, options, count) {
  const one = group({
    name,
    peer: options.way,
    title,
    file: import.meta.url,
    options,
    ...(count === undefined ? {} : { count }),
  });
  return {
    ...one,
    packages: ["ws"],
    /** @param {import("../lib/contender.mjs").Setting} setting */
    async start(setting) {
      await import("ws").catch(() => {
        throw new Unavailable("needs ws: npm ci --prefix bench");
      });
      return one.start(setting);
    },
  };
}

const broadcast = { kind: /** @type {const} */ ("broadcast"), clients: CLIENTS };
const paced = { way: /** @type {const} */ ("bridge"), kind: /** @type {const} */ ("paced"), clients: MANY };
export const bridge = contender("bridge-broadcast", "the bridge, acknowledged by clients", {
  way: "bridge",
  ...broadcast,
});
export const ws = contender("ws-broadcast", "ws, clients acknowledge nothing", { way: "ws", ...broadcast });
export const all = contender("bridge-all-read", "all of them read", paced, PACED);
export const one = contender("bridge-one-never-reads", "one never reads", { ...paced, deaf: true }, PACED);

/** @param {Options} options */
export async function serve(options) {
  const { send, room, address, close } = await (options.way === "bridge" ? serveBridge() : serveWs(options));
  let last = 0;
  const event = { ...EVENT, at: 0 };
  const flood = async (/** @type {number} */ count) => {
    const before = process.cpuUsage();
    for (let i = 0; i < count; i++) {
      event.n = last++;
      send(event);
      if (i % 20 === 19) {
        await room();
        await turn();
      }
    }
    // Acknowledgements belong to the cost.
    await room(0);
    const { user, system } = process.cpuUsage(before);
    return { perCpuSecond: (count * options.clients * 1e6) / (user + system) };
  };
  const pace = async (/** @type {number} */ count) => {
    const begin = performance.now();
    for (let i = 0; i < count; i++) {
      const left = begin + (i * 1e3) / RATE - performance.now();
      // Acknowledgements come meanwhile, so this process must not sleep in a call.
      if (left > 0) await new Promise((resolve) => setTimeout(resolve, left));
      event.n = last++;
      event.at = nanoseconds();
      send(event);
    }
    return {};
  };
  return {
    arm: () => ({ address, last }),
    round: options.kind === "paced" ? pace : flood,
    close,
  };
}

/** @param {Options} options */
export async function drive({ way, clients, deaf = false }) {
  const reading = deaf ? clients - 1 : clients;
  /** Called with each event that a client has taken. @type {(client: number, event: { n: number, at: number }) => void} */
  let took = () => {};
  /** @type {{ close(): void }[]} */
  let opened = [];
  let each = createHistogram();
  /** Resolves when all have taken all. @type {Promise<void>} */
  let done = Promise.resolve();
  return {
    async arm(
      /** @type {number} */ count,
      /** @type {{ address: string, last: number }} */ { address, last },
    ) {
      if (opened.length === 0)
        opened = await openClients(way, address, clients, deaf, (client, event) => took(client, event));
      each = createHistogram();
      const next = Array.from({ length: clients }, () => last);
      let left = reading * count;
      done = new Promise((resolve, reject) => {
        took = (client, { n, at }) => {
          if (at > 0) each.record(Math.max(1, nanoseconds() - at));
          if (n !== next[client]++) reject(new Error(`event ${n} came, not ${next[client] - 1}`));
          if (--left === 0) resolve();
        };
      });
    },
    async round(/** @type {number} */ count) {
      const begin = performance.now();
      await done;
      const seconds = (performance.now() - begin) / 1e3;
      return {
        perSecond: (reading * count) / seconds,
        seconds,
        ...(each.count > 0 ? distribution(each) : {}),
      };
    },
    close() {
      for (const client of opened) client.close();
    },
  };
}

const nanoseconds = () => Number(process.hrtime.bigint() % 1_000_000_000_000n);

async function serveBridge() {
  const [{ Session }, { serveBridge }] = await Promise.all([import(SESSION), import(BRIDGE)]);
  const session = new Session({ log: { maxEvents: 100_000 } });
  const made = await serveBridge({
    session,
    origins: ["http://localhost"],
    tokens: { [TOKEN]: { name: "bench", role: "operator" } },
  });
  return {
    send: (/** @type {object} */ event) => void session.append(event),
    address: /** @type {string} */ (made.url),
    // An interface that is far behind is waited for, so that it is not taken for slow.
    async room(most = 1000) {
      while ([...session.interfaces].some(({ lag }) => lag > most)) await turn();
    },
    async close() {
      await made.close();
      await session.close({ grace: 0 });
    },
  };
}

/** @param {Options} options */
async function serveWs(_options) {
  const { WebSocketServer } = await import("ws");
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  await new Promise((resolve) => server.once("listening", () => resolve(undefined)));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  return {
    send(/** @type {object} */ event) {
      const text = Buffer.from(JSON.stringify(event));
      for (const client of server.clients) client.send(text, { binary: false });
    },
    address: `ws://127.0.0.1:${port}`,
    async room(most = 65_536) {
      while ([...server.clients].some(({ bufferedAmount }) => bufferedAmount > most)) await turn();
    },
    close() {
      for (const client of server.clients) client.terminate();
      server.close();
    },
  };
}

/**
 * @param {Options["way"]} way @param {string} address @param {number} count @param {boolean} deaf
 * @param {(client: number, event: { n: number, at: number }) => void} took
 */
async function openClients(way, address, count, deaf, took) {
  const { WebSocket } = await import("ws");
  if (way === "ws") {
    return Promise.all(
      Array.from({ length: count }, async (_, client) => {
        const socket = new WebSocket(address, { perMessageDeflate: false });
        await new Promise((resolve) => socket.once("open", () => resolve(undefined)));
        socket.on("message", (data) => took(client, JSON.parse(String(data))));
        return { close: () => socket.terminate() };
      }),
    );
  }
  const { attach } = await import(BROWSER);
  return Promise.all(
    Array.from({ length: count }, async (_, client) => {
      const made = await attach({
        url: address,
        token: TOKEN,
        WebSocket,
        from: "live",
        client: `c${client}`,
      });
      if (deaf && client === count - 1) return made;
      (async () => {
        for await (const item of made) {
          if (item.type !== "event") throw new Error(`${item.type} came, not an event`);
          took(client, item.event);
        }
      })().catch((error) => took(client, { n: Number.NaN, at: 0, ...{ error } }));
      return made;
    }),
  );
}
