import {
  isAnyArrayBuffer,
  isArgumentsObject,
  isBoxedPrimitive,
  isDate,
  isMap,
  isNativeError,
  isProxy,
  isRegExp,
  isSet,
  isSharedArrayBuffer,
} from "node:util/types";
import { Block, isForeignBlock } from "../bulk/block.js";
import { EncodeError } from "../errors.js";
import { foreignBlock } from "./blocks.js";
import { ContainerWriter, type ValueWriter } from "./clone-containers.js";
import { ErrorWriter } from "./clone-errors.js";
import { isDOMException } from "./clone-intrinsics.js";
import { isPlainPrototype, refusalOf, refusalOfEmpty } from "./clone-kinds.js";
import {
  writeArrayBuffer,
  writeBoxed,
  writeDate,
  writeHost,
  writeRegExp,
  writeView,
} from "./clone-leaves.js";
import { Met } from "./clone-met.js";
import { Output } from "./clone-output.js";
import { BIGINT, FALSE, FORMAT, NULL, REFERENCE, TRUE, UNDEFINED, VERSION } from "./clone-tags.js";
import { Fault, Trail } from "./clone-trail.js";
import { BLOCK } from "./clone-views.js";

/*
 * Writes a message in version 15 of the format of V8's serializer, which V8 has written since 2020 and will always read. V8 does not do
 * it itself: V8 asks nobody about most objects, so it would make {} of a URL and stumble over a block half-way, with getters run in vain.
 * Here each value is looked at once, and its place is known. It takes about as long.
 *
 * This file decides what a value is. The files beside it write what is in it.
 */

export class CloneWriter implements ValueWriter {
  readonly output = new Output();
  readonly trail = new Trail();
  private readonly met = new Met();
  private readonly containers = new ContainerWriter(this);
  private readonly errors = new ErrorWriter(this);
  private blocks: Block[] = [];

  /** The bytes of the last message, until `reset`. */
  get bytes(): Uint8Array {
    return this.output.bytes;
  }

  get length(): number {
    return this.output.length;
  }

  /** Writes a message. Returns the blocks in it: each has its position as number. Throws an EncodeError, or a BlockError. */
  write(message: unknown): readonly Block[] {
    try {
      this.output.byte(VERSION);
      this.output.varint(FORMAT);
      this.value(message);
      return this.blocks;
    } catch (thrown) {
      throw thrown instanceof Fault ? thrown.error : this.failed(thrown);
    }
  }

  /** Returns the bytes as `bytes` does, for good. */
  take(): Uint8Array {
    return this.output.take();
  }

  /** Makes the writer ready for the next message. */
  reset(): void {
    this.output.reset();
    this.trail.reset();
    this.met.reset();
    this.errors.reset();
    if (this.blocks.length > 0) this.blocks = [];
  }

  value(value: unknown): void {
    const { output } = this;
    switch (typeof value) {
      case "string":
        output.text(value);
        break;
      case "number":
        output.number(value);
        break;
      case "boolean":
        output.byte(value ? TRUE : FALSE);
        break;
      case "undefined":
        output.byte(UNDEFINED);
        break;
      case "bigint":
        output.byte(BIGINT);
        output.bigint(value);
        break;
      case "object":
        if (value === null) output.byte(NULL);
        else this.object(value);
        break;
      default:
        this.trail.refuse(`a ${typeof value} can't be cloned`);
    }
  }

  private object(object: object): void {
    const number = this.met.meet(object);
    if (number !== -1) {
      this.reference(object, number);
      return;
    }
    // Proxies are refused first: all other questions ask the handler of a proxy.
    if (isProxy(object)) this.trail.refuse("a proxy can't be cloned");
    if (Array.isArray(object)) {
      this.containers.array(object);
      return;
    }
    const prototype = Object.getPrototypeOf(object) as object | null;
    if (prototype === Object.prototype) {
      if (isArgumentsObject(object)) this.trail.refuse("an arguments object can't be cloned");
      this.containers.plain(object, Object.keys(object));
    } else if (object instanceof Block) {
      this.block(object);
    } else if (prototype !== null && isPlainPrototype(prototype)) {
      this.instance(object);
    } else {
      this.special(object);
    }
  }

  /** Writes an object that stands in the message already. */
  private reference(object: object, number: number): void {
    if (this.errors.isOpen(object))
      this.trail.refuse("an error that is its own cause can't be cloned by this version of Node");
    this.output.byte(REFERENCE);
    this.output.varint(number);
  }

  private block(block: Block): void {
    writeHost(this.output, BLOCK);
    // A block that stands twice is refused later, not written as a reference.
    this.met.forgetLast(block);
    this.output.varint(this.blocks.push(block) - 1);
  }

  /** Writes the properties of an object of a class of the program's. */
  private instance(object: object): void {
    this.refuseForeign(object);
    const keys = Object.keys(object);
    if (keys.length === 0) {
      const refusal = refusalOfEmpty(object);
      if (refusal !== undefined) this.trail.refuse(refusal);
    }
    this.containers.plain(object, keys);
  }

  /** Writes an object that may have content apart from its properties. Kinds are tried in the order in which V8 does it. */
  private special(object: object): void {
    const { output, trail } = this;
    this.refuseForeign(object);
    if (ArrayBuffer.isView(object)) {
      writeView(output, object, trail);
    } else if (isMap(object)) {
      this.containers.map(object);
    } else if (isSet(object)) {
      this.containers.set(object);
    } else if (isDate(object)) {
      writeDate(output, object);
    } else if (isDOMException(object)) {
      this.errors.domException(object);
    } else if (isNativeError(object)) {
      this.errors.error(object);
    } else if (isRegExp(object)) {
      writeRegExp(output, object);
    } else if (isAnyArrayBuffer(object) && !isSharedArrayBuffer(object)) {
      writeArrayBuffer(output, object as ArrayBuffer, trail);
    } else if (isBoxedPrimitive(object)) {
      writeBoxed(output, object, trail);
    } else {
      const refusal = refusalOf(object);
      if (refusal !== undefined) trail.refuse(refusal);
      this.instance(object);
    }
  }

  private refuseForeign(object: object): void {
    if (isForeignBlock(object)) throw new Fault(foreignBlock(this.trail.path()));
  }

  /** Returns the error for what code of the program has thrown, or V8. */
  private failed(cause: unknown): EncodeError {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new EncodeError(`the message can't be cloned: ${why}`, this.trail.path(), { cause });
  }
}
