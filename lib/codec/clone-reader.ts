import { Deserializer } from "node:v8";
import type { Block } from "../bulk/block.js";
import { claimBlock } from "./blocks.js";
import { BLOCK, BUFFER, DOM_EXCEPTION, makeView } from "./clone-views.js";
import type { Scratch } from "./codec.js";

/** Reads a message by V8's own deserializer, which calls back for what V8 does not know. */
export class CloneReader extends Deserializer {
  private readonly start: number;

  constructor(
    scratch: Scratch,
    offset: number,
    private readonly bytes: number,
    private readonly blocks: (Block | undefined)[],
  ) {
    const memory = scratch.buffer.subarray(offset, offset + bytes);
    super(memory);
    this.start = memory.byteOffset;
  }

  /** How many bytes were read. */
  position(): number {
    return this.readRawBytes(0).byteOffset - this.start;
  }

  _readHostObject(): object {
    const number = this.readUint32();
    if (number === BLOCK) return claimBlock(this.blocks, this.readUint32());
    if (number === DOM_EXCEPTION) return this.readDOMException();
    const length = this.readUint32();
    if (length > this.bytes) throw new Error(`a view of ${length} bytes in a message of ${this.bytes}`);
    const raw = this.readRawBytes(length);
    if (number === BUFFER) {
      // Not a slice of Node's pool: one that is kept would keep all of it.
      const buffer = Buffer.allocUnsafeSlow(length);
      buffer.set(raw);
      return buffer;
    }
    const memory = new ArrayBuffer(length);
    new Uint8Array(memory).set(raw);
    // Throws where the length is no multiple of the element's.
    return makeView(number, memory);
  }

  private readDOMException(): DOMException {
    const [name, message, stack] = [this.readValue(), this.readValue(), this.readValue()];
    const [quota, requested] = [this.readValue(), this.readValue()];
    if (typeof name !== "string" || typeof message !== "string" || typeof stack !== "string")
      throw new Error("a DOMException must have a name, a message and a stack that are strings");
    const error = makeDOMException(name, message, quota, requested);
    Object.defineProperty(error, "stack", { value: stack, writable: true, configurable: true });
    return error;
  }
}

interface Quota {
  quota?: number;
  requested?: number;
}
type QuotaExceededErrorConstructor = new (message: string, options: Quota) => DOMException;

/** Since Node 26 an error about a quota has a class of its own. */
const QuotaError = (globalThis as { QuotaExceededError?: QuotaExceededErrorConstructor }).QuotaExceededError;

function makeDOMException(name: string, message: string, quota: unknown, requested: unknown): DOMException {
  if (name !== "QuotaExceededError" || QuotaError === undefined) return new DOMException(message, name);
  const options: Quota = {};
  if (typeof quota === "number") options.quota = quota;
  if (typeof requested === "number") options.requested = requested;
  return new QuotaError(message, options);
}
