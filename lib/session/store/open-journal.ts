import { sqliteDriver } from "../../store/sqlite-driver.js";
import { EventLog } from "../event-log.js";
import type { SessionSettings } from "../settings.js";
import { Journal } from "./journal.js";

/** What a session is made of. */
export interface OpenedSession {
  readonly settings: SessionSettings;
  readonly log: EventLog;
  /** Undefined: the log is in memory. */
  readonly journal: Journal | undefined;
}

/**
 * Loads what the store needs. The function that it resolves with opens the file at once, so that a process can take its name first, and no
 * interface comes between. That function throws a StoreError if the file can't be used.
 */
export async function openJournal(
  settings: SessionSettings,
): Promise<(settings: SessionSettings) => OpenedSession> {
  const driver =
    settings.store === undefined
      ? undefined
      : await sqliteDriver("sessions are stored", "no option log.store");
  return (settings) => {
    const { store: path, durability, whenFull, limits } = settings;
    const log = new EventLog(limits);
    if (path === undefined || driver === undefined) return { settings, log, journal: undefined };
    return { settings, log, journal: new Journal({ path, driver, durability, whenFull, log }) };
  };
}
