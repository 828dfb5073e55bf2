import { cpSync, mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import * as ours from "ringbell";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

type Ringbell = typeof ours;
type ErrorClass = new (...args: unknown[]) => Error;

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The package once more, as a program has it that depends on a library with a ringbell of its own. */
async function loadCopy(): Promise<Ringbell> {
  const copy = mkdtempSync(join(tmpdir(), "copy-"));
  for (const part of ["dist", "package.json"])
    cpSync(join(root, part), join(copy, part), { recursive: true });
  for (const part of ["build", "node_modules"]) symlinkSync(join(root, part), join(copy, part));
  return (await import(pathToFileURL(join(copy, "dist/index.js")).href)) as Ringbell;
}

let theirs: Ringbell;

beforeAll(async () => {
  theirs = await loadCopy();
});

function errorClasses(copy: Ringbell): ErrorClass[] {
  const values = Object.values(copy) as unknown[];
  return values
    .filter((value): value is ErrorClass => typeof value === "function" && value.prototype instanceof Error)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** An error of any of the classes: whatever their constructors join, measure or put into words. */
const make = (type: ErrorClass): Error => new type(["a"], ["b"], ["c"]);

/** The names of a class and of those that it extends. */
function family(type: ErrorClass): string[] {
  const above = Object.getPrototypeOf(type) as ErrorClass;
  return type === (Error as ErrorClass) ? [] : [type.name, ...family(above)];
}

describe("an error of another copy of the package", () => {
  it("is an instance of its class and of the base class, and of no other", () => {
    const [here, there] = [errorClasses(ours), errorClasses(theirs)];
    expect(here.length).toBeGreaterThan(30);
    expect(there.map((type) => type.name)).toEqual(here.map((type) => type.name));
    expect(here.filter((type) => there.includes(type))).toEqual([]);
    for (const [from, to] of [
      [here, there],
      [there, here],
    ] as const) {
      for (const type of from) {
        const error = make(type);
        const known = to.filter((other) => error instanceof other).map((other) => other.name);
        expect(known.sort(), type.name).toEqual(family(type).sort());
      }
    }
  });

  it("is an instance of the base classes of a subclass that a program has made of it", () => {
    class Mine extends theirs.PeerDiedError {}
    class Nearer extends Mine {}
    for (const error of [new Mine("x"), new Nearer("x")]) {
      expect(error).toBeInstanceOf(ours.PeerDiedError);
      expect(error).toBeInstanceOf(ours.RingbellError);
      expect(error).not.toBeInstanceOf(ours.ClosedError);
    }
  });

  it("is no instance of a subclass that this program has made", () => {
    class Mine extends ours.PeerDiedError {}
    expect(new Mine("x")).toBeInstanceOf(Mine);
    expect(new theirs.PeerDiedError("x")).not.toBeInstanceOf(Mine);
    expect(new ours.PeerDiedError("x")).not.toBeInstanceOf(Mine);
  });

  it("is not imitated by what only has its code and name", () => {
    const { code, name, message } = new ours.PeerDiedError("x");
    const likes: unknown[] = [
      { code, name, message },
      Object.assign(new Error(message), { code, name }),
      structuredClone(new ours.PeerDiedError("x")),
      code,
      ours.PeerDiedError,
      ours.PeerDiedError.name,
      null,
      undefined,
    ];
    for (const like of likes) {
      expect(like instanceof ours.PeerDiedError).toBe(false);
      expect(like instanceof ours.RingbellError).toBe(false);
    }
  });

  it("keeps the type of what an `instanceof` has found", () => {
    const error: unknown = new theirs.BlockTooLargeError(10, 20);
    if (!(error instanceof ours.BlockTooLargeError)) throw error;
    const limit: number = error.limit;
    expect(limit).toBe(10);
  });
});

describe("a block of another copy of the package", () => {
  const codecs: Record<string, (copy: Ringbell) => ours.Codec<unknown>> = {
    json: ({ json }) => json(),
    clone: ({ clone }) => clone(),
    struct: ({ struct, block, optional }) =>
      struct({ block: optional(block), sent: optional(block) }) as ours.Codec<unknown>,
    "a codec of the user's": ({ json }) => ({
      ...json(),
      name: "own",
      encode(message, _scratch, _offset, blocks) {
        blocks.push((message as { block: ours.Block }).block);
        return 0;
      },
    }),
  };
  const closing: (() => Promise<void>)[] = [];

  afterAll(async () => {
    for (const close of closing.reverse()) await close();
  });

  /** A channel of this process to itself. */
  async function channelOf(copy: Ringbell, codec: ours.Codec<unknown>): Promise<ours.Channel<unknown>> {
    const directory = mkdtempSync(join(tmpdir(), "two-"));
    const server = await copy.listen("n", { directory, codec });
    const channel = await copy.connect("n", { directory, codec });
    closing.push(
      () => server.close(),
      () => channel.close(),
    );
    return channel;
  }

  it("is no instance of this copy's class, whose instances this copy can read and send", async () => {
    const channel = await channelOf(theirs, theirs.json());
    using block = await channel.allocate(10);
    expect(block).toBeInstanceOf(theirs.Block);
    expect(block).not.toBeInstanceOf(ours.Block);
  });

  it.each(Object.keys(codecs))("is refused by %s, and stays as it is", async (name) => {
    const channel = await channelOf(ours, codecs[name]!(ours));
    const foreign = await channelOf(theirs, theirs.json());
    using block = await foreign.allocate(10);
    using own = await channel.allocate(10);
    const refusal = {
      // The codec of the user's puts it on the list, and the channel refuses that.
      name: name.startsWith("a codec") ? "BlockError" : "EncodeError",
      message: expect.stringContaining("another copy of ringbell"),
    };
    expect(() => channel.trySend({ block })).toThrow(expect.objectContaining(refusal));
    await expect(channel.send({ block, sent: own })).rejects.toMatchObject(refusal);
    expect([block.gone, own.gone]).toEqual([false, false]);
  });

  it("is named by codecs that carry no blocks, and by the path where it stands", async () => {
    const foreign = await channelOf(theirs, theirs.json());
    using block = await foreign.allocate(10);
    const text = await channelOf(ours, ours.text() as ours.Codec<unknown>);
    expect(() => text.trySend(block)).toThrow("must be a string; it is a block of another copy of ringbell");
    const json = await channelOf(ours, ours.json());
    expect(() => json.trySend({ list: [1, { block }] })).toThrow(/^list\[1\]\.block: /);
  });
});
