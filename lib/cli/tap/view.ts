import { inspect } from "node:util";
import { Decoding, type Reading, type Stream, type TapEvent } from "../../watch/index.js";
import type { Output } from "../command.js";
import { bytes, plural, safe } from "../format.js";
import { cut } from "../table.js";

type Message = Extract<TapEvent, { type: "message" }>;

/** The bytes that are shown of a message that can't be decoded. */
const SHOWN_BYTES = 64;

/** Prints what passes. */
export class Writer {
  readonly #output: Output;
  readonly #json: boolean;
  readonly #decodings = new Map<number, Decoding>();

  constructor(output: Output, json: boolean) {
    this.#output = output;
    this.#json = json;
  }

  /** Prints a message unless the filter refuses it. Returns whether it did. */
  message(event: Message, filter: (text: string) => boolean): boolean {
    const { stream } = event;
    const reading = this.#decodingOf(stream).read(event.kind, event.content);
    const said = textOf(reading);
    if (!filter(said)) return false;
    this.#output.print(this.#json ? jsonOf(event, reading) : this.#line(event, said));
    return true;
  }

  /** Prints what is no message: where a stream begins and ends, and what was missed. */
  note(event: Exclude<TapEvent, Message>): void {
    const { type, stream } = event;
    if (this.#json) {
      const { codec, capacity } = stream;
      const more = type === "open" ? { codec, capacity } : type === "missed" ? { count: event.count } : {};
      this.#output.print(JSON.stringify({ type, ...heads(stream), ...more }));
      return;
    }
    const { style } = this.#output;
    const place = `${peerOf(stream)} ${safe(stream.lane)} ${stream.way}`;
    if (type === "missed") {
      this.#print(
        style.bad,
        `! ${place}: missed ${plural(event.count, "message")}; they were overwritten before they were read`,
      );
    } else if (type === "end") {
      this.#print(style.dim, `- ${place}: ended`);
    } else {
      const { name, schema } = stream.codec;
      const unknown = this.#decodingOf(stream).known ? "" : ", which is not known here: bytes are shown";
      this.#print(
        style.dim,
        `+ ${place}: ${safe(name)}${schema === undefined ? "" : ` ${safe(schema)}`}${unknown}`,
      );
    }
  }

  #decodingOf({ index, codec }: Stream): Decoding {
    let decoding = this.#decodings.get(index);
    if (decoding === undefined) {
      decoding = new Decoding(codec);
      this.#decodings.set(index, decoding);
    }
    return decoding;
  }

  #line({ time, stream, number }: Message, said: string): string {
    const { style, width } = this.#output;
    const when = new Date(time);
    const clock = `${when.toTimeString().slice(0, 8)}.${String(when.getMilliseconds()).padStart(3, "0")}`;
    const head = `${clock} ${peerOf(stream)} ${safe(stream.lane)} ${stream.way.padEnd(3)} #${number} `;
    return style.dim(head) + (width === undefined ? said : cut(said, Math.max(10, width - head.length)));
  }

  #print(paint: (text: string) => string, text: string): void {
    const { width } = this.#output;
    this.#output.print(paint(width === undefined ? text : cut(text, width)));
  }
}

function peerOf({ peer }: Stream): string {
  return `${peer.pid ?? "?"}${peer.role === null ? "" : ` (${safe(peer.role)})`}`;
}

function heads({ channel, peer, lane, way }: Stream) {
  return { channel, peer, lane, way };
}

/** Returns a message in one line of text. */
export function textOf({ payload, bytes: length, blocks, decoded }: Reading): string {
  const beside = blocks === 0 ? "" : ` + ${plural(blocks, "block")}`;
  if (payload === undefined) return `<${bytes(length)} in a block>`;
  if (decoded !== undefined) return safe(shown(decoded.value)) + beside;
  const head = payload.subarray(0, SHOWN_BYTES).toString("hex");
  return `<${bytes(length)}> ${head}${payload.length > SHOWN_BYTES ? "…" : ""}${beside}`;
}

function shown(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Uint8Array) {
    const text = Buffer.from(value).toString();
    // Bytes that are text are mostly meant as such.
    return text.includes("\ufffd")
      ? `<${bytes(value.length)}> ${Buffer.from(value.subarray(0, SHOWN_BYTES)).toString("hex")}`
      : text;
  }
  return isPlain(value)
    ? JSON.stringify(value)
    : inspect(value, {
        depth: 12,
        breakLength: Number.POSITIVE_INFINITY,
        compact: true,
        maxArrayLength: 1000,
      });
}

/** Whether JSON shows the value as it is. */
function isPlain(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return typeof value !== "bigint" && value !== undefined;
  if (Array.isArray(value)) return value.every(isPlain);
  return (
    (Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null) &&
    Object.values(value).every(isPlain)
  );
}

function jsonOf(
  { time, stream, number }: Message,
  { payload, bytes: length, blocks, decoded }: Reading,
): string {
  const content =
    payload === undefined
      ? {}
      : decoded === undefined || !isPlain(decoded.value)
        ? {
            base64: payload.toString("base64"),
            ...(decoded === undefined ? {} : { text: shown(decoded.value) }),
          }
        : { value: decoded.value };
  const at = new Date(time).toISOString();
  return JSON.stringify({
    type: "message",
    time: at,
    ...heads(stream),
    number,
    bytes: length,
    blocks,
    ...content,
  });
}
