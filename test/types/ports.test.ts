import { describe, expectTypeOf, it } from "vitest";
import {
  bytes,
  type Channel,
  type CloseReason,
  json,
  type Lane,
  memoryPair,
  type NoLanes,
  type Port,
  type Receiver,
  type Sender,
  text,
} from "../../lib/index.js";

/** What stands in functions here is compiled, by `npm run typecheck`, and never runs. */
interface Animal {
  readonly name: string;
}
interface Dog extends Animal {
  readonly bark: number;
}

describe("a Port", () => {
  it("is every lane and every channel of its messages", () => {
    expectTypeOf<Lane<Dog, number>>().toExtend<Port<Dog, number>>();
    expectTypeOf<Channel<Dog, number>>().toExtend<Port<Dog, number>>();
    const generic = <S, R>(lane: Lane<S, R>): Port<S, R> => lane;
    expectTypeOf(generic).toBeFunction();
  });

  it("is a Sender and a Receiver, and varies as they do", () => {
    expectTypeOf<Port<Dog, number>>().toExtend<Sender<Dog>>();
    expectTypeOf<Port<Dog, number>>().toExtend<Receiver<number>>();
    expectTypeOf<Port<Animal, Dog>>().toExtend<Port<Dog, Animal>>();
    expectTypeOf<Port<Dog, Dog>>().not.toExtend<Port<Animal, Dog>>();
    expectTypeOf<Port<Dog, Animal>>().not.toExtend<Port<Dog, Dog>>();
  });

  it("has the events of a channel", () => {
    const use = (port: Port<Dog, number>) => {
      port.on("message", (message) => expectTypeOf(message).toEqualTypeOf<number>());
      port.on("close", (reason, error) => {
        expectTypeOf(reason).toEqualTypeOf<CloseReason>();
        expectTypeOf(error).toEqualTypeOf<Error | undefined>();
      });
      // @ts-expect-error: no such event.
      port.on("data", () => {});
    };
    expectTypeOf(use).toBeFunction();
  });
});

describe("memoryPair()", () => {
  it("has at one end the types of its codec, and at the other the same the other way round", () => {
    const single = () => memoryPair({ codec: json<Dog>() });
    type Cut = () => void;
    expectTypeOf(single).returns.toEqualTypeOf<
      [one: Channel<Dog, Dog, NoLanes>, other: Channel<Dog, Dog, NoLanes>, cut: Cut]
    >();
    const both = () =>
      memoryPair({
        codec: { send: json<Dog>(), receive: text() },
        lanes: { video: { codec: bytes() }, log: {} },
      });
    type Lanes<S, R> = { readonly video: Lane<Uint8Array>; readonly log: Lane<S, R> };
    expectTypeOf(both).returns.toEqualTypeOf<
      [
        one: Channel<Dog, string, Lanes<Dog, string>>,
        other: Channel<string, Dog, Lanes<string, Dog>>,
        cut: Cut,
      ]
    >();
    const written = () => memoryPair<Dog, string>();
    expectTypeOf(written).returns.toEqualTypeOf<
      [one: Channel<Dog, string>, other: Channel<string, Dog>, cut: Cut]
    >();
  });

  it("does not take options that it does not have", () => {
    // @ts-expect-error: no such option.
    const wrong = () => memoryPair({ codec: text(), transport: "shm" });
    // @ts-expect-error: no such option, without a codec either.
    const worse = () => memoryPair({ capasity: 4096 });
    expectTypeOf(wrong).toBeFunction();
    expectTypeOf(worse).toBeFunction();
  });
});
