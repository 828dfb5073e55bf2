import { serveBridge } from "ringbell/bridge";
import { attach as attachPage } from "ringbell/browser";
import { contract, request } from "ringbell/rpc";
import { attach, Session, serveSession } from "ringbell/session";
import { describe, expectTypeOf, it } from "vitest";
import { z } from "zod";

/*
 * What stands in functions here is compiled, by `npm run typecheck`, and never runs. A line that must not compile is marked; the mark
 * itself fails where the line compiles.
 */

const inputs = contract("inputs", {
  approve: request(z.object({ call: z.number() }), z.boolean()),
  stop: request(),
});

describe("the types of a session", () => {
  it("are those of its events, its snapshot and its inputs, on both sides", () => {
    return async () => {
      const session = await serveSession<string, number, typeof inputs>("agent", {
        snapshot: () => 1,
        inputs,
        handlers: {
          approve({ call }, { client, role }) {
            expectTypeOf(call).toEqualTypeOf<number>();
            expectTypeOf([client, role]).toEqualTypeOf<string[]>();
            return true;
          },
          stop() {},
        },
      });
      session.append("text");
      // @ts-expect-error: an event is a string.
      session.append(1);
      const ui = await attach<string, number, typeof inputs>("agent", { inputs });
      for await (const item of ui) {
        if (item.type === "event") expectTypeOf(item.event).toEqualTypeOf<string>();
        if (item.type === "snapshot") expectTypeOf(item.snapshot).toEqualTypeOf<number>();
      }
      expectTypeOf(await ui.input("approve", { call: 1 })).toEqualTypeOf<boolean>();
      await ui.input("stop");
      // @ts-expect-error: the call is a number.
      await ui.input("approve", { call: "1" });
      // @ts-expect-error: there is no such input.
      await ui.input("other");
    };
  });

  it("need no contract", () => {
    return async () => {
      await serveSession("agent", { handlers: { add: ({ n }: { n: number }) => n + 1 } });
      const ui = await attach("agent");
      await ui.input("add", { n: 1 });
      await ui.input("anything");
    };
  });

  it("fit a bridge, whatever the events are, and pages have them as well", () => {
    return async () => {
      const session = new Session<{ a: 1 }, string>();
      await serveBridge({ session, origins: [], tokens: {} });
      const page = await attachPage<{ a: 1 }, string>({ url: "ws://x", token: () => "t" });
      for await (const item of page) {
        if (item.type === "event") expectTypeOf(item.event).toEqualTypeOf<{ a: 1 }>();
      }
    };
  });
});
