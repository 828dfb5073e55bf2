/** What `ringbell doctor --json` prints. Sizes are bytes; what is not known, or not to be had, is null. */
export interface DoctorReport {
  /** Whether messages can flow with the options' defaults. */
  readonly ok: boolean;
  /** What carries them, and why; null if they can't flow. */
  readonly transport: "shm" | "stream" | null;
  readonly reason: string;
  readonly version: string;
  readonly addon: AddonFacts;
  readonly node: { readonly version: string; readonly napi: string; readonly path: string };
  readonly platform: PlatformFacts;
  readonly sharedMemory: SharedMemoryFacts;
  readonly limits: LimitFacts;
  readonly directory: DirectoryFacts;
  readonly container: ContainerFacts;
  /** What is set of the variables that begin with RINGBELL_. */
  readonly environment: Readonly<Record<string, string>>;
  readonly tests: readonly TestResult[];
  /** Errors first. */
  readonly problems: readonly Problem[];
}

export interface Failure {
  readonly code: string | null;
  readonly message: string;
}

export interface AddonFacts {
  readonly loaded: boolean;
  readonly path: string | null;
  readonly abiVersion: number | null;
  readonly error: Failure | null;
}

export interface PlatformFacts {
  readonly os: string;
  readonly arch: string;
  readonly libc: "glibc" | "musl" | null;
  readonly kernel: string;
  /** Cores that this process may run on. */
  readonly cores: number;
  /** Cores' worth of time that its control group grants. */
  readonly cpuQuota: number | null;
}

export interface SharedMemoryFacts {
  /** Where named memory lies; null where the platform does not show it. */
  readonly path: string | null;
  readonly size: number | null;
  readonly free: number | null;
  /** Whether memory can be made, by backing; null without the addon. */
  readonly sealed: Availability | null;
  readonly named: Availability | null;
}

export interface Availability {
  readonly available: boolean;
  readonly error: Failure | null;
}

export interface LimitFacts {
  readonly openFiles: { readonly soft: number | null; readonly hard: number | null };
  readonly memory: {
    readonly total: number;
    readonly free: number;
    /** Of the control group. Shared memory counts towards it. */
    readonly limit: number | null;
    readonly used: number | null;
  };
}

export interface DirectoryFacts {
  readonly path: string | null;
  /** What decided it: `RINGBELL_DIRECTORY`, `XDG_RUNTIME_DIR` or `tmpdir`. */
  readonly source: string | null;
  readonly exists: boolean;
  readonly uid: number | null;
  /** Permission bits in octal, such as `0700`. */
  readonly mode: string | null;
  readonly writable: boolean;
  /** The longest name (bytes) for which the path of the socket still fits, 64 at most, in the default namespace. */
  readonly longestName: number | null;
  readonly error: Failure | null;
}

export interface ContainerFacts {
  /** The number of the pid namespace; null where there are none. */
  readonly pidNamespace: string | null;
  /** Signs that this is a container or a guest, such as `docker`. */
  readonly signs: readonly string[];
}

export interface TestResult {
  readonly name: "default" | "shm sealed" | "shm named" | "stream";
  readonly state: "passed" | "failed" | "skipped";
  readonly transport: "shm" | "stream" | null;
  readonly rounds: number;
  /** Microseconds of a round trip. */
  readonly p50: number | null;
  readonly p99: number | null;
  /** Why it failed or was skipped. */
  readonly error: Failure | null;
}

export interface Problem {
  /** error: messages can't flow; warning: something does not work, or not as well; note: worth knowing. */
  readonly severity: "error" | "warning" | "note";
  readonly message: string;
  /** What helps. */
  readonly help: string;
}

export function failureOf(error: unknown): Failure {
  const { code, message } = error as NodeJS.ErrnoException;
  return { code: typeof code === "string" ? code : null, message: String(message ?? error) };
}
