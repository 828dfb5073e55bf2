/** The peer broke the protocol; the message says how. Thrown by whatever takes apart what the peer sends, never to the program. */
export class Breach extends Error {}
