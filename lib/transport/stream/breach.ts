/** The peer broke the protocol; the message says how. The code that reads frames throws it; a program never sees it. */
export class Breach extends Error {}
