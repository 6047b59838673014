// Sends one beacon. `fetch` with `keepalive` comes first: it can read a 429, and some filter lists block
// every cross-site `sendBeacon`. The body is `text/plain`, which needs no preflight.

/** What became of a beacon, as far as the browser can tell. */
export type Outcome =
  /** The server has it, or will never want it. */
  | "done"
  /** It may not have arrived. */
  | "failed";

let stoppedUntil = 0;

/** Whether the server asked for silence. */
export const stopped = (): boolean => Date.now() < stoppedUntil;

const leaving = (): boolean => document.visibilityState === "hidden";

/** Sends `body` and says what became of it; never throws. */
export const send = async (endpoint: string, body: string, lastTry: boolean): Promise<Outcome> => {
  try {
    const options: RequestInit = { method: "POST", body, keepalive: true, credentials: "omit", mode: "cors" };
    const { status, headers } = await fetch(endpoint, options);
    if (status === 429) {
      // Without a time (or where it is not exposed to us): silence until the page is left.
      stoppedUntil = Date.now() + 1000 * (Number(headers.get("retry-after")) || Infinity);
    }
    return status < 500 ? "done" : "failed";
  } catch {
    // Offline, blocked, over the quota, or an answer that we may not read. A beacon needs no answer; what
    // arrives twice counts once. It cannot tell whether it arrived, so it is the last resort.
    if (!lastTry && !leaving()) return "failed";
    return navigator.sendBeacon?.(endpoint, body) ? "done" : "failed";
  }
};
