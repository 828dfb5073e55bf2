import {
  flood,
  floodJson,
  floodRedis,
  trip,
  tripDisk,
  tripMemory,
  tripRedis,
} from "../contenders/mailbox.mjs";
import { tripBullmq } from "../contenders/mailbox-bullmq.mjs";
import { floodNats, tripNats } from "../contenders/mailbox-nats.mjs";
import { idle, memory } from "../contenders/mailbox-resident.mjs";
import { takeover1m, takeover100k } from "../contenders/mailbox-takeover.mjs";
import { wake } from "../contenders/mailbox-wake.mjs";
import { count, duration, milliseconds, rate, size } from "../lib/format.mjs";
import { multiple } from "../lib/targets.mjs";
import { roundTripColumns } from "./round-trip-columns.mjs";

/** @type {import("../lib/contender.mjs").Suite} */
const trips = {
  name: "mailbox",
  group: "mailbox",
  title: "Stored messages: posted, waited for and acknowledged, there and back",
  notes: [
    "Texts of 200 bytes. Each way is stored before the sender hears that it is. The broker of the mailboxes is the process that answers; Redis is",
    "a process of its own, and so is NATS. BullMQ adds a job for each message, and completes it.",
  ],
  contenders: [trip, tripRedis, tripNats, tripDisk, tripMemory, tripBullmq],
  columns: roundTripColumns,
  targets: [
    multiple("a mailbox there and back / Redis streams, p50", trip, tripRedis, "p50", 0.55),
    multiple("a mailbox there and back / JetStream, p50", trip, tripNats, "p50", 0.18),
    multiple("a mailbox there and back / jobs of BullMQ, p50", trip, tripBullmq, "p50", 0.15),
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const floods = {
  name: "mailbox-posts",
  group: "mailbox",
  title: "Stored messages a second: one process posts, 256 in flight",
  notes: ["Texts of 200 bytes. Nobody takes them."],
  contenders: [flood, floodJson, floodRedis, floodNats],
  columns: [{ title: "a second", figure: "perSecond", format: rate, spread: true }],
  targets: [
    {
      name: "posts a second",
      needs: [flood.name],
      value: (figure) => figure(flood.name, "perSecond"),
      limit: 220_000,
      better: "higher",
      format: rate,
    },
    {
      name: "posts a second, objects",
      needs: [floodJson.name],
      value: (figure) => figure(floodJson.name, "perSecond"),
      limit: 200_000,
      better: "higher",
      format: rate,
    },
    multiple("posts a second / Redis streams", flood, floodRedis, "perSecond", 1.2, "higher"),
    multiple("posts a second / JetStream", flood, floodNats, "perSecond", 8, "higher"),
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const wakes = {
  name: "mailbox-wake",
  group: "mailbox",
  title: "From the post to the return of a wait that sleeps",
  notes: [
    "One message every 5 ms, so that both processes have fallen asleep. One way, by the clock that processes share.",
  ],
  contenders: [wake],
  columns: roundTripColumns,
  targets: [
    {
      name: "a wait that sleeps is woken, p50",
      needs: [wake.name],
      value: (figure) => figure(wake.name, "p50"),
      limit: 150e3,
      better: "lower",
      format: duration,
    },
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const takeovers = {
  name: "mailbox-takeover",
  group: "mailbox",
  title: "From the broker's SIGKILL until a client has its next message",
  notes: [
    "Three processes have the mailboxes open; the broker is killed, and one of the others asks for a message at once. 20 kills of each; nothing is",
    "pinned. Of so few p99 is the longest.",
  ],
  contenders: [takeover100k, takeover1m],
  columns: [
    { title: "p50", figure: "p50", format: duration },
    { title: "p99", figure: "p99", format: duration },
  ],
  targets: [
    {
      name: "takeover with 100,000 stored, p99",
      needs: [takeover100k.name],
      value: (figure) => figure(takeover100k.name, "p99"),
      limit: 200e6,
      better: "lower",
      format: duration,
    },
    {
      name: "takeover with 1,000,000 stored, p99",
      needs: [takeover1m.name],
      value: (figure) => figure(takeover1m.name, "p99"),
      limit: 400e6,
      better: "lower",
      format: duration,
    },
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const memories = {
  name: "mailbox-memory",
  group: "mailbox",
  title: "Memory of a broker with stored messages, more than an empty one",
  notes: [
    "Resident memory after garbage was collected. Both brokers have begun over their file and carried 2,000 messages of a client.",
  ],
  contenders: [memory],
  columns: [{ title: "memory", figure: "memoryBytes", format: size }],
  targets: [
    {
      name: "memory of 1,000,000 stored messages",
      needs: [memory.name],
      value: (figure) => figure(memory.name, "memoryBytes"),
      limit: 32 * 2 ** 20,
      better: "lower",
      format: size,
    },
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const idles = {
  name: "mailbox-idle",
  group: "mailbox",
  title: "Cost of a broker while others wait",
  notes: ["Three windows of three seconds, two seconds after the last message. Figures are for 10 s."],
  contenders: [idle],
  columns: [
    { title: "CPU/10 s", figure: "cpuMs", format: milliseconds },
    { title: "wake-ups/10 s", figure: "wakeUps", format: count },
  ],
  targets: [
    {
      // V8 wakes its own threads now and then.
      name: "CPU time of an idle broker with 100 waiters, 10 s",
      needs: [idle.name],
      value: (figure) => figure(idle.name, "cpuMs"),
      limit: 1,
      better: "lower",
      format: milliseconds,
    },
  ],
};

export const mailbox = [trips, floods, wakes, takeovers, memories, idles];
