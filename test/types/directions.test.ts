import { describe, expectTypeOf, it } from "vitest";
import type { Channel, Lane, Receiver, Sender } from "../../lib/index.js";

/** What stands in functions here is compiled, by `npm run typecheck`, and never runs. */
interface Animal {
  readonly name: string;
}
interface Dog extends Animal {
  readonly bark: number;
}

describe("a Sender", () => {
  it("is every lane and channel that sends those messages, whatever it receives", () => {
    expectTypeOf<Channel<Dog, number>>().toExtend<Sender<Dog>>();
    expectTypeOf<Lane<Dog, number>>().toExtend<Sender<Dog>>();
    expectTypeOf<Channel<Dog>>().toExtend<Sender<never>>();
    const generic = <T>(channel: Channel<T, number>): Sender<T> => channel;
    expectTypeOf(generic).toBeFunction();
  });

  it("of more is one of less, and not the other way round", () => {
    expectTypeOf<Sender<Animal>>().toExtend<Sender<Dog>>();
    expectTypeOf<Sender<Dog>>().not.toExtend<Sender<Animal>>();
    expectTypeOf<Lane<Animal>>().toExtend<Sender<Dog>>();
    expectTypeOf<Lane<Dog>>().not.toExtend<Sender<Animal>>();
  });

  it("tells a helper what it sends", () => {
    const post = <T>(to: Sender<T>, message: T) => to.trySend(message) || to.send(message);
    const use = (channel: Channel<Dog, number>) => {
      post(channel, { name: "Rex", bark: 3 });
      // @ts-expect-error: no Dog.
      post(channel, { name: "Rex" });
      // @ts-expect-error: it receives nothing.
      (channel as Sender<Dog>).receive();
    };
    expectTypeOf(use).toBeFunction();
  });
});

describe("a Receiver", () => {
  it("is every lane and channel that receives those messages, whatever it sends", () => {
    expectTypeOf<Channel<number, Dog>>().toExtend<Receiver<Dog>>();
    expectTypeOf<Lane<number, Dog>>().toExtend<Receiver<Dog>>();
    const generic = <T>(channel: Channel<number, T>): Receiver<T> => channel;
    expectTypeOf(generic).toBeFunction();
  });

  it("of less is one of more, and not the other way round", () => {
    expectTypeOf<Receiver<Dog>>().toExtend<Receiver<Animal>>();
    expectTypeOf<Receiver<Animal>>().not.toExtend<Receiver<Dog>>();
    expectTypeOf<Lane<unknown, Dog>>().toExtend<Receiver<Animal>>();
    expectTypeOf<Lane<unknown, Animal>>().not.toExtend<Receiver<Dog>>();
    expectTypeOf<Channel<Dog>>().toExtend<Receiver<unknown>>();
  });

  it("gives its messages to a loop, a listener and who asks for one", () => {
    const use = async (from: Receiver<Dog>) => {
      for await (const dog of from) expectTypeOf(dog).toEqualTypeOf<Dog>();
      from.on("message", (dog) => expectTypeOf(dog).toEqualTypeOf<Dog>());
      expectTypeOf(await from.receive()).toEqualTypeOf<Dog>();
      // @ts-expect-error: it sends nothing.
      from.trySend({ name: "Rex", bark: 3 });
    };
    expectTypeOf(use).toBeFunction();
  });
});
