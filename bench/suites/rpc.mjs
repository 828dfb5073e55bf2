import { bare, call, flight, items, vscode, vscodeOurs } from "../contenders/rpc.mjs";
import { cancel } from "../contenders/rpc-cancel.mjs";
import { control } from "../contenders/rpc-control.mjs";
import { birpc, birpcFlight, grpc } from "../contenders/rpc-others.mjs";
import { duration, rate, ratio } from "../lib/format.mjs";
import { roundTripColumns } from "./round-trip-columns.mjs";

/** @type {import("../lib/contender.mjs").Suite} */
const one = {
  name: "calls",
  group: "rpc",
  title: "Calls, one after the other: there and back",
  notes: ["An object of 100 bytes as JSON each way, without schemas, through event loops at both ends."],
  contenders: [bare, call, vscode, vscodeOurs, birpc, grpc],
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
    {
      name: "a call / birpc over a MessagePort",
      needs: [birpc.name, call.name],
      value: (figure) => figure(call.name, "ns") / figure(birpc.name, "ns"),
      limit: 1 / 10,
      better: "lower",
      format: ratio,
    },
    {
      name: "a call / @grpc/grpc-js",
      needs: [grpc.name, call.name],
      value: (figure) => figure(call.name, "ns") / figure(grpc.name, "ns"),
      limit: 1 / 50,
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
  contenders: [flight, birpcFlight, items],
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
      name: "calls a second / birpc over a MessagePort",
      needs: [flight.name, birpcFlight.name],
      value: (figure) => figure(flight.name, "perSecond") / figure(birpcFlight.name, "perSecond"),
      limit: 4,
      better: "higher",
      format: ratio,
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

/** @type {import("../lib/contender.mjs").Suite} */
const controls = {
  name: "calls-control",
  group: "rpc",
  title: "A question by the control lane, while the data lane is saturated",
  notes: ["64 notifications of 16 KiB wait for room all the time."],
  contenders: [control],
  columns: roundTripColumns,
  targets: [
    {
      name: "control call, p99",
      needs: [control.name],
      value: (figure) => figure(control.name, "p99"),
      limit: 1e6,
      better: "lower",
      format: duration,
    },
  ],
};

export const calls = [one, many, cancels, controls];
