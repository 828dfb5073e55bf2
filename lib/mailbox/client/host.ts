import { connect } from "../../channel/connect.js";
import { listen } from "../../channel/listen.js";
import type { Port } from "../../port.js";
import type { Driver } from "../../store/sqlite-driver.js";
import { setAside } from "../../store/sqlite-file.js";
import { Broker, CLOCK } from "../broker/broker.js";
import { attachChannel } from "../broker/channel-port.js";
import { StoreError } from "../errors.js";
import { MOST_MESSAGE_BYTES } from "../limits.js";
import type { BoxSettings } from "../message.js";
import { steadyTime, type Time } from "../steady.js";
import { MemoryTables } from "../store/memory-tables.js";
import { OpenFile } from "../store/open-file.js";
import { salvage } from "../store/salvage.js";
import { SqliteTables } from "../store/sqlite-tables.js";
import type { Tables } from "../store/tables.js";
import type { AnswerFrame, RequestFrame } from "../wire.js";
import type { Hosting } from "./local-link.js";
import type { Place } from "./place.js";

/** How long another broker of the same file has to answer, in ms, before it counts as gone. */
const OWNER_ANSWERS = 1000;
/** The bytes of each ring of a client. */
const CAPACITY = 256 * 1024;

export interface HostOptions {
  readonly place: Place;
  /** Undefined for a store in memory. */
  readonly driver: Driver | undefined;
  readonly durability: "process" | "disk";
  readonly defaults: Partial<BoxSettings>;
  readonly maxMessageBytes: number;
  readonly time: Time | undefined;
  /** Called with what goes wrong and is mended. */
  readonly onTrouble: (error: Error) => void;
}

interface Opened {
  readonly tables: Tables;
  readonly epoch: number;
  readonly damaged: string | undefined;
}

/** Frames of a client and of the broker: the texts of messages, and some more. */
export const FRAME_BYTES = 8 * MOST_MESSAGE_BYTES;

/**
 * Becomes the broker: takes the name first, and then opens the store. So two brokers of one name never have the file. Rejects with an
 * AlreadyRunningError if the name is taken, and with a StoreError if the file can't be used.
 */
export async function host(options: HostOptions): Promise<Hosting> {
  const { place, durability, defaults, maxMessageBytes, onTrouble } = options;
  const server = await listen<AnswerFrame, RequestFrame>(place.name, {
    ...place.options,
    capacity: CAPACITY,
    maxMessageBytes: FRAME_BYTES,
  });
  let opened: Opened;
  try {
    opened = await open(options, server.path);
  } catch (error) {
    await server.close();
    throw error;
  }
  const { tables, epoch, damaged } = opened;
  const broker = new Broker({
    ...{ tables, epoch, durability, defaults, maxMessageBytes, damaged },
    time: options.time ?? steadyTime(tables.number(CLOCK)),
    onLost(error) {
      // The name is still ours, so no other process opens the file meanwhile.
      if (tables.path !== undefined) replaceIfDamaged(options, server.path, error)?.tables.close();
      void server.close();
      hosting.onLost(error);
    },
  });
  const hosting: Hosting = {
    broker,
    onLost: () => {},
    async close() {
      broker.close();
      await server.close();
    },
    ref: () => void server.ref(),
    unref() {
      server.unref();
      for (const channel of server.channels) channel.unref();
    },
  };
  server.on("connection", (channel) => attachChannel(broker, channel as Port<AnswerFrame, RequestFrame>));
  // A program that cleans up temporary files may take the socket away. It is made anew, so that clients find it.
  server.on("filesLost", () => void server.rebind().catch(onTrouble));
  return hosting;
}

async function open(options: HostOptions, socket: string): Promise<Opened> {
  const { place, driver, durability } = options;
  const { path } = place;
  if (driver === undefined || path === undefined) {
    return { tables: new MemoryTables(), epoch: 1, damaged: undefined };
  }
  try {
    const file = OpenFile.open(path, driver, durability);
    try {
      await mustBeFree(file, socket, options);
      return begin(file, socket, undefined);
    } catch (error) {
      file.close();
      throw error;
    }
  } catch (error) {
    const opened = replaceIfDamaged(options, socket, error as Error);
    if (opened === undefined) throw error;
    return opened;
  }
}

function begin(file: OpenFile, socket: string, damaged: string | undefined): Opened {
  const tables = new SqliteTables(file, { pid: process.pid, socket });
  return { tables, epoch: tables.epoch, damaged };
}

/** Moves a damaged file away, and begins another with what can be read of it. Returns undefined if the error is another one. */
function replaceIfDamaged(options: HostOptions, socket: string, error: Error): Opened | undefined {
  const { place, driver, durability, onTrouble } = options;
  const path = place.path!;
  const aside = setAside(path, error);
  if (aside === undefined) return undefined;
  const opened = begin(OpenFile.open(path, driver!, durability), socket, aside);
  const saved = salvage(aside, driver!, opened.tables);
  onTrouble(
    new StoreError(
      `${path} is damaged (${error.message}); it lies in ${aside} now. ${saved} messages of it could be read, and are served`,
      path,
      { cause: error },
    ),
  );
  return opened;
}

/** Throws a StoreError if a broker of another name has the file and answers. */
async function mustBeFree(file: OpenFile, socket: string, { place }: HostOptions): Promise<void> {
  const owner = file.owner();
  if (owner.socket === "" || owner.socket === socket) return;
  const { namespace: _, directory: __, ...options } = place.options;
  const limits = { retry: false, handshakeTimeout: OWNER_ANSWERS } as const;
  const channel = await connect(owner.socket, { ...options, ...limits }).catch(() => undefined);
  if (channel === undefined) return;
  channel.destroy();
  throw new StoreError(
    `${file.path} is in use by another broker, process ${owner.pid}, which listens at ${owner.socket}`,
    file.path,
  );
}
