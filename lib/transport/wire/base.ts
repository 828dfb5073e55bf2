import { soon } from "../../clock.js";
import { raise } from "../../raise.js";
import type { WireHandler } from "./wire.js";

/** The common part of the wires: the present handler, bytes that were put back, and one end. */
export abstract class WireBase {
  #handler: WireHandler | undefined;
  /** Bytes that were put back, or that arrived while there was no handler. While there are any, nothing is read. */
  #back: Uint8Array | undefined;
  /** The handler whose `onData` is running. Bytes that it puts back are for the next handler. */
  #telling: WireHandler | undefined;
  #scheduled = false;
  #ended = false;
  #endError: Error | undefined;
  /** Whether the end was reported, or must not be reported any more. */
  #told = false;

  /** Called whenever `reading` may have changed. */
  protected abstract readingChanged(): void;

  /** Whether bytes from the socket may be handed on now. */
  protected get reading(): boolean {
    return this.#handler !== undefined && this.#back === undefined && !this.#ended;
  }

  protected get ended(): boolean {
    return this.#ended;
  }

  setHandler(handler: WireHandler | undefined): void {
    if (this.#told) return;
    this.#handler = handler;
    if (handler !== undefined && (this.#back !== undefined || this.#ended)) this.#schedule();
    this.readingChanged();
  }

  unread(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#told) return;
    const back = this.#back;
    // `unread` always copies: the chunk that the bytes belong to will be overwritten.
    this.#back = back === undefined ? Uint8Array.from(bytes) : joined(bytes, back);
    if (this.#handler !== undefined && this.#handler !== this.#telling) this.#schedule();
    this.readingChanged();
  }

  /** Hands on bytes that have arrived. */
  protected deliver(chunk: Uint8Array): void {
    const handler = this.#handler;
    if (handler === undefined || this.#back !== undefined) {
      if (!this.#told)
        this.#back = this.#back === undefined ? Uint8Array.from(chunk) : joined(this.#back, chunk);
      return;
    }
    const outer = this.#telling;
    this.#telling = handler;
    try {
      handler.onData(chunk);
    } catch (error) {
      raise(error);
    }
    this.#telling = outer;
  }

  /** Tells the handler that the kernel has all that was written. */
  protected drained(): void {
    try {
      this.#handler?.onDrain();
    } catch (error) {
      raise(error);
    }
  }

  /** Called when the socket has ended from outside. Tells the handler, or the next handler if there is none now. */
  protected finish(error: Error | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#endError = error;
    if (this.#handler !== undefined && this.#back === undefined) this.#tellEnd();
  }

  /** Called when this side ends the wire: no handler is called from now on. */
  protected silence(): void {
    this.#told = true;
    this.#handler = undefined;
    this.#back = undefined;
  }

  /** Like `silence`, for a socket that is closed. */
  protected finishSilently(): void {
    this.silence();
    this.#ended = true;
  }

  /** Hands on the bytes that were put back, and the end if it has come. Returns whether there was anything. */
  protected deliverBack(): boolean {
    const back = this.#back;
    if (this.#handler === undefined || (back === undefined && (!this.#ended || this.#told))) return false;
    if (back !== undefined) {
      this.#back = undefined;
      this.deliver(back);
    }
    if (this.#back === undefined) {
      if (this.#ended && this.#handler !== undefined) this.#tellEnd();
      else this.readingChanged();
    }
    return true;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    soon(() => {
      this.#scheduled = false;
      this.deliverBack();
    });
  }

  #tellEnd(): void {
    if (this.#told) return;
    const handler = this.#handler;
    this.silence();
    try {
      handler?.onEnd(this.#endError);
    } catch (error) {
      raise(error);
    }
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}
