/** The report that `ringbell doctor --json` prints. Sizes are in bytes. A fact that is unknown or does not exist is null. */
export interface DoctorReport {
  /** Whether messages can flow with the options' defaults. */
  readonly ok: boolean;
  /** The transport that carries messages; null if they can't flow. `reason` says why. */
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
  /** The variables of the environment that begin with RINGBELL_. */
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
  /** The number of cores that this process may run on. */
  readonly cores: number;
  /** The time that the control group grants, in cores. */
  readonly cpuQuota: number | null;
}

export interface SharedMemoryFacts {
  /** The directory of named memory; null if the platform does not show it. */
  readonly path: string | null;
  readonly size: number | null;
  readonly free: number | null;
  /** Whether memory of each backing can be made; null without the addon. */
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
    /** The limit of the control group. Shared memory counts towards it. */
    readonly limit: number | null;
    readonly used: number | null;
  };
}

export interface DirectoryFacts {
  readonly path: string | null;
  /** The source of the path: `RINGBELL_DIRECTORY`, `XDG_RUNTIME_DIR` or `tmpdir`. */
  readonly source: string | null;
  readonly exists: boolean;
  readonly uid: number | null;
  /** Permission bits in octal, such as `0700`. */
  readonly mode: string | null;
  readonly writable: boolean;
  /** The longest name (bytes, at most 64) whose socket path still fits, in the present namespace. */
  readonly longestName: number | null;
  /** Endpoints of the present namespace whose files were taken away while their processes listen. */
  readonly lost: readonly LostEndpoint[];
  readonly error: Failure | null;
}

export interface LostEndpoint {
  /** The path of its socket. */
  readonly path: string;
  readonly pid: number | null;
  /** The paths of its files that were taken away. */
  readonly missing: readonly string[];
}

export interface ContainerFacts {
  /** The number of the pid namespace; null on a platform without them. */
  readonly pidNamespace: string | null;
  /** Signs that this is a container or a guest, such as `docker`. */
  readonly signs: readonly string[];
}

export interface TestResult {
  readonly name: "default" | "shm sealed" | "shm named" | "stream";
  readonly state: "passed" | "failed" | "skipped";
  readonly transport: "shm" | "stream" | null;
  readonly rounds: number;
  /** The time of a round trip, in microseconds. */
  readonly p50: number | null;
  readonly p99: number | null;
  /** Why the test failed or was skipped. */
  readonly error: Failure | null;
}

export interface Problem {
  /** `error`: messages can't flow. `warning`: something does not work, or not well. `note`: worth knowing. */
  readonly severity: "error" | "warning" | "note";
  readonly message: string;
  /** A step that mends the problem. */
  readonly help: string;
}

export function failureOf(error: unknown): Failure {
  const { code, message } = error as NodeJS.ErrnoException;
  return { code: typeof code === "string" ? code : null, message: String(message ?? error) };
}
