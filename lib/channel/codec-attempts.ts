import { SchemaMismatchError } from "../errors.js";
import type { CodecIdentities, LaneRequest } from "../transport/handshake/greetings.js";
import { type CodecPair, type ConnectSettings, identities } from "./settings.js";

/** The codecs with which a connector tries it. */
export interface Attempt {
  /** For lanes that are not named. */
  readonly main: CodecPair;
  /** Whether it is not the last. */
  readonly more: boolean;
  /** The lanes that the option names. Undefined codec: as `main`. */
  readonly lanes:
    | readonly {
        readonly name: string;
        readonly capacity: number | undefined;
        readonly codec: CodecPair | undefined;
      }[]
    | undefined;
}

/** Returns the attempts of a connector, the best first. A hello names one codec for each lane, so several codecs need several hellos. */
export function attempts({ codecs, lanes }: ConnectSettings): Attempt[] {
  const count = Math.max(codecs.length, ...(lanes ?? []).map((lane) => lane.codecs?.length ?? 1));
  const nth = (choices: readonly CodecPair[], n: number) => choices[Math.min(n, choices.length - 1)]!;
  return Array.from({ length: count }, (_, n) => ({
    main: nth(codecs, n),
    more: n < count - 1,
    lanes: lanes?.map(({ name, capacity, codecs: own }) => ({
      name,
      capacity,
      codec: own === undefined ? undefined : nth(own, n),
    })),
  }));
}

/** Returns the codecs in the form of the handshake. */
export function offered({ main, lanes, more }: Attempt): {
  readonly more: boolean;
  readonly codec: CodecIdentities;
  readonly lanes: readonly LaneRequest[] | undefined;
} {
  return {
    more,
    codec: identities(main),
    lanes: lanes?.map((lane) => ({
      ...lane,
      codec: lane.codec === undefined ? undefined : identities(lane.codec),
    })),
  };
}

/** Tries one after the other until the listener has the codecs. Rejects with the first failure that is another, or with that of the last. */
export async function firstThatFits<T>(
  all: readonly Attempt[],
  attempt: (codecs: Attempt) => Promise<T>,
): Promise<T> {
  for (const codecs of all.slice(0, -1)) {
    try {
      return await attempt(codecs);
    } catch (error) {
      if (!(error instanceof SchemaMismatchError)) throw error;
    }
  }
  return attempt(all.at(-1)!);
}
