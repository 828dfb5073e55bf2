import { closeSync, openSync, writeSync } from "node:fs";
import { wallClock } from "../clock.js";
import {
  FRAME_HEAD,
  FrameType,
  frame,
  happening,
  jsonFrame,
  MAGIC,
  MESSAGE_HEAD,
  trailer,
  VERSION,
} from "./recording-format.js";
import type { Stream, TapEvent } from "./tap.js";

/** An entry of the index after so many bytes: some hundred messages, which are soon read. */
const INDEX_EACH = 64 * 1024;
/** Bytes that are gathered before they are written. */
const GATHERED = 256 * 1024;

/** What a recording says of itself. */
export interface RecordingHeader {
  readonly version: number;
  readonly endpoint: string;
  /** When the recording began, ms since the epoch. */
  readonly begun: number;
}

/** What a whole recording knows of itself. */
export interface RecordingIndex {
  readonly messages: number;
  readonly missed: number;
  readonly streams: readonly Stream[];
  /** Times, and the offsets of frames before which nothing later than that time stands. */
  readonly entries: readonly (readonly [time: number, offset: number])[];
}

/**
 * Writes what a Tap finds into a file. The file is good at every instant: a recorder that is killed leaves a recording without an index,
 * which a reader makes anew.
 */
export class Recorder {
  readonly #file: number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #offset = 0;
  #lastEntry = Number.NEGATIVE_INFINITY;
  readonly #entries: [number, number][] = [];
  readonly #streams: Stream[] = [];
  #messages = 0;
  #missed = 0;
  #closed = false;

  /** Makes the file, which only its owner may read: messages can be secret. Throws EEXIST if there is one, unless `replace`. */
  constructor(path: string, endpoint: string, replace = false) {
    this.#file = openSync(path, replace ? "w" : "wx", 0o600);
    this.#put(MAGIC);
    this.#put(
      jsonFrame(FrameType.header, {
        version: VERSION,
        endpoint,
        begun: wallClock(),
      } satisfies RecordingHeader),
    );
    this.flush();
  }

  get messages(): number {
    return this.#messages;
  }

  get missed(): number {
    return this.#missed;
  }

  /** The bytes of the recording so far. */
  get bytes(): number {
    return this.#offset;
  }

  take(event: TapEvent): void {
    const { index } = event.stream;
    switch (event.type) {
      case "open":
        this.#streams.push(event.stream);
        this.#put(jsonFrame(FrameType.stream, event.stream));
        break;
      case "message": {
        const { kind, time, number, content } = event;
        this.#note(time, FRAME_HEAD + MESSAGE_HEAD + content.length);
        this.#put(frame(FrameType.message, happening(index, kind, time, number), content));
        this.#messages += 1;
        break;
      }
      case "missed":
        this.#put(frame(FrameType.missed, happening(index, 0, event.time, event.count)));
        this.#missed += event.count;
        break;
      case "end":
        this.#put(frame(FrameType.end, happening(index, 0, wallClock(), 0)));
        break;
    }
    if (this.#waitingBytes >= GATHERED) this.flush();
  }

  /** Hands what was gathered to the kernel. Throws ENOSPC and the like; what the file has by then is still a recording. */
  flush(): void {
    const bytes = Buffer.concat(this.#waiting);
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (let written = 0; written < bytes.length; ) {
      written += writeSync(this.#file, bytes, written, bytes.length - written);
    }
  }

  /** Writes the index, and closes the file. Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    try {
      const at = this.#offset;
      const index: RecordingIndex = {
        messages: this.#messages,
        missed: this.#missed,
        streams: this.#streams,
        entries: this.#entries,
      };
      this.#put(jsonFrame(FrameType.index, index));
      this.#put(trailer(at));
      this.flush();
    } finally {
      closeSync(this.#file);
    }
  }

  #note(time: number, bytes: number): void {
    if (this.#offset + bytes - this.#lastEntry < INDEX_EACH) return;
    this.#lastEntry = this.#offset;
    this.#entries.push([time, this.#offset]);
  }

  #put(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#offset += bytes.length;
  }
}
