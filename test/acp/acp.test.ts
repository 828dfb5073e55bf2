import { type AnyMessage, agent, client, methods, PROTOCOL_VERSION } from "@agentclientprotocol/sdk";
import { json, memoryPair } from "ringbell";
import { type AcpStream, acpStream, connectAcp, serveAcp } from "ringbell/acp";
import { describe, expect, it } from "vitest";
import { ending, privateDirectory, program, until } from "../rpc/setup.js";

/** An agent that asks for permission in the midst of a prompt, and reports in order. */
function testAgent() {
  return agent({ name: "test" })
    .onRequest(methods.agent.initialize, () => ({ protocolVersion: PROTOCOL_VERSION, agentCapabilities: {} }))
    .onRequest(methods.agent.session.new, () => ({ sessionId: "s" }))
    .onRequest(methods.agent.session.prompt, async ({ client, params }) => {
      const { sessionId } = params;
      const say = (text: string) =>
        client.notify(methods.client.session.update, {
          sessionId,
          update: { sessionUpdate: "agent_message_chunk", content: { type: "text", text } },
        });
      for (const text of ["a", "b", "c"]) await say(text);
      const { outcome } = await client.request(methods.client.session.requestPermission, {
        sessionId,
        toolCall: { toolCallId: "t" },
        options: [{ optionId: "yes", name: "Yes", kind: "allow_once" }],
      });
      await say(outcome.outcome);
      return { stopReason: "end_turn" };
    });
}

/** A client that keeps what it is told. */
function testClient() {
  const texts: string[] = [];
  const app = client({ name: "test" })
    .onRequest(methods.client.session.requestPermission, () => ({
      outcome: { outcome: "selected", optionId: "yes" },
    }))
    .onNotification(methods.client.session.update, ({ params }) => {
      const { update } = params;
      if (update.sessionUpdate === "agent_message_chunk" && update.content.type === "text") {
        texts.push(update.content.text);
      }
    });
  return { app, texts };
}

async function serving(transport: "shm" | "stream") {
  const directory = privateDirectory();
  const streams: AcpStream<AnyMessage>[] = [];
  const service = ending(
    await serveAcp<AnyMessage>(
      "agent",
      (stream) => {
        streams.push(stream);
        testAgent().connect(stream);
      },
      { directory, transport },
    ),
  );
  return { service, directory, streams };
}

const prompt = { sessionId: "s", prompt: [{ type: "text" as const, text: "go" }] };
const session = { cwd: "/", mcpServers: [] };

describe.each(["shm", "stream"] as const)("ACP over %s", (transport) => {
  it("carries a prompt, its updates in order, and a permission that the agent asks for", async () => {
    const { directory, streams } = await serving(transport);
    const { app, texts } = testClient();
    const stream = await connectAcp<AnyMessage>("agent", { directory });
    const { stopReason } = await app.connectWith(stream, async (agent) => {
      await agent.request(methods.agent.initialize, { protocolVersion: PROTOCOL_VERSION });
      await agent.request(methods.agent.session.new, session);
      return (await agent.request(methods.agent.session.prompt, prompt)) as { stopReason: string };
    });
    expect([stopReason, texts]).toEqual(["end_turn", ["a", "b", "c", "selected"]]);
    // The SDK has closed its connection, which closes the channel.
    expect((await stream.closed).error).toBeUndefined();
    expect((await streams[0]!.closed).reason).toBe("peer-closed");
  });

  it("ends for the client when the agent's side closes", async () => {
    const { service, directory } = await serving(transport);
    const connection = testClient().app.connect(await connectAcp<AnyMessage>("agent", { directory }));
    await connection.agent.request(methods.agent.initialize, { protocolVersion: PROTOCOL_VERSION });
    await service.close();
    await connection.closed;
    expect(connection.signal.aborted).toBe(true);
  });
});

describe("ACP with an agent in another process", () => {
  it("rejects what waits with a PeerDiedError when the agent is killed", async () => {
    const directory = privateDirectory();
    const child = program(
      `const server = await ringbell.listen("agent", { directory });
      report("serving");
      for await (const channel of server) for await (const message of channel) report(message.method);`,
      directory,
    );
    await child.said("serving");
    const connection = testClient().app.connect(await connectAcp<AnyMessage>("agent", { directory }));
    const request = connection.agent.request(methods.agent.initialize, { protocolVersion: PROTOCOL_VERSION });
    const rejected = expect(request).rejects.toMatchObject({ code: "ERR_RINGBELL_PEER_DIED" });
    await child.said("initialize");
    child.child.kill("SIGKILL");
    await rejected;
  });
});

describe("acpStream", () => {
  it("takes nothing that nobody asks for, and closes the channel when it is cancelled", async () => {
    const [one, other] = memoryPair({ codec: json() });
    const { readable } = acpStream(one);
    await other.send({ id: 1 });
    await other.send({ id: 2 });
    const reader = readable.getReader();
    expect((await reader.read()).value).toEqual({ id: 1 });
    await reader.cancel();
    await until(() => one.state === "closed");
    expect((await other.closed).reason).toBe("peer-closed");
  });

  it("closes the channel when its writable is closed, and destroys it when that is aborted", async () => {
    const [one, other] = memoryPair({ codec: json() });
    const writer = acpStream(one).writable.getWriter();
    await writer.write({ id: 1 });
    const received = other.receive();
    await writer.close();
    expect(await received).toEqual({ id: 1 });
    const [two] = memoryPair({ codec: json() });
    const reason = new Error("enough");
    await acpStream(two).writable.abort(reason);
    expect(await two.closed).toMatchObject({ error: reason });
  });
});
