import { describe, expectTypeOf, it } from "vitest";
import {
  bytes,
  type Channel,
  type Codec,
  type ConnectOptions,
  connect,
  json,
  type Lane,
  type LaneOptions,
  type ListenOptions,
  listen,
  type NoLanes,
  type Server,
  struct,
  text,
  type UnknownLanes,
  u32,
} from "../../lib/index.js";

/** What stands in functions here is compiled, by `npm run typecheck`, and never runs. */
interface Note {
  readonly n: number;
}
interface Order {
  readonly id: number;
}

const lanes = {
  control: { capacity: 4096 },
  video: { codec: bytes() },
  log: { codec: { send: text(), receive: json<Order>() } },
};
const codec = json<Note>();

describe("the option lanes", () => {
  it("gives the lanes of a connector their names and messages", () => {
    const open = () => connect("desk", { lanes, codec });
    type Desk = Awaited<ReturnType<typeof open>>;
    expectTypeOf<Desk>().toExtend<Channel<Note>>();
    const use = async (desk: Desk) => {
      expectTypeOf(desk.lane("control")).toEqualTypeOf<Lane<Note, Note>>();
      expectTypeOf(desk.lane("video")).toEqualTypeOf<Lane<Uint8Array, Uint8Array>>();
      expectTypeOf(desk.lane("log")).toEqualTypeOf<Lane<string, Order>>();
      expectTypeOf(desk.lane("main")).toEqualTypeOf<Lane<Note, Note>>();
      desk.lane("video").toDuplex();
      // @ts-expect-error: no such lane.
      desk.lane("vdeo");
      // @ts-expect-error: no such lane, whatever the types.
      desk.lane<number, number>("vdeo");
      // @ts-expect-error: a lane of bytes takes no number.
      desk.lane("video").trySend(5);
      // @ts-expect-error: not a lane of bytes.
      desk.lane("control").toDuplex();
    };
    expectTypeOf(use).toBeFunction();
  });

  it("gives them to all channels of a server", () => {
    const open = () => listen("desk", { codec, lanes });
    type Desk = Awaited<ReturnType<typeof open>>;
    type Video = Lane<Uint8Array, Uint8Array>;
    const use = async (desk: Desk) => {
      expectTypeOf((await desk.accept()).lane("video")).toEqualTypeOf<Video>();
      for await (const channel of desk) expectTypeOf(channel.lane("video")).toEqualTypeOf<Video>();
      for (const channel of desk.channels) expectTypeOf(channel.lane("video")).toEqualTypeOf<Video>();
      desk.on("connection", (channel) => {
        expectTypeOf(channel.lane("video")).toEqualTypeOf<Video>();
        // @ts-expect-error: no such lane.
        channel.lane("vdeo");
      });
    };
    expectTypeOf(use).toBeFunction();
  });

  it("may be written where it is used, in any order", () => {
    const open = () => connect("desk", { lanes: { video: { codec: bytes() }, control: {} }, codec: text() });
    type Desk = Awaited<ReturnType<typeof open>>;
    type Made = { readonly video: Lane<Uint8Array, Uint8Array>; readonly control: Lane<string, string> };
    expectTypeOf<Desk>().toEqualTypeOf<Channel<string, string, Made>>();
  });

  it("overrides the messages of main, which is the channel, and of no other lane", () => {
    const open = () => listen("desk", { codec: text(), lanes: { main: { codec: bytes() }, side: {} } });
    type Desk = Awaited<ReturnType<typeof open>>;
    type Made = { readonly side: Lane<string, string> };
    expectTypeOf<Desk>().toEqualTypeOf<Server<Channel<Uint8Array, Uint8Array, Made>>>();
  });

  it("takes the types of structs and schemas, and unknown where there is no codec at all", () => {
    const Tick = struct({ id: u32 });
    const open = () => connect("desk", { lanes: { ticks: { codec: Tick }, any: {} } });
    type Made = {
      readonly ticks: Lane<{ id: number }, { id: number }>;
      readonly any: Lane<unknown, unknown>;
    };
    expectTypeOf(open).returns.resolves.toEqualTypeOf<Channel<unknown, unknown, Made>>();
  });
});

describe("without the option lanes", () => {
  it("a listener has no lane but main", () => {
    const open = () => listen("desk", { codec });
    const plain = () => listen("desk");
    expectTypeOf(open).returns.resolves.toEqualTypeOf<Server<Channel<Note, Note, NoLanes>>>();
    expectTypeOf(plain).returns.resolves.toEqualTypeOf<Server<Channel<unknown, unknown, NoLanes>>>();
    const use = (channel: Channel<Note, Note, NoLanes>) => {
      expectTypeOf(channel.lane("main")).toEqualTypeOf<Lane<Note, Note>>();
      // @ts-expect-error: there is none beside main.
      channel.lane("video");
    };
    expectTypeOf(use).toBeFunction();
  });

  it("a connector has those of the listener, and says their types where it asks", () => {
    const open = () => connect("desk", { codec });
    expectTypeOf(open).returns.resolves.toEqualTypeOf<Channel<Note, Note, UnknownLanes>>();
    const use = (channel: Channel<Note>) => {
      expectTypeOf(channel.lane("video")).toEqualTypeOf<Lane<unknown, unknown>>();
      expectTypeOf(channel.lane<string>("video")).toEqualTypeOf<Lane<string, string>>();
      expectTypeOf(channel.lane<string, number>("video")).toEqualTypeOf<Lane<string, number>>();
      const name: string = "video";
      expectTypeOf(channel.lane(name)).toEqualTypeOf<Lane<unknown, unknown>>();
    };
    expectTypeOf(use).toBeFunction();
  });

  it("types that are written out leave the lanes to be asked for", () => {
    const served = () => listen<Note>("desk", { lanes });
    const joined = () => connect<Note, Order>("desk", { lanes });
    expectTypeOf(served).returns.resolves.toEqualTypeOf<Server<Channel<Note>>>();
    expectTypeOf(joined).returns.resolves.toEqualTypeOf<Channel<Note, Order>>();
  });

  it("options that come from elsewhere leave the lanes open", () => {
    const served = (options: ListenOptions<Note, Order>) => listen("desk", options);
    const joined = (options: ConnectOptions<Note, Order>) => connect("desk", options);
    expectTypeOf(served).returns.resolves.toEqualTypeOf<Server<Channel<Note, Order>>>();
    expectTypeOf(joined).returns.resolves.toEqualTypeOf<Channel<Note, Order>>();
    const lanesOfMany = (many: Record<string, LaneOptions>) => connect("desk", { codec, lanes: many });
    expectTypeOf(lanesOfMany).returns.resolves.toEqualTypeOf<Channel<Note>>();
  });
});

describe("options that are wrong do not compile", () => {
  it("where a lane has an option that does not exist", () => {
    // @ts-expect-error: no such option.
    const joined = () => connect("desk", { lanes: { video: { capasity: 4096 } } });
    // @ts-expect-error: no such option.
    const served = () => listen("desk", { lanes: { video: { codec: 5 } } });
    expectTypeOf(joined).toBeFunction();
    expectTypeOf(served).toBeFunction();
  });

  it("where an option does not exist", () => {
    // @ts-expect-error: no such option.
    const joined = () => connect("desk", { codek: json() });
    // @ts-expect-error: no such option.
    const served = () => listen("desk", { codek: json() });
    // @ts-expect-error: no such option of listen.
    const retried = () => listen("desk", { lanes, retry: false });
    expectTypeOf(joined).toBeFunction();
    expectTypeOf(served).toBeFunction();
    expectTypeOf(retried).toBeFunction();
  });
});

describe("a helper", () => {
  it("takes channels whose lanes it need not know", () => {
    const takesNotes = (channel: Channel<Note>) => channel.trySend({ n: 1 });
    const takesAny = (channel: Channel) => channel.stats();
    const use = async () => {
      const desk = await connect("desk", { lanes, codec });
      takesNotes(desk);
      takesAny(desk);
      const server: Server = await listen("desk", { lanes, codec });
      expectTypeOf(server.channels).toEqualTypeOf<ReadonlySet<Channel>>();
    };
    expectTypeOf(use).toBeFunction();
  });

  it("asks for the lanes that it needs", () => {
    type WithVideo = Channel<Note, Note, { readonly video: Lane<Uint8Array> }>;
    const takesVideo = (channel: WithVideo) => channel.lane("video").trySend(new Uint8Array(1));
    const use = async () => {
      takesVideo(await connect("desk", { lanes, codec }));
      // @ts-expect-error: a channel without such a lane.
      takesVideo(await connect("desk", { lanes: { other: {} }, codec }));
      // @ts-expect-error: a lane of other messages.
      takesVideo(await connect("desk", { lanes: { video: { codec: text() } }, codec }));
    };
    expectTypeOf(use).toBeFunction();
  });

  it("may make channels of a codec that it is given", () => {
    const open = <T>(of: Codec<T>) => connect("desk", { codec: of, lanes: { side: { codec: of } } });
    const use = async () => {
      const desk = await open(json<Note>());
      expectTypeOf(desk.lane("side")).toEqualTypeOf<Lane<Note, Note>>();
      expectTypeOf(await desk.receive()).toEqualTypeOf<Note>();
    };
    expectTypeOf(use).toBeFunction();
  });
});
