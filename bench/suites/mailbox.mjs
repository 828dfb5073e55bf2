import {
  flood,
  floodJson,
  floodRedis,
  trip,
  tripDisk,
  tripMemory,
  tripRedis,
} from "../contenders/mailbox.mjs";
import { rate, ratio } from "../lib/format.mjs";
import { roundTripColumns } from "./round-trip-columns.mjs";

/** @type {import("../lib/contender.mjs").Suite} */
const trips = {
  name: "mailbox",
  group: "mailbox",
  title: "Stored messages: posted, waited for and acknowledged, there and back",
  notes: [
    "Texts of 200 bytes. Each way is stored before the sender hears that it is. The broker of the mailboxes is the process that answers; Redis is",
    "a process of its own.",
  ],
  contenders: [trip, tripRedis, tripDisk, tripMemory],
  columns: roundTripColumns,
  targets: [
    {
      name: "a mailbox there and back / Redis streams, p50",
      needs: [trip.name, tripRedis.name],
      value: (figure) => figure(trip.name, "p50") / figure(tripRedis.name, "p50"),
      limit: 0.55,
      better: "lower",
      format: ratio,
    },
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const floods = {
  name: "mailbox-posts",
  group: "mailbox",
  title: "Stored messages a second: one process posts, 256 in flight",
  notes: ["Texts of 200 bytes. Nobody takes them."],
  contenders: [flood, floodJson, floodRedis],
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
    {
      name: "posts a second / Redis streams",
      needs: [flood.name, floodRedis.name],
      value: (figure) => figure(flood.name, "perSecond") / figure(floodRedis.name, "perSecond"),
      limit: 1.2,
      better: "higher",
      format: ratio,
    },
  ],
};

export const mailbox = [trips, floods];
