import { describe, expectTypeOf, it } from "vitest";
import {
  bytes,
  type Channel,
  connect,
  json,
  type Lane,
  listen,
  type NoLanes,
  type RoleChannel,
  type Server,
  struct,
  text,
  u32,
} from "../../lib/index.js";

/** What stands in functions here is compiled, by `npm run typecheck`, and never runs. */
interface Task {
  readonly task: string;
}
interface Result {
  readonly result: number;
}

const Event = struct({ at: u32 });
const roles = {
  agent: {
    codec: { send: json<Task>(), receive: json<Result>() },
    lanes: { video: { codec: bytes() }, control: {} },
  },
  monitor: { codec: Event },
};

type Agent = RoleChannel<
  "agent",
  Task,
  Result,
  { readonly video: Lane<Uint8Array>; readonly control: Lane<Task, Result> }
>;
type Monitor = RoleChannel<"monitor", { at: number }, { at: number }, NoLanes>;

describe("the option roles", () => {
  it("gives a listener a type of channel for each role", () => {
    const open = () => listen("desk", { roles });
    expectTypeOf(open).returns.resolves.toEqualTypeOf<Server<Agent | Monitor>>();
  });

  it("tells channels apart by their role", () => {
    const use = async () => {
      const desk = await listen("desk", { roles });
      desk.on("connection", (channel) => {
        expectTypeOf(channel.role).toEqualTypeOf<"agent" | "monitor">();
        // @ts-expect-error: a monitor has no lane for video.
        channel.lane("video");
        // @ts-expect-error: no such role.
        if (channel.role === "other") return;
        if (channel.role === "agent") {
          expectTypeOf(channel.lane("video")).toEqualTypeOf<Lane<Uint8Array>>();
          expectTypeOf(channel.lane("control")).toEqualTypeOf<Lane<Task, Result>>();
          channel.trySend({ task: "a" });
          // @ts-expect-error: that is what monitors get.
          channel.trySend({ at: 1 });
        } else {
          expectTypeOf(channel.role).toEqualTypeOf<"monitor">();
          channel.trySend({ at: 1 });
        }
      });
      for await (const channel of desk) {
        if (channel.role === "monitor") expectTypeOf(await channel.receive()).toEqualTypeOf<{ at: number }>();
        else expectTypeOf(await channel.receive()).toEqualTypeOf<Result>();
      }
      for (const channel of desk.channels) if (channel.role === "monitor") channel.trySend({ at: 2 });
    };
    expectTypeOf(use).toBeFunction();
  });

  it("gives the channel of the role that is accepted", () => {
    const use = async () => {
      const desk = await listen("desk", { roles });
      expectTypeOf((await desk.accept({ role: "agent" })).lane("video")).toEqualTypeOf<Lane<Uint8Array>>();
      expectTypeOf(await (await desk.accept({ role: "monitor" })).receive()).toEqualTypeOf<{ at: number }>();
      expectTypeOf((await desk.accept()).role).toEqualTypeOf<"agent" | "monitor">();
      // @ts-expect-error: no such role.
      await desk.accept({ role: "other" });
      const takesTasks = (channel: Channel<Task, Result>) => channel.trySend({ task: "b" });
      takesTasks(await desk.accept({ role: "agent" }));
      // @ts-expect-error: a monitor gets no tasks.
      takesTasks(await desk.accept({ role: "monitor" }));
    };
    expectTypeOf(use).toBeFunction();
  });

  it("takes what an entry leaves out from the options of the whole", () => {
    const open = () =>
      listen("desk", {
        codec: text(),
        lanes: { log: {} },
        roles: { plain: {}, quiet: { lanes: {} }, loud: { codec: bytes() }, default: {} },
      });
    type Log<T> = { readonly log: Lane<T, T> };
    expectTypeOf(open).returns.resolves.toEqualTypeOf<
      Server<
        | RoleChannel<"plain", string, string, Log<string>>
        | RoleChannel<"quiet", string, string, NoLanes>
        | RoleChannel<"loud", Uint8Array, Uint8Array, Log<Uint8Array>>
        | RoleChannel<"default", string, string, Log<string>>
      >
    >();
  });

  it("is for listeners: a connector says which role it has", () => {
    // @ts-expect-error: no option of connect.
    const wrong = () => connect("desk", { roles });
    const monitor = () => connect("desk", { role: "monitor", ...roles.monitor });
    expectTypeOf(wrong).toBeFunction();
    expectTypeOf(monitor).returns.resolves.toEqualTypeOf<Channel<{ at: number }>>();
  });

  it("does not take what is no entry", () => {
    // @ts-expect-error: an entry has no such option.
    const wrong = () => listen("desk", { roles: { agent: { codek: bytes() } } });
    // @ts-expect-error: not a codec.
    const worse = () => listen("desk", { roles: { agent: { codec: 5 } } });
    expectTypeOf(wrong).toBeFunction();
    expectTypeOf(worse).toBeFunction();
  });
});
