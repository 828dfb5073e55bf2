/** The part of a WebSocket that is used, of a browser, of Node, or of a package. */
export interface Socket {
  readonly readyState: number;
  binaryType: string;
  send(text: string): void;
  close(): void;
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number }) => void) | null;
  onerror: (() => void) | null;
}

export type SocketClass = new (url: string, protocols: string[]) => unknown;

export function webSocketOf(
  given: SocketClass | undefined,
): new (
  url: string,
  protocols: string[],
) => Socket {
  const found = given ?? (globalThis as { readonly WebSocket?: SocketClass }).WebSocket;
  if (found === undefined)
    throw new TypeError("there is no WebSocket here; give its class as the option WebSocket");
  return found as never;
}
