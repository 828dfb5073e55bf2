import { InvalidArgumentError } from "../errors.js";
import type { Contract } from "./contract.js";
import type { Service } from "./service.js";

/*
 * What a process that starts a service hands to it: where it is to listen. It stands in a variable of the environment, as JSON.
 */

const VARIABLE = "RINGBELL_SERVE";

export interface Handed {
  /** The contract that is meant; a process may serve several. */
  readonly contract: string;
  /** The process that has started the service. */
  readonly pid: number;
  /** Options of `listen`. What is not there is as the environment says. */
  readonly address: {
    readonly name: string;
    readonly namespace?: string | undefined;
    readonly directory?: string | undefined;
  };
}

/** Returns the environment that hands an address to a child. */
export function handing(handed: Handed): Record<string, string> {
  return { [VARIABLE]: JSON.stringify(handed) };
}

/** Returns what was handed to this process for a contract, once. Its own children, which would inherit the variable, are not meant. */
export function takeHanded(contract: string): Handed | undefined {
  const text = process.env[VARIABLE];
  if (text === undefined || text === "") return undefined;
  const handed = read(text);
  if (handed.contract !== contract) return undefined;
  delete process.env[VARIABLE];
  return handed;
}

/** Closes a service when the process that has started it has gone. */
export function closeWith(pid: number, service: Service<Contract>): void {
  service.on("leave", ({ peer }) => {
    if (peer?.pid !== pid) return;
    for (const client of service.clients) if (client.peer?.pid === pid) return;
    void service.close();
  });
}

function read(text: string): Handed {
  let value: Partial<Handed> | null = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Said below.
  }
  const { contract, pid, address } = value ?? {};
  if (typeof contract === "string" && typeof pid === "number" && typeof address?.name === "string") {
    const { name, namespace, directory } = address;
    return { contract, pid, address: { name, namespace, directory } };
  }
  throw new InvalidArgumentError(VARIABLE, "what spawnService has put there", text);
}
