import { randomBytes } from "node:crypto";
import { Unavailable } from "../lib/contender.mjs";
import { mustHaveSqlite, openMailboxes } from "../lib/mailbox-member.mjs";
import { pair } from "../lib/pair.mjs";
import { inFlight, oneByOne, TEXT } from "../lib/posting.mjs";
import { redisServer } from "../lib/redis.mjs";

/*
 * Messages that are stored before the sender hears that they are accepted: mailboxes, and streams of Redis by ioredis.
 *
 * A round trip: the driver posts to box b and waits for box a; the server waits for b, acknowledges, and posts to a. A flood: one process
 * posts, with 256 posts in flight, and nobody takes. The broker of the mailboxes is the server's process; Redis is a third one.
 */

/**
 * @typedef {"trip" | "flood" | "json"} Kind
 * @typedef {{ store: "sqlite" | "memory" | "redis", durability: "process" | "disk", kind: Kind, endpoint: string, directory: string }} Options
 */

/** @param {string} name @param {string} title @param {Pick<Options, "store" | "kind"> & Partial<Options>} options */
function contender(name, title, options) {
  const redis = options.store === "redis";
  const one = pair({
    name,
    peer: redis ? "redis" : "ringbell-mailbox",
    title,
    file: import.meta.url,
    options: { durability: "process", ...options },
    facts: { kind: options.kind, bytes: TEXT.length },
    first: 100,
  });
  return {
    ...one,
    packages: redis ? ["ioredis"] : [],
    /** @param {import("../lib/contender.mjs").Setting} setting */
    async start(setting) {
      if (redis) await mustHaveRedis();
      if (options.store === "sqlite") await mustHaveSqlite();
      return one.start(setting);
    },
  };
}

async function mustHaveRedis() {
  redisServer();
  await import("ioredis").catch(() => {
    throw new Unavailable("needs ioredis: npm ci --prefix bench");
  });
}

export const trip = contender("mailbox-trip", "mailboxes, SQLite, durability process", {
  store: "sqlite",
  kind: "trip",
});
export const tripDisk = contender("mailbox-trip-disk", "mailboxes, SQLite, durability disk", {
  store: "sqlite",
  kind: "trip",
  durability: "disk",
});
export const tripMemory = contender("mailbox-trip-memory", "mailboxes in memory", {
  store: "memory",
  kind: "trip",
});
export const tripRedis = contender(
  "redis-trip",
  "Redis streams, ioredis, Unix socket, appendfsync everysec",
  {
    store: "redis",
    kind: "trip",
  },
);
export const flood = contender("mailbox-flood", "mailboxes, SQLite, texts", {
  store: "sqlite",
  kind: "flood",
});
export const floodJson = contender("mailbox-flood-json", "mailboxes, SQLite, objects as JSON", {
  store: "sqlite",
  kind: "json",
});
export const floodRedis = contender("redis-flood", "Redis streams, ioredis, XADD", {
  store: "redis",
  kind: "flood",
});

/** @param {Options} options */
export async function serve(options) {
  if (options.store === "redis") return serveRedis(options);
  const mail = await openMailboxes(options);
  let open = true;
  const answering = (async () => {
    while (open && options.kind === "trip") {
      const message = await mail.wait("b", { timeout: 300_000 });
      if (message !== undefined) await mail.post("a", message.body);
    }
  })();
  answering.catch(() => {});
  return {
    // What was flooded is deleted before the next round.
    arm: () => mail.box("flood").purge(),
    round() {},
    close() {
      open = false;
      return mail.close();
    },
  };
}

/** @param {Options} options */
export async function drive(options) {
  if (options.store === "redis") return driveRedis(options);
  const mail = await openMailboxes(options);
  const body = options.kind === "json" ? { text: TEXT } : TEXT;
  return {
    round:
      options.kind === "trip"
        ? oneByOne(async () => {
            const [, message] = await Promise.all([mail.post("b", TEXT), mail.wait("a")]);
            return message.body;
          })
        : inFlight(() => mail.post("flood", body)),
    close: () => mail.close(),
  };
}

/** @param {Options} options */
async function serveRedis({ kind, directory, endpoint }) {
  const { stop, connect } = await redisServer().start(`${directory}/${endpoint}`);
  const client = await connect();
  const answering = await group(await connect(), "b");
  let open = true;
  const answers = (async () => {
    while (open && kind === "trip") {
      const text = await answering();
      if (text !== undefined) await client.xadd("a", "*", "t", text);
    }
  })();
  answers.catch(() => {});
  return {
    arm: () => client.del("flood"),
    round() {},
    async close() {
      open = false;
      client.disconnect();
      await stop();
    },
  };
}

/** @param {Options} options */
async function driveRedis({ kind, directory, endpoint }) {
  const { connect } = redisServer().at(`${directory}/${endpoint}`);
  const client = await connect();
  const take = await group(await connect(), "a");
  return {
    round:
      kind === "trip"
        ? oneByOne(async () => {
            const [, text] = await Promise.all([client.xadd("b", "*", "t", TEXT), take()]);
            return text ?? "";
          })
        : inFlight(() => client.xadd("flood", "*", "t", TEXT)),
    close: () => client.disconnect(),
  };
}

/**
 * Takes the next entry of a stream by a consumer group, and acknowledges it without waiting for the answer, as mailboxes do.
 * @param {any} client of its own, because it blocks @param {string} stream
 */
async function group(client, stream) {
  const name = randomBytes(4).toString("hex");
  await client.xgroup("CREATE", stream, name, "$", "MKSTREAM");
  return async () => {
    const found = await client.xreadgroup(
      "GROUP",
      name,
      "c",
      "COUNT",
      1,
      "BLOCK",
      10_000,
      "STREAMS",
      stream,
      ">",
    );
    if (found === null) return undefined;
    const [id, [, text]] = found[0][1][0];
    void client.xack(stream, name, id);
    return /** @type {string} */ (text);
  };
}
