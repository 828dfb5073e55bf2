import type { BoxSettings } from "./message.js";

/*
 * What clients and the broker say to each other. Both sides send frames: a client many requests at once, the broker many answers. Each
 * request has a number, its tag, and each gets one answer. The channel is a JSON channel of ringbell; in the broker's own process the frames
 * are handed over as they are.
 */

/** A broker refuses a client of another version. */
export const WIRE_VERSION = 1;

export interface Hello {
  readonly op: "hello";
  readonly version: number;
  /** The client's id, of its own choice; with the process id it says who holds a claim. */
  readonly client: string;
  /** The claims that the client has. Others that stand under its name never reached it. */
  readonly held: readonly Claim[];
  /** The file that this process would store in, so that two that mean different ones notice. */
  readonly path: string | undefined;
}

export interface PostRequest {
  readonly op: "post";
  readonly to: string;
  readonly from: string;
  readonly body: string;
  readonly json?: boolean;
  readonly id?: string | undefined;
  readonly rank?: number;
  readonly key?: string | undefined;
  readonly ttl?: number | undefined;
  readonly delay?: number | undefined;
  /** Counts the posts of a client, over all its connections. */
  readonly number: number;
  /** The connection was lost after this had been sent: the broker may have delivered it, and not have stored it. */
  readonly again?: boolean;
}

export interface PublishRequest extends Omit<PostRequest, "op" | "to" | "id" | "key"> {
  readonly op: "publish";
  readonly topic: string;
}

export interface TakeRequest {
  readonly op: "take";
  readonly box: string;
  readonly most: number;
  readonly lease?: number | undefined;
  /** Whether to wait for a message if there is none. */
  readonly wait?: boolean;
  /** Only messages of this rank. */
  readonly rank?: number | undefined;
}

/** A delivery: the position of its message, and its token. */
export type Claim = readonly [position: number, token: number];

/** `return`: it never reached the program. `again`: the connection was lost after this had been sent. */
export interface SettleRequest {
  readonly op: "settle";
  readonly how: "ack" | "nack" | "reject" | "extend" | "return";
  readonly claims: readonly Claim[];
  readonly delay?: number | undefined;
  readonly reason?: string | undefined;
  readonly lease?: number | undefined;
  readonly again?: boolean;
}

/** Takes a `take` back that waits. */
export interface CancelRequest {
  readonly op: "cancel";
  readonly wait: number;
}

export interface ConfigureRequest {
  readonly op: "configure";
  readonly box: string;
  readonly settings: Partial<BoxSettings>;
}

export interface SubscribeRequest {
  readonly op: "subscribe" | "unsubscribe";
  readonly box: string;
  readonly pattern: string;
}

export interface ListRequest {
  readonly op: "list";
  readonly box?: string | undefined;
  readonly state?: number | undefined;
  readonly after: number;
  readonly most: number;
}

export interface RequeueRequest {
  readonly op: "requeue";
  readonly box: string;
  readonly positions?: readonly number[] | undefined;
}

export interface PurgeRequest {
  readonly op: "purge";
  readonly box: string;
  readonly what: "waiting" | "dead" | "box";
}

export interface StatusRequest {
  readonly op: "status";
  readonly box?: string | undefined;
}

export type Request =
  | Hello
  | PostRequest
  | PublishRequest
  | TakeRequest
  | SettleRequest
  | CancelRequest
  | ConfigureRequest
  | SubscribeRequest
  | ListRequest
  | RequeueRequest
  | PurgeRequest
  | StatusRequest;

/** What a client sends. */
export interface RequestFrame {
  readonly requests: readonly (Request & { readonly tag: number })[];
  /** The number of the first post whose answer has not come yet. */
  readonly unanswered: number;
}

/** A message as the broker sends it. */
export interface WireMessage {
  readonly box: string;
  readonly id: string;
  readonly position: number;
  readonly body: string;
  readonly json: boolean;
  readonly from: { readonly name: string; readonly pid?: number | undefined; readonly uid: number };
  readonly rank: number;
  readonly key?: string | undefined;
  readonly posted: number;
  readonly topic?: string | undefined;
  readonly attempt: number;
  /** The number of the delivery; not there in lists. */
  readonly token?: number;
  readonly state?: number;
  readonly reason?: string | undefined;
}

/** An error as it goes over the wire. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly box?: string;
  readonly position?: number;
  readonly path?: string;
  readonly argument?: string;
}

export interface Answer {
  readonly tag: number;
  readonly value?: unknown;
  readonly refusal?: Refusal;
}

/** What the broker tells without being asked. */
export interface Notice {
  readonly notice: "full";
  readonly box: string;
}

/** What the broker sends. */
export interface AnswerFrame {
  readonly answers: readonly Answer[];
  /** The messages in it are not stored yet. The next frame without this says that they are; if there is none, they may not be. */
  readonly early?: true;
  readonly notices?: readonly Notice[];
}

export interface HelloAnswer {
  readonly pid: number;
  readonly epoch: number;
  readonly path: string | undefined;
  readonly maxMessageBytes: number;
}

export interface PostAnswer {
  readonly id: string;
  readonly position: number;
  readonly readers: "waiting" | "seen" | "never";
  readonly duplicate: boolean;
}

export interface PublishAnswer {
  readonly boxes: number;
  readonly full: readonly string[];
}
