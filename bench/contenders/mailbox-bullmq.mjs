import { Unavailable } from "../lib/contender.mjs";
import { pair } from "../lib/pair.mjs";
import { oneByOne, TEXT } from "../lib/posting.mjs";
import { redisServer } from "../lib/redis.mjs";

/* Jobs of BullMQ, there and back: each is added, taken by a worker and completed, as messages of mailboxes are posted, taken and acknowledged. */

/** @typedef {{ endpoint: string, directory: string }} Options */

const one = pair({
  ...{
    name: "bullmq-trip",
    peer: "bullmq",
    title: "BullMQ, jobs, Redis over a Unix socket, appendfsync everysec",
  },
  ...{ file: import.meta.url, first: 50, facts: { kind: "trip", bytes: TEXT.length } },
});

/** @type {import("../lib/contender.mjs").Contender} */
export const tripBullmq = {
  ...one,
  packages: ["bullmq", "ioredis"],
  async start(setting) {
    redisServer();
    await import("bullmq").catch(() => {
      throw new Unavailable("needs bullmq: npm ci --prefix bench");
    });
    return one.start(setting);
  },
};

const KEEP_NONE = { removeOnComplete: true, removeOnFail: true };

/** @param {Options} options */
export async function serve({ directory, endpoint }) {
  const folder = `${directory}/${endpoint}`;
  const server = await redisServer().start(folder);
  (await server.connect()).disconnect();
  const { queue, work, close } = await ends(folder);
  const answers = queue("a");
  await work("b", (text) => answers.add("job", text, KEEP_NONE));
  return {
    arm() {},
    round() {},
    async close() {
      await close();
      await server.stop();
    },
  };
}

/** @param {Options} options */
export async function drive({ directory, endpoint }) {
  const { queue, work, close } = await ends(`${directory}/${endpoint}`);
  const questions = queue("b");
  /** @type {(text: string) => void} */
  let arrived = () => {};
  await work("a", (text) => arrived(text));
  return {
    round: oneByOne(async () => {
      const answer = new Promise((resolve) => {
        arrived = resolve;
      });
      await questions.add("job", TEXT, KEEP_NONE);
      return answer;
    }),
    close,
  };
}

/** @param {string} folder */
async function ends(folder) {
  const { Queue, Worker } = await import("bullmq");
  const connection = /** @type {any} */ ({ path: `${folder}/socket`, maxRetriesPerRequest: null });
  /** @type {{ close(): Promise<void> }[]} */
  const all = [];
  return {
    queue(/** @type {string} */ name) {
      const queue = new Queue(name, { connection });
      all.push(queue);
      return queue;
    },
    async work(/** @type {string} */ name, /** @type {(text: any) => unknown} */ handle) {
      const worker = new Worker(name, async ({ data }) => void (await handle(data)), { connection });
      all.push(worker);
      await worker.waitUntilReady();
    },
    async close() {
      for (const end of all) await end.close();
    },
  };
}
