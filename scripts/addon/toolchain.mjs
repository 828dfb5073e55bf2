// The packages that the addon is built with, from npm: the Zig compiler, Node's headers, node-addon-api.
//
// toolchain.json pins each by version and checksum. npm fetches them, without running their scripts, into the cache of the user: a second
// checkout finds them there, and `npm ci`, which empties node_modules, leaves them alone.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * @typedef {{ name: string, version: string, integrity: string, megabytes: number }} Pin
 * @typedef {{ zig: Pin, headers: Pin, addonApi: Pin }} Pins
 */

/** @type {Pins} */
export const PINS = JSON.parse(readFileSync(new URL("./toolchain.json", import.meta.url), "utf8"));
/** npm retries a dead registry for minutes; a build without network should say so sooner. */
const PATIENCE = ["--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=120000"];

/** A package that npm did not bring. The message is one line. */
export class FetchError extends Error {}

/** The directory for what builds share, made if need be. @param {NodeJS.ProcessEnv} [env] @returns {string} */
export function cacheDirectory(env = process.env) {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const places = [
    join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "ringbell"),
    // A user without a home of their own.
    join(root, "node_modules", ".cache", "ringbell"),
  ];
  for (const place of places) {
    try {
      mkdirSync(place, { recursive: true });
      return place;
    } catch {}
  }
  throw new FetchError(`no directory for the compiler: expected to be able to make ${places.join(" or ")}`);
}

/** The directory of a package, where it is there already. @param {Pin} pin @param {string} [cache] */
export function fetched(pin, cache = cacheDirectory()) {
  const place = join(placeOf(pin, cache), "node_modules", pin.name);
  return existsSync(place) ? place : undefined;
}

/**
 * The directory of a package; npm fetches it if need be. Throws a FetchError.
 *
 * @param {Pin} pin
 * @param {(line: string) => void} say  Hears of a download before it begins.
 * @param {string} [cache]
 * @returns {string}
 */
export function fetchPackage(pin, say, cache = cacheDirectory()) {
  const there = fetched(pin, cache);
  if (there !== undefined) return there;
  say(`npm fetches ${pin.name} ${pin.version} (${pin.megabytes} MB) into ${cache}`);
  const place = placeOf(pin, cache);
  // Another process may fetch the same: each does it in a directory of its own, and the first one moves it to its place.
  const own = `${place}.${process.pid}`;
  try {
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, "package.json"), JSON.stringify(manifest(pin)));
    writeFileSync(join(own, "package-lock.json"), JSON.stringify(lock(pin)));
    // The headers are the same for every system: their package is taken on others, too.
    install(own, pin, ["--os=linux", "--cpu=x64"]);
    try {
      renameSync(own, place);
    } catch (error) {
      if (!existsSync(place)) throw error;
    }
  } finally {
    rmSync(own, { recursive: true, force: true });
  }
  return join(place, "node_modules", pin.name);
}

/** @param {Pin} pin @param {string} cache */
function placeOf({ name, version }, cache) {
  return join(cache, `${basename(name)}-${version}`);
}

/** @param {Pin} pin */
function manifest({ name, version }) {
  return { name: "ringbell-toolchain", private: true, dependencies: { [name]: version } };
}

/** @param {Pin} pin */
function lock(pin) {
  const { name, version, integrity } = pin;
  return {
    ...{ name: "ringbell-toolchain", lockfileVersion: 3, requires: true },
    packages: { "": manifest(pin), [`node_modules/${name}`]: { version, integrity } },
  };
}

/** @param {string} directory @param {Pin} pin @param {string[]} more */
function install(directory, pin, more) {
  const args = [
    "ci",
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    "--prefer-offline",
    "--loglevel=error",
    ...PATIENCE,
    ...more,
  ];
  const { status, error, stderr } = npm(args, directory);
  if (status === 0) return;
  const lines = (error?.message ?? stderr).split("\n").map((line) => line.replace(/^npm (error|ERR!) ?/, ""));
  const why = [/request to/, /E[A-Z]{4,}/, /./].map((kind) => lines.find((line) => kind.test(line)));
  throw new FetchError(
    `npm could not fetch ${pin.name} ${pin.version}: ${why.find((line) => line !== undefined) ?? `exit code ${status}`}`,
  );
}

/** Runs npm: the one that runs us, if one does. @param {string[]} args @param {string} cwd */
function npm(args, cwd) {
  const running = process.env.npm_execpath;
  const byNode = running !== undefined && /npm-cli\.c?js$/.test(running);
  // `npm run` tells its children what it was called with; this is another npm, for another package.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_(config_local_prefix|package_)/.test(name)),
  );
  return spawnSync(byNode ? process.execPath : "npm", byNode ? [running, ...args] : args, {
    cwd,
    env,
    encoding: "utf8",
  });
}
