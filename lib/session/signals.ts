import { checkNumber, checkOptions } from "../check.js";
import { InvalidArgumentError } from "../errors.js";
import type { Session } from "./session.js";

export interface SignalOptions {
  /** How long the session may take to close, in ms. Default 5000. */
  readonly grace?: number | undefined;
  /** Default `["SIGTERM", "SIGINT"]`. */
  readonly signals?: readonly NodeJS.Signals[] | undefined;
}

/**
 * Closes the session in order at the first of the signals, and then lets the signal end the process as it would have without us, so that
 * the parent sees what ended it. A second signal ends it at once. The listeners go with the session.
 */
export function closeOnSignals(session: Pick<Session, "close" | "once">, options: SignalOptions): void {
  checkOptions(options, ["grace", "signals"], "options.signals");
  const { grace = 5000, signals = ["SIGTERM", "SIGINT"] } = options;
  checkNumber(grace, "options.signals.grace", 0, 3_600_000);
  if (!Array.isArray(signals) || signals.length === 0) {
    throw new InvalidArgumentError("options.signals.signals", "an array of names of signals", signals);
  }
  const stop = () => {
    for (const signal of signals) process.removeListener(signal, onSignal);
  };
  const onSignal = (signal: NodeJS.Signals) => {
    stop();
    void session.close({ grace }).finally(() => process.kill(process.pid, signal));
  };
  for (const signal of signals) process.on(signal, onSignal);
  session.once("close", stop);
}
