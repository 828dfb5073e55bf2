import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { Unavailable } from "../lib/contender.mjs";
import { End } from "../lib/end.mjs";
import { randomNumbers } from "../lib/random.mjs";
import { NAMESPACE, SHARED } from "../lib/ringbell.mjs";

/*
 * An interface whose connection is cut at random moments while events come: how many it does not get, and how many twice. It comes back by
 * itself each time. Both ends are one process. What Socket.IO does not recover, its users must fetch by code of their own.
 */

const SESSION = new URL("../../dist/session/index.js", import.meta.url).href;
/** How long the last events have, ms. */
const SETTLE = 1000;

/** @typedef {{ way: "session" | "socket.io", cuts: number, directory: string, endpoint: string }} Options */

/** @param {Options["way"]} way @param {string} title @param {number} cuts @returns {import("../lib/contender.mjs").Contender} */
function contender(way, title, cuts) {
  const name = `disconnects-${way === "session" ? "session" : "socket-io"}`;
  return {
    name,
    peer: way,
    title,
    packages: way === "session" ? [] : ["socket.io", "socket.io-client"],
    rounds: 1,
    patience: 120,
    async start({ directory, cores }) {
      if (way === "socket.io") await mustHaveSocketIo();
      const end = await End.start(
        import.meta.url,
        "work",
        { way, cuts, directory, endpoint: name },
        cores && [cores[0]],
      );
      return { async warmUp() {}, round: () => end.ask("round", cuts), stop: () => end.close() };
    },
  };
}

async function mustHaveSocketIo() {
  await Promise.all([import("socket.io"), import("socket.io-client")]).catch(() => {
    throw new Unavailable("needs socket.io and socket.io-client: npm ci --prefix bench");
  });
}

/** @param {number} cuts */
export const disconnects = (cuts) => ({
  ours: contender("session", "ringbell/session", cuts),
  theirs: contender("socket.io", "Socket.IO 4, connection state recovery", cuts),
});

/** @param {Options} options */
export async function work(options) {
  /** How often each event came. @type {number[]} */
  const got = [];
  const heard = (/** @type {number} */ n) => {
    got[n] = (got[n] ?? 0) + 1;
  };
  const { send, cut, back, close } = await (options.way === "session" ? session : socketIo)(options, heard);
  return {
    async round(/** @type {number} */ cuts) {
      const random = randomNumbers(1);
      const begin = performance.now();
      let sent = 0;
      const some = async () => {
        for (let left = 1 + random() * 8; left > 0; left--) {
          send(sent++);
          if (random() < 0.3) await sleep(0);
        }
      };
      for (let i = 0; i < cuts; i++) {
        await some();
        const returned = back();
        cut();
        await some();
        await returned;
      }
      const until = performance.now() + SETTLE;
      while (got.filter((times) => times > 0).length < sent && performance.now() < until) await sleep(5);
      const times = Array.from({ length: sent }, (_, n) => got[n] ?? 0);
      return {
        events: sent,
        lost: times.filter((each) => each === 0).length,
        doubled: times.filter((each) => each > 1).length,
        seconds: (performance.now() - begin) / 1e3,
      };
    },
    close,
  };
}

/** @param {Options} options @param {(n: number) => void} heard */
async function session({ directory, endpoint }, heard) {
  const { attach, serveSession } = await import(SESSION);
  const place = { directory, namespace: NAMESPACE };
  const served = await serveSession(endpoint, { ...place, ...SHARED });
  const attached = await attach(endpoint, {
    ...place,
    from: "live",
    reconnect: { minDelay: 1, maxDelay: 5 },
  });
  (async () => {
    for await (const item of attached) if (item.type === "event") heard(item.event);
  })().catch(() => {});
  return {
    send: (/** @type {number} */ n) => served.append(n),
    cut() {
      for (const { carrier } of served.interfaces) void carrier.close(0);
    },
    back: () => once(served, "attach"),
    async close() {
      await attached.close();
      await served.close({ grace: 0 });
    },
  };
}

/** @param {Options} _options @param {(n: number) => void} heard */
async function socketIo(_options, heard) {
  const [{ Server }, { io }] = await Promise.all([import("socket.io"), import("socket.io-client")]);
  const http = createServer().listen(0, "127.0.0.1");
  await once(http, "listening");
  const server = new Server(http, { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } });
  const { port } = /** @type {import("node:net").AddressInfo} */ (http.address());
  const client = io(`http://127.0.0.1:${port}`, {
    transports: ["websocket"],
    reconnectionDelay: 1,
    reconnectionDelayMax: 5,
  });
  client.on("event", heard);
  await new Promise((resolve) => client.once("connect", () => resolve(undefined)));
  // Before the first event a connection has no place to come back to.
  await new Promise((resolve) => {
    client.once("hello", () => resolve(undefined));
    server.emit("hello");
  });
  return {
    send: (/** @type {number} */ n) => void server.emit("event", n),
    cut: () => client.io.engine.close(),
    back: () => new Promise((resolve) => client.once("connect", () => resolve(undefined))),
    async close() {
      client.close();
      await server.close();
    },
  };
}
