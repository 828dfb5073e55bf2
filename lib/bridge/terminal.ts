import { InvalidArgumentError } from "../errors.js";

/** The header of a binary message: the terminal's number (1 byte), and the place of its first byte (a float of 8 bytes, big-endian). */
const HEADER = 9;
/** The most bytes of one message, so that several fit into a window. */
const MOST = 16 * 1024;

/** The bytes of a terminal, on their way to pages. They pass unchanged; the newest ones are kept for those that come later. */
export class Terminal {
  readonly name: string;
  /** The number in binary messages. */
  readonly id: number;
  /** The place after the newest byte; bytes are counted from 0. */
  end = 0;
  readonly #kept: Buffer;
  readonly #told: () => void;
  #lastKey = "";
  #last = Buffer.alloc(0);

  constructor(name: string, id: number, scrollback: number, told: () => void) {
    this.name = name;
    this.id = id;
    this.#kept = Buffer.alloc(scrollback);
    this.#told = told;
  }

  /** The place of the oldest byte that is kept. */
  get first(): number {
    return Math.max(0, this.end - this.#kept.length);
  }

  /** Appends bytes. Never waits; a page that is slower than the scrollback is long goes on at the oldest byte that is kept. */
  write(bytes: Uint8Array): void {
    if (!(bytes instanceof Uint8Array)) throw new InvalidArgumentError("bytes", "a Uint8Array", bytes);
    const size = this.#kept.length;
    const taken = bytes.length > size ? bytes.subarray(bytes.length - size) : bytes;
    const at = (this.end + bytes.length - taken.length) % size;
    const before = Math.min(taken.length, size - at);
    this.#kept.set(taken.subarray(0, before), at);
    this.#kept.set(taken.subarray(before), 0);
    this.end += bytes.length;
    this.#told();
  }

  /** The message with the bytes from a place on, and the place after them. All pages at the same place get the same memory. */
  message(from: number): { readonly bytes: Buffer; readonly next: number } {
    const start = Math.max(from, this.first);
    const next = Math.min(this.end, start + MOST);
    const key = `${start} ${next}`;
    if (key !== this.#lastKey) {
      const message = Buffer.alloc(HEADER + next - start);
      message[0] = this.id;
      message.writeDoubleBE(start, 1);
      const size = this.#kept.length;
      for (let place = start; place < next; ) {
        const at = place % size;
        const length = Math.min(next - place, size - at);
        this.#kept.copy(message, HEADER + place - start, at, at + length);
        place += length;
      }
      this.#lastKey = key;
      this.#last = message;
    }
    return { bytes: this.#last, next };
  }
}
