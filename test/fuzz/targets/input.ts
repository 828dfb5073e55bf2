/** Takes decisions from the bytes of an input. Where the input ends, all further decisions are zero. */
export class Input {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get more(): boolean {
    return this.#at < this.#bytes.length;
  }

  byte(): number {
    return this.#at < this.#bytes.length ? this.#bytes[this.#at++]! : 0;
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    return (limit <= 256 ? this.byte() : (this.byte() << 16) | (this.byte() << 8) | this.byte()) % limit;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** A part of up to `most` bytes. */
  bytes(most: number): Buffer {
    const length = this.below(most + 1);
    const end = Math.min(this.#bytes.length, this.#at + length);
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }

  rest(): Buffer {
    const part = this.#bytes.subarray(this.#at);
    this.#at = this.#bytes.length;
    return part;
  }

  text(most: number): string {
    return this.bytes(most).toString("latin1");
  }

  /** A number of the kinds that programs trip over. */
  number(): number {
    switch (this.below(12)) {
      case 0:
        return -1;
      case 1:
        return 2 ** 31;
      case 2:
        return 2 ** 32 - 1;
      case 3:
        return Number.MAX_SAFE_INTEGER;
      case 4:
        return 2 ** 53;
      case 5:
        return 1e300;
      case 6:
        return this.byte() / 4;
      case 7:
        return this.below(2 ** 24);
      default:
        return this.byte();
    }
  }

  /** Any value that JSON has; the keys of objects are from the list. */
  json(keys: readonly string[], depth = 3): unknown {
    switch (this.below(depth > 0 ? 12 : 8)) {
      case 0:
        return null;
      case 1:
        return this.below(2) === 1;
      case 2:
        return "";
      case 3:
        return this.text(20);
      case 4:
        return this.pick(keys);
      case 5:
      case 6:
      case 7:
        return this.number();
      case 8:
      case 9:
        return Array.from({ length: this.below(5) }, () => this.json(keys, depth - 1));
      default:
        return Object.fromEntries(
          Array.from({ length: this.below(6) }, () => [this.pick(keys), this.json(keys, depth - 1)]),
        );
    }
  }

  /** Changes some of the fields of a valid object: takes some away, and gives others another value. */
  spoil<T extends object>(fields: T, keys: readonly string[]): Record<string, unknown> {
    const spoilt: Record<string, unknown> = { ...(fields as Record<string, unknown>) };
    for (let changes = this.below(4) === 0 ? 1 + this.below(3) : 0; changes > 0; changes--) {
      const key = this.pick([...Object.keys(fields), ...keys]);
      if (this.below(4) === 0) delete spoilt[key];
      else spoilt[key] = this.json(keys);
    }
    return spoilt;
  }
}

/** Fails the run. */
export function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`does not hold: ${what}`);
}

/** The words of a text. */
export function split(text: string): string[] {
  return text.split(" ");
}
