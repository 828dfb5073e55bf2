import { connect } from "node:net";
import { checkOptions } from "../../check.js";
import { clearTimeout, setTimeout, turn } from "../../clock.js";
import { InvalidArgumentError } from "../../errors.js";
import { STATUS_QUERY } from "../wire/protocol.js";
import { accessError, checkDirectory, checkPlace } from "./directory.js";
import {
  type Address,
  addressIn,
  type Place,
  type ResolvedPlace,
  resolveAddress,
  resolvePlace,
} from "./names.js";
import { type DiscoveryRecord, readRecord } from "./owner-record.js";
import { everyPlace, namesIn } from "./sweep.js";

/** The answer of an endpoint to `status`, one line of JSON. Later versions may add fields. */
export interface EndpointStatus {
  readonly name: string;
  readonly pid: number;
  /** The version of the protocol. */
  readonly version: number;
  readonly role: string | null;
  /** When the endpoint began to listen, as ISO 8601 in UTC. */
  readonly created: string;
  /** One entry for each open channel. */
  readonly channels: readonly unknown[];
}

/**
 * The state of an endpoint:
 * - `healthy`: it answers.
 * - `blocked`: its process lives, but its event loop did not answer in time. It computes, is stopped, or has
 *   too much to do.
 * - `dead`: no process listens; a process that died left the socket.
 */
export type EndpointState = "healthy" | "blocked" | "dead";

export interface EndpointInfo {
  readonly name: string;
  /** Undefined if the endpoint was given by path. */
  readonly namespace: string | undefined;
  /** The path of the socket. */
  readonly path: string;
  readonly state: EndpointState;
  /** The owner's process id: from its answer if it is healthy, else from its record. Undefined if neither is there. */
  readonly pid: number | undefined;
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
}

const DEFAULT_TIMEOUT = 1000;
/** The longest answer that is read, in bytes. */
const LONGEST_ANSWER = 16 * 1024 * 1024;

/**
 * Lists the endpoints of a namespace, sorted by name. All are asked for their status at the same time.
 * Leftovers of dead processes are listed too (`state: "dead"`), until they are swept. Endpoints that we may
 * not ask are left out. Throws an AccessError if the directory is not safe to use.
 */
export async function endpoints(options: EndpointsOptions = {}): Promise<EndpointInfo[]> {
  checkOptions(options, ["namespace", "directory", "timeout", "everyNamespace"], "options");
  const timeout = checkTimeout(options.timeout);
  const place = resolvePlace(options);
  const places: ResolvedPlace[] = options.everyNamespace === true ? everyPlace(place) : [place];
  const addresses = places.flatMap((one) =>
    checkPlace(one) ? namesIn(one).map((name) => addressIn(one, name)) : [],
  );
  await turn();
  const answers = await Promise.allSettled(addresses.map((address) => examine(address, timeout)));
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
}

/**
 * Returns the state of one endpoint; `name` as for `connect`. An endpoint that never existed is "dead", too.
 * Throws an AccessError if we may not ask it.
 */
export async function health(name?: string, options: HealthOptions = {}): Promise<EndpointInfo> {
  checkOptions(options, ["namespace", "directory", "timeout"], "options");
  const timeout = checkTimeout(options.timeout);
  const address = resolveAddress(name, options);
  await turn();
  checkDirectory(address);
  return examine(address, timeout);
}

async function examine(address: Address, timeout: number): Promise<EndpointInfo> {
  const answer = await ask(address.socketPath, timeout);
  const record = readRecord(address.lockPath);
  const known = typeof record === "string" ? undefined : record;
  return {
    name: address.name,
    namespace: address.place?.namespace,
    path: address.socketPath,
    state: typeof answer === "string" ? answer : "healthy",
    pid: typeof answer === "string" ? known?.pid : answer.pid,
    record: known,
    status: typeof answer === "string" ? undefined : answer,
  };
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
    const timer = setTimeout(() => finish("blocked"), timeout);
    const conclude = () => finish(parseStatus(Buffer.concat(chunks).toString()) ?? "dead");
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
        clearTimeout(timer);
        return reject(accessError(path, "connect to", error));
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
    return value as EndpointStatus;
  } catch {
    return undefined;
  }
}

function checkTimeout(timeout: number | undefined): number {
  if (timeout === undefined) return DEFAULT_TIMEOUT;
  if (!Number.isFinite(timeout) || timeout < 1 || timeout > 600_000) {
    throw new InvalidArgumentError("options.timeout", "a number of milliseconds from 1 to 600000", timeout);
  }
  return timeout;
}
