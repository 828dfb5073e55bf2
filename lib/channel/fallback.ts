import type { Binding } from "../native/binding.js";
import { addonFailure, isUnwanted, tryBinding } from "../native/load.js";
import { fallbackChannel } from "../trace.js";
import { ourMeans } from "../transport/handshake/means.js";
import type { CommonSettings } from "./settings.js";

/**
 * Why a channel goes over the socket though shared memory was welcome. `"addon"`: this process has no addon. `"peer"`: the other side
 * has none, or wants none, or does not see the same memory.
 */
export type Fallback = "addon" | "peer";

type Settings = Pick<CommonSettings, "addon" | "handshake">;

/**
 * Loads the addon, and checks that the options can be met with it: throws a TransportError if not. If it does not load, and the
 * options leave the choice, says so.
 */
export function addonFor(
  { addon, handshake: { transport, backing } }: Settings,
  side: "listener" | "connector",
  path: string,
): Binding | undefined {
  const binding = tryBinding(addon);
  ourMeans(binding, transport, backing);
  // RINGBELL_NO_ADDON is a wish, and needs no answer.
  if (binding === undefined && transport === "auto" && !isUnwanted()) tell(side, path);
  return binding;
}

/** Returns why a channel with this transport is not the one that it could be; undefined if it is, or if the options wanted the stream. */
export function fallbackOf(
  binding: Binding | undefined,
  { handshake: { transport: choice } }: Pick<Settings, "handshake">,
  transport: "shm" | "stream",
): Fallback | undefined {
  if (choice !== "auto" || transport === "shm") return undefined;
  return binding === undefined ? "addon" : "peer";
}

/** Worker threads inherit this of the thread that starts them, and other copies of the package see it as well. */
const TOLD = "ringbell:fallback-told";

function tell(side: "listener" | "connector", path: string): void {
  const error = addonFailure();
  fallbackChannel.publish({ side, path, error });
  const threads = process.getBuiltinModule("node:worker_threads");
  if (threads.getEnvironmentData(TOLD) === true) return;
  threads.setEnvironmentData(TOLD, true);
  process.emitWarning(
    `messages go over the socket, which is slower than shared memory: ${error?.message ?? "the addon is missing"}\n` +
      '(`npx ringbell doctor` says more. This warning comes once; transport: "stream" or RINGBELL_NO_ADDON=1 says that it is meant so.)',
    { type: "RingbellWarning", code: "RINGBELL_STREAM_FALLBACK" },
  );
}

/** Keeps this process from warning: the command shows the same in its own words. */
export function keepFallbackQuiet(): void {
  process.getBuiltinModule("node:worker_threads").setEnvironmentData(TOLD, true);
}
