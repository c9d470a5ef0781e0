/** Work that the user may replace by other work before it ends. */

export class Task {
  /**
   * @param {(error: Error) => void} onError called if the current work fails.
   * @param {Element} place element that is busy meanwhile.
   */
  constructor(onError, place) {
    this.onError = onError;
    this.place = place;
    this.controller = null;
  }

  /** Start work, which gets a signal, and abort work that is still running; returns whether it ended without error. */
  async run(work) {
    this.abort();
    const own = new AbortController();
    this.controller = own;
    this.place.ariaBusy = "true";
    try {
      await work(own.signal);
      return !own.signal.aborted;
    } catch (error) {
      if (!own.signal.aborted) this.onError(error);
      return false;
    } finally {
      own.abort(); // requests still running after a failure
      if (this.controller === own) this.place.ariaBusy = "false";
    }
  }

  abort() {
    this.controller?.abort();
  }
}

/** Call an asynchronous function for each item, for at most `limit` of them at once, in order. */
export async function forEach(items, limit, work) {
  const left = items.values();
  const worker = async () => {
    for (const item of left) await work(item);
  };
  await Promise.all(Array.from({ length: limit }, worker));
}
