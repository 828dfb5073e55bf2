import { spawn } from "node:child_process";
import { join } from "node:path";
import { connectJsonrpc, type JsonrpcTransport } from "ringbell/vscode-jsonrpc";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  createMessageConnection,
  type Message,
  type MessageConnection,
  type MessageReader,
  type MessageWriter,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-jsonrpc/node";
import { relay } from "../../lib/relay/index.js";
import { ending, privateDirectory } from "../rpc/setup.js";
import { bashLanguageServer, jsonLanguageServer } from "./programs.js";

/** A connection that keeps each message that comes. */
function recording(reader: MessageReader, writer: MessageWriter, options = {}) {
  const received: Message[] = [];
  const listen = reader.listen.bind(reader);
  reader.listen = (callback) =>
    listen((message) => {
      received.push(message);
      callback(message);
    });
  const connection = createMessageConnection(reader, writer, undefined, options);
  onTestFinished(() => connection.dispose());
  return { connection, received };
}

/** A language server on its standard streams, as an editor starts it. */
function direct([program, ...args]: string[]) {
  const child = spawn(program!, args, { stdio: ["pipe", "pipe", "ignore"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const reader = new StreamMessageReader(child.stdout);
  return recording(reader, new StreamMessageWriter(child.stdin));
}

/** The same behind a relay. */
async function relayed(command: string[]) {
  const directory = privateDirectory();
  ending(await relay("ls", command, { directory, framing: "content-length" }));
  const { reader, writer, cancellationStrategy }: JsonrpcTransport = await connectJsonrpc("ls", {
    directory,
  });
  return recording(reader, writer, { cancellationStrategy });
}

const uri = (file: string) => `file://${join("/nowhere", file)}`;

interface Document {
  readonly file: string;
  readonly languageId: string;
  readonly text: string;
}

/** The beginning of every conversation: the handshake, a document, and its diagnostics. */
async function open(connection: MessageConnection, { file, languageId, text }: Document) {
  connection.onRequest("workspace/configuration", ({ items }: { items: unknown[] }) => items.map(() => null));
  connection.onRequest("client/registerCapability", () => null);
  connection.listen();
  await connection.sendRequest("initialize", {
    processId: null,
    rootUri: null,
    capabilities: { textDocument: { hover: { contentFormat: ["plaintext"] } } },
  });
  const diagnosed = new Promise<unknown>((resolve) => {
    connection.onNotification("textDocument/publishDiagnostics", resolve);
  });
  await connection.sendNotification("initialized", {});
  await connection.sendNotification("textDocument/didOpen", {
    textDocument: { uri: uri(file), languageId, version: 1, text },
  });
  return diagnosed;
}

const at = (file: string, line: number, character: number) => ({
  textDocument: { uri: uri(file) },
  position: { line, character },
});

async function end(connection: MessageConnection) {
  await connection.sendRequest("shutdown");
  await connection.sendNotification("exit");
}

async function talkAboutJson(connection: MessageConnection) {
  const document = { file: "a.json", languageId: "json", text: '{ "a": 1, "a": 2, "b": [1, }' };
  const { diagnostics } = (await open(connection, document)) as { diagnostics: { message: string }[] };
  const symbols = await connection.sendRequest("textDocument/documentSymbol", at("a.json", 0, 0));
  const completion = await connection.sendRequest("textDocument/completion", at("a.json", 0, 9));
  await connection.sendRequest("textDocument/hover", at("a.json", 0, 3));
  await expect(connection.sendRequest("no/such/method")).rejects.toMatchObject({ code: -32601 });
  await end(connection);
  return { diagnostics, symbols, completion };
}

async function talkAboutShell(connection: MessageConnection) {
  const document = {
    file: "a.sh",
    languageId: "shellscript",
    text: 'greet() { echo "$1"; }\ngreet world\nec',
  };
  await open(connection, document);
  const symbols = await connection.sendRequest("textDocument/documentSymbol", at("a.sh", 0, 0));
  const definition = await connection.sendRequest("textDocument/definition", at("a.sh", 1, 2));
  const highlights = await connection.sendRequest("textDocument/documentHighlight", at("a.sh", 1, 2));
  await end(connection);
  return { symbols, definition, highlights };
}

/** Without what differs from run to run. */
const stable = (messages: Message[]) =>
  JSON.parse(
    JSON.stringify(
      messages.filter((message) => (message as { method?: string }).method !== "window/logMessage"),
    ),
  ) as unknown[];

describe("a language server behind a relay, over vscode-jsonrpc (S1.37)", { timeout: 60_000 }, () => {
  it("has the same conversation as over standard streams: vscode-json-languageserver (S1.2)", async () => {
    const over = await relayed(jsonLanguageServer());
    const answers = await talkAboutJson(over.connection);
    expect(answers.diagnostics.map(({ message }) => message)).toContain("Duplicate object key");
    const beside = direct(jsonLanguageServer());
    expect(await talkAboutJson(beside.connection)).toEqual(answers);
    expect(over.received.length).toBeGreaterThanOrEqual(6);
    expect(stable(over.received)).toEqual(stable(beside.received));
  });

  it("has the same conversation as over standard streams: bash-language-server", async () => {
    const over = await relayed(bashLanguageServer());
    const answers = await talkAboutShell(over.connection);
    expect(answers.definition).toMatchObject([{ uri: uri("a.sh"), range: { start: { line: 0 } } }]);
    const beside = direct(bashLanguageServer());
    expect(await talkAboutShell(beside.connection)).toEqual(answers);
    expect(stable(over.received)).toEqual(stable(beside.received));
  });
});
