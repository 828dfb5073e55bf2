import { setTimeout as sleep } from "node:timers/promises";
import { type ConnectMcpOptions, connectMcp, type ServeMcpOptions, serveMcp } from "ringbell/mcp";
import { ending, privateDirectory } from "../rpc/setup.js";
import type { AnyClient, Sdk } from "./sdks.js";

export { ending, privateDirectory };

/** Waits for what happens in another turn of the event loop. */
export async function until(holds: () => boolean) {
  while (!holds()) await sleep(1);
}

/** A server of an SDK under a name of its own, and a function that makes clients of it. */
export async function serving(sdk: Sdk, options: ServeMcpOptions = {}) {
  const directory = privateDirectory();
  const service = ending(await serveMcp("tools", sdk.factory, { ...options, directory }));
  const connected = (more: ConnectMcpOptions = {}) => connecting(sdk, directory, more);
  return { service, directory, connected };
}

/** A client of an SDK, connected. */
export async function connecting(sdk: Sdk, directory: string, options: ConnectMcpOptions = {}) {
  const client = ending(sdk.client());
  await client.connect(await connectMcp("tools", { ...options, directory }));
  const call = (name: string, args?: object, more?: Parameters<Sdk["call"]>[3]) =>
    sdk.call(client, name, args, more);
  return { client, call };
}

/** Counts how often a client hears of its end, and keeps what it hears of errors. */
export function listening(client: AnyClient) {
  const heard = { closes: 0, errors: [] as Error[] };
  client.onclose = () => heard.closes++;
  client.onerror = (error) => heard.errors.push(error);
  return heard;
}
