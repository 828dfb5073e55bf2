import { connect } from "../../channel/connect.js";
import { delay, now } from "../../clock.js";
import {
  AlreadyRunningError,
  ClosedError,
  HandshakeError,
  HandshakeTimeoutError,
  NotFoundError,
  PeerDiedError,
  SystemError,
} from "../../errors.js";
import { MissingPackageError } from "../../missing-package.js";
import { sqliteDriver } from "../../store/sqlite-driver.js";
import { BrokerStalledError } from "../errors.js";
import type { AnswerFrame, RequestFrame } from "../wire.js";
import type { BrokerLink } from "./broker-link.js";
import { ChannelLink } from "./channel-link.js";
import { FRAME_BYTES, type HostOptions, host } from "./host.js";
import { LocalLink } from "./local-link.js";
import { killQuietly } from "./requester.js";

/** How long to look for a broker, in ms, while others come and go. */
const PATIENCE = 10_000;
/** How long a broker that has handed over lets others take its place, in ms. */
const LATER = 1000;
/** The longest pause between attempts, in ms. Each takes a random part of it, so that many processes do not all knock at once. */
const PAUSE = 8;
/** How long a process that could not be a broker itself waits for one, in ms. */
const WITHOUT_STORE = 3000;

/** How a broker fails a caller that is going away itself. */
const PASSING = [NotFoundError, PeerDiedError, ClosedError, HandshakeError, SystemError];

export interface ReachOptions extends Omit<HostOptions, "driver"> {
  readonly stall: number;
  readonly kill: boolean;
}

/** Finds the broker of the name, or becomes it: the first that comes is. Of many that start at once, one gets the name, and the others find it. */
export async function reach(
  options: ReachOptions,
  later: boolean,
  closed: () => boolean,
): Promise<BrokerLink> {
  const begin = now();
  let missing: MissingPackageError | undefined;
  for (;;) {
    if (closed()) throw new ClosedError("the mailboxes were closed");
    const link =
      (await join(options)) ?? (later && now() - begin < LATER ? undefined : await tryHost(options));
    if (link instanceof MissingPackageError) missing = link;
    else if (link !== undefined) return link;
    const late = now() - begin;
    if (missing !== undefined && late > WITHOUT_STORE) throw missing;
    if (late > PATIENCE) {
      throw new NotFoundError(
        `no broker of ${options.place.name} could be reached in ${PATIENCE} ms`,
        options.place.name,
      );
    }
    await delay(Math.random() * PAUSE);
  }
}

/** Connects to the broker. Resolves with undefined if there is none, or if it went away meanwhile. */
async function join(options: ReachOptions): Promise<BrokerLink | undefined> {
  const { place, stall } = options;
  try {
    const channel = await connect<RequestFrame, AnswerFrame>(place.name, {
      ...place.options,
      retry: false,
      handshakeTimeout: stall,
      maxMessageBytes: FRAME_BYTES,
    });
    return new ChannelLink(channel);
  } catch (error) {
    if (error instanceof HandshakeTimeoutError) return stalled(options, error);
    if (PASSING.some((type) => error instanceof type)) return undefined;
    throw error;
  }
}

/** The name has an owner that does not answer. It is killed only if the program has asked for that: it lives in somebody's program. */
async function stalled(options: ReachOptions, cause: Error): Promise<undefined> {
  const { place, stall, kill } = options;
  const pid = await ownerOf(options);
  if (kill && pid !== undefined) {
    killQuietly(pid);
    return;
  }
  const who = pid === undefined ? "the broker" : `the broker (process ${pid})`;
  throw new BrokerStalledError(
    `${who} of ${place.name} has not answered for ${stall} ms: it is stopped, or computes; ` +
      'the option takeover: "kill" ends such a broker',
    pid,
    { cause },
  );
}

/** Returns the process that has the name. */
async function ownerOf(options: ReachOptions): Promise<number | undefined> {
  const link = await tryHost(options, (error) => error.pid);
  if (typeof link === "number") return link;
  if (link instanceof LocalLink) await link.close();
  return undefined;
}

/** Becomes the broker. Resolves with undefined if another has the name, or with a MissingPackageError if this process can't store. */
async function tryHost(options: ReachOptions): Promise<BrokerLink | MissingPackageError | undefined>;
async function tryHost<T>(
  options: ReachOptions,
  taken: (error: AlreadyRunningError) => T,
): Promise<BrokerLink | MissingPackageError | T | undefined>;
async function tryHost(
  options: ReachOptions,
  taken?: (error: AlreadyRunningError) => unknown,
): Promise<unknown> {
  try {
    const driver =
      options.place.path === undefined
        ? undefined
        : await sqliteDriver("mailboxes are stored", 'the option store: "memory"');
    return new LocalLink(await host({ ...options, driver }));
  } catch (error) {
    if (error instanceof AlreadyRunningError) return taken?.(error);
    if (error instanceof MissingPackageError) return error;
    throw error;
  }
}
