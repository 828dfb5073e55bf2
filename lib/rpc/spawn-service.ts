import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { checkOptions } from "../check.js";
import { CHILD_OPTIONS, Child, type ChildExit, type ChildOptions } from "../child.js";
import { InvalidArgumentError } from "../errors.js";
import type { CloseOptions } from "../port.js";
import type { Client } from "./client.js";
import type { Contract } from "./contract.js";
import { handing } from "./handed.js";
import { OPEN_OPTIONS, type OpenOptions, open } from "./open.js";

/** The options of `spawnService`: those of `open`, and how the process is started and ended. */
export interface SpawnServiceOptions<Serves extends Contract = Contract>
  extends Omit<OpenOptions<Serves>, "name" | "port" | "reconnect" | "retry">,
    ChildOptions {}

/** Options of `open` that are decided here. */
const DECIDED = ["name", "port", "reconnect", "retry"];
const OPTIONS = [...CHILD_OPTIONS, ...OPEN_OPTIONS.filter((option) => !DECIDED.includes(option))];

/** A service in a process of its own, made by `spawnService`. */
export interface SpawnedService<C extends Contract> extends AsyncDisposable {
  readonly client: Client<C>;
  /** The name that the service listens under, an instance of the contract's; others may `open` it, too. */
  readonly name: string;
  readonly process: ChildProcess;
  /** Resolves when the process has ended and was reaped. Never rejects. */
  readonly exited: Promise<ChildExit>;
  /**
   * Closes the client, upon which the service closes, and waits until its process has ended. A process that does not end within the option
   * `endTimeout` is killed. Idempotent.
   */
  close(options?: CloseOptions): Promise<void>;
}

/**
 * Starts a process that serves a contract, and resolves with its client: `spawnService(tools, process.execPath, ["tools.mjs"])`. The process
 * calls `serve(tools, handlers)` without a name, and listens where this process says (RINGBELL_SERVE). Each such process is an instance of
 * its own. The service closes when this process has gone.
 *
 * Rejects with a ChildEndedError (ERR_RINGBELL_CHILD_ENDED) as soon as the process ends before it serves; with a NotFoundError if it does not
 * serve in time (`startTimeout`), and is killed then; and with what `open` rejects with.
 */
export async function spawnService<const C extends Contract, const Serves extends Contract = Contract>(
  contract: C,
  command: string,
  args: readonly string[] = [],
  options: SpawnServiceOptions<Serves> = {},
): Promise<SpawnedService<C>> {
  if (typeof command !== "string" || command === "")
    throw new InvalidArgumentError("command", "a command or the path of a program", command);
  checkOptions(options, OPTIONS, "options");
  const { cwd, env, stdio, startTimeout, endTimeout, signal, ...opening } = options;
  const how = { cwd, env, stdio, startTimeout, endTimeout };
  const name = `${contract.name}.${randomBytes(6).toString("hex")}`;
  // The child may get another environment than ours.
  const { namespace = process.env.RINGBELL_NAMESPACE, directory = process.env.RINGBELL_DIRECTORY } = options;
  const address = { name, namespace, directory };
  const child = new Child(
    command,
    args,
    how,
    handing({ contract: contract.name, pid: process.pid, address }),
  );
  const client = await child.connected((early) => {
    const retry = { attempts: 1_000_000, minDelay: 2, maxDelay: 20, maxTotal: child.startTimeout };
    return open(contract, { ...opening, name, retry, signal: early });
  }, signal);
  const close = async (how?: CloseOptions) => {
    await client.close(how);
    await child.end();
  };
  return {
    client,
    name,
    process: child.process,
    exited: child.exited,
    close,
    [Symbol.asyncDispose]: () => close(),
  };
}
