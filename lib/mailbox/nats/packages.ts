import { MissingPackageError } from "../../missing-package.js";

/** The client of NATS, in three packages. All are optional: a program without them can still have mailboxes on one machine. */
export interface Packages {
  readonly transport: typeof import("@nats-io/transport-node");
  readonly jetstream: typeof import("@nats-io/jetstream");
  readonly kv: typeof import("@nats-io/kv");
}

/** Rejects with a MissingPackageError that names the first package that is not there. */
export async function loadPackages(): Promise<Packages> {
  return {
    transport: await load("@nats-io/transport-node", () => import("@nats-io/transport-node")),
    jetstream: await load("@nats-io/jetstream", () => import("@nats-io/jetstream")),
    kv: await load("@nats-io/kv", () => import("@nats-io/kv")),
  };
}

const ALL = ["@nats-io/transport-node", "@nats-io/jetstream", "@nats-io/kv"];

async function load<T>(name: string, from: () => Promise<T>): Promise<T> {
  try {
    return await from();
  } catch (cause) {
    throw new MissingPackageError(name, `mailboxes over NATS need three packages, and ${name} is missing`, {
      all: ALL,
      cause,
    });
  }
}
