// How a window gets its token: from the ticket of its link, or from before a reload.

/** A window inside of another one shares its storage, so it keeps nothing there. */
export const isInside = window.parent !== window;

const KEY = "ringbell-demo";

/**
 * Returns the token and the id of this window; undefined if the link was used, or there is none. The ticket is taken out of the address
 * before anything else: neither the history nor a look over the shoulder shall have it.
 */
export async function enter() {
  const ticket = location.hash.slice(1);
  if (ticket !== "") history.replaceState(null, "", location.pathname);
  const kept = isInside ? null : sessionStorage.getItem(KEY);
  if (ticket === "") return kept === null ? undefined : JSON.parse(kept);
  const answer = await fetch("/token", { method: "POST", body: JSON.stringify({ ticket }) });
  // A link that was opened twice in the same tab: the first time counts.
  if (!answer.ok) return kept === null ? undefined : JSON.parse(kept);
  const { token } = await answer.json();
  const entry = { token, client: crypto.randomUUID() };
  if (!isInside) sessionStorage.setItem(KEY, JSON.stringify(entry));
  return entry;
}

/** The address of another window. It holds a ticket, which is good once. */
export async function linkFor(role, token) {
  const answer = await fetch("/ticket", {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: JSON.stringify({ role }),
  });
  if (!answer.ok) throw new Error("the agent gives no link to this window");
  return `${location.origin}/#${(await answer.json()).ticket}`;
}
