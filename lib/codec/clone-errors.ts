import type { ValueWriter } from "./clone-containers.js";
import { readsCyclicCauses } from "./clone-intrinsics.js";
import { writeHost } from "./clone-leaves.js";
import { ERROR, ERROR_CAUSE, ERROR_CLASSES, ERROR_END, ERROR_MESSAGE, ERROR_STACK } from "./clone-tags.js";
import { KEYS } from "./clone-trail.js";
import { DOM_EXCEPTION } from "./clone-views.js";

/** Writes errors, with the parts that `structuredClone` keeps. */
export class ErrorWriter {
  private readonly writer: ValueWriter;
  /** The errors whose causes are being written, where the receiver's V8 can't have a cycle through one. */
  private readonly open: object[] = [];

  constructor(writer: ValueWriter) {
    this.writer = writer;
  }

  /** Returns whether the object is an error that must not stand in its own cause. */
  isOpen(object: object): boolean {
    return this.open.includes(object);
  }

  reset(): void {
    this.open.length = 0;
  }

  /** Writes an error's class if it is one of the language's, its message, stack and cause. */
  error(error: Error): void {
    const { output, trail } = this.writer;
    const depth = trail.enter(KEYS);
    output.byte(ERROR);
    trail.at(depth, "name");
    const type = ERROR_CLASSES.get(String(error.name));
    if (type !== undefined) output.byte(type);
    trail.at(depth, "message");
    const message = Object.getOwnPropertyDescriptor(error, "message");
    if (message !== undefined && "value" in message) {
      output.byte(ERROR_MESSAGE);
      output.text(String(message.value));
    }
    trail.at(depth, "stack");
    const { stack } = error;
    // The stack stands before the cause: from Node 22 on V8 reads them in this order only.
    if (typeof stack === "string") {
      output.byte(ERROR_STACK);
      output.text(stack);
    }
    trail.at(depth, "cause");
    const cause = Object.getOwnPropertyDescriptor(error, "cause");
    if (cause !== undefined && "value" in cause) this.cause(error, cause.value);
    trail.leave(depth);
    output.byte(ERROR_END);
  }

  domException(error: DOMException): void {
    const { output } = this.writer;
    const { name, message, stack } = error;
    // A QuotaExceededError has two numbers besides.
    const { quota, requested } = error as { quota?: unknown; requested?: unknown };
    writeHost(output, DOM_EXCEPTION);
    output.text(name);
    output.text(message);
    output.text(typeof stack === "string" ? stack : "");
    this.writer.value(typeof quota === "number" ? quota : null);
    this.writer.value(typeof requested === "number" ? requested : null);
  }

  private cause(error: Error, cause: unknown): void {
    this.writer.output.byte(ERROR_CAUSE);
    if (!readsCyclicCauses()) this.open.push(error);
    this.writer.value(cause);
    if (!readsCyclicCauses()) this.open.pop();
  }
}
