import { DecodeError, InvalidArgumentError } from "../errors.js";

/**
 * How messages follow one another on a stream of bytes. `lines`: a line of JSON each. `length`: eight hexadecimal digits, the payload's
 * length in bytes, before each. `content-length`: a header `Content-Length: N` and an empty line before each, as language servers speak.
 */
export type Framing = "lines" | "length" | "content-length";

/** Cuts a stream of bytes into payloads. */
export interface Deframer {
  /** Takes a chunk, and calls `payload` for each that is complete. Throws a DecodeError where the bytes can't be cut any more. */
  push(chunk: Uint8Array): void;
}

/** Returns the bytes of a payload with what its framing puts around it. */
export function framed(framing: Framing, text: string): string {
  switch (framing) {
    case "lines":
      // JSON.stringify puts no line end into a text.
      return `${text}\n`;
    case "length":
      return Buffer.byteLength(text).toString(16).padStart(8, "0") + text;
    case "content-length":
      return `Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
    default:
      throw new InvalidArgumentError("framing", '"lines", "length" or "content-length"', framing);
  }
}

/** `most`: the longest payload, in bytes. A longer one is refused before it is gathered. */
export function deframer(framing: Framing, most: number, payload: (text: string) => void): Deframer {
  if (framing === "lines") return new Lines(most, payload);
  return new Counted(framing === "length" ? HEX_HEADER : CONTENT_LENGTH, most, payload);
}

const LINE_END = 10;

/** Bytes that have come and are no whole payload yet. */
class Gathered {
  #chunks: Uint8Array[] = [];
  bytes = 0;

  add(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.bytes += chunk.length;
  }

  /** Returns all of them, and has none afterwards. */
  take(): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.bytes = 0;
    return Buffer.from(all.buffer, all.byteOffset, all.length);
  }
}

class Lines implements Deframer {
  readonly #most: number;
  readonly #payload: (text: string) => void;
  readonly #gathered = new Gathered();

  constructor(most: number, payload: (text: string) => void) {
    this.#most = most;
    this.#payload = payload;
  }

  push(chunk: Uint8Array): void {
    let from = 0;
    for (let end = chunk.indexOf(LINE_END); end >= 0; end = chunk.indexOf(LINE_END, from)) {
      this.#gather(chunk.subarray(from, end));
      from = end + 1;
      const line = this.#gathered.bytes === 0 ? "" : this.#gathered.take().toString().trim();
      if (line !== "") this.#payload(line);
    }
    if (from < chunk.length) this.#gather(chunk.subarray(from));
  }

  #gather(part: Uint8Array): void {
    if (this.#gathered.bytes + part.length > this.#most) throw tooLong(this.#most);
    if (part.length > 0) this.#gathered.add(part);
  }
}

/** A header that says how long the payload behind it is. */
interface Header {
  /** The most bytes of a header. */
  readonly most: number;
  /** Returns the payload's length in bytes, and the header's; undefined if the header is not complete. Throws for what is no header. */
  read(bytes: Buffer): { readonly payload: number; readonly header: number } | undefined;
}

const HEX_HEADER: Header = {
  most: 8,
  read(bytes) {
    if (bytes.length < 8) return undefined;
    const digits = bytes.toString("latin1", 0, 8);
    if (!/^[\da-fA-F]{8}$/.test(digits))
      throw new DecodeError(`no length of eight hexadecimal digits: ${JSON.stringify(digits)}`, "");
    return { payload: Number.parseInt(digits, 16), header: 8 };
  },
};

const CONTENT_LENGTH: Header = {
  most: 4096,
  read(bytes) {
    const end = bytes.indexOf("\r\n\r\n");
    if (end < 0) return undefined;
    const header = bytes.toString("latin1", 0, end);
    const length = /^content-length: *(\d{1,15}) *$/im.exec(header)?.[1];
    if (length === undefined)
      throw new DecodeError(`a header without Content-Length: ${JSON.stringify(header)}`, "");
    return { payload: Number(length), header: end + 4 };
  },
};

class Counted implements Deframer {
  readonly #header: Header;
  readonly #most: number;
  readonly #payload: (text: string) => void;
  readonly #gathered = new Gathered();
  /** The bytes to gather before it is worth another look. */
  #needed = 1;

  constructor(header: Header, most: number, payload: (text: string) => void) {
    this.#header = header;
    this.#most = most;
    this.#payload = payload;
  }

  push(chunk: Uint8Array): void {
    this.#gathered.add(chunk);
    if (this.#gathered.bytes < this.#needed) return;
    let rest = this.#gathered.take();
    this.#needed = 1;
    while (rest.length > 0) {
      const read = this.#header.read(rest);
      if (read === undefined) {
        if (rest.length > this.#header.most) throw new DecodeError("a header is too long", "");
        break;
      }
      if (read.payload > this.#most) throw tooLong(this.#most);
      const end = read.header + read.payload;
      if (rest.length < end) {
        this.#needed = end;
        break;
      }
      this.#payload(rest.toString("utf8", read.header, end));
      rest = rest.subarray(end);
    }
    if (rest.length > 0) this.#gathered.add(rest);
  }
}

function tooLong(most: number): DecodeError {
  return new DecodeError(`a message is longer than ${most} bytes`, "");
}
