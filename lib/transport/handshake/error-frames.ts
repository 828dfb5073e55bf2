import {
  HandshakeError,
  HandshakeTimeoutError,
  LaneMismatchError,
  NoSpaceError,
  NotSameMemoryError,
  RefusedError,
  type RingbellError,
  SchemaMismatchError,
  TransportError,
  UnknownRoleError,
  VersionError,
} from "../../errors.js";
import { PROTOCOL_VERSION } from "../wire/protocol.js";
import { printable, readInteger, readOptionalString, readString, readStrings } from "./fields.js";
import { MOST_LANES } from "./geometry.js";
import { LONGEST_ROLE, MOST_ROLES } from "./greetings.js";
import type { Frame } from "./json-frames.js";
import { mismatchOf, schemaMismatch } from "./negotiate.js";

const LONGEST_MESSAGE = 1000;
const LONGEST_SCHEMA = 700;

/** Makes a frame of an error. The other end makes the same error of it. */
export function errorFrame(error: RingbellError): Frame {
  return {
    t: "error",
    code: error.code,
    message: error.message.slice(0, LONGEST_MESSAGE),
    version: PROTOCOL_VERSION,
    ...details(error),
  };
}

function details(error: RingbellError): Frame {
  if (error instanceof SchemaMismatchError) {
    const ours = error.ours.slice(0, LONGEST_SCHEMA);
    return { ...mismatchOf(error), ours, theirs: error.theirs.slice(0, LONGEST_SCHEMA) };
  }
  if (error instanceof LaneMismatchError) return { asked: error.asked, offered: error.offered };
  if (error instanceof UnknownRoleError) return { role: error.role, roles: error.roles };
  if (error instanceof NoSpaceError) return { bytes: error.bytes };
  return {};
}

/** Returns whether the frame carries an error, by which the other side ended the handshake. */
export function isErrorFrame(frame: Frame): boolean {
  return frame.t === "error";
}

/** Returns the error that the other side reports, from our point of view. Never throws: a malformed frame gives a HandshakeError. */
export function readErrorFrame(frame: Frame): RingbellError {
  try {
    return readKnown(frame);
  } catch (error) {
    return error as HandshakeError;
  }
}

function readKnown(frame: Frame): RingbellError {
  const code = readString(frame, "code", 64);
  const message = printable(readString(frame, "message", LONGEST_MESSAGE), LONGEST_MESSAGE);
  switch (code) {
    case "ERR_RINGBELL_VERSION":
      return new VersionError(PROTOCOL_VERSION, readInteger(frame, "version", 0, 2 ** 32 - 1));
    case "ERR_RINGBELL_SCHEMA": {
      const theirs = printable(readString(frame, "ours", LONGEST_SCHEMA), LONGEST_SCHEMA);
      const ours = printable(readString(frame, "theirs", LONGEST_SCHEMA), LONGEST_SCHEMA);
      const lane = printable(readString(frame, "lane", 64), 64);
      return schemaMismatch(lane, frame.direction === "sends" ? "receives" : "sends", ours, theirs);
    }
    case "ERR_RINGBELL_LANES":
      return new LaneMismatchError(
        readStrings(frame, "asked", MOST_LANES, 64).map((name) => printable(name, 64)),
        readStrings(frame, "offered", MOST_LANES, 64).map((name) => printable(name, 64)),
      );
    case "ERR_RINGBELL_UNKNOWN_ROLE": {
      const role = readOptionalString(frame, "role", LONGEST_ROLE);
      return new UnknownRoleError(
        role === undefined ? undefined : printable(role, LONGEST_ROLE),
        readStrings(frame, "roles", MOST_ROLES, LONGEST_ROLE).map((name) => printable(name, LONGEST_ROLE)),
      );
    }
    case "ERR_RINGBELL_NO_SPACE":
      return new NoSpaceError(message, readInteger(frame, "bytes", 0, Number.MAX_SAFE_INTEGER));
    case "ERR_RINGBELL_REFUSED":
      return new RefusedError(message);
    case "ERR_RINGBELL_NOT_SAME_MEMORY":
      return new NotSameMemoryError(message);
    case "ERR_RINGBELL_TRANSPORT":
      return new TransportError(message);
    case "ERR_RINGBELL_HANDSHAKE_TIMEOUT":
      return new HandshakeTimeoutError(message);
    default:
      return new HandshakeError(`the other side ended the handshake: ${message}`);
  }
}
