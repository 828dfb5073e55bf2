import { connect } from "node:net";
import { checkOptions } from "../../check.js";
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

/** What an endpoint answers to `status`, as one line of JSON; more fields may come. */
export interface EndpointStatus {
  readonly name: string;
  readonly pid: number;
  /** The version of the protocol. */
  readonly version: number;
  readonly role: string | null;
  /** When it began to listen, as ISO 8601 in UTC. */
  readonly created: string;
  /** One for each open channel. */
  readonly channels: readonly unknown[];
}

/**
 * How an endpoint is:
 * - `healthy`: it answers;
 * - `blocked`: its process lives, but its event loop did not answer in time (it computes, is stopped, or swamped);
 * - `dead`: nobody listens; what is there was left by a process that died.
 */
export type EndpointState = "healthy" | "blocked" | "dead";

export interface EndpointInfo {
  readonly name: string;
  /** Undefined where the endpoint was given by path. */
  readonly namespace: string | undefined;
  /** The path of the socket. */
  readonly path: string;
  readonly state: EndpointState;
  /** Of the owner, as its record says; undefined if there is none. */
  readonly pid: number | undefined;
  readonly record: DiscoveryRecord | undefined;
  /** Its answer, if it is healthy. */
  readonly status: EndpointStatus | undefined;
}

export interface HealthOptions extends Place {
  /** How long an answer may take, in ms, 1 to 600 000. Default 1000. */
  readonly timeout?: number | undefined;
}

export interface EndpointsOptions extends HealthOptions {
  /** All namespaces of the directory, instead of one. Default false. */
  readonly everyNamespace?: boolean | undefined;
}

const DEFAULT_TIMEOUT = 1000;
/** The longest answer that is read, in bytes. */
const LONGEST_ANSWER = 16 * 1024 * 1024;

/**
 * The endpoints of a namespace, each asked how it is, all at the same time; by name. What dead processes left is
 * listed too (`state: "dead"`), until it is swept; what we have no permission to ask is left out. Throws an AccessError
 * if the directory is not safe to use.
 */
export async function endpoints(options: EndpointsOptions = {}): Promise<EndpointInfo[]> {
  checkOptions(options, ["namespace", "directory", "timeout", "everyNamespace"], "options");
  const timeout = checkTimeout(options.timeout);
  const place = resolvePlace(options);
  const places: ResolvedPlace[] = options.everyNamespace === true ? everyPlace(place) : [place];
  const addresses = places.flatMap((one) =>
    checkPlace(one) ? namesIn(one).map((name) => addressIn(one, name)) : [],
  );
  const answers = await Promise.allSettled(addresses.map((address) => examine(address, timeout)));
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? [answer.value] : []));
}

/**
 * How one endpoint is: `name` as for `connect`. "dead" also where there never was one. Throws an AccessError where we have
 * no permission to ask.
 */
export async function health(name?: string, options: HealthOptions = {}): Promise<EndpointInfo> {
  checkOptions(options, ["namespace", "directory", "timeout"], "options");
  const timeout = checkTimeout(options.timeout);
  const address = resolveAddress(name, options);
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

/** Asks over the socket, by whatever means node:net has: this needs no addon. */
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
      // EAGAIN: the queue of those who wait is full, so somebody owns it and does not accept.
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
