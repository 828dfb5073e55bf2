import { newToken, serveBridge } from "ringbell/bridge";
import { Session } from "ringbell/session";
import { describe, expect, it } from "vitest";
import { ending, take, until } from "../session/setup.js";
import { bridged, ORIGIN } from "./setup.js";

describe("a page whose daemon is started again on the same port", () => {
  it("gets the new session's snapshot, and its input is not made twice", async () => {
    let applied = 0;
    const hang = () => {
      applied++;
      return new Promise(() => {});
    };
    const token = newToken();
    const tokens = { [token]: { name: "page", role: "operator" } };
    const { session, bridge, attached } = await bridged({ handlers: { approve: hang } as never }, { tokens });
    const page = await attached({ token, from: "live" });
    const lost = expect(page.input("approve")).rejects.toMatchObject({
      name: "InputError",
      mayHaveRun: true,
    });
    await until(() => applied === 1);
    const port = Number(new URL(bridge.url).port);
    await bridge.close();
    await session.close({ grace: 0 });
    const next = ending(
      new Session<string, string>({ snapshot: () => "next", handlers: { approve: hang } as never }),
    );
    ending(await serveBridge({ session: next, origins: [ORIGIN], tokens, port }));
    await lost;
    expect(applied).toBe(1);
    expect(await take(page as never, 1)).toMatchObject([
      { type: "snapshot", snapshot: "next", reason: "too-old" },
    ]);
  });
});
