// The frames of a clip: one binary pack read as a stream, JPEGs decoded when they are needed, few bitmaps kept.

const MOST_BITMAPS = 150;
const HEAD = 8;

/** Loads a pack and gives its frames as bitmaps. `onFrame(index)` follows each frame that can be drawn. */
export class Frames {
  constructor(onFrame, most = MOST_BITMAPS) {
    this.onFrame = onFrame;
    this.most = most;
    this.count = 0;
    this.blobs = [];
    this.bitmaps = new Map();
    this.decoding = new Map();
    this.closed = false;
    this.abort = new AbortController();
  }

  /** Reads the pack to its end; rejects with an Error where it is no pack or breaks off. */
  async load(address) {
    const response = await fetch(address, { signal: this.abort.signal, credentials: "same-origin" });
    if (!response.ok) throw Object.assign(new Error(`status ${response.status}`), { status: response.status });
    const reader = response.body.getReader();
    let data = new Uint8Array(1 << 16),
      filled = 0,
      ends = null;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (filled + value.length > data.length) {
        const larger = new Uint8Array(Math.max(2 * data.length, filled + value.length));
        larger.set(data.subarray(0, filled));
        data = larger;
      }
      data.set(value, filled);
      filled += value.length;
      ends ??= this.#readHead(data, filled);
      if (ends) this.#take(data, filled, ends);
    }
    if (!ends || this.blobs.length < this.count) throw new Error("the frames broke off");
  }

  #readHead(data, filled) {
    if (filled < HEAD) return null;
    const view = new DataView(data.buffer),
      count = view.getUint32(4, true);
    if (String.fromCharCode(...data.subarray(0, 4)) !== "LVEF") throw new Error("these are no frames");
    if (filled < HEAD + 4 * count) return null;
    let at = HEAD + 4 * count;
    this.count = count;
    return [at, ...Array.from({ length: count }, (_, i) => (at += view.getUint32(HEAD + 4 * i, true)))];
  }

  #take(data, filled, ends) {
    while (this.blobs.length < this.count && ends[this.blobs.length + 1] <= filled) {
      const i = this.blobs.length;
      this.blobs.push(new Blob([data.slice(ends[i], ends[i + 1])], { type: "image/jpeg" }));
      if (i === 0 || this.wanted === i) this.want(i);
    }
  }

  /** Whether a frame has arrived. */
  has(index) {
    return index < this.blobs.length;
  }

  /** The bitmap of a frame where it is decoded, else null; then it is decoded and `onFrame` follows. */
  get(index) {
    const bitmap = this.bitmaps.get(index);
    if (!bitmap) {
      this.wanted = index;
      this.want(index);
      return null;
    }
    // The most recently used is the last of the map.
    this.bitmaps.delete(index);
    this.bitmaps.set(index, bitmap);
    return bitmap;
  }

  /** Decodes frames ahead of their use. */
  prefetch(indices) {
    for (const index of indices) if (!this.bitmaps.has(index)) this.want(index);
  }

  /** Keeps these frames whatever is shown meanwhile. */
  pin(indices) {
    this.pinned = new Set(indices);
  }

  async want(index) {
    if (this.closed || !this.has(index) || this.decoding.has(index) || this.bitmaps.has(index)) return;
    this.decoding.set(index, true);
    try {
      const bitmap = await createImageBitmap(this.blobs[index]);
      if (this.closed) {
        bitmap.close();
        return;
      }
      this.bitmaps.set(index, bitmap);
      this.#drop();
      this.onFrame(index);
    } catch {
      // A broken JPEG leaves its frame black; the others are shown.
    } finally {
      this.decoding.delete(index);
    }
  }

  #drop() {
    for (const [index, bitmap] of this.bitmaps) {
      if (this.bitmaps.size <= this.most) return;
      if (this.pinned?.has(index)) continue;
      this.bitmaps.delete(index);
      bitmap.close();
    }
  }

  /** Stops the transfer and frees all bitmaps. */
  close() {
    this.closed = true;
    this.abort.abort();
    for (const bitmap of this.bitmaps.values()) bitmap.close();
    this.bitmaps.clear();
    this.blobs = [];
  }
}
