import type { CloseOptions, Peer } from "../port.js";
import { guarded } from "../raise.js";
import type { Client } from "../rpc/client.js";
import type { Batch } from "./batch.js";
import type { INTERFACE_CALLS } from "./control.js";
import type { Carrier, Session, SessionInterface } from "./session.js";

/** The part of a lane that carries events. */
interface DataLane {
  readonly capacity: number;
  trySend(message: string | Batch): boolean;
  on(event: "drain", listener: () => void): unknown;
}

export interface ChannelCarrierParts {
  readonly session: Session;
  readonly client: string;
  readonly instance: string;
  readonly role: string;
  readonly peer: Peer;
  readonly data: DataLane;
  /** The bytes that a batch may have; 0: none. */
  readonly batchBytes: number;
  readonly calls: Client<typeof INTERFACE_CALLS>;
  close(options: CloseOptions): Promise<void>;
  destroy(error?: Error): void;
}

/** An interface behind a channel: events go by its lane `main`, all else by its lane `control`. */
export class ChannelCarrier implements Carrier {
  readonly client: string;
  readonly instance: string;
  readonly role: string;
  readonly peer: Peer;
  readonly via = "channel";
  readonly batchBytes: number;
  /** Set once the session has attached it. */
  attached: SessionInterface | undefined;
  readonly #parts: ChannelCarrierParts;
  /** The changes that the interface was not told yet: the state, and retained values by name. */
  #stateChanged = false;
  readonly #names = new Set<string>();
  #telling = false;
  #gone = false;

  constructor(parts: ChannelCarrierParts) {
    this.#parts = parts;
    this.client = parts.client;
    this.instance = parts.instance;
    this.role = parts.role;
    this.peer = parts.peer;
    this.batchBytes = Math.min(parts.batchBytes, parts.data.capacity / 4);
    parts.data.on("drain", () => this.#onDrain());
  }

  offer(text: string): boolean {
    return this.#offer(text);
  }

  offerBatch(batch: Batch): boolean {
    return this.#offer(batch);
  }

  #offer(message: string | Batch): boolean {
    if (this.#gone) return false;
    try {
      return this.#parts.data.trySend(message);
    } catch (error) {
      // The channel has ended, or the message is too long for it. The interface comes back, if it can.
      this.#gone = true;
      this.#parts.destroy(error as Error);
      return false;
    }
  }

  changed(what: "state" | "retained", name: string): void {
    if (what === "state") this.#stateChanged = true;
    else this.#names.add(name);
    if (!this.#telling) void this.#tell();
  }

  replaced(): void {
    this.#gone = true;
    const end = () => this.#parts.destroy();
    // The old attachment learns why it ends, if it listens: it must not come back and replace the new one.
    this.#parts.calls.replaced(undefined, { timeout: 1000 }).then(end, end);
  }

  async over(timeout: number): Promise<void> {
    await this.#parts.calls.over(undefined, { timeout }).catch(() => {});
  }

  close(timeout: number): Promise<void> {
    return this.#parts.close({ timeout });
  }

  /** Called when the channel has ended. */
  end(): void {
    this.#gone = true;
    if (this.attached !== undefined) this.#parts.session.detach(this.attached);
  }

  #onDrain(): void {
    const { attached } = this;
    if (attached !== undefined) guarded(() => this.#parts.session.resume(attached));
  }

  /** Tells what has changed, one after the other: each waits until the interface has taken the one before. */
  async #tell(): Promise<void> {
    const { session, calls } = this.#parts;
    this.#telling = true;
    try {
      while (!this.#gone) {
        if (this.#stateChanged) {
          this.#stateChanged = false;
          await calls.newState({ state: session.state });
        } else {
          const [name] = this.#names;
          if (name === undefined) break;
          this.#names.delete(name);
          await calls.newValue({ name, value: session.retained(name) });
        }
      }
    } catch {
      // The channel has ended, and so does the attachment; or the interface does not know this call.
    } finally {
      this.#telling = false;
    }
  }
}
