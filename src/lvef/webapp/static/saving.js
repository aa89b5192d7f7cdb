// Sends corrections to the server: one request at a time, the latest wins, and nothing is lost when the page is left.

const KEEPALIVE_BYTES = 60000;
const RETRY_MS = [1000, 3000, 8000];

/** Sends edits of one item.
 *
 * `hooks`: `onSaved(detail, tag, isMore)`; `onConflict(detail, error)` where another tab changed the correction;
 * `onRejected(error)` where nothing can be measured from it; `onFailed(error, isRetried)` where the server is not reached;
 * `onPreview(result)`; `onPreviewError(error)`.
 */
export class Saver {
  constructor(api, id, revision, hooks, sleep = (ms) => new Promise((done) => setTimeout(done, ms))) {
    Object.assign(this, { api, id, revision, hooks, sleep });
    this.next = null; // waits for the request in flight
    this.sent = null; // in flight
    this.draft = null; // preview that waits
    this.isPreviewing = false;
    this.turn = 0;
    this.closed = false;
  }

  /** Stores `{edit, history}`; resolves when nothing is left to send. `onSaved` gets `tag` back. */
  put(body, tag = null) {
    this.next = { body, tag };
    this.turn += 1;
    if (this.isLeaving) return Promise.resolve();
    this.running ??= this.#run().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  /** Resolves when nothing is left to send. */
  settle() {
    return this.running ?? Promise.resolve();
  }

  get isDirty() {
    return this.next !== null || this.sent !== null;
  }

  async #run() {
    while (this.next && !this.closed) {
      this.sent = this.next;
      this.next = null;
      try {
        const { body, tag } = this.sent,
          detail = await this.#send(body);
        this.revision = detail.revision;
        [this.sent, this.failed] = [null, null];
        if (!this.closed) this.hooks.onSaved(detail, tag, this.next !== null);
      } catch (error) {
        this.#fail(error);
      }
    }
  }

  async #send(body) {
    for (let i = 0; ; i++) {
      try {
        return await this.api.putEdit(this.id, { revision: this.revision, ...body });
      } catch (error) {
        if (!error.isOffline || i >= RETRY_MS.length || this.closed) throw error;
        this.hooks.onFailed(error, true);
        await this.sleep(RETRY_MS[i]);
      }
    }
  }

  #fail(error) {
    const rejected = this.sent;
    this.sent = null;
    if (this.closed) return;
    if (error.status === 409 && error.body?.detail) {
      this.next = null;
      this.revision = error.body.detail.revision;
      this.hooks.onConflict(error.body.detail, error);
    } else if (error.status === 422) {
      // A later edit may be sound: it is tried before anything is put back.
      if (!this.next) this.hooks.onRejected(error);
    } else {
      // Kept for `flush` and the next change.
      this.failed = this.next ?? rejected;
      this.next = null;
      this.hooks.onFailed(error, false);
    }
  }

  /** The EF of an edit that is not stored. One request in flight; of those that wait, the latest is sent. */
  preview(edit) {
    this.draft = { edit, turn: this.turn };
    if (!this.isPreviewing) this.#preview();
  }

  /** Forgets previews that were not answered. */
  endPreview() {
    this.draft = null;
    this.turn += 1;
  }

  async #preview() {
    this.isPreviewing = true;
    while (this.draft && !this.closed) {
      const { edit, turn } = this.draft;
      this.draft = null;
      try {
        const result = await this.api.preview(this.id, edit);
        if (turn === this.turn) this.hooks.onPreview(result);
      } catch (error) {
        if (turn === this.turn && error.status === 422) this.hooks.onPreviewError(error);
      }
    }
    this.isPreviewing = false;
  }

  /** Sends what is not stored while the page is left; `fit(body, bytes)` makes it small enough for a keepalive request. */
  async flush(address, fit) {
    const { body } = this.next ?? this.sent ?? this.failed ?? {};
    this.isLeaving = false;
    if (!body) return;
    [this.next, this.failed] = [null, null];
    const text = JSON.stringify({ revision: this.revision, ...fit(body, KEEPALIVE_BYTES) });
    const headers = { "Content-Type": "application/json" };
    try {
      const reply = await fetch(address, {
        method: "PUT",
        keepalive: true,
        credentials: "same-origin",
        headers,
        body: text,
      });
      // Where the page comes back from the browser's memory, it goes on from here.
      if (reply.ok) this.revision = (await reply.json()).revision;
    } catch {
      // The page is gone, or the server: the next visit shows what was stored before.
    }
  }

  /** What is given to `put` from now on waits for `flush`. */
  leave() {
    this.isLeaving = true;
  }

  /** Ends; replies that still come are ignored. */
  close() {
    this.closed = true;
    this.draft = null;
  }
}
