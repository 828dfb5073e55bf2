import { existsSync, readFileSync, readlinkSync, statfsSync } from "node:fs";
import { arch, availableParallelism, freemem, platform, release, totalmem } from "node:os";
import { controlGroup } from "../../control-group.js";
import type { Binding } from "../../native/binding.js";
import { addonPath, loadBinding } from "../../native/load.js";
import { libc } from "../../native/search.js";
import { regionName } from "../../transport/places/region-names.js";
import {
  type AddonFacts,
  type Availability,
  type ContainerFacts,
  failureOf,
  type LimitFacts,
  type PlatformFacts,
  type SharedMemoryFacts,
} from "./report.js";

/** Facts about the machine and this process. No function here throws. */

const SHM_DIRECTORY = "/dev/shm";
/** The number that the kernel gives the first pid namespace, that of the machine itself. */
const FIRST_PID_NAMESPACE = "4026531836";

export function addonFacts(): AddonFacts {
  try {
    const { abiVersion } = loadBinding();
    return { loaded: true, path: addonPath() ?? null, abiVersion, error: null };
  } catch (error) {
    return { loaded: false, path: null, abiVersion: null, error: failureOf(error) };
  }
}

export function platformFacts(): PlatformFacts {
  return {
    os: platform(),
    arch: arch(),
    libc: libc() ?? null,
    kernel: release(),
    cores: availableParallelism(),
    cpuQuota: controlGroup().cpuQuota ?? null,
  };
}

export function sharedMemoryFacts(): SharedMemoryFacts {
  const binding = bindingOrNone();
  const linux = platform() === "linux";
  const space = linux ? spaceOf(SHM_DIRECTORY) : undefined;
  return {
    path: linux ? SHM_DIRECTORY : null,
    size: space?.size ?? null,
    free: space?.free ?? null,
    sealed: binding === undefined || !linux ? null : tryRegion(binding, ""),
    named: binding === undefined ? null : tryRegion(binding, regionName()),
  };
}

/** Makes a small region and removes it. */
function tryRegion(binding: Binding, name: string): Availability {
  try {
    const region = binding.regionCreate([4096], name);
    region.closeDescriptor();
    region.close();
    if (name !== "") binding.regionUnlink(name);
    return { available: true, error: null };
  } catch (error) {
    return { available: false, error: failureOf(error) };
  }
}

function spaceOf(path: string): { size: number; free: number } | undefined {
  try {
    const { bsize, blocks, bavail } = statfsSync(path);
    return { size: bsize * blocks, free: bsize * bavail };
  } catch {
    return undefined;
  }
}

export function limitFacts(): LimitFacts {
  const { memoryLimit, memoryUsed } = controlGroup();
  return {
    openFiles: openFiles(),
    memory: {
      total: totalmem(),
      free: freemem(),
      limit: memoryLimit ?? null,
      used: memoryUsed ?? null,
    },
  };
}

/** Returns the limit in force. Node raises the soft limit to the hard one when it starts. */
function openFiles(): LimitFacts["openFiles"] {
  const number = (text: unknown): number | null =>
    text === "unlimited" || !Number.isFinite(Number(text)) ? null : Number(text);
  try {
    if (platform() === "linux") {
      const line = /^Max open files\s+(\S+)\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "latin1"));
      return { soft: number(line?.[1]), hard: number(line?.[2]) };
    }
    const { userLimits } = process.report.getReport() as {
      userLimits?: { open_files?: { soft: unknown; hard: unknown } };
    };
    return { soft: number(userLimits?.open_files?.soft), hard: number(userLimits?.open_files?.hard) };
  } catch {
    return { soft: null, hard: null };
  }
}

export function containerFacts(
  env: Readonly<Record<string, string | undefined>> = process.env,
): ContainerFacts {
  const pidNamespace = pidNamespaceNumber();
  const signs: string[] = [];
  if (existsSync("/.dockerenv")) signs.push("docker");
  if (existsSync("/run/.containerenv")) signs.push("podman");
  if (env.KUBERNETES_SERVICE_HOST) signs.push("kubernetes");
  if (/microsoft/i.test(release())) signs.push("WSL");
  if (pidNamespace !== null && pidNamespace !== FIRST_PID_NAMESPACE) signs.push("pid namespace of its own");
  return { pidNamespace, signs };
}

function pidNamespaceNumber(): string | null {
  try {
    return /\[(\d+)\]/.exec(readlinkSync("/proc/self/ns/pid"))?.[1] ?? null;
  } catch {
    return null;
  }
}

function bindingOrNone(): Binding | undefined {
  try {
    return loadBinding();
  } catch {
    return undefined;
  }
}
