import { bare, call, flight, items, vscode, vscodeOurs } from "../contenders/rpc.mjs";
import { cancel } from "../contenders/rpc-cancel.mjs";
import { duration, rate, ratio } from "../lib/format.mjs";
import { roundTripColumns } from "./round-trip-columns.mjs";

/** @type {import("../lib/contender.mjs").Suite} */
const one = {
  name: "calls",
  group: "rpc",
  title: "Calls, one after the other: there and back",
  notes: ["100 bytes of JSON each way, without schemas, through event loops at both ends."],
  contenders: [bare, call, vscode, vscodeOurs],
  columns: roundTripColumns,
  targets: [
    {
      name: "a call / the same two messages",
      needs: [bare.name, call.name],
      value: (figure) => figure(call.name, "ns") / figure(bare.name, "ns"),
      limit: 1.6,
      better: "lower",
      format: ratio,
    },
    {
      name: "a call / vscode-jsonrpc",
      needs: [vscode.name, call.name],
      value: (figure) => figure(call.name, "ns") / figure(vscode.name, "ns"),
      limit: 1 / 25,
      better: "lower",
      format: ratio,
    },
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const many = {
  name: "calls-many",
  group: "rpc",
  title: "Calls and items of a stream, many at once",
  notes: ["100 bytes of JSON a call each way, and an item."],
  contenders: [flight, items],
  columns: [{ title: "a second", figure: "perSecond", format: rate, spread: true }],
  targets: [
    {
      name: "calls a second, 64 in flight",
      needs: [flight.name],
      value: (figure) => figure(flight.name, "perSecond"),
      limit: 400_000,
      better: "higher",
      format: rate,
    },
    {
      name: "items of a stream a second",
      needs: [items.name],
      value: (figure) => figure(items.name, "perSecond"),
      limit: 1e6,
      better: "higher",
      format: rate,
    },
  ],
};

/** @type {import("../lib/contender.mjs").Suite} */
const cancels = {
  name: "calls-cancel",
  group: "rpc",
  title: "A cancel, while the handler computes in a loop",
  notes: ["The handler looks at call.cancelled, and never returns to its event loop."],
  contenders: [cancel],
  columns: roundTripColumns,
  targets: [
    {
      name: "from the abort to the handler's end, median",
      needs: [cancel.name],
      value: (figure) => figure(cancel.name, "p50"),
      limit: 1e6,
      better: "lower",
      format: duration,
    },
  ],
};

export const calls = [one, many, cancels];
