import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { McpServer as McpServer1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import { type Block, type Channel, json, memoryPair } from "ringbell";
import {
  binary,
  blockOf,
  bytesOf,
  connectMcp,
  type McpTransportOptions,
  mcpTransport,
  serveMcp,
} from "ringbell/mcp";
import { describe, expect, it } from "vitest";
import { modern, v1, v2 } from "./sdks.js";
import { ending, privateDirectory } from "./setup.js";

const BYTES = Uint8Array.from({ length: 100_000 }, (_, i) => i);

function server() {
  const it = new McpServer1({ name: "s", version: "1" });
  it.registerTool("image", {}, () => ({ content: [binary(BYTES, { mimeType: "image/png" })] as never }));
  it.registerTool("small", {}, () => ({
    content: [binary(BYTES.subarray(0, 10), { mimeType: "audio/wav" })] as never,
  }));
  it.registerTool("file", {}, () => ({
    content: [
      { type: "text", text: "see" },
      binary(BYTES, { mimeType: "application/x-tar", uri: "file:///a.tar" }),
    ] as never,
  }));
  it.registerResource("tar", "file:///a.tar", {}, () => {
    const content = binary(BYTES, { mimeType: "application/x-tar", uri: "file:///a.tar" });
    return { contents: content.type === "resource" ? [content.resource] : [] };
  });
  return it;
}

async function serving(ours: McpTransportOptions, theirs: McpTransportOptions, sdk = v1) {
  const directory = privateDirectory();
  ending(await serveMcp("s", server, { ...ours, directory }));
  const client = ending(sdk.client());
  await client.connect(await connectMcp("s", { ...theirs, directory }));
  const content = async (name: string) => (await sdk.call(client, name)).content as object[];
  return { client, content };
}

describe("bytes in the result of a tool", () => {
  it.each([v1, v2])(
    "come in a block where the client has announced that it reads them, $name",
    async (sdk) => {
      const { content } = await serving({}, { blocks: true }, sdk);
      const [image] = await content("image");
      expect(blockOf(image!)?.byteLength).toBe(BYTES.length);
      expect(Buffer.compare(bytesOf(image!)!, BYTES)).toBe(0);
      blockOf(image!)?.release();
      const [text, file] = await content("file");
      expect(bytesOf(text!)).toBeUndefined();
      expect(file).toMatchObject({ resource: { uri: "file:///a.tar", blob: "" } });
      expect(Buffer.compare(bytesOf(file!)!, BYTES)).toBe(0);
    },
  );

  it.each([v1, v2])("come as base64 where it has not, as any client reads them, $name", async (sdk) => {
    const { content } = await serving({ blocks: true }, {}, sdk);
    const base64 = Buffer.from(BYTES).toString("base64");
    expect((await content("image"))[0]).toEqual({ type: "image", mimeType: "image/png", data: base64 });
    expect((await content("file"))[1]).toEqual({
      type: "resource",
      resource: { uri: "file:///a.tar", mimeType: "application/x-tar", blob: base64 },
    });
    expect(Buffer.compare(bytesOf((await content("image"))[0]!)!, BYTES)).toBe(0);
  });

  it("come as base64 where they are few", async () => {
    const { content } = await serving({}, { blocks: true });
    const [sound] = await content("small");
    expect(blockOf(sound!)).toBeUndefined();
    expect([...bytesOf(sound!)!]).toEqual([...BYTES.subarray(0, 10)]);
  });

  it("come in a block in a resource that is read, too", async () => {
    const { client } = await serving({}, { blocks: true });
    const { contents } = await (client as unknown as Client).readResource({ uri: "file:///a.tar" });
    expect(blockOf(contents[0]!)?.byteLength).toBe(BYTES.length);
  });

  it("are announced under experimental by both sides, beside what the program announces there", async () => {
    const directory = privateDirectory();
    let sdkServer!: McpServer1;
    const make = () => {
      sdkServer = server();
      return sdkServer;
    };
    ending(await serveMcp("s", make, { directory, blocks: true }));
    const capabilities = { experimental: { own: {} } };
    const client = ending(new Client({ name: "c", version: "1" }, { capabilities }));
    await client.connect(await connectMcp("s", { directory, blocks: true }));
    const announced = { experimental: { own: {}, "ringbell/blocks": {} } };
    expect(sdkServer.server.getClientCapabilities()).toMatchObject(announced);
    expect(client.getServerCapabilities()).toMatchObject({ experimental: { "ringbell/blocks": {} } });
  });

  it("are announced in each request of the newest revision", async () => {
    const [one, other] = memoryPair({ codec: json() });
    const client = modern.client();
    const connecting = client.connect(mcpTransport(one, { blocks: true })).catch(() => {});
    const { params } = (await other.receive()) as { params: { _meta: Record<string, object> } };
    expect(params._meta["io.modelcontextprotocol/clientCapabilities"]).toMatchObject({
      experimental: { "ringbell/blocks": {} },
    });
    await other.close();
    await connecting;
  });
});

describe("a block of the handler's own", () => {
  const hello = (experimental: object) => ({
    jsonrpc: "2.0",
    id: 0,
    method: "initialize",
    params: { capabilities: { experimental } },
  });
  const result = (block: Block) =>
    ({ jsonrpc: "2.0", id: 1, result: { content: [binary(block, { mimeType: "image/png" })] } }) as const;

  async function ends(experimental: object) {
    const [one, other] = memoryPair({ codec: json() });
    const transport = mcpTransport(one);
    await transport.start();
    const heard = new Promise<void>((resolve) => {
      transport.onmessage = () => resolve();
    });
    await other.send(hello(experimental));
    await heard;
    const block = await one.allocate(5);
    block.bytes.set([1, 2, 3, 4, 5]);
    return { transport, block, other: other as Channel<unknown, ReturnType<typeof result>> };
  }

  it("goes as it is, however small", async () => {
    const { transport, block, other } = await ends({ "ringbell/blocks": {} });
    await transport.send(result(block));
    const message = await other.receive();
    expect([...bytesOf(message.result.content[0]!)!]).toEqual([1, 2, 3, 4, 5]);
    expect(block.gone).toBe(true);
    await transport.close();
  });

  it("is copied as base64 and released for a client that reads no blocks", async () => {
    const { transport, block, other } = await ends({});
    await transport.send(result(block));
    expect((await other.receive()).result.content[0]).toMatchObject({ data: "AQIDBAU=" });
    expect(block.gone).toBe(true);
    await transport.close();
  });

  it("is released where the result can't be sent any more", async () => {
    const { transport, block, other } = await ends({ "ringbell/blocks": {} });
    await other.close();
    await transport.close();
    await expect(transport.send(result(block))).rejects.toMatchObject({ code: "ERR_RINGBELL_CLOSED" });
    expect(block.gone).toBe(true);
  });
});
