/** The server's HTTP interface. */

const TRIES = 4;
const LONGEST_WAIT = 30;
const KEY = "zoo-api-key";

/** An answer that is not 2xx, or none at all (`status` 0); the message is for people. */
export class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** The key that requests carry; it is forgotten with the tab. */
export const apiKey = {
  get: () => sessionStorage.getItem(KEY),
  set: (key) => sessionStorage.setItem(KEY, key),
};

/** The URL of an endpoint, also behind a proxy that serves the page under a path. */
export function endpoint(path, parameters = {}) {
  const url = new URL(path, document.baseURI);
  url.search = new URLSearchParams(parameters);
  return url;
}

/** What the server serves, the default model first. */
export const getModels = () => request(endpoint("models"), {});

/** An image that the server has itself. */
export async function getSample(name) {
  const response = await send(endpoint(`page/samples/${name}`), {});
  if (!response.ok) throw await errorOf(response);
  const blob = await response.blob();
  return new File([blob], name, { type: blob.type });
}

/** Send an image as it is; `onWait(seconds)` is called before each wait for a busy server. */
export function postImage(url, image, { signal, onWait }) {
  const body = new FormData();
  body.append("file", image, image.name);
  return request(url, { method: "POST", body, signal }, onWait);
}

async function request(url, init, onWait = () => {}) {
  for (let left = TRIES - 1; ; left--) {
    const response = await send(url, init);
    if (response.ok) return response.json();
    const busy = response.status === 429 || response.status === 503;
    if (!busy || left === 0) throw await errorOf(response);
    const seconds = retryAfter(response);
    onWait(seconds);
    await pause(seconds, init.signal);
  }
}

async function send(url, init) {
  const key = apiKey.get();
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  try {
    return await fetch(url, { ...init, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError(0, "The server cannot be reached, or it cut the connection; is the image very large?");
  }
}

async function errorOf(response) {
  const answer = await response.json().catch(() => ({}));
  const message = answer.error?.message ?? `the server answered ${response.status} ${response.statusText}`;
  return new ServerError(response.status, message);
}

/** Seconds of `Retry-After`, which is a number or a date (RFC 9110, section 10.2.3). */
function retryAfter(response) {
  const text = response.headers.get("Retry-After") ?? "1";
  const seconds = Number.isNaN(Number(text)) ? (Date.parse(text) - Date.now()) / 1000 : Number(text);
  return Math.min(Math.max(seconds || 1, 0.1), LONGEST_WAIT);
}

function pause(seconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
