import type { AnyMessage, Stream } from "@agentclientprotocol/sdk";
import type { Client as Client2, Transport as Transport2 } from "@modelcontextprotocol/client";
import type { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import type { McpServer as McpServer1 } from "@modelcontextprotocol/sdk/server/mcp.js";
import type { Transport as Transport1 } from "@modelcontextprotocol/sdk/shared/transport.js";
import type { McpServer as McpServer2, Transport as ServerTransport2 } from "@modelcontextprotocol/server";
import type { AcpStream } from "ringbell/acp";
import { type McpServerFactory, type McpTransport, mcpTransport } from "ringbell/mcp";
import { type JsonrpcTransport, jsonrpcTransport } from "ringbell/vscode-jsonrpc";
import { describe, expectTypeOf, it } from "vitest";
import { createMessageConnection, type MessageReader, type MessageWriter } from "vscode-jsonrpc/node";
import type { Channel, Port } from "../../lib/index.js";

/** What stands in functions here is compiled, by `npm run typecheck`, and never runs. */
describe("a transport for MCP", () => {
  it("is one to both SDKs, without a cast", () => {
    expectTypeOf<McpTransport>().toExtend<Transport1>();
    expectTypeOf<McpTransport>().toExtend<Transport2>();
    expectTypeOf<McpTransport>().toExtend<ServerTransport2>();
    const use = async (one: Client1, two: Client2, transport: McpTransport) => {
      await one.connect(transport);
      await two.connect(transport);
    };
    expectTypeOf(use).toBeFunction();
  });

  it("goes to the servers of both SDKs, which a factory makes", () => {
    expectTypeOf<() => McpServer1>().toExtend<McpServerFactory>();
    expectTypeOf<() => McpServer2>().toExtend<McpServerFactory>();
  });

  it("is made of any channel or port", () => {
    const use = (channel: Channel, port: Port) => [mcpTransport(channel), mcpTransport(port)];
    expectTypeOf(use).toBeFunction();
  });
});

describe("a transport for vscode-jsonrpc", () => {
  it("makes a connection, without a cast", () => {
    expectTypeOf<JsonrpcTransport["reader"]>().toExtend<MessageReader>();
    expectTypeOf<JsonrpcTransport["writer"]>().toExtend<MessageWriter>();
    const use = (channel: Channel) => {
      const { reader, writer, cancellationStrategy } = jsonrpcTransport(channel);
      return createMessageConnection(reader, writer, undefined, { cancellationStrategy });
    };
    expectTypeOf(use).toBeFunction();
  });
});

describe("a stream for ACP", () => {
  it("is one to the SDK, without a cast", () => {
    expectTypeOf<AcpStream<AnyMessage>>().toExtend<Stream>();
  });
});
