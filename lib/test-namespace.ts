import { lstatSync, mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { atExit } from "./transport/places/at-exit.js";
import { sweep } from "./transport/places/sweep.js";
import { isOurUid } from "./transport/places/user.js";

/** A namespace of a test's own, made by `testNamespace`. */
export interface TestNamespace extends AsyncDisposable {
  /** Options for `listen`, `connect`, `serve`, `open`, `endpoints` and so on: `listen("files", { ...test.place })`. */
  readonly place: { readonly namespace: string; readonly directory: string };
  /** The same as variables, for the environment of other processes. */
  readonly env: { readonly RINGBELL_NAMESPACE: string; readonly RINGBELL_DIRECTORY: string };
  /** Removes the namespace, and all that is in it. Idempotent. */
  close(): Promise<void>;
}

const PREFIX = "ringbell-space-";

/**
 * Makes a namespace that is empty, and that no other program looks into: a directory of its own. Nothing of it is left after `close`, nor
 * when the process has ended. What a killed process leaves, the next `testNamespace` of the same user removes.
 */
export function testNamespace(): TestNamespace {
  // Paths of sockets have little room, so it lies in the temporary directory itself.
  const parent = realpathSync(tmpdir());
  removeDead(parent);
  const directory = mkdtempSync(join(parent, `${PREFIX}${process.pid}-`));
  const namespace = "test";
  const remove = () => rmSync(directory, { recursive: true, force: true });
  const forget = atExit(remove);
  const place = { namespace, directory };
  let closing: Promise<void> | undefined;
  const close = async () => {
    // Of killed processes there may be memory that has a name, too.
    await sweep(place).catch(() => {});
    forget();
    remove();
  };
  const test: TestNamespace = {
    place,
    env: { RINGBELL_NAMESPACE: namespace, RINGBELL_DIRECTORY: directory },
    close: () => {
      closing ??= close();
      return closing;
    },
    [Symbol.asyncDispose]: () => test.close(),
  };
  return test;
}

/** Removes the namespaces of processes that were killed. */
function removeDead(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const path = join(parent, name);
    try {
      const stat = lstatSync(path);
      if (stat.isDirectory() && isOurUid(stat.uid)) rmSync(path, { recursive: true, force: true });
    } catch {
      // Another process removes it, too.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
