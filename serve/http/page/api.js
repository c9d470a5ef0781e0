/** Client of the server's HTTP API. */

const TRIES = 4;
const MAX_WAIT = 30;
const KEY = "zoo-api-key";

/** A response other than 2xx, or none (`status` 0), with a human-readable message. */
export class ServerError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** API key sent with requests; kept until the tab is closed. */
export const apiKey = {
  get: () => sessionStorage.getItem(KEY),
  set: (key) => sessionStorage.setItem(KEY, key),
  forget: () => sessionStorage.removeItem(KEY),
};

/** URL of an endpoint, also behind a proxy that adds a path prefix. */
export function endpoint(path, parameters = {}) {
  const url = new URL(path, document.baseURI);
  url.search = new URLSearchParams(parameters);
  return url;
}

/** Served models, the default one first. */
export const getModels = () => request(endpoint("models"), {});

/** Sample image from the server. */
export async function getSample(name) {
  const response = await send(endpoint(`page/samples/${name}`), {});
  if (!response.ok) throw await errorOf(response);
  const blob = await response.blob();
  return new File([blob], name, { type: blob.type });
}

/** Send an image unchanged; `onWait(seconds)` is called before each retry of a busy server. */
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
    throw new ServerError(0, "Cannot reach the server, or it closed the connection; the image may be too large.");
  }
}

async function errorOf(response) {
  const answer = await response.json().catch(() => ({}));
  const message = answer.error?.message ?? `the server responded with ${response.status} ${response.statusText}`;
  return new ServerError(response.status, message);
}

/** Value of `Retry-After` in seconds; the header is a number or a date (RFC 9110, section 10.2.3). */
function retryAfter(response) {
  const text = response.headers.get("Retry-After") ?? "1";
  const seconds = Number.isNaN(Number(text)) ? (Date.parse(text) - Date.now()) / 1000 : Number(text);
  return Math.min(Math.max(seconds || 1, 0.1), MAX_WAIT);
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
