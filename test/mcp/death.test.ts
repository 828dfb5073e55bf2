import { connectMcp, serveMcp } from "ringbell/mcp";
import { describe, expect, it } from "vitest";
import { program } from "../rpc/setup.js";
import { heard, sdks } from "./sdks.js";
import { ending, listening, privateDirectory, until } from "./setup.js";

const MCP = JSON.stringify(new URL("../../dist/mcp/index.js", import.meta.url).href);
const resolved = (module: string) => JSON.stringify(import.meta.resolve(module));

describe("when a process with MCP is killed", () => {
  it.each(sdks)("in the midst of a call, its client hears of it at once, $name", async (sdk) => {
    const directory = privateDirectory();
    const modern = sdk.name.includes("newest");
    const child = program(
      `const { serveMcp } = await import(${MCP});
      const { McpServer } = await import(${resolved(sdk.name.includes("1.x") ? "@modelcontextprotocol/sdk/server/mcp.js" : "@modelcontextprotocol/server")});
      const { serveStdio } = await import(${resolved("@modelcontextprotocol/server/stdio")});
      const make = () => {
        const server = new McpServer({ name: "s", version: "1" });
        server.registerTool("hang", {}, () => { report("hanging"); return new Promise(() => {}); });
        return server;
      };
      await serveMcp("tools", ({ transport }) => ${modern ? "serveStdio(make, { transport })" : "make()"}, { directory });
      report("serving");`,
      directory,
    );
    await child.said("serving");
    const client = sdk.client();
    const told = listening(client);
    await client.connect(await connectMcp("tools", { directory }));
    const hanging = expect(sdk.call(client, "hang")).rejects.toThrow(/closed/i);
    await child.said("hanging");
    child.child.kill("SIGKILL");
    await hanging;
    await until(() => told.closes === 1);
    expect(told.errors).toMatchObject([{ code: "ERR_RINGBELL_PEER_DIED" }]);
    await expect(sdk.call(client, "hang")).rejects.toThrow(/not connected/i);
    await client.close();
    expect(told.closes).toBe(1);
  });

  it.each(sdks)("a client of many: its calls are aborted, and the others go on, $name", async (sdk) => {
    const directory = privateDirectory();
    const service = ending(await serveMcp("tools", sdk.factory, { directory }));
    const client = ending(sdk.client());
    await client.connect(await connectMcp("tools", { directory }));
    const before = heard.aborted;
    const _meta = {
      "io.modelcontextprotocol/protocolVersion": "2026-07-28",
      "io.modelcontextprotocol/clientInfo": { name: "c", version: "1" },
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const child = program(
      `const channel = await ringbell.connect("tools", { directory });
      const _meta = ${sdk.name.includes("newest") ? JSON.stringify(_meta) : "undefined"};
      const call = (id, name, more) => channel.send({ jsonrpc: "2.0", id, method: "tools/call", params: { name, arguments: more, _meta } });
      await call(1, "hang", {});
      await call(2, "echo", { text: "" });
      await channel.receive();
      report("called");
      setInterval(() => {}, 1000);`,
      directory,
    );
    await child.said("called");
    expect(service.clients.size).toBe(2);
    child.child.kill("SIGKILL");
    await until(() => heard.aborted === before + 1 && service.clients.size === 1);
    expect((await sdk.call(client, "echo", { text: "on" })).content).toEqual([{ type: "text", text: "on" }]);
  });
});
