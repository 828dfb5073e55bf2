import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";
import type { ListenOptions } from "../../channel/options.js";

/** Where a broker is found, and where it stores. */
export interface Place {
  readonly name: string;
  /** What `listen` and `connect` take. */
  readonly options: Pick<ListenOptions<unknown, unknown>, "namespace" | "directory" | "addon" | "transport">;
  /** The file of the store; undefined for a store in memory. */
  readonly path: string | undefined;
}

const NAMESPACE = "default";

/** The namespace of programs that name none. */
export function defaultNamespace(): string {
  return process.env.RINGBELL_NAMESPACE || NAMESPACE;
}

/**
 * The file of a store, unless the program names one: `<name>.mail` in the directory of the namespace if a directory is given, else in
 * `$XDG_STATE_HOME/ringbell/<namespace>`. That survives a restart of the machine, as the place of sockets does not.
 */
export function storePath(
  name: string,
  namespace = defaultNamespace(),
  directory = process.env.RINGBELL_DIRECTORY,
): string {
  const file = `${isAbsolute(name) ? name.slice(name.lastIndexOf("/") + 1) : name}.mail`;
  if (directory !== undefined && directory !== "") return join(resolve(directory), namespace, file);
  const state = process.env.XDG_STATE_HOME || join(homedir(), ".local", "state");
  return join(state, "ringbell", namespace, file);
}
