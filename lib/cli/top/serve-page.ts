import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type Figures, type Look, look, Meter } from "../../watch/index.js";
import type { Output } from "../command.js";
import { repeat } from "../looking.js";
import { packageDirectory } from "../package.js";

/** The files of the page, by their paths: the name, and the type. */
const FILES: Readonly<Record<string, readonly [name: string, type: string]>> = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/main.js": ["main.js", "text/javascript; charset=utf-8"],
  "/style.css": ["style.css", "text/css; charset=utf-8"],
};
/** The bridge answers these paths itself. */
const BRIDGE = ["/ringbell/health", "/ringbell/ticket", "/ringbell/events"];

type Served = ReadonlyMap<string, { readonly type: string; readonly body: Buffer }>;

/**
 * Serves the picture as a page of a bridge, on the loopback, until Ctrl+C. Prints the link with its token. While no page is attached, nothing is
 * looked at. Rejects with a MissingPackageError without the package ws, and with the system's error if the port is taken.
 */
export async function servePage(
  wanted: Look,
  interval: number,
  port: number,
  { print }: Output,
): Promise<void> {
  const [{ newToken, serveBridge }, { Session }] = await Promise.all([
    import("../../bridge/index.js"),
    import("../../session/index.js"),
  ]);
  const hosts: string[] = [];
  const served = await load();
  const server = createServer((request, response) => answer(request, response, served, hosts));
  try {
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    const { port: bound } = server.address() as AddressInfo;
    hosts.push(`127.0.0.1:${bound}`, `localhost:${bound}`);
    const token = newToken();
    await using session = new Session<never, null>({ snapshot: () => null });
    const origins = hosts.map((host) => `http://${host}`);
    const tokens = { [token]: { name: "top", role: "viewer" } };
    await using bridge = await serveBridge({ session, server, origins, tokens });
    print(`http://${hosts[0]}/#${token}`);
    const meter = new Meter();
    await repeat(interval, async () => {
      if (bridge.clients.size === 0) return;
      session.retain("figures", meter.take(await look(wanted)) satisfies Figures);
    });
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

/** The files are read once: those of the package may be replaced while the page is open. */
async function load(): Promise<Served> {
  const directory = join(packageDirectory(), "dist", "cli", "top", "page");
  const read = async ([path, [name, type]]: [string, readonly [string, string]]) =>
    [path, { type, body: await readFile(join(directory, name)) }] as const;
  return new Map(await Promise.all(Object.entries(FILES).map(read)));
}

function answer(
  { url = "", method, headers }: IncomingMessage,
  response: ServerResponse,
  served: Served,
  hosts: readonly string[],
): void {
  const path = url.split("?")[0]!;
  if (BRIDGE.includes(path)) return;
  const file = served.get(path);
  // A name of a stranger that leads to this machine is not ours.
  if (!hosts.includes(headers.host ?? "")) response.statusCode = 421;
  else if (method !== "GET" && method !== "HEAD") response.statusCode = 405;
  else if (file === undefined) response.statusCode = 404;
  else {
    response.setHeader("content-type", file.type);
    response.setHeader("cache-control", "no-store");
    response.setHeader("x-content-type-options", "nosniff");
    response.setHeader("referrer-policy", "no-referrer");
    response.setHeader("content-security-policy", policy(headers.host!));
    response.end(file.body);
    return;
  }
  response.end();
}

/** Nothing comes from elsewhere, and nothing goes there. */
function policy(host: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src data:",
    `connect-src ws://${host}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
}
