// What windows load: all of it from this machine. And how they get their token.

import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const modules = "../../node_modules";
const TYPES = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  mjs: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
  woff2: "font/woff2",
};

/** Every file that is served, by its path. There are no others. */
const FILES = {
  "/": "page/index.html",
  "/style.css": "page/style.css",
  "/icon.svg": "page/icon.svg",
  ...Object.fromEntries(
    ["main", "activity", "approval", "dom", "entry", "notice", "picture", "screen", "theme", "wrap"].map(
      (name) => [`/${name}.js`, `page/${name}.js`],
    ),
  ),
  "/ringbell.js": "../../dist/browser/index.js",
  "/xterm.js": `${modules}/@xterm/xterm/lib/xterm.mjs`,
  "/xterm.css": `${modules}/@xterm/xterm/css/xterm.css`,
  "/fit.js": `${modules}/@xterm/addon-fit/lib/addon-fit.mjs`,
  "/inter.woff2": `${modules}/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2`,
  "/mono.woff2": `${modules}/@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2`,
};

/** The longest body of a request. */
const LONGEST = 4096;

/**
 * Answers requests for the page, and for tokens.
 * @param {import("node:http").Server} server
 * @param {{ keys: import("./keys.mjs").Keys, hosts: () => readonly string[] }} options `hosts`: the names that the page has.
 */
export function serveSite(server, { keys, hosts }) {
  server.on("request", async (request, response) => {
    const path = request.url?.split("?")[0] ?? "";
    if (path === "/ringbell" || path.startsWith("/ringbell/")) return;
    response.setHeader("x-content-type-options", "nosniff");
    response.setHeader("cache-control", "no-store");
    response.setHeader("referrer-policy", "no-referrer");
    // A name of a stranger that leads to this machine is not ours.
    if (!hosts().includes(request.headers.host ?? ""))
      return end(response, 421, "not served under this name\n");
    try {
      if (request.method === "POST") await post(path, request, response, keys, hosts());
      else if (request.method === "GET" || request.method === "HEAD") await get(path, request, response);
      else end(response, 405, "");
    } catch {
      end(response, 400, "");
    }
  });
}

async function get(path, request, response) {
  const file = FILES[path];
  if (file === undefined) return end(response, 404, "nothing is here\n");
  response.setHeader("content-type", TYPES[file.split(".").at(-1)]);
  let content = await readFile(here(file));
  if (path === "/") {
    const nonce = randomBytes(16).toString("base64url");
    response.setHeader("content-security-policy", policy(request.headers.host, nonce));
    response.setHeader("cross-origin-opener-policy", "same-origin");
    response.setHeader("permissions-policy", "camera=(), geolocation=(), microphone=()");
    content = content.toString().replaceAll("{nonce}", nonce);
  }
  response.end(content);
}

/** Nothing comes from elsewhere, and nothing goes there. xterm.js makes style elements, which get the nonce. */
function policy(host, nonce) {
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "font-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ws://${host}`,
    "frame-src 'self'",
    "frame-ancestors 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
  ].join("; ");
}

async function post(path, request, response, keys, hosts) {
  const { origin, authorization } = request.headers;
  // Pages of others can post here. Browsers say which page it was.
  if (!hosts.some((host) => origin === `http://${host}`)) return end(response, 403, "");
  if (path === "/token") {
    const token = keys.redeem(JSON.parse(await bodyOf(request)).ticket);
    if (token === undefined) return end(response, 403, "");
    return json(response, { token });
  }
  if (path === "/ticket") {
    const identity = keys.identify(/^Bearer (\S+)$/.exec(authorization ?? "")?.[1] ?? "");
    const { role } = JSON.parse(await bodyOf(request));
    // A window can open another one that may do as much as it, or less.
    if (
      identity === undefined ||
      !(role === "viewer" || (role === "operator" && identity.role === "operator"))
    )
      return end(response, 403, "");
    return json(response, { ticket: keys.ticket(role) });
  }
  end(response, 404, "");
}

async function bodyOf(request) {
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) {
    body += chunk;
    if (body.length > LONGEST) throw new Error("the body is too long");
  }
  return body;
}

function json(response, value) {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(value));
}

function end(response, status, text) {
  if (!response.headersSent) response.statusCode = status;
  response.end(text);
}
