import {
  checkBoolean,
  checkFile,
  checkFunction,
  checkInteger,
  checkNumber,
  checkOneOf,
  checkOptions,
  checkSignal,
} from "../check.js";
import { resolveChoices } from "../codec/any-of.js";
import type { Codec } from "../codec/codec.js";
import { json } from "../codec/json.js";
import type { CodecOption } from "../codec/resolve.js";
import { InvalidArgumentError } from "../errors.js";
import {
  DEFAULT_CAPACITY,
  isCapacity,
  LARGEST_BULK_BYTES,
  LARGEST_CAPACITY,
  MAIN_LANE,
  MOST_LANES,
  SMALLEST_CAPACITY,
} from "../transport/handshake/geometry.js";
import {
  type Backing,
  type CodecIdentities,
  LONGEST_ROLE,
  MOST_ROLES,
  presentCodec,
} from "../transport/handshake/greetings.js";
import type { HandshakeSettings } from "../transport/handshake/joining.js";
import type { TransportChoice } from "../transport/handshake/means.js";
import { type Environment, NAME_PATTERN } from "../transport/places/names.js";
import { DEFAULT_RETRY, NO_RETRY, type RetryOptions, type RetrySettings } from "../transport/places/retry.js";
import { defaultBulkBytes } from "./bulk-default.js";
import { CONNECT_OPTIONS, LISTEN_OPTIONS } from "./option-names.js";
import type {
  CommonOptions,
  ConnectOptions,
  LanesOption,
  ListenOptions,
  RoleOptions,
  RolesListenOptions,
  RolesOption,
} from "./options.js";
import type { MessageLimits } from "./parcel.js";

/** The codecs of the two directions. Their types were checked where the options were given. */
export interface CodecPair {
  readonly send: Codec<unknown>;
  readonly receive: Codec<unknown>;
}

export interface LaneSettings {
  readonly name: string;
  /** In bytes. Undefined: the other side decides. */
  readonly capacity: number | undefined;
  /** Undefined: those of the channel. */
  readonly codecs: CodecChoices | undefined;
}

/** The codecs of which the two sides use one, the best first. There is one at least. */
export type CodecChoices = readonly CodecPair[];

export interface CommonSettings {
  readonly codecs: CodecChoices;
  readonly capacity: number | undefined;
  /** The lanes that the option names. `main` is among them only if the option names it. */
  readonly lanes: readonly LaneSettings[] | undefined;
  readonly limits: MessageLimits;
  readonly signal: AbortSignal | undefined;
  /** The path of the addon. Undefined: the environment or the package says where it is. */
  readonly addon: string | undefined;
  /** The handshake's settings without the addon, which is not loaded here. */
  readonly handshake: Omit<HandshakeSettings, "binding">;
}

/** The settings that decide which lanes a peer gets. */
export type OfferSettings = Pick<CommonSettings, "codecs" | "capacity" | "lanes">;

export interface ListenSettings extends CommonSettings {
  readonly mode: number;
  readonly lines: boolean;
  readonly tap: boolean;
  /** Settings by the role of the peer. Undefined: every peer gets the same. */
  readonly roles: ReadonlyMap<string, OfferSettings> | undefined;
}

export interface ConnectSettings extends CommonSettings {
  readonly retry: RetrySettings;
}

const TRANSPORTS: readonly TransportChoice[] = ["auto", "shm", "stream"];
const BACKINGS: readonly Backing[] = ["sealed", "named"];
/** 256 MiB. */
const DEFAULT_MESSAGE_BYTES = 256 * 1024 * 1024;
/** 1 GiB. */
const LARGEST_MESSAGE_BYTES = 1024 * 1024 * 1024;
/** The length from which a block is faster than the ring; docs/performance.md has the measurement. */
const DEFAULT_THRESHOLD = 64 * 1024;
const DEFAULT_MODE = 0o600;
const DEFAULT_TIMEOUT = 5000;
const LONGEST_TIMEOUT = 600_000;

/** Checks the options of `listen` and fills in what they leave open. */
export function listenSettings<Send, Receive>(
  options: ListenOptions<Send, Receive> & Partial<Pick<RolesListenOptions<Send, Receive>, "roles">>,
  env: Environment = process.env,
): ListenSettings {
  checkOptions(options, LISTEN_OPTIONS, "options");
  const { mode = DEFAULT_MODE, roles } = options;
  const common = commonSettings(options, env);
  return {
    ...common,
    mode: checkInteger(mode, "options.mode", 0, 0o777),
    lines: checkBoolean(options.lines ?? false, "options.lines"),
    tap: checkBoolean(options.tap ?? env.RINGBELL_TAP === "1", "options.tap"),
    roles: roles === undefined ? undefined : roleSettings(roles, common),
  };
}

/** Checks the options of `connect` and fills in what they leave open. */
export function connectSettings<Send, Receive>(
  options: ConnectOptions<Send, Receive>,
  env: Environment = process.env,
): ConnectSettings {
  checkOptions(options, CONNECT_OPTIONS, "options");
  return { ...commonSettings(options, env), retry: retrySettings(options.retry) };
}

function commonSettings<Send, Receive>(
  options: CommonOptions<Send, Receive> & Pick<ListenOptions<Send, Receive>, "lanes" | "capacity" | "signal">,
  env: Environment,
): CommonSettings {
  const { spin = "adaptive", handshakeTimeout = DEFAULT_TIMEOUT, backing, role } = options;
  const capacity = checkCapacity(options.capacity, "options.capacity");
  const lanes = options.lanes === undefined ? undefined : laneSettings(options.lanes, "options.lanes");
  if (role !== undefined && (typeof role !== "string" || role.length > LONGEST_ROLE)) {
    throw new InvalidArgumentError("options.role", `a string of at most ${LONGEST_ROLE} characters`, role);
  }
  return {
    codecs: codecChoices(options.codec === undefined ? json() : options.codec, "options.codec"),
    capacity,
    lanes,
    limits: messageLimits(options as CommonOptions<never, unknown>),
    signal: checkSignal(options.signal, "options.signal"),
    addon: checkFile(options.addon, "options.addon"),
    handshake: {
      transport: transportChoice(options.transport, env),
      backing: backing === undefined ? undefined : checkOneOf(backing, "options.backing", BACKINGS),
      spin: checkSpin(spin),
      authorize: checkFunction(options.authorize, "options.authorize"),
      role,
      bulkBytes: checkInteger(
        options.maxBulkBytes ?? defaultBulkBytes(),
        "options.maxBulkBytes",
        0,
        LARGEST_BULK_BYTES,
      ),
      timeout: checkNumber(handshakeTimeout, "options.handshakeTimeout", 1, LONGEST_TIMEOUT),
    },
  };
}

/** A lane of a listener, with every default filled in. */
export interface OfferedLane {
  readonly name: string;
  readonly capacity: number;
  readonly codecs: CodecChoices;
}

/** Returns the lanes of a listener, `main` first. */
export function offeredLanes(settings: OfferSettings): OfferedLane[] {
  const named = settings.lanes ?? [];
  const main = named.find((lane) => lane.name === MAIN_LANE);
  const rest = named.filter((lane) => lane.name !== MAIN_LANE);
  return [main ?? { name: MAIN_LANE, capacity: undefined, codecs: undefined }, ...rest].map((lane) => ({
    name: lane.name,
    capacity: lane.capacity ?? settings.capacity ?? DEFAULT_CAPACITY,
    codecs: lane.codecs ?? settings.codecs,
  }));
}

/** Returns the codecs in the form that the handshake shows to the other side. */
export function identities({ send, receive }: CodecPair): CodecIdentities {
  return { send: presentCodec(send), receive: presentCodec(receive) };
}

function roleSettings(roles: RolesOption, whole: OfferSettings): Map<string, OfferSettings> {
  if (typeof roles !== "object" || roles === null || Array.isArray(roles)) {
    throw new InvalidArgumentError("options.roles", "an object with an entry for each role", roles);
  }
  const names = Object.keys(roles);
  if (names.length === 0 || names.length > MOST_ROLES) {
    throw new InvalidArgumentError("options.roles", `1 to ${MOST_ROLES} roles`, names.length);
  }
  return new Map(names.map((name) => [name, settingsOfRole(name, roles[name]!, whole)]));
}

function settingsOfRole(name: string, role: RoleOptions, whole: OfferSettings): OfferSettings {
  if (name === "" || name.length > LONGEST_ROLE) {
    throw new InvalidArgumentError("the name of a role", `a string of 1 to ${LONGEST_ROLE} characters`, name);
  }
  const argument = `options.roles.${name}`;
  checkOptions(role, ["codec", "lanes", "capacity"], argument);
  const { codec, lanes } = role;
  return {
    codecs: codec === undefined ? whole.codecs : codecChoices(codec, `${argument}.codec`),
    capacity: checkCapacity(role.capacity, `${argument}.capacity`) ?? whole.capacity,
    lanes: lanes === undefined ? whole.lanes : laneSettings(lanes, `${argument}.lanes`),
  };
}

function laneSettings(lanes: LanesOption, option: string): LaneSettings[] {
  if (typeof lanes !== "object" || lanes === null || Array.isArray(lanes)) {
    throw new InvalidArgumentError(option, "an object with a lane for each name", lanes);
  }
  const names = Object.keys(lanes);
  const beside = names.filter((name) => name !== MAIN_LANE);
  if (beside.length > MOST_LANES - 1) {
    throw new InvalidArgumentError(option, `at most ${MOST_LANES - 1} lanes beside main`, beside.length);
  }
  return names.map((name) => {
    const argument = `${option}.${name}`;
    if (!NAME_PATTERN.test(name)) {
      const expected = "a letter or digit followed by up to 63 letters, digits, dots, underscores or hyphens";
      throw new InvalidArgumentError("the name of a lane", expected, name);
    }
    const lane = lanes[name]!;
    checkOptions(lane, ["capacity", "codec"], argument);
    return {
      name,
      capacity: checkCapacity(lane.capacity, `${argument}.capacity`),
      codecs: lane.codec === undefined ? undefined : codecChoices(lane.codec, `${argument}.codec`),
    };
  });
}

function codecChoices<Send, Receive>(option: CodecOption<Send, Receive>, argument: string): CodecChoices {
  return resolveChoices(option, argument) as CodecChoices;
}

function checkCapacity(value: number | undefined, argument: string): number | undefined {
  if (value !== undefined && !isCapacity(value)) {
    const expected = `a power of two from ${SMALLEST_CAPACITY} (4 KiB) to ${LARGEST_CAPACITY} (1 GiB)`;
    throw new InvalidArgumentError(argument, expected, value);
  }
  return value;
}

function messageLimits(options: CommonOptions<never, unknown>): MessageLimits {
  const { maxMessageBytes = DEFAULT_MESSAGE_BYTES, bulkThreshold = DEFAULT_THRESHOLD } = options;
  return {
    maxMessageBytes: checkInteger(maxMessageBytes, "options.maxMessageBytes", 1, LARGEST_MESSAGE_BYTES),
    bulkThreshold: checkInteger(bulkThreshold, "options.bulkThreshold", 0, LARGEST_MESSAGE_BYTES),
  };
}

function checkSpin(spin: number | "adaptive"): number {
  if (spin === "adaptive") return -1;
  if (typeof spin !== "number" || !(spin >= 0 && spin <= 1000)) {
    throw new InvalidArgumentError(
      "options.spin",
      'a number of microseconds from 0 to 1000, or "adaptive"',
      spin,
    );
  }
  return spin;
}

function transportChoice(option: TransportChoice | undefined, env: Environment): TransportChoice {
  if (option !== undefined) return checkOneOf(option, "options.transport", TRANSPORTS);
  return env.RINGBELL_TRANSPORT
    ? checkOneOf(env.RINGBELL_TRANSPORT, "RINGBELL_TRANSPORT", TRANSPORTS)
    : "auto";
}

function retrySettings(retry: RetryOptions | false | undefined): RetrySettings {
  if (retry === undefined) return DEFAULT_RETRY;
  if (retry === false) return NO_RETRY;
  const known = ["attempts", "minDelay", "maxDelay", "maxTotal", "random", "clock"] as const;
  checkOptions(retry, known, "options.retry");
  const { attempts, minDelay, maxDelay, maxTotal, random, clock } = { ...DEFAULT_RETRY, ...defined(retry) };
  const longest = 3_600_000;
  checkInteger(attempts, "options.retry.attempts", 1, 1_000_000);
  checkNumber(minDelay, "options.retry.minDelay", 0, longest);
  // A program that raises only `minDelay` means `maxDelay` to follow.
  const upper = Math.max(minDelay, maxDelay);
  checkNumber(retry.maxDelay ?? upper, "options.retry.maxDelay", minDelay, longest);
  checkNumber(maxTotal, "options.retry.maxTotal", 0, 86_400_000);
  checkFunction(random, "options.retry.random");
  if (typeof clock?.now !== "function" || typeof clock.sleep !== "function") {
    throw new InvalidArgumentError("options.retry.clock", "an object with now and sleep", clock);
  }
  return { attempts, minDelay, maxDelay: upper, maxTotal, random, clock };
}

function defined(retry: RetryOptions): Partial<RetrySettings> {
  return Object.fromEntries(Object.entries(retry).filter(([, value]) => value !== undefined));
}
