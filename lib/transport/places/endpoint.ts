import { rmSync } from "node:fs";
import { delay, now } from "../../clock.js";
import { AlreadyRunningError, ClosedError } from "../../errors.js";
import type { Binding } from "../../native/binding.js";
import type { Acceptor } from "../wire/acceptor.js";
import { PROTOCOL_VERSION } from "../wire/protocol.js";
import { atExit } from "./at-exit.js";
import { namingFlag } from "./denied.js";
import { prepareDirectory, removeDirectory } from "./directory.js";
import { watchFiles } from "./file-watch.js";
import { ourIdentity } from "./identity.js";
import type { Address } from "./names.js";
import { type DiscoveryRecord, makeRecord, readLiveRecord } from "./owner-record.js";
import { listenerPid } from "./probe.js";
import { isFile, type Taken, type Taking, takeInTurn, takeWithLock } from "./taking.js";

/** PATIENCE: how long (ms) to try again while others come and go at the same name. INTERVAL: how long (ms) to wait in between. */
const PATIENCE = 2000;
const INTERVAL = 5;

/** A name that this process listens on. */
export interface Endpoint {
  readonly address: Address;
  readonly record: DiscoveryRecord;
  /** Another one after a `rebind` that had to make a new socket. */
  readonly acceptor: Acceptor;
  /** Returns the paths of the name at which its files are no more, although it is open. Looks now. */
  missing(): string[];
  /** Sets what is called when more files are missing than before. */
  onMissing(told: (paths: readonly string[]) => void): void;
  /**
   * Makes the missing files anew. Resolves with whether the acceptor is another one; the former is closed.
   * Rejects as `openEndpoint` does, and then nothing has changed.
   */
  rebind(): Promise<boolean>;
  /** Gives up the name and closes the socket. Idempotent. */
  close(): void;
}

/**
 * Takes a name and listens on it. It takes the lock of the name first, and then probes the socket that may
 * lie there. It removes only a socket without a listener. The lock file holds the discovery record. `close`
 * and the exit remove socket and lock file. The next listener of that name takes over what a killed process
 * leaves. A live owner whose files were taken away keeps the name (see unseen.ts).
 *
 * Without the addon there are no locks, and turns are taken as link-lock.ts describes.
 *
 * Throws an AlreadyRunningError with the owner's pid, an AccessError, or a SystemError.
 */
export async function openEndpoint(
  address: Address,
  binding: Binding | undefined,
  mode: number,
  role: string | undefined,
): Promise<Endpoint> {
  const record = makeRecord(address, ourIdentity(), role, PROTOCOL_VERSION, binding !== undefined);
  const taking = { address, mode, record };
  return new OpenEndpoint(binding, taking, await take(binding, taking));
}

/** Takes the name, or again what `taking.former` lacks. `check` throws if that is no longer wanted. */
async function take(binding: Binding | undefined, taking: Taking, check?: () => void): Promise<Taken> {
  try {
    return await takeAmongOthers(binding, taking, check);
  } catch (error) {
    throw namingFlag(error);
  }
}

async function takeAmongOthers(
  binding: Binding | undefined,
  taking: Taking,
  check = () => {},
): Promise<Taken> {
  const { address } = taking;
  const end = now() + PATIENCE;
  while (now() < end) {
    check();
    prepareDirectory(address);
    const taken = binding === undefined ? await takeInTurn(taking) : takeWithLock(binding, taking);
    if (taken !== undefined) return taken;
    // Another process is busy with the name. It has the lock but no record yet, or it is sweeping, or going
    // away.
    if (binding !== undefined && readLiveRecord(address.lockPath) !== undefined) {
      throw new AlreadyRunningError(address.socketPath, listenerPid(address, binding));
    }
    await delay(INTERVAL);
  }
  throw new AlreadyRunningError(address.socketPath, undefined);
}

class OpenEndpoint implements Endpoint {
  readonly address: Address;
  readonly record: DiscoveryRecord;
  readonly #binding: Binding | undefined;
  readonly #taking: Taking;
  readonly #forget: () => void;
  #taken: Taken;
  #open = true;
  #onMissing: ((paths: readonly string[]) => void) | undefined;
  /** The missing files that were told of. */
  #told: readonly string[] = [];
  #unwatch: () => void;

  constructor(binding: Binding | undefined, taking: Taking, taken: Taken) {
    this.address = taking.address;
    this.record = taking.record;
    this.#binding = binding;
    this.#taking = taking;
    this.#taken = taken;
    this.#forget = atExit(() => this.#giveUp());
    this.#unwatch = this.#watch();
  }

  get acceptor(): Acceptor {
    return this.#taken.acceptor;
  }

  missing(): string[] {
    if (!this.#open) return [];
    const { socketPath, lockPath } = this.address;
    const { socket, lock } = this.#taken;
    return [
      ...(isFile(socketPath, socket) ? [] : [socketPath]),
      ...(isFile(lockPath, lock) ? [] : [lockPath]),
    ];
  }

  onMissing(told: (paths: readonly string[]) => void): void {
    this.#onMissing = told;
  }

  async rebind(): Promise<boolean> {
    if (this.missing().length === 0) return false;
    const former = this.#taken;
    const check = () => {
      if (!this.#open) throw new ClosedError("the server was closed");
    };
    const taken = await take(this.#binding, { ...this.#taking, former }, check);
    const isNew = taken.acceptor !== former.acceptor;
    try {
      check();
    } catch (error) {
      if (isNew) taken.acceptor.close();
      remove(this.address, taken);
      throw error;
    }
    this.#taken = taken;
    this.#told = [];
    this.#unwatch();
    this.#unwatch = this.#watch();
    if (isNew) former.acceptor.close();
    return isNew;
  }

  close(): void {
    this.#forget();
    this.#giveUp();
    this.#taken.acceptor.close();
  }

  #watch(): () => void {
    return watchFiles([this.address.socketPath, this.address.lockPath], () => this.#look());
  }

  #look(): void {
    if (this.#onMissing === undefined) return;
    const missing = this.missing();
    const more = missing.some((path) => !this.#told.includes(path));
    this.#told = missing;
    if (more) this.#onMissing(missing);
  }

  #giveUp(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#unwatch();
    remove(this.address, this.#taken);
  }
}

/** Removes the files of the name that are its own. */
function remove(address: Address, taken: Taken): void {
  if (isFile(address.socketPath, taken.socket)) rmSync(address.socketPath, { force: true });
  taken.removeLock();
  removeDirectory(address.place);
}
