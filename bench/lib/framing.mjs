import { once } from "node:events";
import { lost } from "./answerer.mjs";

/** A frame: its length, 4 bytes, and that many bytes. What a program needs on any stream of bytes. */
const HEAD = 4;
/** Up to this length a message is copied behind its length, so that both are one write and one system call. */
const COPIED = 65_536;

/**
 * The answering end of a connection made of two streams, which may be the same one.
 * @param {import("node:stream").Readable} readable
 * @param {import("node:stream").Writable} writable
 * @param {"bytes" | "object"} payload
 * @param {(message: any) => any} answer
 */
export function answerOver(readable, writable, payload, answer) {
  const write = writer(writable, payload);
  reader(readable, payload, (message) => {
    const reply = answer(message);
    if (reply !== undefined) write(reply);
  });
}

/**
 * The asking end of such a connection.
 * @param {import("node:stream").Readable} readable
 * @param {import("node:stream").Writable} writable
 * @param {"bytes" | "object"} payload
 * @param {(reply: any) => void} heard
 * @param {() => unknown} [close]
 * @returns {import("./peer.mjs").Link}
 */
export function linkOver(readable, writable, payload, heard, close) {
  let open = true;
  for (const stream of new Set([readable, writable])) {
    stream.on("error", (error) => open && lost(error));
    stream.on("close", () => open && lost(new Error("the connection was closed by the other end")));
  }
  reader(readable, payload, heard);
  return {
    send: writer(writable, payload),
    ready: () => once(writable, "drain"),
    close() {
      open = false;
      readable.destroy();
      writable.destroy();
      return close?.();
    },
  };
}

/**
 * Writes messages to a stream: bytes behind their length, objects as a line of JSON.
 * @param {import("node:stream").Writable} stream
 * @param {"bytes" | "object"} payload
 * @returns {(message: any) => boolean} as `write` of the stream: after false, bytes that are longer than `COPIED` are in use until it drains
 */
export function writer(stream, payload) {
  if (payload === "object") return (message) => stream.write(`${JSON.stringify(message)}\n`);
  return (/** @type {Uint8Array} */ message) => {
    if (message.length <= COPIED) {
      const frame = Buffer.allocUnsafe(HEAD + message.length);
      frame.writeUInt32LE(message.length);
      frame.set(message, HEAD);
      return stream.write(frame);
    }
    const head = Buffer.allocUnsafe(HEAD);
    head.writeUInt32LE(message.length);
    // Together they are one system call, too. What is longer than a stream's high-water mark makes `write` return false.
    stream.cork();
    stream.write(head);
    const room = stream.write(message);
    stream.uncork();
    return room;
  };
}

/** Bytes, about, that are joined to one write. */
const JOINED = 65_536;

/**
 * The `flood` of a link whose messages are ready together: as many as make up 64 KiB in one write.
 * @param {import("node:stream").Writable} stream
 * @param {"bytes" | "object"} payload
 * @returns {NonNullable<import("./peer.mjs").Link["flood"]>}
 */
export function joined(stream, payload) {
  const join = payload === "object" ? joinedLines : joinedFrames;
  return async (count, make) => {
    for (let sent = 0; sent < count; ) {
      const { messages, content } = join(count - sent, (i) => make(sent + i));
      sent += messages;
      if (!stream.write(content)) await once(stream, "drain");
    }
  };
}

/** @param {number} most @param {(i: number) => any} make */
function joinedLines(most, make) {
  let content = "";
  let messages = 0;
  while (messages < most && content.length < JOINED) content += `${JSON.stringify(make(messages++))}\n`;
  return { messages, content };
}

/** @param {number} most @param {(i: number) => Uint8Array} make */
function joinedFrames(most, make) {
  const content = Buffer.allocUnsafe(JOINED);
  let messages = 0;
  let at = 0;
  while (messages < most) {
    const message = make(messages);
    if (at + HEAD + message.length > JOINED) break;
    content.writeUInt32LE(message.length, at);
    content.set(message, at + HEAD);
    at += HEAD + message.length;
    messages++;
  }
  return { messages, content: content.subarray(0, at) };
}

/**
 * Takes a stream apart into the messages that `writer` wrote. Whoever gets one may keep it: none is overwritten by the next.
 * @param {import("node:stream").Readable} stream
 * @param {"bytes" | "object"} payload
 * @param {(message: any) => void} each
 */
export function reader(stream, payload, each) {
  if (payload === "object") readLines(stream, each);
  else readFrames(stream, each);
}

/** @param {import("node:stream").Readable} stream @param {(message: any) => void} each */
function readLines(stream, each) {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (/** @type {string} */ text) => {
    let from = 0;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", from)) {
      each(JSON.parse(rest + text.slice(from, end)));
      rest = "";
      from = end + 1;
    }
    rest += text.slice(from);
  });
}

/** @param {import("node:stream").Readable} stream @param {(message: Uint8Array) => void} each */
function readFrames(stream, each) {
  /** A part of the length of a frame. @type {Buffer | undefined} */
  let head;
  /** A message of which a part has come: each piece is copied to its place while it is in the cache. @type {Buffer | undefined} */
  let message;
  let filled = 0;
  stream.on("data", (/** @type {Buffer} */ chunk) => {
    let at = 0;
    let bytes = chunk;
    if (message !== undefined) {
      at = chunk.copy(message, filled);
      filled += at;
      if (filled < message.length) return;
      const whole = message;
      message = undefined;
      each(whole);
    } else if (head !== undefined) {
      bytes = Buffer.concat([head, chunk]);
      head = undefined;
    }
    while (bytes.length - at >= HEAD) {
      const from = at + HEAD;
      const length = bytes.readUInt32LE(at);
      if (bytes.length - from < length) {
        message = Buffer.allocUnsafe(length);
        filled = bytes.copy(message, 0, from);
        return;
      }
      at = from + length;
      each(bytes.subarray(from, at));
    }
    if (at < bytes.length) head = bytes.subarray(at);
  });
}
