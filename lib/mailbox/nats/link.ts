import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { Msg, NatsConnection } from "@nats-io/transport-node";
import { delay, now } from "../../clock.js";
import {
  AccessError,
  ClosedError,
  InvalidArgumentError,
  NoSpaceError,
  NotFoundError,
  RingbellError,
} from "../../errors.js";
import { BrokerStalledError, StoreError } from "../errors.js";
import type { NatsSettings } from "../options.js";
import type { Packages } from "./packages.js";

/** The oldest server that has all that mailboxes ask for: discarding of new messages, and reading the next one of a subject. */
const OLDEST = [2, 9];
/** How long to wait between attempts, in ms. */
const PAUSE = 50;
/** How long requests are held while no server can be reached, in ms. */
const HELD = 60_000;
/** Bytes that a message needs beside its text: subject and headers. */
const ROOM = 4096;
/** JetStream is there, but not ready yet, as after its start. */
const NOT_READY = [10008, 10039];

export interface LinkListener {
  /** The connection is there again: what was lost with the last one has to be asked anew. */
  onConnected(): void;
  onState(connected: boolean): void;
}

/**
 * The connection to NATS. The client makes it anew by itself, but drops what is published meanwhile. So requests wait here until there is a
 * connection, and are repeated if it was lost before the answer.
 */
export class Link {
  readonly #settings: NatsSettings;
  readonly #packages: Packages;
  readonly #listener: LinkListener;
  #connection: NatsConnection | undefined;
  #jetstream: JetStreamClient | undefined;
  #manager: JetStreamManager | undefined;
  #connected = false;
  /** Counts the connections. */
  #generation = 0;
  #closed = false;
  #waiting: (() => void)[] = [];
  readonly #asking = new Set<() => void>();

  constructor(settings: NatsSettings, packages: Packages, listener: LinkListener) {
    this.#settings = settings;
    this.#packages = packages;
    this.#listener = listener;
  }

  get nats(): NatsConnection {
    return this.#connection!;
  }

  get jetstream(): JetStreamClient {
    return this.#jetstream!;
  }

  get manager(): JetStreamManager {
    return this.#manager!;
  }

  get connected(): boolean {
    return this.#connected;
  }

  get generation(): number {
    return this.#generation;
  }

  get version(): string {
    return this.#connection?.info?.version ?? "?";
  }

  /** Connects, and looks whether the server can do what is needed. Rejects with a NotFoundError, AccessError, StoreError or InvalidArgumentError. */
  async begin(): Promise<void> {
    this.#connection = await this.#connect();
    try {
      await this.#mustServe(this.#settings.maxMessageBytes);
    } catch (error) {
      await this.#connection.close();
      throw error;
    }
    this.#isConnected(true);
    void this.#follow();
  }

  /** Tries for as long as a request may be unanswered: a server may just be starting. */
  async #connect(): Promise<NatsConnection> {
    const { servers, connection, stall } = this.#settings;
    const begin = now();
    for (;;) {
      try {
        return await this.#packages.transport.connect({
          name: `ringbell ${process.pid}`,
          timeout: stall,
          reconnectTimeWait: 2 * PAUSE,
          ...connection,
          servers: [...servers],
          maxReconnectAttempts: -1,
        });
      } catch (cause) {
        const { AuthorizationError, UserAuthenticationExpiredError } = this.#packages.transport;
        const denied = [AuthorizationError, UserAuthenticationExpiredError].some(
          (type) => cause instanceof type,
        );
        const at = servers.join(", ");
        if (denied) {
          const why = `the server of NATS at ${at} does not let us in by this user, password or token`;
          throw new AccessError(`${why} (${String(cause)})`, servers[0]!, { cause });
        }
        if (now() - begin < stall) {
          await delay(PAUSE);
          continue;
        }
        const message = `no server of NATS at ${at}: ${String(cause)}`;
        throw new NotFoundError(message, servers[0]!, { cause });
      }
    }
  }

  async #mustServe(maxMessageBytes: number): Promise<void> {
    const { nats } = this;
    const server = nats.getServer();
    const [major = 0, minor = 0] = this.version.split(".").map(Number);
    if (major < OLDEST[0]! || (major === OLDEST[0] && minor < OLDEST[1]!)) {
      throw new StoreError(`the server of NATS is ${this.version}; expected 2.9 or later`, server);
    }
    if (nats.info!.max_payload < maxMessageBytes + ROOM) {
      throw new InvalidArgumentError(
        "options.maxMessageBytes",
        `at most ${nats.info!.max_payload - ROOM}, since the server's max_payload is ${nats.info!.max_payload}`,
        maxMessageBytes,
      );
    }
    try {
      const { jetstream, jetstreamManager } = this.#packages.jetstream;
      this.#manager = await jetstreamManager(nats, { timeout: this.#settings.stall });
      this.#jetstream = jetstream(nats, { timeout: this.#settings.stall });
    } catch (cause) {
      throw new StoreError(
        `the server of NATS has no JetStream, which keeps the messages: start it with -js (${String(cause)})`,
        server,
        { cause },
      );
    }
  }

  async #follow(): Promise<void> {
    for await (const { type } of this.nats.status()) {
      if (type === "disconnect") this.#isConnected(false);
      else if (type === "reconnect") this.#isConnected(true);
    }
  }

  #isConnected(connected: boolean): void {
    if (connected === this.#connected || this.#closed) return;
    this.#connected = connected;
    this.#listener.onState(connected);
    if (!connected) {
      for (const lose of this.#asking) lose();
      return;
    }
    this.#generation++;
    this.#listener.onConnected();
    for (const go of this.#waiting.splice(0)) go();
  }

  /** Resolves when there is a connection; at the latest after `ms`, then with false. */
  async untilConnected(ms: number): Promise<boolean> {
    const begin = now();
    while (!this.#connected && !this.#closed) {
      if (now() - begin > ms) return false;
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        void delay(PAUSE).then(resolve);
      });
    }
    if (this.#closed) throw new ClosedError("the mailboxes were closed");
    return true;
  }

  /**
   * Does what may be done twice, and repeats it if the connection is lost before the answer. Rejects with what JetStream says, and with a
   * BrokerStalledError if there is no answer.
   */
  async call<T>(what: () => Promise<T>): Promise<T> {
    let begin = now();
    for (;;) {
      if (!(await this.untilConnected(HELD))) throw this.#stalled(HELD, undefined);
      const generation = this.#generation;
      try {
        return await this.#untilLost(what);
      } catch (error) {
        if (this.#closed) throw new ClosedError("the mailboxes were closed");
        if (!this.isPassing(error)) throw error;
        const isSame = generation === this.#generation && this.#connected;
        if (!isSame) begin = now();
        else if (now() - begin > this.#settings.stall) throw this.#stalled(this.#settings.stall, error);
        await delay(PAUSE);
      }
    }
  }

  /** Rejects when the connection is lost: the client itself would wait for the answer until its time is over. */
  #untilLost<T>(what: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const lose = () => reject(new Error("the connection was lost"));
      this.#asking.add(lose);
      what()
        .finally(() => this.#asking.delete(lose))
        .then(resolve, reject);
    });
  }

  /** Whether an error says that there was no answer, and not what the answer is. */
  isPassing(error: unknown): boolean {
    if (error instanceof RingbellError || error instanceof TypeError) return false;
    const code = this.codeOf(error);
    return code === undefined || NOT_READY.includes(code);
  }

  /** Whether an error says that nobody listens under the subject. */
  isNobody(error: unknown): boolean {
    const { NoRespondersError, RequestError } = this.#packages.transport;
    for (let at = error; at instanceof Error; at = at.cause) {
      if (at instanceof NoRespondersError || (at instanceof RequestError && at.isNoResponders())) return true;
    }
    return false;
  }

  /** The number of an error of JetStream; undefined for others. */
  codeOf(error: unknown): number | undefined {
    return error instanceof this.#packages.jetstream.JetStreamApiError ? error.code : undefined;
  }

  /** Makes an error of ours of one of JetStream. `stream`: what it was asked about. */
  errorOf(error: unknown, stream?: string): unknown {
    if (this.codeOf(error) === undefined) return error;
    const { message } = error as Error;
    if (/insufficient|no space|resources/i.test(message)) {
      return new NoSpaceError(`nothing was stored: NATS says "${message}"`, 0);
    }
    const about = stream === undefined ? "" : ` about the stream ${stream}`;
    return new StoreError(`NATS says "${message}"${about}`, this.nats.getServer(), { cause: error });
  }

  #stalled(ms: number, cause: unknown): BrokerStalledError {
    const at = this.#settings.servers.join(", ");
    return new BrokerStalledError(
      `the servers of NATS at ${at} have not answered for ${ms} ms${cause === undefined ? "" : ` (${String(cause)})`}. What was asked may have been done`,
      undefined,
      { cause },
    );
  }

  /** Asks under a subject, and resolves with the answer. */
  request(subject: string, text: string): Promise<Msg> {
    return this.nats.request(subject, text, { timeout: this.#settings.stall });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const go of this.#waiting.splice(0)) go();
    await this.#connection?.close();
  }
}
