// A session in reach of browsers: a bridge on loopback, and a client of it. The client is the one for pages; here it runs in Node, with
// the WebSocket of the package ws. Whoever has the token of the operator may approve, the other one may only look.
//
//   npx tsc -p examples && node build/examples/bridge.js
//
// Prints:
//   the bridge answers at ws://127.0.0.1:…/ringbell
//   snapshot up to event 1
//   event 2: wants to delete build/
//   the viewer may make 0 inputs: -32012
//   approved: ok
//   the terminal says: \u001b[32mdeleted\u001b[0m
//   the model sees: deleted

import { ModelText, newToken, serveBridge } from "ringbell/bridge";
import { attach, type InputError } from "ringbell/browser";
import { Session } from "ringbell/session";
import { WebSocket } from "ws";

const lines: string[] = [];
await using session = new Session<string, string[]>({
  snapshot: () => lines,
  handlers: { approve: () => "ok" },
});
const tokens = { operator: newToken(), viewer: newToken() };
await using bridge = await serveBridge({
  session,
  origins: ["http://localhost:5173"], // Pages of these may connect, and no others.
  tokens: {
    [tokens.operator]: { name: "ada", role: "operator" },
    [tokens.viewer]: { name: "eve", role: "viewer" },
  },
});
console.log(`the bridge answers at ${bridge.url}`);
const say = (line: string) => {
  lines.push(line);
  session.append(line);
};
say("reading the task");

const options = { url: bridge.url, WebSocket };
const page = await attach<string, string[]>({ ...options, token: tokens.operator });
say("wants to delete build/");
for await (const item of page) {
  if (item.type === "snapshot") console.log(`snapshot up to event ${item.sequence}`);
  if (item.type === "event") console.log(`event ${item.sequence}: ${item.event}`);
  if (item.sequence === 2) break;
}

const viewer = await attach({ ...options, token: tokens.viewer });
await viewer.input("approve").catch(({ code }: InputError) => {
  console.log(`the viewer may make ${viewer.inputs.length} inputs: ${code}`);
});
console.log("approved:", await page.input("approve", { call: 1 }));

// The bytes of a terminal reach pages as they are. A model gets the text alone.
const terminal = bridge.terminal("main");
const model = new ModelText();
const output = new TextEncoder().encode("\x1b[32mdeleted\x1b[0m");
const shown = new Promise<string>((resolve) => {
  page.terminal("main", (bytes) => resolve(new TextDecoder().decode(bytes)));
});
terminal.write(output);
console.log(`the terminal says: ${JSON.stringify(await shown).slice(1, -1)}`);
console.log(`the model sees: ${model.push(output)}`);
page.close();
viewer.close();
