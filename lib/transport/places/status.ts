import { lstatSync } from "node:fs";
import { connect } from "node:net";
import { checkOptions } from "../../check.js";
import { clearTimeout, setTimeout, turn } from "../../clock.js";
import { InvalidArgumentError, RefusedError } from "../../errors.js";
import { tryBinding } from "../../native/load.js";
import { STATUS_QUERY } from "../wire/protocol.js";
import { accessError, checkDirectory, checkPlace } from "./directory.js";
import { isOurSpace, pidHere } from "./identity.js";
import {
  type Address,
  addressIn,
  NAME_PATTERN,
  type Place,
  type ResolvedPlace,
  resolveAddress,
  resolvePlace,
} from "./names.js";
import { type DiscoveryRecord, readRecord } from "./owner-record.js";
import { checkSocket, listenerPid } from "./probe.js";
import { everyPlace, namesIn } from "./sweep.js";
import { type UnseenOwner, unseenNames, unseenOwner } from "./unseen.js";

/** The answer of an endpoint to `status`, one line of JSON. Later versions may add fields. */
export interface EndpointStatus {
  readonly name: string;
  /** Valid in the pid namespace of the endpoint, as are the pids of its peers. */
  readonly pid: number;
  /** The pid namespace, as in its record. */
  readonly space?: string;
  /** The version of the protocol. */
  readonly version: number;
  readonly role: string | null;
  /** When the endpoint began to listen, as ISO 8601 in UTC. */
  readonly created: string;
  /** The paths of its files that were taken away. */
  readonly missing?: readonly string[];
  /** One entry for each open channel. */
  readonly channels: readonly unknown[];
}

/**
 * The state of an endpoint:
 * - `healthy`: it answers.
 * - `blocked`: its process lives, but its event loop did not answer in time. It computes, is stopped, or has
 *   too much to do.
 * - `lost`: its process listens, but the file of its socket was taken away: nobody can connect.
 * - `dead`: no process listens; a process that died left the socket.
 */
export type EndpointState = "healthy" | "blocked" | "lost" | "dead";

export interface EndpointInfo {
  readonly name: string;
  /** Undefined if the endpoint was given by path. */
  readonly namespace: string | undefined;
  /** The path of the socket. */
  readonly path: string;
  readonly state: EndpointState;
  /**
   * The process id that the owner has here: from its answer if it is healthy, else from its record or the
   * kernel. Undefined if it is not known, or if the owner runs in another pid namespace and has none here.
   */
  readonly pid: number | undefined;
  /** The paths of its files that were taken away; empty unless it is healthy or lost. */
  readonly missing: readonly string[];
  /** The record that the owner has written about itself. Its pid is valid in `space`, which may be another pid namespace. */
  readonly record: DiscoveryRecord | undefined;
  /** The endpoint's answer, if it is healthy. */
  readonly status: EndpointStatus | undefined;
}

export interface HealthOptions extends Place {
  /** How long an answer may take, in ms, 1 to 600 000. Default 1000. */
  readonly timeout?: number | undefined;
}

export interface EndpointsOptions extends HealthOptions {
  /** Whether to list all namespaces of the directory, instead of one. Default false. */
  readonly everyNamespace?: boolean | undefined;
  /** Lists the instances of a service only: the endpoint of this name, and those whose names go on with a dot, as `tools.2` does. */
  readonly service?: string | undefined;
}

const DEFAULT_TIMEOUT = 1000;
/** The longest answer that is read, in bytes. */
const LONGEST_ANSWER = 16 * 1024 * 1024;
/** The beginning of the answer to a user who is not let in: a frame of the handshake. */
const REFUSAL = /^[0-9a-f]{8}\{"t":"error","code":"ERR_RINGBELL_REFUSED"/;

/**
 * Lists the endpoints of a namespace, sorted by name. All are asked for their status at the same time.
 * Leftovers of dead processes are listed too (`state: "dead"`), until they are swept. Endpoints that we may
 * not ask are left out. Throws an AccessError if the directory is not safe to use.
 */
export async function endpoints(options: EndpointsOptions = {}): Promise<EndpointInfo[]> {
  checkOptions(options, ["namespace", "directory", "timeout", "everyNamespace", "service"], "options");
  const { service } = options;
  if (service !== undefined && (typeof service !== "string" || !NAME_PATTERN.test(service)))
    throw new InvalidArgumentError("options.service", "the name of a service", service);
  const timeout = checkTimeout(options.timeout);
  const place = resolvePlace(options);
  const places: ResolvedPlace[] = options.everyNamespace === true ? everyPlace(place) : [place];
  await turn();
  const [named, unseen] = [places.flatMap(seenIn), places.flatMap(unseenIn)];
  const asked = [...named, ...unseen].filter(({ name }) => isInstance(name, service));
  const answers = await Promise.allSettled(asked.map((address) => examine(address, timeout)));
  return answers
    .flatMap((answer, at) => {
      if (answer.status === "rejected") return [];
      // Without a file, only a live owner counts.
      return named.includes(asked[at]!) || answer.value.state === "lost" ? [answer.value] : [];
    })
    .sort((a, b) => compare(a.namespace, b.namespace) || compare(a.name, b.name));
}

function isInstance(name: string, service: string | undefined): boolean {
  return service === undefined || name === service || name.startsWith(`${service}.`);
}

function seenIn(place: ResolvedPlace): Address[] {
  return checkPlace(place) ? namesIn(place).map((name) => addressIn(place, name)) : [];
}

/** Returns the addresses of which no file is left, but whose sockets listen. */
function unseenIn(place: ResolvedPlace): Address[] {
  const seen = new Set(namesIn(place));
  return unseenNames(place.directory)
    .filter((name) => NAME_PATTERN.test(name) && !seen.has(name))
    .map((name) => addressIn(place, name));
}

function compare(a = "", b = ""): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * Returns the state of one endpoint; `name` as for `connect`. An endpoint that never existed is "dead", too.
 * Throws an AccessError or RefusedError if we may not ask it, and a SystemError (ENOTSOCK) if something else
 * than a socket lies there.
 */
export async function health(name?: string, options: HealthOptions = {}): Promise<EndpointInfo> {
  checkOptions(options, ["namespace", "directory", "timeout"], "options");
  const timeout = checkTimeout(options.timeout);
  const address = resolveAddress(name, options);
  await turn();
  checkDirectory(address);
  const info = await examine(address, timeout);
  if (info.state === "dead") checkSocket(address.socketPath);
  return info;
}

async function examine(address: Address, timeout: number): Promise<EndpointInfo> {
  const answer = await ask(address.socketPath, timeout);
  const record = readRecord(address.lockPath);
  const known = typeof record === "string" ? undefined : record;
  const unseen = answer === "dead" ? lookForOwner(address) : undefined;
  return {
    name: address.name,
    namespace: address.place?.namespace,
    path: address.socketPath,
    state: typeof answer !== "string" ? "healthy" : unseen === undefined ? answer : "lost",
    pid:
      typeof answer === "string"
        ? (unseen?.pid ?? pidOf(address, answer, known))
        : pidOfAnswer(address, answer),
    missing:
      typeof answer !== "string" ? (answer.missing ?? []) : unseen === undefined ? [] : filesOf(address),
    record: known,
    status: typeof answer === "string" ? undefined : answer,
  };
}

function pidOf(
  address: Address,
  state: "blocked" | "dead",
  record: DiscoveryRecord | undefined,
): number | undefined {
  const pid = record === undefined ? undefined : pidHere(record);
  return pid ?? (state === "blocked" ? listenerPid(address, tryBinding()) : undefined);
}

function pidOfAnswer(address: Address, { pid, space }: EndpointStatus): number | undefined {
  return space === undefined || isOurSpace(space) ? pid : listenerPid(address, tryBinding());
}

function lookForOwner(address: Address): UnseenOwner | undefined {
  return unseenOwner(address, lstatSync(address.socketPath, { throwIfNoEntry: false }) === undefined);
}

/** Returns the paths of the name at which no file is. The socket's is one of them, also if another file is there. */
function filesOf({ socketPath, lockPath }: Address): string[] {
  return [socketPath, ...(readRecord(lockPath) === "empty" ? [lockPath] : [])];
}

/** Asks for the status over node:net, which needs no addon. */
function ask(path: string, timeout: number): Promise<EndpointStatus | "blocked" | "dead"> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const chunks: Buffer[] = [];
    let bytes = 0;
    let connected = false;
    const finish = (result: EndpointStatus | "blocked" | "dead") => {
      clearTimeout(timer);
      socket.destroy();
      resolve(result);
    };
    const fail = (error: Error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => finish("blocked"), timeout);
    const conclude = () => {
      const text = Buffer.concat(chunks).toString();
      if (REFUSAL.test(text))
        fail(new RefusedError(`the process that listens on ${path} does not answer this user`));
      else finish(parseStatus(text) ?? "dead");
    };
    socket.once("connect", () => {
      connected = true;
      socket.write(STATUS_QUERY);
    });
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > LONGEST_ANSWER || chunk.includes(0x0a)) conclude();
    });
    socket.once("end", conclude);
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (connected) return conclude();
      if (error.code === "EACCES" || error.code === "EPERM") {
        return fail(accessError(path, "connect to", error));
      }
      // EAGAIN means that the queue of waiting connections is full: a process owns the socket and does not
      // accept.
      finish(error.code === "EAGAIN" ? "blocked" : "dead");
    });
  });
}

function parseStatus(text: string): EndpointStatus | undefined {
  try {
    const value = JSON.parse(text) as Partial<EndpointStatus> | null;
    if (typeof value?.pid !== "number" || !Array.isArray(value.channels)) return undefined;
    if (value.missing !== undefined && !isTexts(value.missing)) return undefined;
    return value as EndpointStatus;
  } catch {
    return undefined;
  }
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function checkTimeout(timeout: number | undefined): number {
  if (timeout === undefined) return DEFAULT_TIMEOUT;
  if (!Number.isFinite(timeout) || timeout < 1 || timeout > 600_000) {
    throw new InvalidArgumentError("options.timeout", "a number of milliseconds from 1 to 600000", timeout);
  }
  return timeout;
}
