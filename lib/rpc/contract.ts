import type { StandardSchemaV1 } from "@standard-schema/spec";
import { standardOf } from "../codec/schema.js";
import { InvalidArgumentError } from "../errors.js";

/*
 * A contract: which methods a service has, and of which types. Both sides import it. Types come from schemas, which also check what
 * arrives, or from an interface of functions, which checks nothing at run time.
 */

/** A value as the sender gives it and as the receiver gets it. A schema may turn one into the other. */
export interface Flow<Given = unknown, Got = Given> {
  readonly given: Given;
  readonly got: Got;
}

export type MethodKind = "request" | "stream" | "notification";

// biome-ignore lint/suspicious/noExplicitAny: a bound that each Flow fulfils, whose types stand on both sides of functions.
type AnyFlow = Flow<any, any>;

/** One method of a contract. */
export interface Method<
  Kind extends MethodKind = MethodKind,
  Params extends AnyFlow = AnyFlow,
  Result extends AnyFlow = AnyFlow,
  Progress extends AnyFlow = AnyFlow,
  Input extends AnyFlow = AnyFlow,
> {
  readonly kind: Kind;
  /** For the compiler only; never there. */
  readonly types?: {
    readonly params: Params;
    readonly result: Result;
    readonly progress: Progress;
    readonly input: Input;
  };
  /** What checks each of them where it arrives. */
  readonly params: StandardSchemaV1.Props | undefined;
  /** The result of a request, or an item of a stream. */
  readonly result: StandardSchemaV1.Props | undefined;
  readonly progress: StandardSchemaV1.Props | undefined;
  readonly input: StandardSchemaV1.Props | undefined;
  readonly idempotent?: boolean | undefined;
}

export type Methods = Readonly<Record<string, Method>>;

/** The methods of a service, made by `contract`. */
export interface Contract<M extends Methods = Methods> {
  /** The name that the service listens under, unless `serve` and `open` say otherwise. */
  readonly name: string;
  readonly methods: M;
  /** Whether the methods are checked by schemas. Without, only streams and notifications are known by name. */
  readonly checked: boolean;
}

type FlowOf<S> = S extends StandardSchemaV1
  ? Flow<StandardSchemaV1.InferInput<S>, StandardSchemaV1.InferOutput<S>>
  : Flow<undefined>;

type OptionalSchema = StandardSchemaV1 | undefined;

/** What a call may carry besides parameters and result. */
export interface MoreOf<Progress extends OptionalSchema, Input extends OptionalSchema> {
  /**
   * Whether the method may run twice for one call. A client that reconnects then repeats a call whose answer was lost: three times at
   * most, and no more than one call in ten. Default false.
   */
  readonly idempotent?: boolean | undefined;
  /** What the handler reports while it works, by `call.progress(…)`. */
  readonly progress?: Progress;
  /** The items that the caller streams to the handler, as `call.input`. */
  readonly input?: Input;
}

/** A method that is answered. Without a schema there are no parameters, or no result. */
export function request<
  const Params extends OptionalSchema = undefined,
  const Result extends OptionalSchema = undefined,
  const Progress extends OptionalSchema = undefined,
  const Input extends OptionalSchema = undefined,
>(
  params?: Params,
  result?: Result,
  more: MoreOf<Progress, Input> = {},
): Method<"request", FlowOf<Params>, FlowOf<Result>, FlowOf<Progress>, FlowOf<Input>> {
  const made = method<Method>("request", params, result, more.progress, more.input);
  return { ...made, idempotent: more.idempotent } as never;
}

/** A method that is answered with items, one after the other. `item` is the schema of one. */
export function stream<
  const Params extends OptionalSchema = undefined,
  const Item extends OptionalSchema = undefined,
  const Progress extends OptionalSchema = undefined,
  const Input extends OptionalSchema = undefined,
>(
  params?: Params,
  item?: Item,
  more: MoreOf<Progress, Input> = {},
): Method<"stream", FlowOf<Params>, FlowOf<Item>, FlowOf<Progress>, FlowOf<Input>> {
  return method("stream", params, item, more.progress, more.input);
}

/** A method that is not answered. */
export function notification<const Params extends OptionalSchema = undefined>(
  params?: Params,
): Method<"notification", FlowOf<Params>, Flow<undefined>, Flow<never>, Flow<never>> {
  return method("notification", params, undefined, undefined, undefined);
}

/** Of what a method does not have. A peer that gives something all the same gives it in vain. */
const NOTHING: StandardSchemaV1.Props = {
  version: 1,
  vendor: "ringbell",
  validate: () => ({ value: undefined }),
};

/** `M`: the types, which schemas say only to the compiler. */
function method<M extends Method>(
  kind: MethodKind,
  params: OptionalSchema,
  result: OptionalSchema,
  progress: OptionalSchema,
  input: OptionalSchema,
): M {
  const standard = (schema: OptionalSchema, what: string) =>
    schema === undefined ? NOTHING : standardOf(schema, `the schema of the ${what}`);
  return {
    kind,
    params: standard(params, "parameters"),
    result: standard(result, kind === "stream" ? "items" : "result"),
    progress: standard(progress, "progress"),
    input: standard(input, "input"),
  } as M;
}

// biome-ignore lint/suspicious/noExplicitAny: a bound that each function fulfils.
type AnyFunction = (...args: any[]) => unknown;

/** The method that an interface's function stands for: a stream if it returns an async iterable, a notification if it returns void. */
type MethodOf<F> = F extends (...args: infer Args) => infer Result
  ? {
      readonly stream: Method<"stream", Flow<ParamsOf<Args>>, Flow<ItemOf<Result>>, Flow, Flow>;
      readonly notification: Method<
        "notification",
        Flow<ParamsOf<Args>>,
        Flow<undefined>,
        Flow<never>,
        Flow<never>
      >;
      readonly request: Method<"request", Flow<ParamsOf<Args>>, Flow<Awaited<Result>>, Flow, Flow>;
    }[KindOf<Result>]
  : never;

/** In brackets, so that a union such as boolean is one result. `any` and `never` fit everything, and are results. */
type KindOf<Result> = 0 extends 1 & Result
  ? "request"
  : [Result] extends [never]
    ? "request"
    : [Result] extends [AsyncIterable<unknown>]
      ? "stream"
      : // biome-ignore lint/suspicious/noConfusingVoidType: it is that of a function.
        [Result] extends [void]
        ? "notification"
        : "request";

type ItemOf<Result> = Result extends AsyncIterable<infer Item> ? Item : never;

type ParamsOf<Args extends unknown[]> = Args extends [] ? undefined : Args[0];

export type MethodsOf<Functions> = { readonly [Name in keyof Functions & string]: MethodOf<Functions[Name]> };

/** The kinds of those methods that are no requests. */
export type KindsOf<M> = {
  readonly [Name in keyof M as M[Name] extends Method<"request"> ? never : Name]: M[Name] extends Method<
    infer Kind
  >
    ? Kind
    : never;
};

/** Names that a client has for itself. `then` would make it a promise. */
const RESERVED = ["then", "close", "closed", "health", "port", "state", "on", "off", "constructor", "toJSON"];

/**
 * Makes a contract of methods with schemas of any library that follows Standard Schema:
 * `contract("tools", { search: request(z.object({ q: z.string() }), z.array(z.string())) })`. What arrives is checked, on both sides.
 *
 * Throws an InvalidArgumentError for a method that has a name of the client's own, or one that begins with `rpc.`, which JSON-RPC
 * keeps for itself.
 */
export function contract<const M extends Methods>(name: string, methods: M): Contract<M>;
/**
 * Makes a contract of the functions of an interface. Nothing is checked at run time, so the methods that are no requests are named:
 * `contract<Tools>("tools", { tail: "stream", log: "notification" })`.
 */
export function contract<Functions extends { readonly [Name in keyof Functions]: AnyFunction }>(
  name: string,
  ...kinds: keyof KindsOf<MethodsOf<Functions>> extends never ? [] : [KindsOf<MethodsOf<Functions>>]
): Contract<MethodsOf<Functions>>;
export function contract(name: string, given: Readonly<Record<string, Method | MethodKind>> = {}): Contract {
  if (typeof name !== "string" || name === "") throw new InvalidArgumentError("name", "a name", name);
  const methods: Record<string, Method> = Object.create(null);
  let checked = false;
  for (const [key, value] of Object.entries(given)) {
    if (RESERVED.includes(key) || key.startsWith("rpc.")) {
      throw new InvalidArgumentError("the name of a method", `none of ${RESERVED.join(", ")}, rpc.*`, key);
    }
    if (typeof value === "object") checked = true;
    methods[key] = typeof value === "object" ? value : unchecked(value);
  }
  return { name, methods, checked };
}

/** A method of a contract of types. */
function unchecked(kind: MethodKind): Method {
  return { kind, params: undefined, result: undefined, progress: undefined, input: undefined };
}

/** Any method that a contract of types does not name. */
export const UNCHECKED_REQUEST: Method = unchecked("request");
