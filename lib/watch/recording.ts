import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { RecordingError } from "./errors.js";
import type { RecordingHeader, RecordingIndex } from "./recorder.js";
import { checkIndex, checkStream } from "./recording-checks.js";
import {
  END_MAGIC,
  FRAME_HEAD,
  type FrameHead,
  FrameType,
  isBody,
  MAGIC,
  MESSAGE_HEAD,
  readHead,
  TRAILER,
  VERSION,
} from "./recording-format.js";
import type { Stream, TapEvent } from "./tap.js";

/** As in a Recorder's index. */
const INDEX_EACH = 64 * 1024;

interface Frame extends FrameHead {
  readonly offset: number;
  readonly body: Buffer;
}

/** A recording that is read. */
export class Recording {
  readonly path: string;
  readonly header: RecordingHeader;
  /** Of the file, or made anew if the recorder was killed. */
  readonly index: RecordingIndex;
  /** Bytes at the end that are no whole frame: the recorder was killed while it wrote them. 0 in a whole recording. */
  readonly cutOff: number;
  /** Whether the recorder has finished it. */
  readonly whole: boolean;
  readonly #file: number;
  readonly #streams = new Map<number, Stream>();
  /** Where the first frame behind the header begins, and where the last one ends that tells what happened. */
  readonly #begin: number;
  readonly #end: number;

  /** Opens the file, and reads its index or makes it anew. Throws a RecordingError, or ENOENT and the like. */
  constructor(path: string) {
    this.path = path;
    this.#file = openSync(path, "r");
    try {
      const size = fstatSync(this.#file).size;
      const magic = this.#read(0, Math.min(size, MAGIC.length));
      if (!magic.equals(MAGIC)) throw this.#error(0, "it is no recording of ringbell");
      const header = this.#frame(MAGIC.length, size);
      if (header === undefined || header.type !== FrameType.header)
        throw this.#error(MAGIC.length, "its header is missing");
      const described = this.#json(header) as Partial<RecordingHeader> | null;
      this.header = {
        version: Number(described?.version),
        endpoint: String(described?.endpoint),
        begun: Number(described?.begun),
      };
      if (this.header.version !== VERSION) {
        throw this.#error(
          MAGIC.length,
          `it has version ${String(this.header.version)}, and this ringbell reads ${VERSION}`,
        );
      }
      this.#begin = header.offset + FRAME_HEAD + header.length;
      const found = this.#indexOf(size);
      this.whole = found !== undefined;
      const scanned = found ?? this.#scan(size);
      this.index = scanned.index;
      for (const stream of this.index.streams) this.#streams.set(stream.index, stream);
      this.#end = scanned.end;
      this.cutOff = found === undefined ? size - scanned.end : 0;
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  /** What happened, in its order; with `from`, only what happened at that time (ms since the epoch) or later. Throws a RecordingError where the file is damaged. */
  *events(from = Number.NEGATIVE_INFINITY): Generator<TapEvent> {
    for (const frame of this.#frames(this.#startOf(from), this.#end)) {
      const event = this.#event(frame);
      if (event === undefined || ("time" in event && event.time < from)) continue;
      yield event;
    }
  }

  close(): void {
    closeSync(this.#file);
  }

  #startOf(from: number): number {
    let start = this.#begin;
    for (const [time, offset] of this.index.entries) {
      if (time > from) break;
      start = offset;
    }
    return start;
  }

  #event(frame: Frame): TapEvent | undefined {
    const { body, type, offset } = frame;
    if (type === FrameType.stream) {
      const stream = checkStream(this.#json(frame));
      if (stream === undefined) throw this.#error(offset, "a stream is described wrongly");
      this.#streams.set(stream.index, stream);
      return { type: "open", stream };
    }
    if (type !== FrameType.message && type !== FrameType.missed && type !== FrameType.end) return undefined;
    if (body.length < MESSAGE_HEAD) throw this.#error(offset, "a frame is too short");
    const stream = this.#streams.get(body.readUInt32LE(0));
    if (stream === undefined) throw this.#error(offset, "a frame belongs to no stream");
    const time = body.readDoubleLE(8);
    const number = Number(body.readBigUInt64LE(16));
    if (type === FrameType.end) return { type: "end", stream };
    if (type === FrameType.missed) return { type: "missed", stream, time, count: number };
    return {
      type: "message",
      stream,
      time,
      number,
      kind: body.readUInt32LE(4),
      content: body.subarray(MESSAGE_HEAD),
    };
  }

  /** Returns the index that the file has, or undefined. */
  #indexOf(size: number): { readonly index: RecordingIndex; readonly end: number } | undefined {
    if (size < this.#begin + TRAILER) return undefined;
    const end = this.#read(size - TRAILER, TRAILER);
    if (!end.subarray(8).equals(END_MAGIC)) return undefined;
    const at = Number(end.readBigUInt64LE(0));
    if (at < this.#begin || at > size - TRAILER)
      throw this.#error(size - TRAILER, "its index is not where it should be");
    const frame = this.#frame(at, size - TRAILER);
    if (frame?.type !== FrameType.index) throw this.#error(at, "its index is damaged");
    const index = checkIndex(this.#json(frame), this.#begin, at);
    if (index === undefined) throw this.#error(at, "its index is damaged");
    return { index, end: at };
  }

  /** Reads the whole file, and makes the index that it lacks. */
  #scan(size: number): { readonly index: RecordingIndex; readonly end: number } {
    const entries: [number, number][] = [];
    let [messages, missed, end, last] = [0, 0, this.#begin, Number.NEGATIVE_INFINITY];
    for (const frame of this.#frames(this.#begin, size)) {
      const event = this.#event(frame);
      // A killed recorder may have written its index, and not what stands behind.
      if (frame.type === FrameType.index) break;
      end = frame.offset + FRAME_HEAD + frame.length;
      if (event?.type === "missed") missed += event.count;
      if (event?.type !== "message") continue;
      messages += 1;
      if (end - last < INDEX_EACH) continue;
      last = frame.offset;
      entries.push([event.time, frame.offset]);
    }
    return { index: { messages, missed, streams: [...this.#streams.values()], entries }, end };
  }

  *#frames(from: number, to: number): Generator<Frame> {
    for (let offset = from; offset < to; ) {
      const frame = this.#frame(offset, to);
      if (frame === undefined) return;
      yield frame;
      offset += FRAME_HEAD + frame.length;
    }
  }

  /** Reads the frame at an offset; undefined if it reaches beyond `to`, as that of a killed recorder. Throws a RecordingError if it is damaged. */
  #frame(offset: number, to: number): Frame | undefined {
    if (offset + FRAME_HEAD > to) return undefined;
    const head = readHead(this.#read(offset, FRAME_HEAD));
    if (head === undefined)
      throw this.#error(offset, "it is damaged: the checksum of a frame's head is wrong");
    if (offset + FRAME_HEAD + head.length > to) return undefined;
    const body = this.#read(offset + FRAME_HEAD, head.length);
    if (!isBody(body, head)) throw this.#error(offset, "it is damaged: the checksum of a frame is wrong");
    return { ...head, offset, body };
  }

  #json({ body, offset }: Frame): unknown {
    try {
      return JSON.parse(body.toString());
    } catch {
      throw this.#error(offset, "a frame is no JSON");
    }
  }

  #read(offset: number, bytes: number): Buffer {
    const into = Buffer.allocUnsafe(bytes);
    let got = 0;
    while (got < bytes) {
      const more = readSync(this.#file, into, got, bytes - got, offset + got);
      if (more === 0) throw this.#error(offset + got, "it became shorter while it was read");
      got += more;
    }
    return into;
  }

  #error(offset: number, why: string): RecordingError {
    return new RecordingError(this.path, offset, why);
  }
}
