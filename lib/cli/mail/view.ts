import type { BrokerStatus, Message, StoredMessage } from "../../mailbox/index.js";
import type { Output } from "../command.js";
import { bytes, count, plural, safe } from "../format.js";
import { type Column, table, wrap } from "../table.js";

/** How wide the bar is that shows how full a box is. */
const BAR = 8;
/** The longest text that a list shows. */
const LONGEST = 500;

/** The boxes as a table, and what deserves a look. */
export function showBoxes(status: BrokerStatus, { style, width }: Output): string[] {
  const { boxes } = status;
  const { pid, store, path } = status;
  const where = [...(pid === undefined ? [] : [`broker ${pid}`]), store, ...(path ? [path] : [])].join(", ");
  if (boxes.length === 0) return wrap(`No boxes yet (${where})`, width);
  const columns: Column[] = [
    { title: "BOX", least: 12 },
    { title: "QUEUED", align: "right" },
    { title: "CLAIMED", align: "right" },
    { title: "DELAYED", align: "right" },
    { title: "DEAD", align: "right" },
    { title: "WAITING", align: "right" },
    { title: "BYTES", align: "right" },
    { title: "FILL" },
    { title: "STATE" },
  ];
  const rows = boxes.map((box) => [
    safe(box.name),
    ...[box.queued, box.claimed, box.delayed, box.dead, box.waiting].map((n) => (n === 0 ? "-" : count(n))),
    bytes(box.bytes),
    bar(fillOf(box)),
    stateOf(box),
  ]);
  const paint = (cell: string, row: number, column: number): string => {
    const box = boxes[row]!;
    if (column === 0) return style.strong(cell);
    if (column === 4 && box.dead > 0) return style.warn(cell);
    if (column < 8) return cell;
    return box.full ? style.bad(cell) : box.waiting > 0 ? style.good(cell) : style.dim(cell);
  };
  const notes = boxes.flatMap(noteOf).map((note) => `${style.bad("!")} ${note}`);
  return [
    ...table(columns, rows, { width, title: style.dim, paint }),
    ...(notes.length === 0 ? [] : ["", ...notes]),
    "",
    ...wrap(`${plural(boxes.length, "box").replace(/boxs$/, "boxes")}, ${where}`, width).map(style.dim),
  ];
}

type Box = BrokerStatus["boxes"][number];

/** How full the box is, by messages or bytes, whichever is nearer to its bound. */
function fillOf({ queued, delayed, claimed, bytes: held, settings }: Box): number {
  return Math.min(1, Math.max((queued + delayed + claimed) / settings.maxMessages, held / settings.maxBytes));
}

function bar(fill: number): string {
  const full = Math.round(fill * BAR);
  return `${"#".repeat(full)}${".".repeat(BAR - full)} ${String(Math.floor(fill * 100)).padStart(3)}%`;
}

function stateOf(box: Box): string {
  if (box.full) return "FULL";
  if (box.waiting > 0) return "a reader waits";
  if (box.claimed > 0) return "in work";
  if (box.queued === 0) return "empty";
  return box.readers === "never" ? "never read" : "unread";
}

function noteOf(box: Box): string[] {
  const name = safe(box.name);
  const { queued, refused, dropped, settings } = box;
  return [
    ...(box.full ? [`${name} is full: the next post meets its policy, ${settings.policy}.`] : []),
    ...(refused > 0 ? [`${name} has refused ${plural(refused, "post")}.`] : []),
    ...(dropped > 0 ? [`${name} has dropped ${plural(dropped, "message")} to make room.`] : []),
    ...(queued > 0 && box.readers === "never"
      ? [`${name} holds ${queued}, and nobody has ever read it.`]
      : []),
  ];
}

/** A message for people: who and when, and then the text. */
export function showMessage(message: Message | StoredMessage, { style }: Output): string {
  const { box, position, from, posted, attempt, body } = message;
  const state = "state" in message && message.state !== "queued" ? `, ${message.state}` : "";
  const reason = "reason" in message && message.reason !== undefined ? `: ${safe(message.reason)}` : "";
  const again = attempt > 1 ? `, attempt ${attempt}` : "";
  const time = new Date(posted).toISOString();
  const head = style.dim(`${position} ${time} ${safe(box)} from ${senderOf(from)}${again}${state}${reason}`);
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${text.length} characters)` : text;
  return `${head}\n  ${shown.split("\n").map(safe).join("\n  ")}`;
}

/** Over NATS nobody says which process it was. */
function senderOf({ name, pid }: Message["from"]): string {
  if (name === "") return pid === undefined ? "somebody" : `process ${pid}`;
  return pid === undefined ? safe(name) : `${safe(name)} (${pid})`;
}

/** A message as a line of JSON. Lines sort by `seq`, the position with leading zeros. */
export function line(message: Message | StoredMessage): string {
  const { position, posted, ...rest } = message;
  const { box, id, body, from, priority, key, topic, attempt } = rest;
  return JSON.stringify({
    seq: String(position).padStart(16, "0"),
    posted: new Date(posted).toISOString(),
    ...{ box, id, from, priority, key, topic, attempt },
    ...("state" in message ? { state: message.state, reason: message.reason } : {}),
    body,
  });
}
